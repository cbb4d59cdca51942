# Muniment. `make help` lists the targets; all of them are safe to repeat.
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

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup:  ## create the virtual environment with the locked dependencies
	@tools/setup.sh python

demo: setup  ## archive, search, export and verify generated mail
	@tools/setup.sh packages dovecot-imapd
	$(BIN)/muniment demo

test: setup servers  ## run all tests but the proofs, in about ten minutes; PYTEST_ARGS="-k words" selects some
	$(BIN)/python -m pytest $(PARALLEL) -m "not proof" $(PYTEST_ARGS)

proof: setup servers  ## run the statistical tests: storms, kills in a loop, corpora, benchmarks; PYTEST_ARGS as above
	$(BIN)/python -m pytest $(PARALLEL) -m proof $(PYTEST_ARGS)

test-python: setup  ## run unit and contract tests on Python 3.12, 3.13 and 3.14; PYTHONS="3.14" selects one
	tools/test_python.sh $(PYTHONS)

lint: setup  ## check style, formatting, types, import contracts and commit messages
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(CODE)
	$(BIN)/lint-imports
	$(BIN)/python -m tools.commit_messages

format: setup  ## format the code and apply ruff's fixes
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup  ## compare Muniment with other archivers; BENCH_ARGS="--all" includes the slow runs
	@tools/setup.sh packages dovecot-imapd $(PEERS)
	$(BIN)/python -m bench $(BENCH_ARGS)

bench-search: setup servers  ## compare indexing with notmuch, search a million messages; SEARCH_ARGS="--documents 0"
	@tools/setup.sh packages notmuch
	$(BIN)/python -m bench.search $(SEARCH_ARGS)

scale: setup  ## measure ten million rows, 100,000 mailboxes, 1,000 connections; SCALE_ARGS="growth --quick"
	@tools/setup.sh packages dovecot-imapd
	$(BIN)/python -m bench.scale $(SCALE_ARGS)

fuzz: setup  ## fuzz with generated hostile mail servers; FUZZ_ARGS="--minutes 5 --seed 1", --coverage for atheris
	@case "$(FUZZ_ARGS)" in *--coverage*) $(BIN)/python -m pip install --quiet --only-binary :all: atheris==3.0.0;; esac
	$(BIN)/python -m tests.fuzz $(FUZZ_ARGS)

chaos: setup servers  ## inject faults while mail is archived; CHAOS_ARGS="--minutes 5 --seed 1"
	$(BIN)/python -m tests.chaos $(CHAOS_ARGS)

soak: setup servers  ## archive changing mailboxes for an hour and look for leaks; SOAK_ARGS="--minutes 5"
	$(BIN)/python -m tests.chaos.soak $(SOAK_ARGS)

servers:  ## install what the tests need: Dovecot, Cyrus, OpenSearch, Prometheus and the benchmark's peers
	@tools/setup.sh packages dovecot-imapd dovecot-pop3d prometheus openjdk-17-jre-headless curl $(PEERS)
	@tools/setup.sh cyrus
	@tools/setup.sh opensearch

lock: setup  ## resolve the dependencies in pyproject.toml and rewrite requirements.lock
	@test -x $(CACHE)/uv/bin/uv || { $(BIN)/python -m venv $(CACHE)/uv && $(CACHE)/uv/bin/pip install --quiet uv; }
	$(CACHE)/uv/bin/uv pip compile --universal --python-version 3.11 --generate-hashes --all-extras \
		--no-emit-index-url --no-header -o requirements.lock pyproject.toml
