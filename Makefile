# `make demo` and `make test` do all their set-up on a fresh machine: a virtual environment in .venv, nothing outside it.

PYTHON ?= python3
BIN := .venv/bin
IN ?=

.PHONY: demo test test-slow lint types unit clean

demo: .venv/ready
	$(BIN)/python examples/demo.py $(if $(IN),"$(IN)")

test: lint types unit

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: .venv/ready
	$(BIN)/mypy

unit: .venv/ready
	$(BIN)/pytest -m "not slow"

test-slow: .venv/ready
	$(BIN)/pytest -m slow

# Plain `pip install` would take a CUDA build of several gigabytes: the constraints pin one that is fine on a CPU.
.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "unnoise needs Python 3.11 or newer; try make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt --editable '.[dev]'
	touch $@

clean:
	rm -rf .venv demo dist
