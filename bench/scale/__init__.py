"""Scale: millions of sessions in each store, and what they cost in bytes and in time. Measures and never asserts."""
