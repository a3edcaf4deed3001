# Everything runs in .venv, which these targets build themselves. PYTHON= names the Python to build it with.
SHELL := /bin/sh
.DEFAULT_GOAL := help
BIN := .venv/bin
PORT ?= 8000
STORE ?=
WORKERS ?= 2

.PHONY: help demo test test-fast check format bench build clean env

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## serve the demo at http://localhost:8000 (PORT=8000, STORE=sqlite:///... or redis://... or postgresql://...)
	@scripts/ensure-env demo
	@exec $(BIN)/coatcheck demo --port $(PORT) $(if $(STORE),--store '$(STORE)')

test: env ## run every test, and list at the end what could not run here
	@$(BIN)/python scripts/run_tests.py --workers $(WORKERS)

test-fast: env ## run the tests that need no server, in under a minute
	@$(BIN)/python -m pytest -q -n $(WORKERS) tests/fast tests/surface

check: env ## ruff, the formatter, mypy --strict, pyright
	@status=0; \
	for step in "ruff check ." "ruff format --check ." "mypy" "pyright --pythonpath $(BIN)/python"; do \
		echo "--- $$step"; $(BIN)/$$step || status=1; \
	done; exit $$status

format: env ## let ruff format and mend what it safely can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: env ## measure side by side with rivals; prints a table and writes bench/results.json
	@$(BIN)/python -m bench

build: env ## build the wheel and the source archive into dist/
	@$(BIN)/python -m build

clean: ## remove the environment, caches and what was built
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

env:
	@scripts/ensure-env test
