# `make demo` sets up and runs the demonstration. `make test` sets up and checks everything.
PYTHON ?= python3
WORKERS ?= 2
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# One thread in each worker: several on a busy machine are slower, not faster.
PYTEST := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MPLBACKEND=Agg \
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup --durations=5
API_TESTS := tests/test_sklearn_api.py
PAGE_TESTS := tests/test_docs.py tests/test_examples.py
# These fork the process that runs them, so it must be one that has started no threads.
FORKING_TESTS := tests/training/test_distributed.py
# Tests that run a second time, on the pretend GPU of tests/gpu: the fast ones that
# compute on the device. Images in a network are in tests/gpu itself, where it is small.
PRETEND_TESTS := tests/training/test_batches.py tests/training/test_inference.py \
	tests/training/test_sample_state.py tests/training/test_sources.py \
	tests/training/test_image_views.py tests/neighbors/test_neighbors.py tests/hallucinators \
	tests/label_model $(addprefix tests/cleaning/test_label_cleaner.py::test_, new_rows_are_scored \
	  trusted_rows_vote_as_they_are_and_measure_the_predictors \
	  probabilities_of_new_rows_against_loops) \
	tests/predictors/test_forest.py::test_a_forest_comes_back_from_a_file \
	$(addprefix tests/persistence/test_round_trip.py::test_, tables images \
	  the_loaded_one_goes_on_working the_hallucinator_makes_the_same_anchors)
# What `make check` runs beside lint: the estimator checks of MixNN alone, and what is fast.
CHECK_TESTS := $(API_TESTS) tests/cleaning/test_bad_input.py tests/cleaning/test_label_cleaner.py \
	tests/functional tests/hallucinators tests/networks tests/persistence tests/selectors \
	tests/test_docstrings.py tests/test_import_direction.py tests/test_metrics.py \
	tests/test_validation.py
# Every warning is an error. The reference is made anew, so that no removed name stays.
SPHINX := rm -rf docs/api/generated && OMP_NUM_THREADS=1 MPLBACKEND=Agg \
	$(BIN)/python -m sphinx -W -q

# What `make test` runs, in this order: part=seconds it may take on two cores.
PARTS := install=240 lint=60 test-api=360 test-rest=440 test-processes=40 test-gpu=60 test-pages=180 test-doc=60 docs-check=60 guard=60

.NOTPARALLEL:
.PHONY: help demo test check install lint test-api test-rest test-processes test-gpu test-pages test-doc docs \
	docs-check guard linkcheck lock audit long format clean support dist

help:
	@echo "make demo      set up .venv, then run nllearn demo (ARGS='...' passes options)"
	@echo "make test      set up .venv, then lint and run the whole test suite"
	@echo "make check     lint, the estimator checks of one classifier and the fast tests; two minutes"
	@echo "make lint      ruff and mypy"
	@echo "make test-api  scikit-learn's estimator checks"
	@echo "make test-rest all other tests"
	@echo "make test-processes  training in several processes"
	@echo "make test-gpu  some tests again, on a pretend GPU"
	@echo "make test-pages  the code on the pages of the documentation, and quick examples"
	@echo "make test-doc  the examples in the docstrings"
	@echo "make docs-check  the documentation without running its examples"
	@echo "make docs      the documentation, docs/_build/html; runs the examples, which takes minutes"
	@echo "make guard     what five fits compute, compared with before; benchmarks/guard.py"
	@echo "make linkcheck the links of the documentation; needs a network"
	@echo "make lock      write down the versions that are installed"
	@echo "make audit     known vulnerabilities of the versions that lock wrote down; needs a network"
	@echo "make long      all tests with the slow ones, and hypothesis with many more examples"
	@echo "make format    let ruff rewrite the sources"
	@echo "make support   nearly all tests with the lowest versions that setup.cfg allows"
	@echo "make dist      build what is released, and try it in an empty environment; needs a network"
	@echo "make clean     remove what builds and tests leave behind, except .venv"

demo: $(VENV)/.installed
	$(BIN)/nllearn demo $(ARGS)

test:
	@table=''; begin=$$(date +%s); \
	for item in $(PARTS); do \
	  part=$${item%%=*}; \
	  printf '\n== %s\n' "$$part"; \
	  start=$$(date +%s); status=0; \
	  $(MAKE) --no-print-directory "$$part" || status=$$?; \
	  seconds=$$(($$(date +%s) - start)); \
	  table="$$table$$(printf '%-10s %5d s, may take %d s' "$$part" "$$seconds" "$${item##*=}")\n"; \
	  if [ $$status -ne 0 ]; then break; fi; \
	done; \
	printf '\n== seconds of each part\n%b%-10s %5d s\n' \
	  "$$table" total $$(($$(date +%s) - begin)); \
	if [ $$status -ne 0 ]; then echo "FAILED: $$part"; exit $$status; fi; \
	echo "all parts passed"

install: $(VENV)/.installed-test

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

check: lint
	$(PYTEST) -k "not (test_scikit_learn_check and AnchorHallucination)" $(CHECK_TESTS)

test-api: $(VENV)/.installed-test
	$(PYTEST) $(API_TESTS)

test-rest: $(VENV)/.installed-test
	$(PYTEST) tests $(patsubst %,--ignore=%,$(API_TESTS) $(PAGE_TESTS) $(FORKING_TESTS))

test-processes: $(VENV)/.installed-test
	$(PYTEST) -n 0 $(FORKING_TESTS)

test-gpu: $(VENV)/.installed-test
	PYTHONPATH=tests/gpu $(PYTEST) -p pretend_plugin -k "not (descent or every_second or affine_maps)" $(PRETEND_TESTS)

test-pages: $(VENV)/.installed-test
	$(PYTEST) $(PAGE_TESTS)

test-doc: $(VENV)/.installed-test
	$(PYTEST) --doctest-modules nllearn

docs: $(VENV)/.installed-test
	$(SPHINX) -b html docs docs/_build/html
	@echo "open docs/_build/html/index.html"

docs-check: $(VENV)/.installed-test
	$(SPHINX) -t quick -b html docs docs/_build/quick

# Counts of operations, not seconds, so that a busy machine changes nothing.
guard: $(VENV)/.installed-test
	OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/python benchmarks/guard.py

linkcheck: $(VENV)/.installed-test
	$(SPHINX) -t quick -b linkcheck docs docs/_build/linkcheck

lock: $(VENV)/.installed-test
	@mkdir -p requirements
	@{ echo "# Versions that the tests passed with: $$($(BIN)/python -V), $$(uname -sm). Made by make lock."; \
	  $(PIP) freeze --exclude-editable; } > requirements/tested-versions.txt

# pip-audit asks the advisory databases on the network; its own environment keeps it from here.
audit:
	$(PYTHON) -m venv --clear build/audit
	build/audit/bin/python -m pip --disable-pip-version-check install --quiet pip-audit
	build/audit/bin/pip-audit --strict --no-deps --disable-pip \
	  --requirement requirements/tested-versions.txt

long: $(VENV)/.installed-test
	$(PYTEST) -m "" --hypothesis-profile=long tests $(FORKING_TESTS:%=--ignore=%)
	$(PYTEST) -n 0 -m "" --hypothesis-profile=long $(FORKING_TESTS)

format: $(VENV)/.installed-test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# SHARE=FOLDER: packages that are not installed here, such as torch, come from this folder of
# another environment. PINS='scikit-learn==1.8.0 ...' tries other versions than the lowest.
SUPPORT := build/support
# Beside what nllearn cannot do without; whoever wants these has the rest too.
SUPPORT_EXTRAS := hypothesis\|pytest\|pytest-xdist\|torchvision\|imbalanced-learn\|narwhals\|polars\|pyarrow\|matplotlib\|pillow
# All that needs no browser, cluster or documentation.
SUPPORT_TESTS ?= tests $(patsubst %,--ignore=%,tests/browser tests/test_cluster.py tests/test_docstrings.py $(PAGE_TESTS) \
	$(FORKING_TESTS))
support:
	$(PYTHON) -m venv --clear $(SUPPORT)
	if [ -n "$(SHARE)" ]; then \
	  echo "$(SHARE)" > $$(echo $(SUPPORT)/lib/python*/site-packages)/shared.pth; fi
	if [ -n "$(PINS)" ]; then printf '%s\n' $(PINS); else \
	  sed -n '/^install_requires/,/^$$/s/^    \([a-z-]*\)>=\([0-9.]*\).*/\1==\2/p' setup.cfg; \
	  sed -n 's/^    \($(SUPPORT_EXTRAS)\)>=\([0-9.]*\).*/\1==\2/p' setup.cfg; \
	fi | grep -v "$(if $(SHARE),^torch\(vision\)\?==,^$$)" > $(SUPPORT)/pins.txt
	$(SUPPORT)/bin/python -m pip --disable-pip-version-check install --quiet -r $(SUPPORT)/pins.txt
	cat $(SUPPORT)/pins.txt
	OMP_NUM_THREADS=1 MPLBACKEND=Agg $(SUPPORT)/bin/python -m pytest -q -n $(WORKERS) --dist loadgroup $(SUPPORT_TESTS)

# REPOSITORY=https://... makes the links on the package index, DOCUMENTATION=https://... those of
# the estimators in a notebook; SHARE=FOLDER as for support.
dist:
	$(PYTHON) tools/build_dist.py $(if $(REPOSITORY),--repository $(REPOSITORY)) \
	  $(if $(DOCUMENTATION),--documentation $(DOCUMENTATION)) $(if $(SHARE),--share $(SHARE))

clean:
	rm -rf build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis
	rm -rf docs/_build docs/auto_examples docs/api/generated
	find nllearn tests -name __pycache__ -type d -prune -exec rm -rf {} +

# The virtual environment. A second call finds the stamps up to date and is quick.
$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: setup.cfg pyproject.toml | $(BIN)/python
	@echo "installing nllearn and its dependencies (torch is large) ..."
	$(PIP) install --quiet --editable .
	@touch $@

$(VENV)/.installed-test: setup.cfg pyproject.toml | $(BIN)/python
	@echo "installing nllearn, its dependencies (torch is large) and the tools of tests and docs ..."
	$(PIP) install --quiet --editable ".[dev]"
	@touch $(VENV)/.installed $@
