# The everyday commands. All they need goes into .venv, in the versions of constraints.txt; where packages come from
# is pip's own configuration on this machine.

PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet -c constraints.txt

# The packages that build gradcheck are held too: older pips read the first name for that, newer ones the second.
export PIP_CONSTRAINT := constraints.txt $(PIP_CONSTRAINT)
export PIP_BUILD_CONSTRAINT := constraints.txt $(PIP_BUILD_CONSTRAINT)

.PHONY: demo test docs bench mutants fuzz clean

demo: .venv/installed
	$(BIN)/gradcheck "2*x**4+x**3+3*x**2+5*x+1" --at 2
	$(BIN)/gradcheck "y = 3*x + 2; z = 2*y**2; out = mean(z)" --at "[[1,2,3],[3,2,1]]"

test: .venv/installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy --strict
	$(BIN)/pytest -n auto

docs: .venv/installed
	$(BIN)/python docs/picture.py

bench: .venv/installed
	$(BIN)/python benchmarks/bench.py

# How many small changes of the core the tests are tried on, and which: MUTANTS=50 SEED=7. Neither mutmut nor cosmic-ray does
# it: the one changes bodies of functions and no table, the other starts a process for every change, 2 s for torch alone.
MUTANTS ?= 200
SEED ?= 0

mutants: .venv/installed-dev
	$(BIN)/python benchmarks/mutants.py --count $(MUTANTS) --seed $(SEED)

# Seconds for each target; a finding ends the run and is left here as crash-* or timeout-*.
FUZZ_SECONDS ?= 60

fuzz: .venv/installed
	$(INSTALL) -e ".[fuzz]"
	for target in program points file; do \
		$(BIN)/python fuzz/run.py $$target -max_total_time=$(FUZZ_SECONDS) || exit 1; \
	done

clean:
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .mutants
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/installed: pyproject.toml constraints.txt | .venv/bin/python
	@echo "installing gradcheck into .venv"
	$(INSTALL) -e .
	touch $@

.venv/installed-dev: pyproject.toml constraints.txt | .venv/bin/python
	@echo "installing gradcheck and its development tools into .venv"
	$(INSTALL) -e ".[dev]"
	touch $@ .venv/installed
