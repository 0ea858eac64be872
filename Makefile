# Everything runs in .venv, made from requirements.lock; a second call costs nothing.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.ONESHELL:
.PHONY: help environment pipeline test test-slow lint bench structure report docs clean

# the newest Python that the locks were tried on; what stands in docs/ was measured on 3.11
PYTHONS := 3.13 3.12 3.11
PYTHON ?= $(shell for version in $(PYTHONS); do if python$$version -c 'import ensurepip, venv' 2> /dev/null; then echo python$$version; break; fi; done)
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
	@python="$(PYTHON)"
	if [ -z "$$python" ] || ! command -v "$$python" > /dev/null; then echo "make: needs Python 3.11, 3.12 or 3.13 with venv$${python:+, and there is no $$python}: apt install python3 python3-venv, 'uv python install 3.13' or 'pyenv install 3.13', then make PYTHON=/path/to/python3.13; to use models without training: docs/installation.md" >&2; exit 1; fi
	"$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' || { echo "make: $$python is $$("$$python" -V): requirements.lock is of Python 3.11 to 3.14; make PYTHON=/path/to/python3.13" >&2; exit 1; }
	"$$python" -c 'import ensurepip, venv' 2> /dev/null || { echo "make: $$python cannot make environments: apt install python3-venv, or the python3.N-venv of its version" >&2; exit 1; }
	# an environment of another Python is made anew
	[ ! -e $(VENV) ] || [ "$$($(VENV)/bin/python -V 2>&1)" = "$$("$$python" -V)" ] || rm -rf $(VENV)
	"$$python" -m venv $(VENV)
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

# A worker that dies, or a test without an end, fails the run at once: xdist waits for ever for the former's files.
test: lint ## lint, then all tests but the slow ones, with coverage
	@OMP_NUM_THREADS=1 pytest --numprocesses=auto --dist=loadfile --max-worker-restart=0 \
		-o faulthandler_timeout=600 -o faulthandler_exit_on_timeout=true --cov --cov-report=term:skip-covered

test-slow: environment ## the slow tests
	@pytest -m slow

bench: environment ## the figures of bench/
	@for bench in store features inference service training front_end repro corpus faults; do echo "== $$bench"; python -m "bench.$$bench"; done

structure: environment ## how many modules, names and arrows the package has
	@python -m tools.structure

report: environment ## the page: models/report/index.html
	@dvc repro report

docs: environment ## the pages of docs/ and the reference as a site: site/index.html
	@NO_MKDOCS_2_WARNING=1 mkdocs build

clean: ## remove the environment and caches, not data or models
	@rm -rf $(VENV) site .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage
