"""The only place that orders I/O: each verb's reads, decision, write, and then its events, in that order."""
