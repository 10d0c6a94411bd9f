# make train   sets up, then trains, tests and separates on made-up speech
# make test    sets up, then runs lint and the default tests

PYTHON ?= python3
VENV ?= .venv
JOBS ?= 2
RUN := results/tiny/1234
BIN := $(VENV)/bin

.PHONY: setup train test lint clean

setup: $(VENV)/.installed

$(VENV)/.installed: setup.cfg setup.py pyproject.toml constraints.txt \
    $(wildcard speechbrain_spmamba/ops/cpu/*.[ch])
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	    { echo "$(PYTHON) is too old; Python 3.10 or newer is needed:" \
	    "make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check \
	    --constraint constraints.txt --editable '.[dev]'
	touch $@

train: setup
	$(BIN)/python train.py hparams/tiny.yaml
	$(BIN)/spmamba export --overwrite $(RUN) $(RUN)/model
	$(BIN)/spmamba separate --all-outputs --model $(RUN)/model \
	    --output $(RUN)/separated \
	    data/tiny/mixtures/test/mix/000000_*.wav
	@echo "Figure: $$(ls $(RUN)/test/examples/*/spectrograms.png | head -n 1)"
	@echo "A model of made-up voices: it hardly separates real ones, see README.md"
	@echo "For the commands of README.md: . $(BIN)/activate"

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell
	$(BIN)/lint-imports
	$(BIN)/mypy

# One thread a process: the tests are many and small. What the first process
# has compiled the others need not, wherever Python is told not to keep it.
test: setup lint
	PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 \
	    $(BIN)/python -m pytest -n $(JOBS)

clean:
	rm -rf $(VENV) results data *.egg-info
