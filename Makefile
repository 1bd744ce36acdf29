# make run       everything, from the data to a served model (DATA=path for your own data)
# make test      lint, types and all tests
# make setup     only install, into .venv
# make dashboards  Grafana's dashboards, from their code
# make pictures  the picture in the README, from the web app's browser tests

DATA ?=
UV_VERSION := 0.13.9
UV := $(or $(shell command -v uv 2>/dev/null),.uv/bin/uv)
INSTALLED := .venv/.installed
EMOTION := .venv/bin/emotion
PYTHON := .venv/bin/python
SCHEMAS := .venv/.schemas

.PHONY: run test setup dashboards pictures clean

run: setup
	$(EMOTION) run $(if $(DATA),--data $(DATA))

test: setup $(SCHEMAS)
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy
	tests/install-programs.sh
	$(PYTHON) -m pytest

setup: $(INSTALLED)

# uv finds the Python named in .python-version, and installs exactly what uv.lock says.
$(INSTALLED): pyproject.toml uv.lock .python-version | $(UV)
	UV_COMPILE_BYTECODE=1 $(UV) sync --frozen --all-extras
	@touch $@

# What the tests of deploy/ read schemas out of. None of its 1,800 modules is run, so they are kept out
# of the environment: compiling them there would take minutes, and their dependencies exclude ours.
$(SCHEMAS): tests/deploy/schemas.txt $(INSTALLED) | $(UV)
	$(UV) pip install --quiet --no-deps --no-compile-bytecode --require-hashes \
		--target $@ --upgrade -r $<
	@touch $@

.uv/bin/uv:
	python3 -m venv .uv
	.uv/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

dashboards: setup
	$(PYTHON) -m emotion_tfx.monitoring.dashboards

pictures: setup
	tests/install-programs.sh
	$(PYTHON) -m pytest -n0 tests/app/test_browser.py -k picture_of_the_readme
	cp output/screenshots/app.png docs/images/app.png

clean:
	rm -rf .venv .uv output
