"""Other session libraries in the same torture: real middleware, cookie jars, overlapping requests, one judge."""
