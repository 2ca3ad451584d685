# make run [ARGS="--exit-when-done"]   install what is missing, then start Precog
# make test                            install what is missing, then check and test everything
# make lint                            the fast half of the checks
# make docs                            the documentation as a site in build/site
# make clean                           remove the environment and what tools left behind

PYTHON ?= python3
VENV ?= .venv
ARGS ?=
PYTEST_ARGS ?=
# One more than cores: some tests wait for processes of their own.
WORKERS ?= 3

BIN := $(VENV)/bin
# uv downloads side by side and compiles on all cores: half the time of pip. It does not read pip's
# configuration, so where an index is named only there, pip installs.
PIP := $(BIN)/python -m pip install --disable-pip-version-check
UV := VIRTUAL_ENV=$(abspath $(VENV)) $(BIN)/uv pip install --quiet --compile-bytecode --system-certs
define install
	$(PIP) --quiet uv==0.13.9
	$(UV) -c constraints.txt $(1) || { \
	    echo "uv could not install; pip, which knows more about this machine, tries now."; \
	    $(PIP) -c constraints.txt $(1); }
endef
SOURCES := precog_core precog_dagster precog_pipelines precog_trading precog_platform

.PHONY: run test lint types docs clean constraints
.DELETE_ON_ERROR:

run: $(VENV)/installed-run
	@$(BIN)/precog up $(ARGS)

# Compiled once instead of in each of the hundred processes that the tests start.
test: export PYTHONDONTWRITEBYTECODE =
test: $(VENV)/installed-test
	@mkdir -p build
	@# One core compiles the tests while the other checks: the workers then find them compiled.
	@$(BIN)/python -m pytest --collect-only --quiet > build/collected.txt & \
	    $(MAKE) --no-print-directory lint types; checked=$$?; \
	    wait $$! || { tail -40 build/collected.txt; exit 1; }; exit $$checked
	$(BIN)/python -m slipcover --json --out build/coverage.json \
	    -m pytest -n $(WORKERS) --no-loadscope-reorder $(PYTEST_ARGS)
	$(BIN)/python -m slipcover --skip-covered --fail-under 90 \
	    --merge build/coverage.json --out build/coverage.json

lint: $(VENV)/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(VENV)/installed-test
	$(BIN)/mypy

# Stamps: installed again only when the requirements or the pinned set changed.
$(VENV)/installed-run: setup.py constraints.txt | $(BIN)/python
	@echo "Installing Precog and its libraries into $(VENV); the first time takes some minutes."
	$(call install,-e .)
	@touch $@

$(VENV)/installed-test: setup.py constraints.txt | $(BIN)/python
	@echo "Installing Precog, its libraries and the test tools into $(VENV)."
	$(call install,-e '.[test]')
	@touch $@ $(VENV)/installed-run

docs: $(VENV)/installed-docs
	$(BIN)/mkdocs build --strict

$(VENV)/installed-docs: setup.py constraints.txt | $(BIN)/python
	$(call install,-e '.[docs]')
	@touch $@

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { \
	    echo "Precog needs Python 3.11 or newer, and there is no $(PYTHON) here;" \
	         "install it, or name yours: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "Precog needs Python 3.11 or newer, and $(PYTHON) is $$($(PYTHON) -V 2>&1);" \
	         "name a newer one: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	    echo "$(PYTHON) could not create $(VENV); on Debian and Ubuntu: apt install python3-venv" >&2; \
	    exit 1; }

constraints: | $(BIN)/python
	rm -rf build/resolve && $(PYTHON) -m venv build/resolve
	build/resolve/bin/pip install --disable-pip-version-check '.[test,dev,docs]'
	sed -n '/^#/p' constraints.txt > build/constraints.txt
	build/resolve/bin/pip freeze --all --exclude precog --exclude pip | sort -f >> build/constraints.txt
	mv build/constraints.txt constraints.txt
	rm -rf build/resolve

clean:
	rm -rf $(VENV) build dist *.egg-info
	rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find $(SOURCES) tests -name __pycache__ -type d -prune -exec rm -rf {} +
