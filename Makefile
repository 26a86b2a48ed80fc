# `make` regenerates every result; `make test` runs every check. Both set up .venv first.
PYTHON ?= python3
# cpu, cuda or tpu: which build of JAX is installed.
JAX ?= cpu
# Decides the inputs of `make attack`.
SEED ?= 20261128
BIN := .venv/bin
LOCK := requirements/$(JAX).txt
READY := .venv/.ready-$(JAX)
export PATH := $(CURDIR)/$(BIN):$(PATH)
# Modules stay compiled from one process to the next: there are hundreds, and each would do it again.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: all setup test pytest test-all test-processors attack lint style types readme schema docs lock benchmark clean

all: $(READY)
	@python -m pipeline

setup: $(READY)

$(READY): $(LOCK) pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed, $$($(PYTHON) --version) was found; name another one: make PYTHON=python3.12"; exit 1; }
	@echo "Installing the pinned dependencies into .venv (one to three minutes) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(LOCK)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

test: style # and types beside the tests, which leave a processor idle now and then
	@$(MAKE) --no-print-directory --jobs=2 types pytest

# Most of its time is compiling, here without what makes programs fast: as JAX's own tests have it,
# and without XLA's newer way of writing fused loops, which takes twice as long to compile.
pytest: $(READY)
	@XLA_FLAGS="$$XLA_FLAGS --xla_cpu_use_fusion_emitters=false" JAX_DISABLE_MOST_OPTIMIZATIONS=1 \
		pytest -n auto --dist loadfile --no-loadscope-reorder

test-all: lint # with the slow tests, and compiled as for a user
	@pytest -n auto --dist loadfile --no-loadscope-reorder -m ""

attack: lint # thousands of damaged inputs and kills, about an hour on two cores; SEED=1 for others
	@pytest tests/attack -n auto --dist loadfile --no-loadscope-reorder -m "" -q --attack-all --attack-seed $(SEED)

# An x86 processor takes JAX for one with fewer instructions, whose sums round in other places.
test-processors: lint # the tests as older processors run them, then as this one does
	@for flag in --xla_cpu_max_isa=SSE4_2 --xla_cpu_max_isa=AVX2 ""; do \
		echo "Testing with XLA_FLAGS=\"$$XLA_FLAGS $$flag\" ..."; \
		XLA_FLAGS="$$XLA_FLAGS $$flag" pytest -n auto --dist loadfile --no-loadscope-reorder || exit 1; \
	done

lint: style types

style: $(READY)
	@ruff format --check --quiet .
	@ruff check --quiet .
	@lint-imports >/dev/null || lint-imports

types: $(READY)
	@basedpyright --level error

readme: $(READY) # the README's table from the report
	@python -m pipeline.report --readme

schema: $(READY) # spec/schema.json from nndl_jax.documents
	@python -m nndl_jax.documents > spec/schema.json

docs: $(READY) # docs/ as a site, dist/docs/index.html; a link that leads nowhere is an error
	@zensical build --clean --strict

benchmark: $(READY)
	@python -m benchmarks.training_step
	@echo
	@python -m benchmarks.convolution_step

lock: # needs uv
	@for jax in cpu cuda tpu; do \
		extra=$$([ $$jax = cpu ] || echo "--extra $$jax"); \
		uv pip compile pyproject.toml --universal --python-version 3.11 --extra pipeline --extra dev $$extra \
			--generate-hashes --no-emit-index-url --no-annotate --no-header --quiet -o requirements/$$jax.txt; \
	done

clean:
	rm -rf .venv data runs resolved .nndl
