# `make demo` and `make test` do all their set-up on a fresh machine: a virtual environment in .venv, nothing outside it.
# One test: .venv/bin/pytest tests/test_rng.py -k NAME

PYTHON ?= python3
# The build of PyTorch on Linux. cpu: 0.2 GB, from PyTorch's own index. cuda: for NVIDIA GPUs, 2.7 GB, from PyPI.
TORCH ?= cpu
IN ?=

comma := ,
BIN := .venv/bin
PIP := $(BIN)/pip install --disable-pip-version-check --quiet -c constraints.txt
CPU_INDEX := https://download.pytorch.org/whl/cpu
CPU_TORCH := $(shell grep '^torch==' constraints.txt)+cpu

.PHONY: demo test test-slow lint types unit clean

demo: .venv/ready
	$(BIN)/python examples/demo.py $(if $(IN),"$(IN)")

test: lint types unit

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: .venv/dev
	$(BIN)/mypy

unit: .venv/dev
	$(BIN)/pytest -m "not slow"

test-slow: .venv/dev
	$(BIN)/pytest -m slow

# The build for CPUs is looked for where pip is set to look, as on a mirror, and then on PyTorch's own index.
.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "unnoise needs Python 3.11 or newer; try make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
ifeq ($(shell uname -s) $(TORCH),Linux cpu)
	$(PIP) '$(CPU_TORCH)' 2>/dev/null || $(PIP) '$(CPU_TORCH)' --extra-index-url $(CPU_INDEX)
endif
	$(PIP) --editable '.[demo$(if $(filter cuda,$(TORCH)),$(comma)cuda)]'
	touch $@

.venv/dev: .venv/ready
	$(PIP) --editable '.[dev]'
	touch $@

clean:
	rm -rf .venv demo dist
