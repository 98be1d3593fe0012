# Targets build their own environments from pyproject.toml; nothing has to be installed beforehand but Python.
# PYTHON picks the interpreter: make test PYTHON=python3.13
PYTHON ?= python3
JOBS ?= 2
VENV := .venv
DEMO := .venv-demo
SITE := .venv-docs
BIN := $(VENV)/bin

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export TF_CPP_MIN_LOG_LEVEL := 3
export PYTHONPATH :=

.PHONY: docs help demo venv test lint types pytest nightly tables signatures bench bench-migrate round-trips corpus laws fuzz clean

help:
	@echo "make demo    translate a ResNet and show the diff (light: no framework)"
	@echo "make test    lint, types and all tests, in an environment with both frameworks"
	@echo "make tables  count the tables' rows by direction and state, and check them"
	@echo "make signatures  regenerate the signature files from the installed frameworks"
	@echo "make nightly all tests in full: every model of every fixture; the laws over everything installed; fuzzing"
	@echo "make docs    build the documentation's site into site/"
	@echo "make bench   time translating and starting; writes docs/performance.md"
	@echo "make bench-migrate  time migrating whole projects; writes docs/performance_migrate.md"
	@echo "make round-trips  translate the PyTorch fixtures there and back, compare; writes docs/round_trips.md"
	@echo "make corpus  translate torchvision's and Keras's model files, run both versions, compare; writes docs/corpus.md"
	@echo "make fuzz    coverage-guided fuzzing of what reads files (atheris)"
	@echo "make laws    translate the standard library and all installed packages, ask every law; writes docs/trust.md"
	@echo "make clean   remove the environments and caches"

demo: $(DEMO)/.ready
	@$(DEMO)/bin/xlate torch2tf --diff --color fixtures/resnet/torch_model.py

$(DEMO)/.ready: pyproject.toml
	@$(PYTHON) -m venv $(DEMO)
	@$(DEMO)/bin/python -m pip install --quiet --editable .
	@touch $@

venv: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@

test: lint types pytest

lint: venv
	$(BIN)/ruff check .

types: venv
	$(BIN)/mypy

nightly: venv
	$(BIN)/python -m pip install --quiet --editable '.[dev,ray]'
	XLATE_EVERY=1 $(BIN)/python -m pytest -n $(JOBS)
	$(MAKE) --no-print-directory laws
	$(MAKE) --no-print-directory fuzz SECONDS_OF_FUZZ=1800

pytest: venv
	$(BIN)/python -m pytest -n $(JOBS)

tables: venv
	$(BIN)/python -m translator.tables.report --arguments

signatures: venv
	$(BIN)/python -m translator.signatures

docs: $(SITE)/.ready
	NO_MKDOCS_2_WARNING=1 $(SITE)/bin/python -m mkdocs build --strict --site-dir site

$(SITE)/.ready: pyproject.toml
	@$(PYTHON) -m venv $(SITE)
	@$(SITE)/bin/python -m pip install --quiet --editable '.[docs]'
	@touch $@

bench: venv
	$(BIN)/python benchmarks/translation.py --write

bench-migrate: venv
	$(BIN)/python benchmarks/migration.py --write

round-trips: venv
	$(BIN)/python benchmarks/round_trips.py --write

corpus: venv
	$(BIN)/python benchmarks/corpus.py --record docs/corpus.md
	$(BIN)/python benchmarks/applications.py --record docs/applications.md

laws: venv
	$(BIN)/python benchmarks/laws.py --jobs $(JOBS) --write

SECONDS_OF_FUZZ ?= 60

fuzz: venv
	$(BIN)/python -m pip install --quiet --editable '.[fuzz]'
	$(BIN)/python benchmarks/fuzz.py --seconds $(SECONDS_OF_FUZZ)

clean:
	rm -rf $(VENV) $(DEMO) $(SITE) site .mypy_cache .pytest_cache .ruff_cache .hypothesis
