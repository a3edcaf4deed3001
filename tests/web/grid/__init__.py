"""The grid: every scenario of `tests.web.scenarios` over every framework and every store."""
