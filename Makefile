.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
# Compiled at install: Dagster starts in half the time. The machine may forbid it for its own programs.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help demo test test-long test-next check bench lock setup dev api docs sandbox screenshots clean

help: ## This menu
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/installed ## Install everything into .venv

.venv/installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11 …")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(sed -n 's/^\(uv==[^ ]*\).*/\1/p' requirements.lock)"
	$(BIN)/uv pip sync --quiet --require-hashes --compile-bytecode --python $(BIN)/python requirements.lock
	$(BIN)/uv pip install --quiet --no-deps --no-build-isolation --python $(BIN)/python --editable .
	@touch $@

demo: setup ## Show the whole mission in six scenes, on stand-ins (DEMO_EXIT=1: check each and exit)
	@$(BIN)/b2b demo $(if $(DEMO_EXIT),--exit)

test: setup ## Run the tests, but for the long ones
	$(BIN)/python -m pytest -n auto --dist worksteal -m "not long" -p no:schemathesis

test-long: setup ## Run the long ones: hundreds of customers at work, killed processes, guides, the API's schema, a browser, a broker
	$(BIN)/python -m pytest -n auto --dist loadgroup -m long

test-next: setup ## Run the tests on the newest Dagster that resolves, in .venv-next (for a nightly job)
	rm -rf .venv-next && $(PYTHON) -m venv .venv-next
	sed -E 's/"(dagster[a-z0-9-]*)==/"\1>=/' pyproject.toml > .venv-next/pyproject.toml
	$(BIN)/uv pip compile .venv-next/pyproject.toml --extra celery --group .venv-next/pyproject.toml:dev --group .venv-next/pyproject.toml:build \
	  --upgrade --quiet --no-emit-index-url -o .venv-next/requirements.txt
	$(BIN)/uv pip sync --quiet --python .venv-next/bin/python .venv-next/requirements.txt
	$(BIN)/uv pip install --quiet --no-deps --no-build-isolation --python .venv-next/bin/python --editable .
	@grep -E '^dagster' .venv-next/requirements.txt
	.venv-next/bin/python -m pytest -n auto --dist worksteal -m "not long"

check: setup ## Lint, types, import directions, Dagster's definitions, migrations
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@$(MAKE) --no-print-directory docs
	B2B_HOME=$(CURDIR)/.b2b-check $(BIN)/dg check defs
	B2B_HOME=$(CURDIR)/.b2b-check $(BIN)/b2b db upgrade
	B2B_HOME=$(CURDIR)/.b2b-check $(BIN)/b2b db check
	@B2B_HOME=$(CURDIR)/.b2b-check $(BIN)/b2b db stop

bench: setup ## Measure, and print tables
	$(BIN)/python -m benchmarks

dev: setup ## Dagster's UI and daemon on this machine, on the embedded database
	@$(BIN)/b2b dev

api: setup ## The HTTP API on this machine
	@$(BIN)/b2b api

sandbox: setup ## Stand-ins of every vendor, with a page where you are the customer
	@$(BIN)/b2b sandbox

docs: setup ## Build the documentation site into site/, and refuse dead links
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

screenshots: setup ## Take the pictures of the docs, with Chromium
	$(BIN)/python -m benchmarks.screenshots

LOCK := $(BIN)/uv pip compile pyproject.toml --all-extras --group build --python-version 3.11 --universal \
  --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header --quiet

lock: setup ## Pin what pyproject.toml asks for: for this machine, and without what only development needs for images
	$(LOCK) --group dev --group bench -o requirements.lock
	$(LOCK) --constraint requirements.lock -o deploy/requirements.lock
	$(subst pyproject.toml --all-extras --group build,tests/api/generated/requirements.in,$(LOCK)) -o tests/api/generated/requirements.lock

clean: ## Stop the embedded database and remove everything that was installed or kept
	-@test ! -x $(BIN)/b2b || $(BIN)/b2b db stop
	rm -rf .venv .venv-next .b2b .b2b-demo .b2b-check
