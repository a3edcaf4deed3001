"""Real servers with several worker processes on one SQLite file."""
