# The two commands a fresh machine needs: make demo, make test. Each first makes .venv from the pinned lock.

PYTHON ?= python3
BIN := .venv/bin
# Jobs are processes by the hundred: where compiled files may not be kept, each compiles all of torch for itself.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test test-fast lint config-docs setup recover test-cluster test-envs test-clients test-kills

setup: .venv/.installed  ## what the workflow runs on

demo: .venv/.installed  ## the whole study at demo scale, about ten minutes on two cores
	$(BIN)/snakemake --profile profiles/demo
	@cat results/demo/summary.txt

test: .venv/.develop  ## the tests, about ten minutes on two cores
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test-fast: .venv/.develop  ## for every small change: no run of the workflow, no long loops; at most two minutes
	$(BIN)/python -m pytest -n 2 --dist loadfile -q -m "not slow" --ignore=tests/workflow

recover: .venv/.installed  ## after Snakemake died on a cluster: cancel what it left, unlock, start again
	$(BIN)/python scripts/recover.py

test-cluster: .venv/.develop  ## a real Slurm on this machine, as root: about ten minutes
	$(BIN)/python -m pytest tests/cluster

test-envs: .venv/.develop  ## each environment's pins alone in an empty folder: minutes, and some GB while they last
	$(BIN)/python -m pytest tests/envs

test-clients: .clients/.installed .venv/.develop  ## nnU-Net, the BIDS validator and mlcroissant read what is written: some GB
	$(BIN)/python -m pytest tests/clients

test-kills: .venv/.develop  ## twenty studies killed at random and run again: about an hour
	$(BIN)/python tests/kills/kill_test.py --seeds 20 --table kills.csv

config-docs: .venv/.develop  ## the schema and docs/configuration.md, from the typed config
	$(BIN)/python scripts/document_config.py

lint: .venv/.develop
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/snakemake --lint

# --no-compile: Python compiles what is imported when it is; compiling all of torch takes as long as the rest.
.venv/.installed: envs/requirements.txt envs/lock.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "privessel needs Python >= 3.11; name one: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --no-compile --quiet --disable-pip-version-check -r envs/requirements.txt -c envs/lock.txt
	@touch $@

.venv/.develop: .venv/.installed envs/develop.txt envs/heads.txt
	$(BIN)/pip install --no-compile --quiet --disable-pip-version-check -r envs/develop.txt -c envs/lock.txt
	$(BIN)/pip install --no-compile --quiet --disable-pip-version-check --no-deps -r envs/heads.txt
	@touch $@

# Not from the lock: what others have now is what recipients will read a release with.
.clients/.installed: envs/clients.txt
	$(PYTHON) -m venv .clients
	.clients/bin/pip install --no-compile --quiet --disable-pip-version-check -r envs/clients.txt
	@touch $@
