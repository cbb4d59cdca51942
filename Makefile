# Muniment. `make help` lists what there is; everything is safe to repeat.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup demo test proof test-python lint format bench bench-search scale fuzz chaos soak lock servers

BIN := .venv/bin
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/muniment
PEERS := isync getmail6 offlineimap3
# Tests wait more than they compute: twice as many processes as the machine that this was measured on has cores.
PARALLEL := -n 4
CODE := muniment workers scheduler tests bench

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup:  ## the virtual environment, with the locked dependencies
	@tools/setup.sh python

demo: setup  ## archive a generated mail server, search it, export it, verify it
	@tools/setup.sh packages dovecot-imapd
	$(BIN)/muniment demo

test: setup servers  ## all tests but the proofs, in ten minutes; PYTEST_ARGS="-k words" narrows them down
	$(BIN)/python -m pytest $(PARALLEL) -m "not proof" $(PYTEST_ARGS)

proof: setup servers  ## the statistical tests: storms, kills in a loop, corpora, benchmarks; PYTEST_ARGS as for test
	$(BIN)/python -m pytest $(PARALLEL) -m proof $(PYTEST_ARGS)

test-python: setup  ## unit and contract tests on Python 3.12, 3.13 and 3.14; PYTHONS="3.14" for one of them
	tools/test_python.sh $(PYTHONS)

lint: setup  ## style, formatting, types, import contracts, commit messages
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(CODE)
	$(BIN)/lint-imports
	$(BIN)/python -m tools.commit_check

format: setup  ## format the code, mend what ruff can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup  ## the benchmark against its peers; BENCH_ARGS="--all" for the slow ones, too
	@tools/setup.sh packages dovecot-imapd $(PEERS)
	$(BIN)/python -m bench $(BENCH_ARGS)

bench-search: setup servers  ## indexing beside notmuch, searches among a million messages; SEARCH_ARGS="--documents 0"
	@tools/setup.sh packages notmuch
	$(BIN)/python -m bench.search $(SEARCH_ARGS)

scale: setup  ## ten million rows, 100,000 mailboxes, 1,000 connections; SCALE_ARGS="growth --quick"
	@tools/setup.sh packages dovecot-imapd
	$(BIN)/python -m bench.scale $(SCALE_ARGS)

fuzz: setup  ## hostile mail servers, generated; FUZZ_ARGS="--minutes 5 --seed 1", --coverage for atheris
	@case "$(FUZZ_ARGS)" in *--coverage*) $(BIN)/python -m pip install --quiet --only-binary :all: atheris==3.0.0;; esac
	$(BIN)/python -m tests.fuzz $(FUZZ_ARGS)

chaos: setup servers  ## break everything while mail is archived; CHAOS_ARGS="--minutes 5 --seed 1"
	$(BIN)/python -m tests.chaos $(CHAOS_ARGS)

soak: setup servers  ## an hour of runs over changing mailboxes: does anything grow? SOAK_ARGS="--minutes 5"
	$(BIN)/python -m tests.chaos.soak $(SOAK_ARGS)

servers:  ## the servers of the tests (Dovecot, Cyrus, OpenSearch, Prometheus), and the peers of the benchmark
	@tools/setup.sh packages dovecot-imapd dovecot-pop3d prometheus openjdk-17-jre-headless curl $(PEERS)
	@tools/setup.sh cyrus
	@tools/setup.sh opensearch

lock: setup  ## solve the dependencies of pyproject.toml anew into requirements.lock
	@test -x $(CACHE)/uv/bin/uv || { $(BIN)/python -m venv $(CACHE)/uv && $(CACHE)/uv/bin/pip install --quiet uv; }
	$(CACHE)/uv/bin/uv pip compile --universal --python-version 3.11 --generate-hashes --all-extras \
		--no-emit-index-url --no-header -o requirements.lock pyproject.toml
