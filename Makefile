# Every way in, for people and for CI. `make help` lists the targets.

VENV ?= .venv
RUNTIME := $(VENV)/.runtime-installed
REMOTES := $(VENV)/.remotes-installed
DEV := $(VENV)/.dev-installed
SUPPORTED := import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(firstword $(foreach name,python3 python3.13 python3.12 python3.11,\
	$(shell $(name) -c "$(SUPPORTED)" 2>/dev/null && echo $(name))))
COMPILE := uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
	--no-annotate --no-header --no-emit-index-url --no-emit-find-links

JOBS ?= 1
# Stages of one group side by side; DVC's own locks keep their bookkeeping apart. Each needs about 1 GB of memory.
in-parallel = dvc stage list --all --name-only | grep '^$(1)@' | xargs -P $(JOBS) -I '{}' dvc --wait-for-lock repro --single-item '{}'

export PATH := $(abspath $(VENV))/bin:$(PATH)
.DEFAULT_GOAL := help
.PHONY: help setup setup-remotes setup-dev repro study current trace readme audit prune test test-quick verify lint format lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

setup: $(RUNTIME) ## virtual environment with the locked packages, checked against their hashes

setup-remotes: $(REMOTES) ## the same, with what remotes at s3://, ssh:// and webdavs:// need

setup-dev: $(DEV) ## the same, with test tools and all optional packages

repro: $(RUNTIME) ## rebuild what is not current, and check that all is; JOBS=n: n variants at a time
	@python -m stages.settings
	@python -m tools.recover
ifneq ($(JOBS),1)
	dvc repro targets
	$(call in-parallel,train)
	$(call in-parallel,evaluate)
endif
	dvc repro
	@dvc status --quiet dvc.yaml || { echo "make repro: results are not current, or not in the cache (dvc status dvc.yaml" \
		"tells which); if the disk is full, free space; then run make repro again" >&2; exit 1; }
	@python -m tools.trace --page data/provenance.html

study: $(RUNTIME) ## run the studies that are not current; JOBS=2: all in about half an hour on two cores
	@python -m stages.settings
	@python -m stages.study.runs
	@python -m tools.recover
ifneq ($(JOBS),1)
	dvc repro targets
	$(call in-parallel,studies/dvc.yaml:run)
endif
	dvc repro studies/dvc.yaml
	@python -m tools.studies

test: lint ## all checks: linters, types, tests
	pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

test-quick: $(DEV) ## the tests that do not rebuild the pipeline
	pytest -m "not verify and not pipeline"

PIPELINES ?= dvc.yaml
current: $(RUNTIME) ## fail if dvc.lock does not belong to this code, these params and these packages
	@plan=$$(dvc repro --dry --allow-missing $(PIPELINES) 2>&1) || { echo "$$plan" >&2; exit 1; }; \
	if echo "$$plan" | grep "Running stage"; then \
		echo "make current: run make repro, or make study, and commit the result" >&2; exit 1; fi

trace: $(RUNTIME) ## where a number came from: METRIC=subpixel.ssim; without it, all of them as a page
	@python -m tools.trace $(or $(METRIC),--page data/provenance.html)

readme: $(RUNTIME) ## write the numbers and verdicts of README.md anew from metrics, and its picture of the converter
	@python -m tools.readme
	@python -m tools.gallery

audit: $(RUNTIME) ## hash cache, remote and outputs again, name what is corrupt; REPAIR=1: repair it
	@python -m tools.audit $(if $(REPAIR),--repair)

prune: $(RUNTIME) ## remove what a removed variant left in dvc.lock and data
	@python -m tools.orphans --remove

verify: $(DEV) ## rebuild at full size, in other places and with kills; about an hour
	pytest -m verify -s

lint: $(DEV) ## linters and types only
	ruff check
	ruff format --check
	mypy

format: $(DEV) ## put the code into the project's format
	ruff check --fix
	ruff format

lock: $(DEV) ## renew the locks and environment.yaml from pyproject.toml
	$(COMPILE) --upgrade --group dev --all-extras pyproject.toml --output-file requirements-dev.lock
	$(COMPILE) --constraint requirements-dev.lock pyproject.toml --output-file requirements.lock
	$(COMPILE) --constraint requirements-dev.lock --extra s3 --extra ssh --extra webdav pyproject.toml --output-file requirements-remotes.lock
	python -m stages.environment

clean: ## remove the virtual environment and what tools left behind; results and cache stay
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis dvc_plots

$(VENV)/bin/python:
	@command -v git >/dev/null || { echo "make: git is missing; install it with your system's package manager" >&2; exit 1; }
	@test -n "$(PYTHON)" || { echo "make: no Python 3.11, 3.12 or 3.13 with pip and venv was found; install one" \
		"(Debian: python3 python3-venv), or name it: make PYTHON=/path/to/python3" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(RUNTIME): requirements.lock pyproject.toml | $(VENV)/bin/python
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index --editable .
	@touch $@

$(REMOTES): requirements-remotes.lock $(RUNTIME)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-remotes.lock
	@touch $@

$(DEV): requirements-dev.lock $(RUNTIME)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-dev.lock
	@touch $@
