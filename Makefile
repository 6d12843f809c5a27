PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test lint bench clean

demo: $(VENV)/installed
	$(BIN)/fflbench run quickstart
	$(BIN)/fflbench leaderboard results/quickstart

test: $(VENV)/installed-test
	$(BIN)/python -m pytest -n 3 --dist loadfile

# To be read, types need no native code: compilers that fail leave it out.
lint: $(VENV)/installed-test
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	rm -rf build/typecheck && CC=false CXX=false $(BIN)/pip install -q --no-deps --target build/typecheck .
	MYPYPATH=build/typecheck $(BIN)/mypy -p fflbench

bench: $(VENV)/installed-test
	mkdir -p build
	$(BIN)/python -m pytest -o addopts= tests/benchmarks --benchmark-only --benchmark-timer=time.process_time --benchmark-json=build/benchmarks.json
	$(BIN)/python tools/build_performance.py --show build/benchmarks.json

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install -q -e .
	touch $@

$(VENV)/installed-test: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install -q -e ".[test,lint]"
	touch $@ $(VENV)/installed

clean:
	rm -rf $(VENV) build dist *.egg-info results
