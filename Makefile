# make train   sets up, then trains, tests and separates on made-up speech
# make test    sets up, then runs lint and the default tests
# make docs    sets up, then makes a site of docs/: site/index.html

PYTHON ?= python3
VENV ?= .venv
JOBS ?= 2
RUN := results/tiny/1234
BIN := $(VENV)/bin

.PHONY: setup train test lint docs clean

setup: $(VENV)/.installed

$(VENV)/.installed: setup.cfg setup.py pyproject.toml constraints.txt \
    $(wildcard speechbrain_spmamba/ops/cpu/*.[ch])
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	    { echo "$(PYTHON) is too old; Python 3.10 or newer is needed:" \
	    "make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check \
	    --constraint constraints.txt --editable '.[dev,docs]'
	@# Needs a C compiler; without it, PESQ has no test.
	-$(BIN)/pip install --quiet --disable-pip-version-check \
	    --constraint constraints.txt pesq
	touch $@

train: setup
	$(BIN)/python train.py hparams/tiny.yaml
	$(BIN)/spmamba export --overwrite $(RUN) $(RUN)/model
	$(BIN)/spmamba separate --all-outputs --model $(RUN)/model \
	    --output $(RUN)/separated \
	    data/tiny/mixtures/test/mix/000000_*.wav
	@echo "Figure: $$(ls $(RUN)/test/examples/*/spectrograms.png | head -n 1)"
	@echo "A model of made-up voices: it hardly separates real ones, see docs/results.md"
	@echo "For the commands of README.md: . $(BIN)/activate"

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/patchnotes --strict CHANGELOG.md validate
	$(BIN)/check-jsonschema --builtin-schema \
	    vendor.citation-file-format CITATION.cff
	$(BIN)/check-jsonschema --builtin-schema \
	    vendor.github-workflows .github/workflows/*.yml

# One thread a process: the tests are many and small. What the first process
# has compiled the others need not, wherever Python is told not to keep it.
test: setup lint
	PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 \
	    $(BIN)/python -m pytest -n $(JOBS)

# Strict: what is linked, named or described and is not there ends it.
docs: setup
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --clean --quiet
	@echo "site/index.html; with search: $(PYTHON) -m http.server -d site"

clean:
	rm -rf $(VENV) results data site *.egg-info
