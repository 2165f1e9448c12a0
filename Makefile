# The two commands of a newcomer are `make demo` and `make test`; `make` alone lists the others.
# Only POSIX make: macOS still ships GNU make 3.81.
.POSIX:
.PHONY: help demo demo-reset test lint bench conformance constraints

# platformdirs warns on every start when a machine has no XDG_RUNTIME_DIR; nobody here can act on it.
QUIET = PYTHONWARNINGS='ignore:XDG_RUNTIME_DIR is not set'
BIN = .venv/bin

help:
	@echo 'make demo          the demo town in your browser; Ctrl-C stops it, PORT=6000 moves it'
	@echo 'make demo-reset    forget what happened in the demo town'
	@echo 'make test          style, types, import contracts and all tests, on a real PostgreSQL and Chromium'
	@echo 'make lint          style, types and import contracts only'
	@echo 'make bench         measured ratios'
	@echo 'make conformance   our calls and the simulator, judged by the payment provider'"'"'s own client'
	@echo 'make constraints   keep the versions that .venv has now'

demo: .venv/ready-demo
	@$(QUIET) exec $(BIN)/python -m demo.run

demo-reset:
	@if [ -x $(BIN)/python ]; then $(QUIET) $(BIN)/python -m demo.reset; else rm -rf instance; fi

test: .venv/ready-test lint
	$(BIN)/python -m tests.chromium
	$(BIN)/pytest -n auto --maxprocesses 8 --dist loadgroup

lint: .venv/ready-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/ready-test
	$(QUIET) $(BIN)/python -m bench

conformance: .venv/ready-test
	@$(QUIET) sh tools/conformance.sh

# After a change of setup.cfg or for newer versions: install into .venv, run the tests, then keep what passed.
constraints: .venv/ready-test
	@{ echo '# What `make constraints` found in .venv: the tests passed with exactly these.'; \
	   $(BIN)/pip freeze --quiet --exclude-editable; } > constraints.txt

.venv/ready-demo: setup.cfg constraints.txt tools/environment.sh
	@sh tools/environment.sh demo

.venv/ready-test: setup.cfg constraints.txt tools/environment.sh
	@sh tools/environment.sh test
