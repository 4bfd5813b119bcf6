# Commands for people and for CI. `make help` lists them. The shell quotes every variable that people set.

VENV ?= .venv
export PATH := $(abspath $(VENV))/bin:$(PATH)
RUNTIME := $(VENV)/.runtime-installed
REMOTES := $(VENV)/.remotes-installed
RAY := $(VENV)/.ray-installed
DEV := $(VENV)/.dev-installed
SUPPORTED := import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(firstword $(foreach name,$(VENV)/bin/python python3 python3.13 python3.12 python3.11,\
	$(shell $(name) -c "$(SUPPORTED)" 2>/dev/null && echo $(name))))
INSTALL := "$(VENV)/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile
COMPILE := uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
	--no-annotate --no-header --no-emit-index-url --no-emit-find-links
TESTS := pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

# Stages run side by side, the last variant first, since it takes longest, with about 1 GB and one thread each; on a
# cluster, those here only wait.
WHERE := $(or $(ENGINE),$(shell sed -n 's/^engine: *\([a-z]*\).*/\1/p' engine.yaml))
export JOBS ?= $(if $(filter ray,$(WHERE)),8,$(shell n=$$(getconf _NPROCESSORS_ONLN); echo $$((n < 4 ? n : 4))))
in-parallel = $(DVC) status --json | grep -o '"$(1)@[^"]*"' | tac | xargs -P "$$JOBS" -I '{}' $(DVC) --wait-for-lock repro --single-item '{}'
all-trained = $(DVC) repro targets && $(call in-parallel,train) && $(call in-parallel,evaluate)
# DVC, except that it writes nothing outside of the outputs in dvc.yaml, whatever a remote says.
DVC := python -m stages.common.dvc
# Download shared results where a remote is set up.
build = "$${BUILD:-$$(test -n "$$(dvc config core.remote)" && echo pull || echo repro)}"

.PHONY: $(shell sed -n 's/^\([a-z-]*\):.*/\1/p' $(firstword $(MAKEFILE_LIST)))
help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'
setup: $(RUNTIME) ## virtual environment with the locked packages, checked against their hashes
setup-remotes: $(REMOTES) ## the same, with packages for remotes at s3://, ssh:// and webdavs://
setup-ray: $(RAY) ## the same, with Ray, on each machine of a cluster (docs/scale.md)
setup-dev: $(DEV) ## the same, with test tools and all optional packages
repro: $(RUNTIME) ## rebuild what is not current, and check that all is; JOBS=n, WORKERS=n, ENGINE=ray: docs/scale.md
	@python -m stages.check
	$(if $(filter-out 1,$(JOBS)),$(all-trained))
	$(DVC) repro
	@$(DVC) status --quiet || { echo "make repro: not all is current (see dvc status); is the disk full?" >&2; exit 1; }
study: $(RUNTIME) ## run the studies that are not current, hours on two cores; STUDY=scenes: only one, about 90 minutes; ENGINE=ray
	@python -m stages.check
	$(all-trained)
	@python -m stages.study $${STUDY:+"$$STUDY"} --jobs "$$JOBS"
current: $(RUNTIME) ## fail if dvc.lock does not belong to this code, these params and these packages
	@python -m stages.check
	@plan=$$($(DVC) repro --dry --allow-missing 2>&1) || { echo "$$plan" >&2; exit 1; }; \
	if echo "$$plan" | grep "Running stage"; then echo "make current: run make repro, and commit the result" >&2; exit 1; fi
remote: $(RUNTIME) ## set the remote of the team's results: URL=folder, s3://…, ssh://… or webdavs://…; ENDPOINT=https://… of S3
	@case "$$URL" in ""|*://*:*@*) echo "make remote: needs URL=…, without a secret: docs/team.md" >&2; exit 1;; esac
	dvc remote add --default --force team "$$URL"
	dvc remote modify team verify true
	@test -z "$$ENDPOINT" || dvc remote modify team endpointurl "$$ENDPOINT"
share: $(RUNTIME) ## upload current results to the remote, with DVC's run cache
	@python -m stages.check
	@python -m tools.sharing share
pull: $(RUNTIME) ## download shared results, run the rest, and check that all is current
	@python -m stages.check
	@python -m tools.sharing pull
compare: current ## compare current results with another revision's: REV=main; MARKDOWN=file: also for a pull request
	@python -m tools.compare "$${REV:-main}" $${MARKDOWN:+--markdown "$$MARKDOWN"}
review: $(RUNTIME) ## as on a pull request: rebuild, compare with REV=main, fail if committed results differ from the code's
	@$(MAKE) --no-print-directory $(build)
	@MARKDOWN="$${MARKDOWN:-comparison.md}" $(MAKE) --no-print-directory compare
	@git status --short -- dvc.lock metrics | if grep .; then \
		echo "make review: what is committed is not the result of this code; commit what was built" >&2; exit 1; fi
comment: ## post the comparison of make review on pull request PR=number, or on this branch's; needs gh 2.69 or newer
	gh pr comment $${PR:+"$$PR"} --edit-last --create-if-none --body-file "$${MARKDOWN:-comparison.md}"
trace: $(RUNTIME) ## the inputs of a score: METRIC=subpixel.ssim
	@python -m tools.trace "$$METRIC"
merge: $(RUNTIME) ## after `git merge` stopped in results: resolve conflicts, and rebuild what neither branch has
	@python -m tools.merge
	@$(MAKE) --no-print-directory $(build)
	@git add --all -- dvc.lock metrics && echo "merge: results are current and added; look at git status, then git commit"
wheel: $(RUNTIME) ## build the library with the trained networks: dist/*.whl
	@python -m tools.wheel
audit: $(RUNTIME) ## hash cache, remote and outputs again, and name corrupt files; REPAIR=1: repair them
	@python -m tools.audit $${REPAIR:+--repair}
test: $(DEV) ## linters, types and tests; 4 to 6 minutes on two cores
	@$(MAKE) --no-print-directory --jobs 2 lint tests
tests: $(DEV)
	$(TESTS)
test-all: $(DEV) ## the other tests: servers, a cluster, README's commands, kills, rebuilds; 7 to 12 minutes
	$(TESTS) -m long
ci: ## what CI runs on a clean clone: install what tests need, run all, check that results are current
	bash .ci/run
bench: $(DEV) ## compare speed and memory with other libraries and the committed ratios; five minutes
	@python -m benchmarks
lint: $(DEV) ## linters and types only
	ruff check && ruff format --check && mypy
format: $(DEV) ## format the code
	ruff check --fix && ruff format
lock: $(DEV) ## renew the locks and environment.yaml from pyproject.toml
	$(COMPILE) --upgrade --group dev --all-extras pyproject.toml --output-file requirements-dev.lock
	$(COMPILE) --constraint requirements-dev.lock --extra pipeline pyproject.toml --output-file requirements.lock
	$(COMPILE) --constraint requirements-dev.lock --extra pipeline --extra s3 --extra ssh --extra webdav pyproject.toml --output-file requirements-remotes.lock
	$(COMPILE) --constraint requirements-dev.lock --extra pipeline --extra ray pyproject.toml --output-file requirements-ray.lock
	python -m stages.common.environment
clean: ## remove the virtual environment and temporary files; results and cache stay
	rm -rf "$(VENV)" .mypy_cache .pytest_cache .ruff_cache .hypothesis dvc_plots dist
$(RUNTIME): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "make: install Python 3.11, 3.12 or 3.13 with venv, or set PYTHON=" >&2; exit 1; }
	@test -x "$(VENV)/bin/python" || "$(PYTHON)" -m venv "$(VENV)"
	$(INSTALL) --require-hashes --no-deps -r requirements.lock
	$(INSTALL) --no-deps --no-build-isolation --no-index --editable .
	$(DVC) config --local core.site_cache_dir "$(CURDIR)/.dvc/tmp/site" # not /var/tmp, for plain dvc, too
	@touch "$@"
$(REMOTES) $(RAY) $(DEV): $(VENV)/.%-installed: requirements-%.lock $(RUNTIME)
	$(INSTALL) --require-hashes --no-deps -r "$<"
	@touch "$@"
