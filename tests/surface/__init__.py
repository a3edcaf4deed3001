"""The public surface, the shape of the source, and the documentation."""
