# `make` alone lists the goals. Works with GNU make from 3.81 on (macOS ships that one).
# PYTHON=/path/to/python3 chooses the interpreter, ARGS="--runs 3" goes to `harness run`,
# CMAKE_ARGS="-DGGML_CUDA=on" compiles the engine for a GPU (docs/guide/gpu.md).

ifeq ($(OS),Windows_NT)
PYTHON ?= python
BIN := .venv/Scripts
else
PYTHON ?= python3
BIN := .venv/bin
endif

# Where a shell forbids compiled modules, every command would compile all of its own anew.
unexport PYTHONDONTWRITEBYTECODE

SETUP = $(PYTHON) setup/bootstrap.py
SOURCES = harness benchmarks tests setup tools

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev bench test test-slow test-mlx check lint types floors site docs reference fix clean

help: ## list these goals
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile

setup: ## make .venv and install harness into it
	@$(SETUP)

# Both set-ups always ask; when all is there, the answer takes a blink.
setup-dev:
	@$(SETUP) --dev

bench: setup ## set up, fetch the default model, measure it
	@$(BIN)/harness run $(ARGS)

test: setup-dev ## set up and run the tests
	@$(BIN)/pytest -n 3 --dist loadfile -m "not slow"

test-slow: setup-dev ## the tests that take long
	@$(BIN)/pytest -n 3 --dist loadfile -m slow

MLX := build/mlx/$(notdir $(BIN))
test-mlx: setup-dev ## the tests against mlx-lm's server, which is installed apart (330 MB)
	@test -e $(MLX) || $(PYTHON) -m venv build/mlx
	@$(MLX)/python -m pip install --quiet 'mlx[cpu]; sys_platform == "linux"' mlx-lm
	@HARNESS_MLX_PYTHON=$(MLX)/python $(BIN)/pytest -m mlx

check: lint types floors site ## lint, format, types, floors and dead links

lint: setup-dev ## of check: lint and format
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)

types: setup-dev ## of check: types
	$(BIN)/mypy

floors: setup-dev ## of check: imports go downward only
	$(BIN)/lint-imports

site: setup-dev ## of check: build docs/ into build/site; a dead link fails
	$(BIN)/zensical build --strict

docs: setup-dev ## serve docs/ on this machine, built anew at each change
	$(BIN)/zensical serve

reference: setup-dev ## write the pages and pictures of docs/ that are generated
	$(BIN)/python -m tools.reference_options
	$(BIN)/python -m tools.reference_json
	$(BIN)/python -m tools.terminal_picture
	$(BIN)/python -m tools.card_picture
	$(BIN)/python -m tools.report_picture

fix: setup-dev ## repair what lint and format can
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

clean: ## remove .venv and every cache of this folder, never results
	rm -rf .venv build dist .cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find $(SOURCES) -name __pycache__ -type d -prune -exec rm -rf {} +
