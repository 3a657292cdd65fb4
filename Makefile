# Two commands on a fresh machine: `make demo` and `make test`. Both make .venv and install into it.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test lint types check benchmarks clean

demo: .venv/.installed
	$(BIN)/utal demo -o utal-demo --resume

test: .venv/.installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2

lint: .venv/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/.installed-dev
	$(BIN)/mypy

check: lint types test

benchmarks: .venv/.installed-dev
	for file in benchmarks/*_speed.py; do $(BIN)/python -m benchmarks.$$(basename $$file .py) || exit 1; done

clean:
	rm -rf .venv utal-demo

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "utal needs Python 3.11 or newer; set PYTHON=")'
	$(PYTHON) -m venv .venv

# The constraint keeps pip from pulling gigabytes of CUDA packages with torch.
.venv/.installed: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --disable-pip-version-check -q -c constraints.txt -e '.[video]'
	touch $@

.venv/.installed-dev: .venv/.installed
	$(BIN)/python -m pip install --disable-pip-version-check -q -c constraints.txt -e '.[dev]'
	touch $@
