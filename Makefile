# make demo   installs what is missing and runs the study on the built-in cohort
# make test   installs what is missing and runs every check
PYTHON ?= python3
CORES  ?= $(shell nproc)
BIN    := .venv/bin
READY  := .venv/installed
PLUGINS := .venv/plugins
CODE   := Snakefile workflow/rules
SECONDS_TO_FUZZ ?= 600
PATH   := $(CURDIR)/$(BIN):$(PATH)

.PHONY: demo test check unit workflow fuzz faults cluster lock clean

demo: $(READY)
	$(BIN)/snakemake --cores $(CORES)
	$(BIN)/snakemake --report results/snakemake-report.html
	@echo "Open results/report.html. Tables, figures and images are in results/; results/README.md says what each is."

test: check unit workflow

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check $(CODE)
	$(BIN)/mypy workflow/scripts/spect2pet
	$(BIN)/snakemake --lint

# One thread a test process: two of them share the machine.
unit: $(READY)
	OMP_NUM_THREADS=1 ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS=1 $(BIN)/pytest -n $(CORES) --dist loadfile tests/unit

# Two processes, and in their own order, which begins with what takes longest.
workflow: $(READY) $(PLUGINS)
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder tests/workflow tests/slurm tests/browser

# Throws damaged files at the readers; what it finds it leaves in .fuzz_cache/.
fuzz: $(READY)
	$(BIN)/python -c 'import atheris' 2> /dev/null || $(BIN)/pip install --quiet 'atheris>=2.3'
	$(BIN)/python tests/fuzz/fuzz_readers.py -max_total_time=$(SECONDS_TO_FUZZ)

# Kills, fills, damages and misleads a running study over a hundred times: half an hour.
faults: $(READY)
	PYTHONPATH=workflow/scripts:tests/faults $(BIN)/python benchmarks/faults.py --faults 105 --seed 1

# What sends jobs to a cluster, for the profiles in profiles/.
cluster: $(READY)
	$(BIN)/pip install --quiet --no-deps --requirement requirements-cluster.lock

# The same where the tests alone see it: every start of Snakemake imports all plugins that it finds.
$(PLUGINS): requirements-cluster.lock $(READY)
	$(BIN)/pip install --quiet --no-deps --target $@ --upgrade --requirement requirements-cluster.lock
	touch $@

$(READY): requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "$(PYTHON) is too old: Python 3.11 or newer is needed (make PYTHON=python3.12 ...)"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --requirement requirements.lock
	touch $@

# Writes the lock anew from the ranges in pyproject.toml.
lock:
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/pip install --quiet torch==2.13.0 --editable '.[test]'
	{ sed -n '/^#/p' requirements.lock; .venv-lock/bin/pip freeze --exclude-editable | sed 's/+cpu$$//'; } > requirements.new
	mv requirements.new requirements.lock
	rm -r .venv-lock

clean:
	rm -rf .snakemake logs
	find results -mindepth 1 ! -name README.md -delete
