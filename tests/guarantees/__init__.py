"""The guarantees, cell by cell, on real servers that are really killed."""
