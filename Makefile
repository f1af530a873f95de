# hookferry: every target works on a machine with nothing but Python 3.11+ and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready

.PHONY: setup demo test lint bench simulate mutants faults contract docs lock clean

setup: $(STAMP)

$(STAMP): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "hookferry needs Python 3.11 or later; name one: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# Plays a scene with real receivers, then stays up; ONCE=1 ends after the scene.
demo: setup
	@$(BIN)/python -m demo.scene $(if $(ONCE),--once)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# One worker a core: most of the time goes into servers that start and receivers that wait.
test: lint
	$(BIN)/pytest -n auto

# ROWS=cpu,catch picks rows (bench/README.md), QUICK=1 shortens them (under 2 minutes in all).
bench: setup
	$(BIN)/python -m bench $(if $(QUICK),--quick) $(if $(ROWS),--rows $(ROWS))

# Ten thousand worlds of the deterministic simulation (about six minutes); SEEDS=n for another number.
SEEDS ?= 10000
simulate: setup
	SIM_SEEDS=$(SEEDS) $(BIN)/pytest -n auto tests/sim

# Each patch in tests/mutants removes a safeguard; its named test must then fail.
mutants: setup
	$(BIN)/python tests/mutants/run.py $(MUTANTS)

# Two hundred kills under load instead of the twenty of `make test`, another seed each time.
faults: setup
	CRASH_KILLS=200 CRASH_SEED=$$(date +%s) $(BIN)/pytest -s tests/crash

# What schemathesis asks of the API in `make test`, with many more cases (EXAMPLES of each operation),
# HEAD included, and calls that build on each other's answers; about ten minutes.
EXAMPLES ?= 50
contract: setup
	CONTRACT_EXAMPLES=$(EXAMPLES) $(BIN)/pytest tests/api/test_schemathesis.py

# The reference pages in docs/ that are written from the code; a test fails when they are not.
docs: setup
	$(BIN)/python docs/reference.py

# Needs uv; writes the hash-locked requirements.
lock:
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --custom-compile-command "make lock" pyproject.toml -o requirements/runtime.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --custom-compile-command "make lock" pyproject.toml requirements/dev.in -o requirements/dev.txt

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
