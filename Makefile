# Two commands: `make demo` sets up and runs Citebox on the sample library, `make test` sets up and tests it.
# Both are safe to run again; what is there already is not done twice.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PEERS := .venv-peers
PIP := $(BIN)/python -m pip --disable-pip-version-check
QUESTION := How big is one PostgreSQL WAL segment file normally?
CHROMIUM ?= /usr/bin/chromium
APT_PACKAGES := chromium fonts-dejavu-core fonts-liberation
SEARCHBOX := rag/searchbox
NODE_MODULES := $(SEARCHBOX)/node_modules/.package-lock.json

.PHONY: help demo test setup setup-dev models check apt-install screenshots searchbox clean\
	bench-routing bench-grounding bench-abstain bench-short bench-cache bench-followups bench-retrieval bench-throughput bench-ingest bench-peers\
	bench-scale bench-marks bench-searchbox bench-quality bench-memory bench-gaps bench-start bench-names bench-adapter bench-ocr peers-set

help:
	@echo "make demo          set up, ingest data/library, answer a question, serve http://127.0.0.1:8000"
	@echo "make demo CHECK=1  the same, but end after the answer"
	@echo "make test          set up what the tests need and run them all"
	@echo "make check         ruff and mypy alone"
	@echo "make searchbox     build the search box that is served from its TypeScript; only who changes it needs Node"
	@echo "make screenshots   the pictures in the README and docs, made by the browser tests"
	@echo "make bench-routing, bench-grounding, bench-abstain, bench-short, bench-cache, bench-followups, bench-retrieval,"
	@echo "     bench-throughput, bench-ingest, bench-peers, bench-scale, bench-marks,"
	@echo "     bench-searchbox, bench-quality, bench-memory, bench-gaps, bench-start, bench-names,"
	@echo "     bench-adapter, bench-ocr"
	@echo "                   print the tables of docs/benchmarks.md"
	@echo "make clean         remove the virtual environment and caches; documents and models stay"

demo: setup models
	$(BIN)/ingest add data/library
	$(BIN)/rag ask "$(QUESTION)"
ifndef CHECK
	$(BIN)/rag serve || [ $$? = 130 ]  # Ctrl-C is how it ends
endif

test: setup-dev models $(CHROMIUM) $(NODE_MODULES)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/rag models fetch --all
	$(BIN)/python -m pytest --durations=25

check: setup-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

setup: $(VENV)/ready
setup-dev: $(VENV)/ready-dev

$(VENV)/made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Citebox needs Python 3.11 or newer; name one: make demo PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || $(MAKE) --no-print-directory apt-install PACKAGES=python3-venv
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/ready: pyproject.toml constraints.txt | $(VENV)/made
	@echo "Installing the packages: 1.5 GB, 3 to 7 minutes the first time"
	$(PIP) install --quiet --constraint constraints.txt --editable '.[eval]'
	@touch $@

$(VENV)/ready-dev: pyproject.toml constraints.txt Makefile | $(VENV)/made
	@echo "Installing the packages and the test tools: 3 to 7 minutes the first time"
	$(PIP) install --quiet --constraint constraints.txt --editable '.[dev,eval]'
	# A folder of its own: as a dependency it would bring another event loop into our own services.
	$(PIP) install --quiet --no-deps --upgrade --target $(VENV)/llmock llmock==0.2.2
	@touch $@ $(VENV)/ready

models: $(VENV)/ready
	$(BIN)/rag models fetch

$(CHROMIUM):
	@$(MAKE) --no-print-directory apt-install PACKAGES="$(APT_PACKAGES)"

apt-install:
	@echo "Installing Debian's packages: $(PACKAGES)"
	@as_root=""; [ "$$(id -u)" = 0 ] || as_root=sudo; \
	$$as_root apt-get update -qq && \
	DEBIAN_FRONTEND=noninteractive $$as_root apt-get install -y -qq --no-install-recommends $(PACKAGES) >/dev/null

searchbox: $(NODE_MODULES)
	npm --prefix $(SEARCHBOX) run build

$(NODE_MODULES): $(SEARCHBOX)/package-lock.json
	@command -v npm >/dev/null || $(MAKE) --no-print-directory apt-install PACKAGES="nodejs npm"
	npm ci --prefix $(SEARCHBOX) --no-audit --no-fund --loglevel=error
	@touch $@

screenshots: setup-dev models $(CHROMIUM) $(NODE_MODULES)
	CITEBOX_SCREENSHOTS=1 $(BIN)/python -m pytest tests/browser -k screenshot

bench-routing: setup
	$(BIN)/python -m bench.routing

bench-grounding: setup models
	$(BIN)/python -m bench.grounding

bench-abstain: setup models
	$(BIN)/python -m bench.abstain $(if $(SET),--set $(SET))

bench-short: setup models
	@test -n "$(SET)" || { echo "name a folder of texts and questions: make bench-short SET=FOLDER"; exit 2; }
	$(BIN)/python -m bench.short_answers $(SET) --ask 100

bench-cache: setup models
	$(BIN)/python -m bench.cache

bench-followups: setup models
	@test -n "$(SET)" || { echo "name a folder of conversations: make bench-followups SET=FOLDER"; exit 2; }
	$(BIN)/python -m bench.followups $(SET)

bench-retrieval: setup models
	$(BIN)/python -m bench.retrieval

bench-throughput: setup models
	$(BIN)/python -m bench.throughput

bench-ingest: setup models
	$(BIN)/python -m bench.ingest

bench-gaps: setup models
	$(BIN)/python -m bench.gaps

bench-memory: setup models
	$(BIN)/python -m bench.ingest_memory $(if $(CHUNKS),--chunks $(CHUNKS))

# Questions that name what they ask about, made of a set of source code.
bench-names: setup models
	$(if $(SET),,$(BIN)/python -m bench.sets var/sets)
	$(BIN)/python -m bench.names $(or $(SET),var/sets/code) var/sets/names
	$(BIN)/python -m bench.quality var/sets/names

# What questions on code gain by their adapter, which it learns anew; FIT=1 writes it into the package.
bench-adapter: setup-dev models
	$(BIN)/python -m bench.code_adapter $(if $(FIT),--fit)

bench-ocr: setup-dev
	$(BIN)/python -m bench.ocr

bench-start: setup models
	$(BIN)/python -m bench.starting

# Without SETS by our own two, whose texts are fetched first.
bench-quality: setup models
	@test -z "$(PARAGRAPHS)" -o -n "$(SETS)" || { echo "name a set with paragraphs: make bench-quality SETS=FOLDER"; exit 2; }
	$(if $(SETS),,$(BIN)/python -m bench.sets var/sets)
	$(BIN)/python -m bench.quality $(if $(QUESTIONS),--questions $(QUESTIONS)) $(if $(PARAGRAPHS),--paragraphs) \
	  $(or $(SETS),var/sets/code var/sets/product)

bench-marks: setup
	$(BIN)/python -m bench.marks $(FILES)

bench-searchbox: setup-dev models $(CHROMIUM) $(NODE_MODULES)
	$(BIN)/python -m pytest -q tests/browser/searchbox -k "key_press or ten_thousand"

bench-scale: setup models
	$(BIN)/python -m bench.scale $(SIZES) $(if $(SET),--set $(SET))

bench-peers: peers-set setup models $(PEERS)/ready
	$(BIN)/rag models fetch all-MiniLM-L6-v2
	$(BIN)/python -m bench.peers --python $(PEERS)/bin/python --plot docs/peers.svg $(SET)

# Before all that it needs is made, which takes minutes.
peers-set:
	@test -n "$(SET)" || { echo "name folders of texts and questions: make bench-peers SET=FOLDER"; exit 2; }

# An environment of its own: none of it is needed for anything else.
$(PEERS)/ready: bench/peers/requirements.txt constraints.txt
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt \
	  --requirement bench/peers/requirements.txt
	@touch $@

clean:
	rm -rf $(VENV) $(PEERS) build *.egg-info .mypy_cache .ruff_cache .pytest_cache
