# trine: everything a checkout can do. `make` alone lists it.
#
# The environment is .venv, made with PYTHON (3.11 or later) and installed live, so changed sources need no reinstall.

ifndef PYTHON
PYTHON := $(shell for p in python3 python3.11 python3.12 python3.13 python3.14; do \
  $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $$p && break; done)
endif
VENV := .venv
ORACLE_VENV := .venv-oracle
BIN := $(VENV)/bin
BUILD := build
WORKERS ?= 2
DEMO ?=
REPORTS ?= $(basename $(notdir $(wildcard reports/*.json)))
BOARDS ?= icebreaker tinyfpga_bx ulx3s_25f ulx3s_85f orangecrab_25f orangecrab_85f cynthion butterstick
JOBS ?= 2
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help demo test lint oracle oracle-record bench bitstreams reports docs site wheel-test clean python

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*##  *\(.*\)/\1 | \2/p' $(MAKEFILE_LIST) | awk -F' [|] ' '{printf "make %-14s %s\n", $$1, $$2}'

demo: $(VENV)/installed  ## a trained model speaks through the simulated array (options: DEMO="--characters 200")
	@$(BIN)/trine demo $(DEMO)

test: lint  ## lint, and the whole test suite but the oracle
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal --ignore=tests/oracle tests

lint: $(VENV)/installed-test  ## style, types, and whether the reference is current
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m trine.firmware.tables --check

oracle: $(ORACLE_VENV)/installed  ## golden and trine.host.torch against transformers, live (PyTorch, in an environment of its own)
	$(ORACLE_VENV)/bin/python -m pytest -q tests/oracle

oracle-record: $(ORACLE_VENV)/installed  ## record the vectors that make test compares with
	$(ORACLE_VENV)/bin/python tests/oracle/record.py

bench: $(VENV)/installed  ## cycles by cause and a roofline, as a table and build/bench.svg
	@mkdir -p $(BUILD)
	@$(BIN)/trine bench --plot $(BUILD)/bench.svg

bitstreams: $(VENV)/installed  ## a bitstream for every board, in build/ (options: BOARDS="icebreaker ulx3s_85f")
	@for preset in $(BOARDS); do $(BIN)/trine build $$preset -o $(BUILD) || exit $$?; done

reports: $(VENV)/installed  ## remake reports/*.json, five seeds each (options: REPORTS="ulx3s_85f" JOBS=2)
	@for preset in $(REPORTS); do $(BIN)/trine report $$preset --seeds 1-5 --jobs $(JOBS) || exit $$?; done

docs: $(VENV)/installed  ## docs/reference.md, docs/protocol.md and docs/diagrams/*.svg, from their definitions
	$(BIN)/python -m trine.firmware.tables
	$(BIN)/python -m docs.diagrams

site: $(VENV)/installed-docs  ## the pages of docs/ as a site, build/site/index.html; a broken link fails
	$(BIN)/python -m sphinx -q -W --keep-going -b html -d $(BUILD)/site-cache docs $(BUILD)/site

wheel-test: $(VENV)/installed  ## the wheel, in an empty environment outside the tree
	rm -rf $(BUILD)/wheel
	$(BIN)/python -m pip wheel -q --no-deps -w $(BUILD)/wheel .
	@set -e; folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; wheel=$$(ls $(CURDIR)/$(BUILD)/wheel/trine-*.whl); \
	$(PYTHON) -m venv $$folder/venv; $$folder/venv/bin/python -m pip install -q $$wheel; \
	cd $$folder; ./venv/bin/trine demo --device golden --characters 20; ./venv/bin/trine report --check -o .; \
	./venv/bin/trine doctor

clean:  ## remove environments, builds and caches of this checkout (not the simulators in the user's cache)
	rm -rf $(VENV) $(ORACLE_VENV) $(BUILD) dist .mypy_cache .ruff_cache .pytest_cache .hypothesis sim_build results.xml
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

python:
	@test -n "$(PYTHON)" || { echo "trine needs Python 3.11 or later; name one: make PYTHON=/path/to/python3" >&2; exit 4; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	{ echo "trine needs Python 3.11 or later, and $(PYTHON) is older or none; name one: make PYTHON=python3.11" >&2; exit 4; }

$(VENV)/installed: pyproject.toml | python
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing trine into $(VENV) (a few minutes the first time)"
	@$(BIN)/python -m pip install -q -e .
	@touch $@

$(VENV)/installed-test: $(VENV)/installed
	@echo "installing the test tools into $(VENV)"
	@$(BIN)/python -m pip install -q -e '.[test]'
	@touch $@

$(VENV)/installed-docs: $(VENV)/installed
	@echo "installing Sphinx into $(VENV)"
	@$(BIN)/python -m pip install -q -e '.[docs]'
	@touch $@

$(ORACLE_VENV)/installed: pyproject.toml | python
	@test -x $(ORACLE_VENV)/bin/python || $(PYTHON) -m venv $(ORACLE_VENV)
	@echo "installing PyTorch and transformers into $(ORACLE_VENV)"
	@$(ORACLE_VENV)/bin/python -m pip install -q -e '.[oracle]'
	@touch $@
