# Two commands: `make demo` and `make test`. `make help` lists the others.
PYTHON ?= python3
RUN := .venv/bin/python
# One thread per worker process: the processes fill the cores.
export OMP_NUM_THREADS ?= 1
TESTS ?= tests
SOAKS := $(wildcard benchmarks/soak*.py)
# seed.py and provider_images.py make the data that the others measure on; collection.py has a million rows of its own.
BENCHMARKS := $(filter-out $(SOAKS) benchmarks/seed.py benchmarks/provider_images.py benchmarks/collection.py benchmarks/__init__.py,$(wildcard benchmarks/*.py))
COMPILE = .venv/bin/uv pip compile --quiet --universal --no-emit-index-url --python-version 3.11 --no-annotate --custom-compile-command "make lock"

.PHONY: help setup setup-test demo test fuzz check bench soak lock clean python

help:
	@echo "make demo    set up, start everything with the demo photographs on http://127.0.0.1:8000"
	@echo "make test    set up, run all tests           (make test TESTS='tests/unit -k patch' for some)"
	@echo "make check   style, types, imports, templates"
	@echo "make bench   measure; make soak: hours of load; make fuzz: random examples; make lock: pin newer packages; make clean"

python:
	@command -v $(PYTHON) >/dev/null || { echo "error: $(PYTHON) is missing: install Python 3.11 or newer" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "error: Python 3.11 or newer is needed, and $$($(PYTHON) --version) was found: make PYTHON=python3.11 ..." >&2; exit 1; }

setup: python
	@$(PYTHON) scripts/setup.py

setup-test: python
	@$(PYTHON) scripts/setup.py --weights --browser

demo: setup
	@exec .venv/bin/ggt demo

test: setup-test
	GGT_TEST_WEIGHTS=$(CURDIR)/.cache/weights $(RUN) -m pytest -n 2 --dist loadgroup $(TESTS)

# Property tests with thousands of random examples each. What one finds becomes an @example of its test.
fuzz: setup-test
	HYPOTHESIS_PROFILE=fuzz $(RUN) -m pytest -n 2 --timeout 1800 $(shell grep -rlE '^from hypothesis' tests)

check: setup
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	$(RUN) -m mypy
	.venv/bin/lint-imports
	.venv/bin/djlint templates --lint --quiet
	$(RUN) scripts/check_tree.py

# One after the other: two at once would measure each other. They have data of their own, made by seed.py.
bench: setup
	@$(PYTHON) scripts/setup.py --weights --browser
	@test -f .cache/bench/ggt.sqlite3 || GGT_DATA_DIR=.cache/bench $(RUN) -m benchmarks.seed
	@set -e; for name in $(basename $(notdir $(BENCHMARKS))); do echo "== $$name"; GGT_DATA_DIR=.cache/bench $(RUN) -m benchmarks.$$name; done
	@echo "== collection"; GGT_DATA_DIR=.cache/bench-collection $(RUN) -m benchmarks.collection

soak: setup
	@set -e; for name in $(basename $(notdir $(SOAKS))); do echo "== $$name"; $(RUN) -m benchmarks.$$name; done

# The worker's set first: s3fs decides which fsspec everybody gets.
lock: setup
	$(COMPILE) --upgrade --extra iqa --extra mfm --extra s3 --extra parquet --output-file requirements/worker.txt pyproject.toml
	$(COMPILE) --upgrade --extra iqa --extra mfm --extra parquet --extra dev --constraint requirements/worker.txt --output-file requirements/all.txt pyproject.toml
	$(COMPILE) --upgrade --extra s3 --constraint requirements/worker.txt --output-file requirements/s3.txt pyproject.toml
	$(COMPILE) --upgrade --constraint requirements/worker.txt --output-file requirements/web.txt pyproject.toml

# Environment and caches; data/ holds people's work and stays.
clean:
	rm -rf .venv node_modules static/vendor .cache .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build test-results *.egg-info
