"""Modules as users write them, which type checkers read; `tests/surface/test_typing.py` runs them."""
