# make up       install what is needed and start Aquilon        make up ARGS="--port 9000 --home DIR"
# make install  the same without starting
# make test     every test but the slow ones                    make test ARGS="-k tokenizer", make test ARGS="-m quick"
# make test-all those marked slow too                           make test-all ARGS="-m slow"
# make lint     format, lint, types, import contracts
# make bench    side-by-side benchmarks against peers           make bench ARGS="--quick"
.PHONY: up install install-dev browser services firefox test test-all lint format bench wheel check-wheel clean
.DEFAULT_GOAL := install

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
INPUTS := pyproject.toml constraints.txt hatch_build.py native frontend/src frontend/index.html frontend/console.html frontend/explore.html frontend/docs.html frontend/vite.config.ts frontend/package-lock.json frontend/build.py

up: install
	@$(BIN)/aquilon up $(ARGS)

install: $(VENV)/.installed
install-dev: $(VENV)/.installed-dev

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Aquilon needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version). Try: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(BIN)/python $(shell find $(INPUTS) -type f 2>/dev/null)
	@echo "Installing Aquilon and what it stands on into $(VENV): a few minutes the first time, most of them for torch"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@echo "Installing what the tests and linters need"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[test,lint]"
	@touch $@

# Debian's chromium, where no browser is there yet; the browser tests say so where it can't be had.
browser:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || \
	  { command -v apt-get >/dev/null && { [ "$$(id -u)" = 0 ] && S= || S=sudo; $$S apt-get update -qq && $$S apt-get install -y -qq chromium; }; } || \
	  { echo "The browser tests need chromium: install it and run again"; exit 1; }

# What some tests need, which are skipped where it isn't: installed by root on Debian, as on a fresh machine of CI.
install_package = { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
	  apt-get update -qq && apt-get install -y -qq --no-install-recommends $(1); } || \
	  echo "Tests of $(1) will be skipped: it isn't installed"

services:
	@command -v redis-server >/dev/null || $(call install_package,redis-server)
	@command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || $(call install_package,postgresql)
	@command -v tesseract >/dev/null || $(call install_package,tesseract-ocr)

# For one slow test: 80 MB.
firefox:
	@command -v firefox-esr >/dev/null || command -v firefox >/dev/null || $(call install_package,firefox-esr)

# Tests start many processes, each of which would compile the whole program where this variable is set, as in images.
unexport PYTHONDONTWRITEBYTECODE

# Each process takes whole files, with servers and a browser of its own: two more than there are cores, because tests wait for
# those much of their time; quick ones wait for nothing. For one process WORKERS=0.
WORKERS ?= $$(($$(nproc 2>/dev/null || sysctl -n hw.ncpu) + $(if $(findstring -m quick,$(ARGS)),0,2)))
PYTEST  := $(BIN)/python -m pytest -n $(WORKERS) --maxprocesses 4 --dist loadfile --no-loadscope-reorder

test: install-dev browser services
	$(PYTEST) -m "not slow" $(ARGS)

test-all: install-dev browser services firefox
	$(PYTEST) $(ARGS)

lint: install-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python frontend/build.py check format:check

format: install-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/python frontend/build.py format

bench: install-dev
	$(BIN)/python -m bench $(ARGS)

wheel: install
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .

# The wheel, installed into an empty environment, must serve and chat.
check-wheel: install-dev
	scripts/check-wheel

clean:
	rm -rf $(VENV) dist build src/aquilon/web/static src/aquilon/engine/kernels/*.so frontend/node_modules
