# make app    start Smoothscope in the browser
# make test   ruff and the default test suite        make test-slow   the tests marked slow
# make lint   ruff, mypy, Biome, TypeScript          make test-full   those that need the full data sets: gets them first
# make clean  remove .venv, to begin anew            make test-random make test, in another order each time
#
# Each sets up what it needs on a fresh machine: a virtual environment in .venv, the pinned packages, Chromium for the
# tests, Node for the linters. What is there already is not touched; what has changed in a requirements file or in
# package-lock.json is installed again.
#
# PYTHON=...    the Python to use, 3.11 or newer (default: python3.11, else python3)
# ARGS=...      more arguments for streamlit or pytest: make app ARGS="--server.port 8600", make test ARGS=tests/core
# PIP_ARGS=...  more arguments for pip. On a machine without an NVIDIA GPU, PyPI's torch brings several GB of CUDA
#               packages along; to get the small CPU build, pass the index of CPU wheels that PyTorch's installation
#               page names: make app PIP_ARGS="--extra-index-url ADDRESS"

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
SYSTEM_CHROMIUM := /usr/bin/chromium
PIP := $(BIN)/python -m pip install --disable-pip-version-check

.PHONY: app test test-random test-slow test-full lint clean
.DELETE_ON_ERROR:

app: .venv/app.stamp
	$(BIN)/python -m smoothscope app $(ARGS)

# Files in their order: those with a browser, which take longest, first, so that no process has one left at the end.
SIDE_BY_SIDE = --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder
PYTEST = CHROMIUM="$$(cat .venv/chromium.path)" $(BIN)/python -m pytest

test: .venv/dev.stamp .venv/chromium.path
	$(BIN)/ruff check .
	$(PYTEST) $(SIDE_BY_SIDE) $(ARGS)

# The seed of the order is printed; the same order again: make test-random ARGS=--randomly-seed=SEED
test-random: .venv/dev.stamp .venv/chromium.path
	$(PYTEST) $(SIDE_BY_SIDE) -p randomly $(ARGS)

test-slow: .venv/dev.stamp .venv/chromium.path
	$(PYTEST) -m "slow and not full_data" $(ARGS)

# The sets go to SMOOTHSCOPE_HOME, or to the user's cache folder (750 MB); what is there already is not fetched again.
test-full: .venv/dev.stamp
	for name in mnist fashion_mnist cifar10; do $(BIN)/python -m core data get $$name || exit 1; done
	$(PYTEST) -m full_data $(ARGS)

# Python, then the components' JavaScript, each: rules, format, types.
lint: .venv/dev.stamp .venv/node.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/node node_modules/@biomejs/biome/bin/biome ci --error-on-warnings
	$(BIN)/node node_modules/typescript/bin/tsc

clean:
	rm -rf .venv node_modules

# The stamps are written last, so an interrupted step is done again.
.venv/venv.stamp:
	@test -n "$(PYTHON)" || { echo "Smoothscope needs Python 3.11 or newer, and there is no python3; install it."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Smoothscope needs Python 3.11 or newer, and $(PYTHON) is $$($(PYTHON) -V 2>&1); set PYTHON."; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "Python's venv module is missing; install it with: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv .venv
	@touch $@

.venv/app.stamp: requirements.txt .venv/venv.stamp
	$(PIP) $(PIP_ARGS) -r requirements.txt
	@touch $@

.venv/dev.stamp: requirements-dev.txt .venv/app.stamp
	$(PIP) --quiet $(PIP_ARGS) -r requirements-dev.txt
	@touch $@

# Node comes with the packages for Python; Biome and TypeScript come from npm, as package-lock.json has them.
.venv/node.stamp: package.json package-lock.json .venv/dev.stamp
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/npm ci --ignore-scripts --no-progress
	@touch $@

# A real browser for the tests: the system's, else apt's where we are root, else Playwright's own. Ubuntu's package of
# that name is only a door to snap, hence the trial.
.venv/chromium.path: .venv/dev.stamp
	@if ! $(SYSTEM_CHROMIUM) --version >/dev/null 2>&1 && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update && \
		DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium fonts-dejavu-core; \
	fi; \
	if $(SYSTEM_CHROMIUM) --version >/dev/null 2>&1; then \
		echo $(SYSTEM_CHROMIUM) > $@; \
	else \
		$(BIN)/playwright install chromium && $(BIN)/python tests/conftest.py > $@; \
	fi
