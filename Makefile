# Needs Python 3.11 or later and nothing else: everything is installed into .venv, and again only when
# pyproject.toml or constraints.txt change.
#
#   make serve                    install what serving needs, then serve on http://127.0.0.1:8000
#   make serve ARGS="--port 9000" options of `recap serve`
#   make setup                    install all, training and checks included
#   make test ARGS="-m 'not slow'"
#   make coverage                 which lines of the service its tests run, also in processes that they start
#   make check                    format, lint, types, Dockerfile; the page's scripts too, where npm is installed
#   make docs                     write the tables of settings and commands into docs/ anew
#   make pins ARGS=--upgrade      write constraints.txt anew; without --upgrade, only for what pyproject.toml changed
#   make release                  check, build and tag the version of pyproject.toml; pushes nothing
#   make screenshots              take the documents' pictures of the page anew, with Chromium
#   make bench                    ratios to what one would use instead; ARGS="captions text" for some of them
#   make clean                    remove .venv, caches and builds
#
# On Linux the default torch is the CUDA build, several GB; TORCH_INDEX=https://download.pytorch.org/whl/cpu takes
# PyTorch's CPU build instead.
TORCH_INDEX ?=
PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3.14 python3; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)

VENV := .venv
BIN := $(VENV)/bin
SERVING := $(VENV)/.serving
ALL := $(VENV)/.all
PEERS := $(VENV)/.peers
NPM := node_modules/.package-lock.json
INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --constraint constraints.txt
# --no-deps: that index has only torch's own builds of date, the rest comes from the default one.
TORCH = $(if $(TORCH_INDEX),$(INSTALL) --no-deps --index-url $(TORCH_INDEX))

.PHONY: setup serve test coverage check docs pins release screenshots bench clean
.DEFAULT_GOAL := setup

setup: $(ALL)

serve: $(SERVING)
	@$(BIN)/recap serve $(ARGS)

test: $(ALL)
	@$(BIN)/pytest --numprocesses logical --maxprocesses 8 --dist worksteal $(ARGS)

coverage: $(ALL)
	@$(BIN)/pytest --numprocesses logical --maxprocesses 8 --dist worksteal --cov app --cov-report term-missing \
		--cov-report html tests/app $(ARGS)

check: $(ALL)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/hadolint Dockerfile
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory $(NPM) && npm run check; \
		else echo "npm is not installed, so the page's scripts are not checked"; fi

$(NPM): package-lock.json
	@npm ci --no-audit --no-fund
	@touch $@

docs: $(ALL)
	@$(BIN)/python docs/generate.py

# For every platform and every Python from 3.11 on, with no address of an index; Linux's torch is the default index's.
pins: $(ALL)
	@$(BIN)/uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --no-annotate --quiet \
		--custom-compile-command "make pins" --output-file constraints.txt $(ARGS)

release: $(ALL)
	@PATH="$(CURDIR)/$(BIN):$$PATH" .ci/release

screenshots: $(ALL)
	@$(BIN)/python benchmarks/screenshots.py

bench: $(PEERS)
	@PYTHONPATH=. $(VENV)/bench/bin/python benchmarks/bench.py $(ARGS)

clean:
	rm -rf $(VENV) build dist node_modules .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find app model recap training tests benchmarks docs -name __pycache__ -type d -exec rm -rf {} +

$(SERVING): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed; name one with PYTHON=/path/to/python" >&2; exit 1; }
	@echo "Installing what serving needs into $(VENV); torch takes a few minutes."
	@$(PYTHON) -m venv $(VENV)
	@$(if $(TORCH),$(TORCH) torch)
	@$(INSTALL) --editable '.[fast]'
	@touch $@

$(PEERS): $(SERVING)
	@echo "Installing what Recap is compared with into $(VENV)/bench, beside what serving needs."
	@$(BIN)/python -m venv $(VENV)/bench
	@$(BIN)/python -c 'import site; print(site.getsitepackages()[0])' > \
		$$($(VENV)/bench/bin/python -c 'import site; print(site.getsitepackages()[0])')/recap.pth
	@$(VENV)/bench/bin/pip install --quiet --constraint constraints.txt litserve==0.2.19 transformers==5.24.0 \
		onnx==1.23.2 onnxruntime==1.32.0 onnxscript==0.7.2
	@touch $@

$(ALL): $(SERVING)
	@echo "Installing what training, tests and checks need into $(VENV)."
	@$(if $(TORCH),$(TORCH) torchvision)
	@$(INSTALL) --editable '.[fast,av,bulk,train,dev]'
	@touch $@
