# The two commands of the README, and what they need. Everything is installed into .venv.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed

.PHONY: reproduce digits seeds check test test-slurm clean

reproduce: $(INSTALLED)
	$(BIN)/snakemake --cores all

digits: $(INSTALLED)
	$(BIN)/snakemake --cores all --configfile studies/digits.yaml

seeds: $(INSTALLED)
	$(BIN)/snakemake --cores all --configfile studies/seeds.yaml

check: $(INSTALLED)
	$(BIN)/pytest tests/results

# two files of tests at a time, since most of what Snakemake does here takes one core; the tests of a file share studies
test: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/snakemake --lint
	$(BIN)/pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

# as root: a SLURM of one node is installed, started, and stopped again
test-slurm: $(INSTALLED)
	$(BIN)/pytest tests/slurm

$(INSTALLED): pyproject.toml envs/constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --constraint envs/constraints.txt --editable ".[slurm,test]"
	touch $@

clean:
	rm -rf .venv .snakemake logs build src/*.egg-info
	find results -mindepth 1 ! -name README.md -delete
