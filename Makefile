# A spell of verbs. PYTHON is the interpreter that makes the virtual environment.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help install test coverage fast prefect lint format types contract docs sample bench lock ci

help:  ## Say what there is
	@sed -n 's/^\([a-z]*\): .*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

install:  ## Make .venv with Genesis and the test extra, at the pinned versions
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -c constraints.txt -e '.[test]'

test:  ## Run all tests
	$(BIN)/python -m pytest -q -n 2 --dist worksteal

coverage:  ## Run all tests and measure coverage
	$(BIN)/python -m pytest -q -n 2 --dist worksteal --cov

fast:  ## Run the tests that need no server, browser or model
	$(BIN)/python -m pytest -q -n 2 -m 'not server and not browser and not model'

prefect:  ## Test what is used of Prefect's internals with the oldest version that is allowed
	.ci/test_oldest_prefect

lint:  ## Check style, format and dead code
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/vulture

format:  ## Format the sources
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

types:  ## Check types
	$(BIN)/mypy

contract:  ## Check who imports whom
	$(BIN)/lint-imports

docs:  ## Write the generated parts of the documentation anew
	$(BIN)/python docs/tools/pages.py

sample:  ## Write the README's sample anew, from a real run
	$(BIN)/python docs/tools/sample.py

bench:  ## Run the quick benches that need no server and no data
	$(BIN)/python -m bench.pipeline --quick

lock:  ## Write constraints.txt anew, with the newest versions that pyproject.toml allows; needs uv
	uv pip compile --quiet --upgrade --universal --all-extras --python-version 3.11 --no-annotate \
		--no-emit-package prefect-genesis --custom-compile-command 'make lock' pyproject.toml -o constraints.txt

ci:  ## Run what CI runs, on a fresh virtual environment
	.ci/run
