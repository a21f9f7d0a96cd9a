# Each target sets up what it needs. A bare machine with Python 3.11+, make and git is enough.
PYTHON ?= python3.11
VENV   := .venv
BIN    := $(VENV)/bin
TORCH  := 2.13.0
TESTS  ?= tests/browser tests/e2e tests/contract tests/architecture tests/unit
ICONS  := fluent-emoji-flat@1.2.6 fluent-emoji-high-contrast@1.2.6 emojione@1.2.3 emojione-monotone@1.2.1 \
          noto-v1@1.2.5 fxemoji@1.2.2 streamline-emojis@1.2.4

.DEFAULT_GOAL := help
.PHONY: help setup demo dashboard chromium test lint pocket pocket-report results curation-pays bench-curation bench-memory bench-dashboard bench-adapter-tools mixed-sets picture-checks material clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: $(VENV)/.installed  ## make .venv with the studio, its tested dependencies and the CPU build of torch (CUDA where a GPU is found)

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	PIP=$(BIN)/pip TORCH=$(TORCH) sh scripts/install-torch
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

demo: setup  ## curate, train a LoRA on the shipped base, export, verify, draw: about 5 minutes on two cores
	$(BIN)/studio demo

dashboard: setup  ## the whole studio in a browser, at http://127.0.0.1:8501
	$(BIN)/studio dashboard

chromium:  ## for the browser tests, where no browser is found: Debian's, by apt-get
	sh scripts/install-chromium

test: setup chromium  ## everything CI runs: lint, and the tests in TESTS meanwhile
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy & types=$$!; \
	$(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder $(TESTS); tests=$$?; \
	wait $$types && exit $$tests

lint: setup  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

pocket: setup  ## train the shipped base model anew, resumable (needs npm and Debian's fonts-noto-color-emoji, unicode-data, unicode-cldr-core)
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e '.[make]'
	mkdir -p build/pocket/hands && cd build/pocket/hands && npm pack --silent $(addprefix @iconify-json/,$(ICONS))
	$(BIN)/python -m studio.bases.pocket.make all

pocket-report: setup  ## measure the shipped base model
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e '.[make]'
	$(BIN)/python -m studio.bases.pocket.make report

results: setup  ## in docs/results.md, the four methods side by side: about 15 minutes
	$(BIN)/python benchmarks/four_methods.py

curation-pays: setup  ## in docs/results.md, what curating a set is worth to its adapter: about 15 minutes
	$(BIN)/python benchmarks/curation_pays.py

bench-curation: setup  ## in docs/results.md, how fast curation is beside cleanvision, and how much memory it takes
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e '.[bench]'
	$(BIN)/python benchmarks/curation_speed.py --write

bench-memory: setup  ## in docs/results.md, memory predicted and measured, and what the recipes take: about 15 minutes and 10 GB
	$(BIN)/python benchmarks/memory_prediction.py --write
	$(BIN)/python benchmarks/recipe_memory.py --write

bench-dashboard: setup chromium  ## in docs/results.md, how quickly the dashboard reacts with 50 runs and 2,000 pictures: about 5 minutes
	$(BIN)/python benchmarks/dashboard_reaction.py --write

bench-adapter-tools: setup  ## in docs/results.md, what the tools for adapter files take on SDXL: about 20 minutes and 20 GB of disk
	$(BIN)/python benchmarks/adapter_tools.py --write

mixed-sets: setup build/photographs  ## in docs/results.md, how well two materials in one set are told apart: about 25 minutes
	$(BIN)/python benchmarks/mixed_sets.py build/photographs/held_out --write

picture-checks: setup build/photographs  ## in docs/results.md, what the checks of single pictures find: about 15 minutes
	$(BIN)/python benchmarks/picture_checks.py build/photographs/held_out --write

material: setup build/photographs  ## teach the classifier of materials anew: about half an hour
	$(BIN)/python -m studio.curation.material.make build/photographs/training

build/photographs:
	$(BIN)/python benchmarks/photographs.py $@

clean:  ## remove .venv, caches and build output; runs/ stays
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache
