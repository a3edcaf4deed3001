"""The tests, in the order they run: fast, surface, stores, web, browser."""
