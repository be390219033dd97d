# The commands of a working day. A Makefile and not a justfile, since a fresh machine has make and would have to install just.
# All tools are those of .venv where there is one (`make setup` makes it), or else those of the environment you are in.

VENV ?= .venv
PYTHON ?= python3
TESTS ?=
PLUGINS = $(wildcard plugins/ganforge-*)
export PATH := $(abspath $(VENV))/bin:$(PATH)

.DEFAULT_GOAL := help
.PHONY: help setup test lint format types docs ci clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## a virtual environment with ganforge, its plugins (all editable) and the tools
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install -e ".[dev,test]" $(addprefix -e ./,$(PLUGINS))

test: ## all tests on two processes; some of them: make test TESTS=tests/api
	pytest $(or $(TESTS),-n 2 --dist worksteal)

lint: ## what ruff has to say
	ruff check .
	ruff format --check .

format: ## let ruff mend what it can
	ruff check --fix .
	ruff format .

types: ## mypy, strict
	mypy

docs: ## write the generated pages anew
	python docs/generate.py

ci: ## all that must hold before a change lands, in a fresh environment (.ci/run)
	.ci/run

clean: ## remove what building and testing left; runs, mlruns and the environment stay
	rm -rf build dist *.egg-info plugins/*/build plugins/*/*.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +
