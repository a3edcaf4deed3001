# Everything runs in .venv, which these targets build themselves. PYTHON= names the Python to build it with.
SHELL := /bin/sh
.DEFAULT_GOAL := help
BIN := .venv/bin
PORT ?= 8000
STORE ?=
WORKERS ?= 2
SCALE ?=
DOCS_PORT ?= 8001

.PHONY: help demo test test-fast check format bench bench-scale conformance grid servers torture torture-rivals docs docs-serve build clean env

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

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

bench-scale: env ## fill each store with millions of sessions and measure (SCALE="--stores sqlite --sessions 100000")
	@$(BIN)/python -m bench.scale $(SCALE)

conformance: env ## run the conformance suite over every store and write the table in docs/reference/stores.md
	@$(BIN)/python scripts/conformance.py

grid: env ## run every scenario over every framework and store, and over rivals; writes docs/scenarios.md
	@$(BIN)/python scripts/grid.py $(if $(STORE),--store '$(STORE)')

servers: env ## fetch Valkey 8 and 9 and PostgreSQL 18 into .cache/servers, for the tests (installs nothing)
	@$(BIN)/python scripts/servers.py

torture: env ## drive a store with everything at once and judge every promise (TORTURE="--store redis --faults all")
	@$(BIN)/python -m torture run $(TORTURE)

torture-rivals: env ## run other session libraries through the torture; builds .venv-rivals (ROUNDS=20)
	@cmp -s torture/rivals/requirements.txt .venv-rivals/built || { \
		echo "Building the rivals' own environment in .venv-rivals ..."; \
		$(BIN)/python -m venv .venv-rivals && echo '*' > .venv-rivals/.gitignore && \
		.venv-rivals/bin/python -m pip install -q --disable-pip-version-check -r torture/rivals/requirements.txt && \
		cp torture/rivals/requirements.txt .venv-rivals/built; }
	@$(BIN)/python -m torture.rivals $(if $(ROUNDS),--rounds $(ROUNDS))

docs: env ## build the documentation site into site/; anything wrong with it fails
	@$(BIN)/python scripts/docs.py

docs-serve: env ## build it and serve it at http://localhost:8001 (DOCS_PORT=8001)
	@$(BIN)/python scripts/docs.py --serve --port $(DOCS_PORT)

build: env ## build the wheel and the source archive into dist/
	@$(BIN)/python -m build

clean: ## remove the environment, caches and what was built
	rm -rf .venv .venv-rivals .cache build dist site .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

env:
	@scripts/ensure-env test
