"""Servers that are killed while witnesses work on them, and the count of what was acknowledged, kept and lost."""
