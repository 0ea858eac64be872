# Everything runs in .venv, made from requirements.lock; a second call costs nothing.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.ONESHELL:
.PHONY: help environment pipeline test test-slow lint bench structure report clean

PYTHON ?= python3.11
VENV ?= .venv
READY := $(VENV)/.ready

# nothing is sent anywhere
export DVC_NO_ANALYTICS := 1
export DO_NOT_TRACK := 1
export GX_ANALYTICS_ENABLED := false
export PREFECT_SERVER_ANALYTICS_ENABLED := false
export ORT_DISABLE_TELEMETRY := 1
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

environment: $(READY) ## make .venv from requirements.lock

$(READY): requirements.lock requirements-cpu.lock requirements-cuda.lock pyproject.toml tools/mend_torchaudio.py
	@command -v $(PYTHON) > /dev/null || { echo "make: needs Python 3.11, of which requirements.lock is: apt install python3.11 python3.11-venv; where the system has none, 'uv python install 3.11' or 'pyenv install 3.11' and make PYTHON=/path/to/python3.11; to use models without training, any Python from 3.11 on will do: docs/installation.md" >&2; exit 1; }
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { echo "make: $(PYTHON) is $$($(PYTHON) -V): requirements.lock is of Python 3.11; make PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -c 'import ensurepip, venv' 2> /dev/null || { echo "make: $(PYTHON) cannot make environments: apt install python3.11-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	# by hash, all of it; where an index offers torch without CUDA that is taken, else the default one with its libraries
	PIP="python -m pip install --quiet --disable-pip-version-check --progress-bar off --no-deps"
	$$PIP --require-hashes --requirement requirements-cpu.lock 2> /dev/null || echo "make: no index offers torch without CUDA: the default one is taken" >&2
	$$PIP --require-hashes --requirement requirements.lock
	if ! python -c 'from importlib.metadata import version; print(version("torch"))' | grep -q +cpu; then
		$$PIP --require-hashes --requirement requirements-cuda.lock
	fi
	$$PIP --no-build-isolation --editable .
	python -m pip check --quiet
	python tools/mend_torchaudio.py
	touch $@

pipeline: environment ## run whatever changed, several stages at a time, then release what is better
	@git rev-parse --is-inside-work-tree > /dev/null 2>&1 || { echo "make: needs a git clone: git clone, or git init in this folder" >&2; exit 1; }
	python flows/retrain.py

lint: environment ## ruff, mypy, import-linter
	@ruff check
	ruff format --check
	mypy
	MYPYPATH=src:flows:. mypy --explicit-package-bases flows tools bench
	lint-imports

test: lint ## lint, then all tests but the slow ones, with coverage
	@OMP_NUM_THREADS=1 pytest --numprocesses=auto --dist=loadfile --cov --cov-report=term:skip-covered

test-slow: environment ## the slow tests
	@pytest -m slow

bench: environment ## the figures of bench/
	@for bench in store features inference service training front_end repro corpus faults; do echo "== $$bench"; python -m "bench.$$bench"; done

structure: environment ## how many modules, names and arrows the package has
	@python -m tools.structure

report: environment ## the page: models/report/index.html
	@dvc repro report

clean: ## remove the environment and caches, not data or models
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage
