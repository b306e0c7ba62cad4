# Every target does its own set-up; a second run finds nothing to do.
#   PYTHON=…  interpreter to build the environment with     VENV=…  where to build it
#   ARGS=…    passed on to the program of the target, as in: make test ARGS="-k queue"
#   WORKERS=… processes that run the tests; they mostly wait, so a few more than cores

VENV ?= .venv
ARGS ?=
WORKERS ?= 3
export PYTHON

BIN := $(VENV)/bin
LOCKS := packaging/requirements.lock packaging/requirements-dev.lock
RUNTIME := $(VENV)/.runtime
DEV := $(VENV)/.dev

.DEFAULT_GOAL := help
.PHONY: help demo test test-system check bench lock wheelhouse clean redis host chromium

help: ## Say what can be made.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(RUNTIME) ## Two accounts rebalanced by the real daemons on a simulated gateway.
	@$(BIN)/rebalancer demo $(ARGS)

test: $(DEV) redis chromium ## All tests.
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

test-system: $(DEV) host chromium ## Tests on hosts that are really booted; takes root.
	@$(BIN)/python -m pytest tests/system $(ARGS)

check: $(DEV) ## Format, lint, types, dependency rules, dead code, playbooks.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/vulture
	cd ansible && $(abspath $(BIN))/ansible-lint -q

bench: $(DEV) redis ## Measure; the figures are explained in docs/reference/benchmarks.md.
	@set -e; for bench in tests/bench/bench_*.py; do \
	    name=$${bench##*/}; echo "== $$bench"; \
	    $(BIN)/python -m "tests.bench.$${name%.py}" $(ARGS); done

lock: $(DEV) ## Bring the locks up to date with pyproject.toml; UPGRADE=1 takes new versions.
	$(BIN)/python packaging/lock.py $(if $(UPGRADE),--upgrade)

wheelhouse: $(DEV) ## All a host needs to install it; ARGS="--python 3.13" for its Python.
	@$(BIN)/python packaging/wheelhouse.py $(ARGS)

clean: ## Remove everything that make has made.
	rm -rf $(VENV) build dist .cache .hypothesis .import_linter_cache .mypy_cache \
	    .pytest_cache .ruff_cache
	find rebalancer tests -name __pycache__ -prune -exec rm -rf {} +

redis:
	@packaging/need.sh redis-server redis-server 'tests that need one'

chromium:
	@packaging/need.sh chromium chromium 'tests in a browser'

host:
	@packaging/need-host.sh

# The development lock holds everything the runtime lock does, so it serves both.
$(DEV): $(LOCKS) pyproject.toml packaging/bootstrap.sh
	@packaging/bootstrap.sh $(VENV) packaging/requirements-dev.lock
	@touch $(RUNTIME) $@

$(RUNTIME): packaging/requirements.lock pyproject.toml packaging/bootstrap.sh
	@packaging/bootstrap.sh $(VENV) packaging/requirements.lock
	@touch $@
