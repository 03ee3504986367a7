# Every job of the project by one verb; `make` alone lists them. docs/testing.md says what each test
# lane covers. The work is in CMakePresets.json, scripts/ and pyproject.toml.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

VENV := .venv
PYTHON_BIN := $(VENV)/bin/python
JOBS ?= $(shell nproc)
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export SPRINGG_DATA ?= $(abspath ../shared/data)

.PHONY: help
help:  ## list these verbs
	@echo "springg: make VERB"
	@echo
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / {printf "  %-12s %s\n", $$1, $$2}' Makefile
	@echo
	@echo "First time: make demo. Before a commit: make test check."

# --- what is built from -------------------------------------------------------------------------

.PHONY: deps
deps:  ## install the system packages that are missing (as root; else print the line to run)
	@scripts/install_system_packages.sh build check clang neon crash

groups := system-build system-check system-clang system-neon system-crash
.PHONY: $(groups)
$(groups): system-%:
	@scripts/install_system_packages.sh $*

$(VENV)/%.stamp: requirements/%.txt requirements/build.txt scripts/make_venv.sh | system-build
	@scripts/make_venv.sh $*

.PHONY: venv
venv: $(VENV)/dev.stamp  ## make .venv with what the build, the tests and the checks need

# The package is installed once, as a link to python/; CMake puts the extension there.
$(VENV)/editable.stamp: pyproject.toml | $(VENV)/build.stamp
	@echo "== installing the springg package into $(VENV) as a link to python/"
	@$(PYTHON_BIN) -m pip install --quiet --disable-pip-version-check --no-build-isolation \
	  --no-deps --config-settings=wheel.cmake=false --config-settings=editable.mode=inplace -e .
	@touch $@

# --- build and run ------------------------------------------------------------------------------

# $(call build,PRESET,TARGET) configures a preset once and builds a target of it.
define build
	@echo "== building $(2) of build/$(1)"
	@test -f build/$(1)/build.ninja || cmake --preset $(1)
	@cmake --build build/$(1) --parallel $(JOBS) --target $(2)
endef

.PHONY: build
build: $(VENV)/editable.stamp  ## compile the extension and the C++ tests (build/release)
	$(call build,release,all)

.PHONY: demo
demo: $(VENV)/editable.stamp  ## install, build, then search a dictionary by meaning
	$(call build,release,_core)
	@springg demo

.PHONY: test
test: $(VENV)/dev.stamp build  ## all tests: C++ on each instruction set, then Python
	@$(PYTHON_BIN) scripts/run_tests.py release

.PHONY: bench
bench: $(VENV)/bench.stamp $(VENV)/editable.stamp  ## the short benchmarks (benchmarks/README.md)
	@cmake --preset release -DSPRINGG_BUILD_BENCHMARKS=ON
	$(call build,release,all)
	@scripts/run_benchmarks.sh

.PHONY: notebook
notebook: $(VENV)/dev.stamp build  ## run the notebooks; results in build/notebooks
	@$(PYTHON_BIN) scripts/run_notebooks.py

.PHONY: wheel
wheel: $(VENV)/dev.stamp  ## build the sdist and the wheel into dist/, and try both
	@scripts/make_wheel.sh

# --- checks -------------------------------------------------------------------------------------

.PHONY: check
check: $(VENV)/dev.stamp system-check build  ## format, lint, types, clang-tidy, tidy rules, stubs
	@scripts/check.sh

.PHONY: fix
fix: $(VENV)/dev.stamp system-check  ## apply the formatters and what the linters can mend
	@ruff check --fix .
	@ruff format .
	@git ls-files --cached --others --exclude-standard '*.h' '*.cpp' | xargs clang-format-16 -i

# --- other test lanes ---------------------------------------------------------------------------

.PHONY: asan
asan: $(VENV)/dev.stamp  ## C++ and Python under Address- and UBSanitizer
	$(call build,asan,all)
	@$(PYTHON_BIN) scripts/run_tests.py asan

.PHONY: tsan
tsan: $(VENV)/dev.stamp  ## the C++ tests under ThreadSanitizer
	$(call build,tsan,all)
	@$(PYTHON_BIN) scripts/run_tests.py tsan

.PHONY: sanitizers
sanitizers: asan tsan  ## both of these

.PHONY: clang
clang: $(VENV)/dev.stamp system-clang  ## compile all with clang and its thread-safety analysis
	$(call build,clang,all)

.PHONY: coverage
coverage: $(VENV)/dev.stamp  ## line coverage of cpp/src by the C++ tests; fails below 90 %
	$(call build,coverage,all)
	@find build/coverage -name '*.gcda' -delete
	@$(PYTHON_BIN) scripts/run_tests.py coverage
	@gcovr --root . --object-directory build/coverage --filter 'cpp/src/' --print-summary \
	  --exclude-throw-branches --exclude-unreachable-branches --fail-under-line 90 \
	  --gcov-suspicious-hits-threshold 0 \
	  --html build/coverage/report.html

.PHONY: fuzz
fuzz: $(VENV)/dev.stamp system-clang  ## each fuzz target for FUZZ_SECONDS (20) from its corpus
	$(call build,fuzz,all)
	@scripts/run_fuzzers.sh

.PHONY: crash
crash: $(VENV)/dev.stamp system-crash build  ## crash databases on purpose, judge what is left
	@scripts/run_crash.sh short

.PHONY: campaign
campaign: $(VENV)/dev.stamp system-crash build  ## the same for HOURS, noted in docs/ledger.csv
	@scripts/run_crash.sh campaign $(HOURS)

.PHONY: seeded-bugs
seeded-bugs: $(VENV)/dev.stamp system-crash  ## builds with a mistake each: does a lane catch it?
	@tests/crash/seeded_bugs.sh

.PHONY: neon
neon: $(VENV)/dev.stamp system-neon  ## the aarch64 kernels under qemu
	$(call build,neon,all)
	@$(PYTHON_BIN) scripts/run_tests.py neon

.PHONY: clean
clean:  ## remove what was built (the virtual environment stays)
	rm -rf build dist python/springg/*.so
