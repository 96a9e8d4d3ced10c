# SPDX-License-Identifier: LGPL-3.0-or-later
#
# `make help` lists the targets.  Each does all of its own set-up, and only once: system packages
# (when root, with apt), a virtual environment in .venv, Kokkos, and an incremental build.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV ?= .venv
BUILD ?= build/dev
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
CMAKE_BUILD_TYPE ?= Release
DPCORE_WERROR ?= OFF
DPCORE_TEST_DATA ?= $(abspath ../shared)
PYTEST_ARGS ?=
BENCH ?=
BENCH_ARGS ?=

PY := $(VENV)/bin/python
export PATH := $(abspath $(VENV))/bin:$(PATH)
export DPCORE_TEST_DATA
export CMAKE_BUILD_PARALLEL_LEVEL := $(JOBS)

# Settings of the build; a change of any of them configures anew.
CONFIG := CMAKE_BUILD_TYPE=$(CMAKE_BUILD_TYPE) DPCORE_WERROR=$(DPCORE_WERROR) \
          $(if $(DPCORE_BACKEND),DPCORE_BACKEND=$(DPCORE_BACKEND)) \
          $(if $(DPCORE_NATIVE),DPCORE_NATIVE=$(DPCORE_NATIVE))

.PHONY: help demo test build lammpstest cuda-check hip-check emulate-check bench format lint wheel clean distclean FORCE

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | awk -F '|' '{ printf "  make %-11s %s\n", $$1, $$2 }'

demo: build  ## train, freeze and test a water model in a minute or two
	@$(PY) examples/water/run_demo.py

test: build  ## run the tests (PYTEST_ARGS="-k name" chooses)
	@$(PY) -m pytest $(PYTEST_ARGS)

build: $(BUILD)/.configured  ## set up what is missing and compile what changed
	@cmake --build $(BUILD)
	@cmake --install $(BUILD) --prefix "$$(cat $(BUILD)/.configured)" > /dev/null

lammpstest: build  ## build pair_style deepmd into the LAMMPS source of Debian 12 and test it
	@PYTHON="$(PY)" tools/test_lammps_source.sh build/lammps

cuda-check: $(VENV)/.ready  ## compile all kernels for NVIDIA GPUs; needs nvcc, no GPU
	@PYTHON="$(PY)" tools/device_check.sh cuda build/cuda

hip-check: $(VENV)/.ready  ## compile all kernels for AMD GPUs; needs hipcc, no GPU
	@PYTHON="$(PY)" tools/device_check.sh hip build/hip

emulate-check: build  ## run the numerical tests through the code of GPUs, on the CPU (PYTEST_ARGS chooses others)
	@PYTHON="$(PY)" tools/emulate_check.sh build/emulated $(PYTEST_ARGS)

bench: build  ## run the benchmarks and draw them (BENCH=name chooses one script, BENCH_ARGS=--quick)
	@scripts="$(if $(BENCH),benchmarks/$(BENCH).py,$$(ls benchmarks/bench_[!c]*.py) benchmarks/targets.py)"; \
	for script in $$scripts; do echo "== $$script"; $(PY) $$script $(BENCH_ARGS); done
	@$(if $(BENCH),,$(PY) benchmarks/plots.py)

format: $(VENV)/.dev  ## format C++ and Python sources
	@git ls-files -co --exclude-standard '*.cpp' '*.hpp' '*.h' | xargs -r $(VENV)/bin/clang-format -i
	@$(VENV)/bin/ruff format python tests benchmarks examples tools lammps_plugin
	@$(VENV)/bin/ruff check --fix python tests benchmarks examples tools lammps_plugin

lint: $(VENV)/.dev  ## check formatting and Python style without changing anything
	@git ls-files -co --exclude-standard '*.cpp' '*.hpp' '*.h' | xargs -r $(VENV)/bin/clang-format --dry-run -Werror
	@$(VENV)/bin/ruff format --check python tests benchmarks examples tools lammps_plugin
	@$(VENV)/bin/ruff check python tests benchmarks examples tools lammps_plugin

wheel: $(VENV)/.ready  ## build a wheel for this machine into dist/
	@$(PY) -m pip wheel --no-deps -w dist .

clean:  ## remove what was built (the environment and downloaded sources stay)
	rm -rf build dist .pytest_cache .ruff_cache
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

distclean: clean  ## remove the environment too
	rm -rf $(VENV)

# --- set-up, kept by stamp files ---------------------------------------------------------------

$(VENV)/.ready: pyproject.toml tools/system_packages.sh
	@PYTHON="$(PYTHON)" tools/system_packages.sh
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	@echo "installing Python packages into $(VENV)"
	@$(PY) tools/requirements.py build test > $(VENV)/requirements.txt
	@$(PY) -m pip install -q "pip>=23.1"  # Debian 12's own cannot pass settings to a build
	@$(PY) -m pip install -q -r $(VENV)/requirements.txt
	@touch $@

$(VENV)/.dev: pyproject.toml $(VENV)/.ready
	@$(PY) tools/requirements.py dev > $(VENV)/requirements-dev.txt
	@$(PY) -m pip install -q -r $(VENV)/requirements-dev.txt
	@touch $@

# The settings, rewritten only when they differ.
$(BUILD)/.settings: FORCE
	@mkdir -p $(BUILD)
	@echo '$(CONFIG) $(abspath $(VENV))' | cmp -s - $@ || echo '$(CONFIG) $(abspath $(VENV))' > $@

# An editable install: Python files are used where they stand, compiled files go into $(VENV).
# The stamp holds the folder that they are installed to.
$(BUILD)/.configured: $(VENV)/.ready $(BUILD)/.settings
	@echo "building dpcore in $(BUILD); the first time takes some minutes"
	@$(PY) -m pip install -q --no-deps --no-build-isolation --check-build-dependencies --no-cache-dir \
	  -C build-dir=$(BUILD) -C install.strip=false -C cmake.build-type=$(CMAKE_BUILD_TYPE) \
	  $(foreach setting,$(CONFIG),-C cmake.define.$(setting)) -e .
	@$(PY) -c 'import sysconfig; print(sysconfig.get_path("platlib") + "/dpcore")' > $@.tmp
	@mv $@.tmp $@
