# `make demo` and `make test` do all their set-up on a fresh machine: a virtual environment in .venv, nothing outside it.
# One test: .venv/bin/pytest tests/test_rng.py -k NAME

PYTHON ?= python3
# PyTorch, which the demo does without, and the tests need. Its build on Linux: cpu, 0.2 GB, from PyTorch's own index; or cuda,
# for NVIDIA GPUs, 2.7 GB, from PyPI. `make demo TORCH=cpu` and `make demo TORCH=cuda` run the demo by PyTorch.
TORCH ?=
IN ?=
# Processes of `make test`.
JOBS ?= 2

comma := ,
BIN := .venv/bin
PIP := $(BIN)/pip install --disable-pip-version-check --quiet
CPU_INDEX := https://download.pytorch.org/whl/cpu
PINNED_TORCH := $(shell grep '^torch==' constraints.txt)
# The time in built files: the last commit's, so that a second build gives the same bytes.
SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 1767225600)

.PHONY: demo test test-slow lint audit types unit docs dist sbom lock clean

demo: .venv/ready $(if $(TORCH),.venv/torch)
	$(BIN)/python examples/demo.py $(if $(IN),"$(IN)")

test: lint types unit

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/python tools/licences.py --check
	$(BIN)/python tools/audit.py

types: .venv/dev
	$(BIN)/mypy

# Test files are spread over $(JOBS) processes.
unit: .venv/dev
	$(BIN)/pytest -m "not slow" -n $(JOBS) --dist loadfile

test-slow: .venv/dev
	$(BIN)/pytest -m slow

# The book, in site/. Warnings are errors. To read it with its search: python3 -m http.server --directory site
docs: .venv/dev
	NO_MKDOCS_2_WARNING=true $(BIN)/mkdocs build --strict

# A wheel and an archive of the sources, in dist/.
dist: .venv/dev
	rm -rf dist
	SOURCE_DATE_EPOCH=$(SOURCE_DATE_EPOCH) $(BIN)/python -m build --no-isolation --outdir dist .

# What the environment consists of, for programs that look for known faults and licences: dist/sbom.cdx.json.
sbom: .venv/dev
	mkdir -p dist
	$(BIN)/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --output-file dist/sbom.cdx.json $(BIN)/python

# After a change of dependencies in pyproject.toml.
lock: .venv/dev
	$(BIN)/python tools/lock.py $(MORE)

# Everything is checked against the hashes of its files. The last command installs unnoise itself.
.venv/ready: pyproject.toml constraints.txt requirements/demo.txt
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "unnoise needs Python 3.11 or newer; try make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(PIP) --require-hashes -r requirements/demo.txt
	$(PIP) -c constraints.txt --no-build-isolation --editable '.[demo]'
	touch $@

# The build for CPUs is looked for where pip is set to look, as on a mirror, and then on PyTorch's own index.
.venv/torch: .venv/ready constraints.txt
ifeq ($(shell uname -s) $(or $(TORCH),cpu),Linux cpu)
	$(PIP) -c constraints.txt '$(PINNED_TORCH)+cpu' 2>/dev/null || $(PIP) -c constraints.txt '$(PINNED_TORCH)+cpu' --extra-index-url $(CPU_INDEX)
else
	$(PIP) -c constraints.txt '$(PINNED_TORCH)'
endif
	touch $@

.venv/dev: .venv/torch requirements/dev.txt
	$(PIP) --require-hashes -r requirements/dev.txt
	$(PIP) -c constraints.txt --no-build-isolation --editable '.[dev]'
	touch $@

clean:
	rm -rf .venv demo dist
