# The commands that a checkout knows. They are thin: what they do is in scripts/ and in kprov itself.
.PHONY: up down test lint generate bench
.DEFAULT_GOAL := help

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: ## from nothing to a verified three-node cluster in the lab "demo"
	@scripts/up

down: ## remove the lab "demo", and the Docker Engine if `make up` started it
	@scripts/down

test: ## everything that CI checks: lint, unit, roles, end to end on real clusters
	@scripts/test

lint: ## ruff, mypy, ansible-lint and the generated files
	@scripts/test lint

generate: ## write the files that are generated from roles/*/meta/argument_specs.yml
	@scripts/python scripts/generate

bench: ## print the benchmark tables: module calls, seconds, ratios
	@scripts/bench
