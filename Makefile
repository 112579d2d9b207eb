# make demo        run all steps on the corpus that ships with the package; needs nothing but Python
# make GPU=1 demo  the same, with PyTorch's GPU build on Linux: 3 GB to download instead of 300 MB
# make test        run the tests, in five to eight minutes on two cores
# make test-rest   run the tests that take longer
# make check       check style, types and the order of the rooms
# make bench       run the benchmarks; ONLY=training runs one, CORPORA=FOLDER names the real corpora
# make gpu-check   all that only a GPU can answer, in eight minutes; CORPORA=FOLDER as above
# make docs        write the reference pages from the code
# make site        build the documentation as a site, into build/site
# make release-check  run the commands of the release's workflow here, up to publishing
# make base        train the model that ships with the package, on American plays, in about 40 minutes
# make clean       remove what can be made again

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install $(shell test -t 2 || echo --quiet) --disable-pip-version-check -c constraints.txt

# Whoever writes no bytecode would compile every module in every process that a test starts.
PYTEST := PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal

# The first Python on the path that is new enough and can make an environment; override with PYTHON=…
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	"$$python" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo "$$python" && break; done)

# An environment with the GPU build stays one.
GPU ?= $(wildcard $(VENV)/ready-with-gpu)
READY := $(VENV)/ready$(if $(GPU),-with-gpu)

.PHONY: demo test test-rest check bench gpu-check docs site release-check base clean
.DELETE_ON_ERROR:

demo: $(READY)
	$(BIN)/scriptforge demo

test: $(VENV)/ready-to-develop
	$(PYTEST)

test-rest: $(VENV)/ready-to-develop
	$(PYTEST) -m slow

check: $(VENV)/ready-to-develop
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/ready-to-develop
	PYTHONPATH=tests CORPORA="$(CORPORA)" $(BIN)/python -m benchmarks $(ONLY)
	PYTHONPATH=tests $(BIN)/python -m benchmarks.page

gpu-check: $(VENV)/ready-to-develop
	PYTHONPATH=tests CORPORA="$(CORPORA)" $(BIN)/python -m benchmarks.gpu
	PYTHONPATH=tests $(BIN)/python -m benchmarks.page

docs: $(VENV)/ready-to-develop
	$(BIN)/python docs/making
	PYTHONPATH=tests $(BIN)/python -m benchmarks.page

site: $(VENV)/ready-to-develop
	$(BIN)/python docs/making/website.py

release-check: $(VENV)/ready-to-develop
	$(BIN)/python tests/release.py rehearse

base: $(VENV)/ready-to-develop
	$(BIN)/scriptforge prepare american-plays $(if $(PLAYS),--from "$(PLAYS)") --validation 0.02 --test 0.02
	$(BIN)/scriptforge train american-plays --name base --minutes 40 --from none \
		--set hidden_size=320 --set embedding_size=320
	$(BIN)/python -m scriptforge.training.base_model runs/base

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

$(READY): pyproject.toml constraints.txt hatch_build.py $(wildcard scriptforge/kernel/*.[ch])
	@python="$(PYTHON)"; if [ -z "$$python" ]; then \
		echo "scriptforge needs Python 3.11 or newer, with its venv module; name one: make PYTHON=/path/to/python3" >&2; \
		exit 1; fi; \
	"$$python" install.py $(if $(GPU),--gpu) $(VENV)
	@touch $@

$(VENV)/ready-to-develop: $(READY)
	$(PIP) -e '.[dev]'
	@touch $@
