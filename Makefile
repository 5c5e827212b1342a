# The two commands a newcomer needs: `make demo` and `make test`. Each prepares what it uses.

PYTHON ?= python3
BIN = .venv/bin

.PHONY: demo test check benchmarks clean

.venv/created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "steepest needs Python 3.11 or newer: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv .venv
	touch $@

.venv/demo: pyproject.toml | .venv/created
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[cli]'
	touch $@

.venv/test: pyproject.toml | .venv/created
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[test]'
	touch $@ .venv/demo

# Train on the house prices that ship with the project; model and report go to ./demo.
demo: .venv/demo
	$(BIN)/steepest train examples/data/ames.csv --target Sale_Price --output demo --overwrite

# Style, types and every test.
test: .venv/test check
	$(BIN)/pytest -n 2

check: .venv/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf .venv demo build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
