# Every command of the project. `make` alone lists them.
.DEFAULT_GOAL := help
.PHONY: help demo test conformance lint fmt bench bench-audit docs fuzz clean

BIN := .venv/bin
READY := .venv/installed
# Of `make fuzz`: for each target, and which (all unless given).
SECONDS := 60
TARGETS :=
# Of `make bench-audit`: --large measures memory with two million documents, too, some minutes more.
BENCH_AUDIT :=

help: ## List these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# Installed again whenever a lock, the project file or the way of installing changes.
$(READY): locks/dev.txt locks/demo.txt pyproject.toml tools/bootstrap.sh
	@bash tools/bootstrap.sh

demo: $(READY) ## Run the main job on real data, with a real Kafka
	@$(BIN)/govbus demo

test: $(READY) ## Check everything: format, lint, types, layers, tests on a real Kafka, coverage
	@bash tools/check.sh all

conformance: $(READY) ## Run every case that others made; the data are in GOVBUS_CONFORMANCE_DATA
	@$(BIN)/python tools/conformance.py

lint: $(READY) ## Check format, lint, types and layers only
	@bash tools/check.sh static

fmt: $(READY) ## Format the code and mend what the linter can
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(READY) ## Measure against bare Kafka clients; writes build/bench/report.json
	@$(BIN)/python -m bench

bench-audit: $(READY) ## Measure verification and signing against openssl; writes build/bench-audit/report.json
	@$(BIN)/python -m bench.audit $(BENCH_AUDIT)

docs: $(READY) ## Write docs/commands.md and docs/rules again from the commands and rules themselves
	@$(BIN)/typer govbus.cli utils docs --name govbus --output docs/commands.md
	@$(BIN)/python tools/rules_docs.py

fuzz: $(READY) ## Try hostile input on every entry point; SECONDS=600 TARGETS="avro banner" for longer, on some
	@$(BIN)/python -m tests.fuzz.campaign --seconds $(SECONDS) $(TARGETS)

clean: ## Remove what these commands made, the virtual environment included
	@rm -rf .venv build dist .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
