# Every way in, for people and for CI. `make help` lists the targets.

VENV ?= .venv
RUNTIME := $(VENV)/.runtime-installed
REMOTES := $(VENV)/.remotes-installed
RAY := $(VENV)/.ray-installed
DEV := $(VENV)/.dev-installed
SUPPORTED := import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(firstword $(foreach name,python3 python3.13 python3.12 python3.11,\
	$(shell $(name) -c "$(SUPPORTED)" 2>/dev/null && echo $(name))))
# Not compiled to bytecode: what is used of it is when it is first imported, and all of it takes a minute.
INSTALL := $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-compile
COMPILE := uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
	--no-annotate --no-header --no-emit-index-url --no-emit-find-links

# engine.yaml, unless the environment or `make … ENGINE=ray` overrules it, which reaches the stages by itself.
WHERE := $(or $(ENGINE),$(shell sed -n 's/^engine: *\([a-z]*\).*/\1/p' engine.yaml))
# On a cluster the work is elsewhere: what runs side by side here are clients, of about 0.5 GB each, that wait for it. Eight
# are all variants of params.yaml.
JOBS ?= $(if $(filter ray,$(WHERE)),8,1)
# Those stages of one group that are not current, side by side; DVC's own locks keep their bookkeeping apart. Each needs
# about 1 GB of memory.
STALE := python -c 'import json, sys; print(*json.load(sys.stdin), sep="\n")'
in-parallel = dvc status --json | $(STALE) | grep '^$(1)@' | xargs -P $(JOBS) -I '{}' dvc --wait-for-lock repro --single-item '{}'

# With a remote, what others have computed is not computed again.
build = $(or $(BUILD),$$(test -n "$$(dvc config core.remote)" && echo pull || echo repro))

export PATH := $(abspath $(VENV))/bin:$(PATH)
.DEFAULT_GOAL := help
.PHONY: help setup setup-remotes setup-ray setup-dev repro study remote share pull current compare review comment trace \
	merge audit prune test test-all ci lint format lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

setup: $(RUNTIME) ## virtual environment with the locked packages, checked against their hashes

setup-remotes: $(REMOTES) ## the same, with what remotes at s3://, ssh:// and webdavs:// need

setup-ray: $(RAY) ## the same, with what a cluster needs, on each of its machines (docs/scale.md)

setup-dev: $(DEV) ## the same, with test tools and all optional packages

repro: $(RUNTIME) ## rebuild what is not current, and check that all is; JOBS=n, WORKERS=n, ENGINE=ray: docs/scale.md
	@python -m stages.check
	@python -m tools.recover
ifneq ($(JOBS),1)
	dvc repro targets
	$(call in-parallel,train)
	$(call in-parallel,evaluate)
endif
	dvc repro
	@dvc status --quiet || { echo "make repro: results are not current, or not in the cache (dvc status" \
		"tells which); if the disk is full, free space; then run make repro again" >&2; exit 1; }
	@python -m tools.trace --page data/provenance.html

study: $(RUNTIME) ## run the studies that are not current; JOBS=2: all in about half an hour on two cores; ENGINE=ray
	@python -m stages.check
	@python -m tools.recover
	dvc repro targets
	@python -m stages.study --jobs $(JOBS)

TESTS := pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder
test: lint ## all checks: linters, types, tests; about 6 minutes on two cores
	$(TESTS)

test-all: $(DEV) ## what `make test` leaves out: servers, a cluster, README's commands, kills, rebuilds; about 18 minutes
	$(TESTS) -m long

remote: $(RUNTIME) ## where the team's results are: URL=folder, s3://…, ssh://… or webdavs://…; ENDPOINT=https://… of S3
	@test -n "$$URL" || { echo "make remote: say where: make remote URL=… [ENDPOINT=…]" >&2; exit 1; }
	@python -m tools.remote "$$URL" --endpoint "$$ENDPOINT"

share: $(RUNTIME) ## upload current results to the remote, with the records by which others find them
	@python -m stages.check
	@python -m tools.recover
	@python -m tools.sharing share

pull: $(RUNTIME) ## take over what others have shared, rebuild the rest, and check that all is current
	@python -m stages.check
	@python -m tools.recover
	@python -m tools.sharing pull
	@python -m tools.trace --page data/provenance.html

current: $(RUNTIME) ## fail if dvc.lock does not belong to this code, these params and these packages
	@plan=$$(dvc repro --dry --allow-missing 2>&1) || { echo "$$plan" >&2; exit 1; }; \
	if echo "$$plan" | grep "Running stage"; then \
		echo "make current: run make repro, and commit the result" >&2; exit 1; fi

RESULTS := dvc.lock metrics
review: $(RUNTIME) ## as on a pull request: rebuild, compare with REV=main, fail if committed results are not those of the code
	@$(MAKE) --no-print-directory $(build)
	@MARKDOWN="$${MARKDOWN:-comparison.md}" $(MAKE) --no-print-directory compare
	@test -z "$$(git status --short -- $(RESULTS))" || { git status --short -- $(RESULTS); echo "make review: what is" \
		"committed of these is not the result of this code, these params and these packages; commit what was built" >&2; exit 1; }

comment: ## put the comparison of make review on the pull request PR=number, or on this branch's; needs gh 2.69 or newer
	@command -v gh >/dev/null || { echo "make comment: gh is missing, GitHub's own command; cli.github.com" >&2; exit 1; }
	gh pr comment $${PR:+"$$PR"} --edit-last --create-if-none --body-file "$${MARKDOWN:-comparison.md}"

trace: $(RUNTIME) ## where a number came from: METRIC=subpixel.ssim; without it, all of them as a page
	@python -m tools.trace $(or $(METRIC),--page data/provenance.html)

compare: $(RUNTIME) ## how the results differ from another revision's: REV=main; MARKDOWN=file: for a pull request, too
	@python -m tools.compare "$${REV:-main}" $${MARKDOWN:+--markdown "$$MARKDOWN"}

merge: $(RUNTIME) ## after `git merge` stopped in dvc.lock or other results: settle them, and rebuild what neither branch has
	@python -m tools.merge
	@$(MAKE) --no-print-directory $(build)
	@python -m tools.merge --add

audit: $(RUNTIME) ## hash cache, remote and outputs again, name what is corrupt; REPAIR=1: repair it
	@python -m tools.audit $(if $(REPAIR),--repair)

prune: $(RUNTIME) ## remove what a removed variant left in dvc.lock and data
	@python -m tools.orphans --remove

ci: ## what CI runs on a clean clone: fetches what the tests need, runs them, and checks that results are current
	bash .ci/run

bench: $(DEV) ## measure speed, memory and growth beside peers, against the committed ratios; about 80 minutes; BENCHMARKS="scoring …"
	@python -m benchmarks $(BENCHMARKS)

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
	$(COMPILE) --constraint requirements-dev.lock --extra ray pyproject.toml --output-file requirements-ray.lock
	python -m stages.common.environment

clean: ## remove the virtual environment and what tools left behind; results and cache stay
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis dvc_plots

$(VENV)/bin/python:
	@command -v git >/dev/null || { echo "make: git is missing; install it with your system's package manager" >&2; exit 1; }
	@test -n "$(PYTHON)" || { echo "make: no Python 3.11, 3.12 or 3.13 with pip and venv was found; install one" \
		"(Debian: python3 python3-venv), or name it: make PYTHON=/path/to/python3" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(RUNTIME): requirements.lock pyproject.toml | $(VENV)/bin/python
	$(INSTALL) --require-hashes --no-deps -r requirements.lock
	$(INSTALL) --no-deps --no-build-isolation --no-index --editable .
	@touch $@

$(REMOTES): requirements-remotes.lock $(RUNTIME)
	$(INSTALL) --require-hashes --no-deps -r requirements-remotes.lock
	@touch $@

$(RAY): requirements-ray.lock $(RUNTIME)
	$(INSTALL) --require-hashes --no-deps -r requirements-ray.lock
	@touch $@

$(DEV): requirements-dev.lock $(RUNTIME)
	$(INSTALL) --require-hashes --no-deps -r requirements-dev.lock
	@touch $@
