# The two commands a newcomer needs: `make demo` and `make test`. Each prepares what it uses.

PYTHON ?= python3
BIN = .venv/bin

.PHONY: demo test check benchmarks clean

.venv/created:
	$(PYTHON) -m venv .venv
	touch $@

.venv/demo: pyproject.toml | .venv/created
	$(BIN)/pip install --quiet -e '.[cli]'
	touch $@

.venv/test: pyproject.toml | .venv/created
	$(BIN)/pip install --quiet -e '.[test]'
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
