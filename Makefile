# Two commands: `make demo` sets up and runs Citebox on the sample library, `make test` sets up and tests it.
# Both are safe to run again; what is there already is not done twice.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
QUESTION := How big is one PostgreSQL WAL segment file normally?
CHROMIUM ?= /usr/bin/chromium
APT_PACKAGES := chromium fonts-dejavu-core fonts-liberation

.PHONY: help demo test setup models check screenshots clean

help:
	@echo "make demo          set up, ingest data/library, answer a question, serve http://127.0.0.1:8000"
	@echo "make demo CHECK=1  the same, but end after the answer"
	@echo "make test          set up what the tests need and run them all"
	@echo "make check         ruff and mypy alone"
	@echo "make screenshots   the picture in the README, made by the browser tests"
	@echo "make clean         remove the virtual environment and caches; documents and models stay"

demo: setup models
	$(BIN)/ingest add data/library
	$(BIN)/rag ask "$(QUESTION)"
ifndef CHECK
	$(BIN)/rag serve
endif

test: setup-dev models $(CHROMIUM)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest

check: setup-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

setup: $(VENV)/ready
setup-dev: $(VENV)/ready-dev

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Citebox needs Python 3.11 or newer; name one: make demo PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { \
	  rm -rf $(VENV); echo "Python's venv module is missing: apt install python3-venv"; exit 1; }

$(VENV)/ready: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install --quiet --constraint constraints.txt --editable .
	@touch $@

$(VENV)/ready-dev: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@ $(VENV)/ready

models: $(VENV)/ready
	$(BIN)/rag models fetch

$(CHROMIUM):
	@echo "The browser tests need Chromium from Debian's packages: $(APT_PACKAGES)"
	@as_root=""; [ "$$(id -u)" = 0 ] || as_root=sudo; \
	$$as_root apt-get update -qq && \
	DEBIAN_FRONTEND=noninteractive $$as_root apt-get install -y -qq --no-install-recommends $(APT_PACKAGES) >/dev/null

screenshots: setup-dev models $(CHROMIUM)
	CITEBOX_SCREENSHOTS=1 $(BIN)/python -m pytest tests/browser -k screenshot

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache
