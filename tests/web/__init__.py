"""Adapters: HTTP scenarios, cookies, caches, the demo in process."""
