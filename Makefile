# service-healthcheck. `make` without a target lists the targets.

.DEFAULT_GOAL := help
TOOLS := $(CURDIR)/target/tools
DIESEL := $(shell command -v diesel || echo $(TOOLS)/diesel/bin/diesel)
DENY := $(shell command -v cargo-deny || echo $(TOOLS)/bin/cargo-deny)

FUZZ := $(shell command -v cargo-fuzz || echo $(TOOLS)/bin/cargo-fuzz)
FUZZ_SECONDS ?= 60
# `--dev` builds faster and runs slower.
FUZZ_BUILD ?=
FUZZ_TARGETS := condition services_file api_body chunk alerting promql remote_read

.PHONY: help run local-run build test lint deny fmt bench bench-smoke bench-history fuzz schema \
	migrate-check docker-build docker-up screenshots test-matrix test-python-client deploy-check

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ## build and run the service (settings: .env, see .env.example)
	cargo run --release --locked -- run

local-run: run ## alias of run, for users of go-service-healthcheck

build: ## build target/release/service-healthcheck
	cargo build --release --locked

test: ## run every test; STORES=sqlite, postgres, both; as root, installs missing Debian packages
	tests/run.sh $(STORES)

test-matrix: ## run the test with a Matrix server; installs Synapse from PyPI into target/tools
	tests/matrix.sh

test-python-client: ## query the monitor with a Prometheus client from PyPI, into target/tools
	tests/python_client.sh

screenshots: ## take the screenshots of docs/images again
	tests/needs.sh browser
	SCREENSHOTS="$(CURDIR)/docs/images" cargo test --locked --test e2e -- ui::screenshots

lint: ## check line width, formatting, clippy and documentation; warnings are errors
	tests/width.sh
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --document-private-items

deny: $(DENY) ## check licences, sources and advisories of all dependencies; ADVISORY_DB=folder
	$(DENY) --locked check licenses bans sources
ifdef ADVISORY_DB
	tests/advisories.sh $(DENY) "$(ADVISORY_DB)"
else
	if $(DENY) fetch db; then $(DENY) --locked check --disable-fetch advisories; \
	else echo "advisories: not checked, the database is unreachable"; fi
endif

fmt: ## format the code
	cargo fmt --all

# The binary and the benchmark program. PARTS="probes scale" runs some parts only;
# BENCH_OTHER=FILE measures another build in turns with this one.
BUILD_BENCH = cargo build --locked \
	-p service-healthcheck -p service-healthcheck-bench --bin service-healthcheck

bench: ## measure cost and capacity, into docs/benchmarks.md; PARTS, BENCH_OTHER
	tests/needs.sh wrk $(if $(filter postgres move,$(PARTS)),postgresql) \
		$(if $(filter ui,$(PARTS)),browser)
	$(BUILD_BENCH) --release --bin bench
	target/release/bench $(or $(PARTS),--into docs/benchmarks.md)

# The debug build of the tests, with their features; the floors are of the same build.
bench-smoke: ## small benchmark for CI: parts 1, 3 and 6, with generous limits on the ratios
	$(BUILD_BENCH) --bin bench --features service-healthcheck/failpoints
	target/debug/bench smoke

bench-history: ## write and query a year of results; BENCH_SERVICES (100), BENCH_DAYS (365)
	$(BUILD_BENCH) --release --bin bench-history
	target/release/bench-history

# libFuzzer needs flags of a nightly compiler; RUSTC_BOOTSTRAP permits them for the stable one.
# No sanitizer: the code has no unsafe blocks.
fuzz: $(FUZZ) ## fuzz every parser and the rendering of alerts, FUZZ_SECONDS (60) each
	for target in $(FUZZ_TARGETS); do \
		mkdir -p target/fuzz/corpus/$$target; \
		RUSTC_BOOTSTRAP=1 $(FUZZ) run $(FUZZ_BUILD) --sanitizer none --target-dir target/fuzz $$target \
			target/fuzz/corpus/$$target fuzz/seeds/$$target -- \
			-max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 || exit 1; \
	done

schema: $(DIESEL) ## regenerate the diesel schemas of both stores from the migrations
	tests/needs.sh postgresql
	tests/migrations.sh $(DIESEL) schema

migrate-check: $(DIESEL) ## run the migrations of both stores up, down, up; compare the schemas
	tests/needs.sh postgresql
	tests/migrations.sh $(DIESEL) check

deploy-check: ## check the files of deploy/ against the schemas of Compose and Kubernetes
	tests/deploy.sh

docker-build: ## build the image service-healthcheck
	docker build -t service-healthcheck .

docker-up: docker-build ## run the image, with data on the volume service-healthcheck-data
	docker run --rm --name service-healthcheck -p 127.0.0.1:9999:9999 \
		-v service-healthcheck-data:/data -e API_TOKEN -e API_READ=open service-healthcheck

# Tools that run for seconds: without optimization they build faster.
INSTALL := CARGO_PROFILE_DEV_DEBUG=0 cargo install --debug --locked

# libpq is a dependency of this tool alone.
$(TOOLS)/diesel/bin/diesel:
	tests/needs.sh libpq-dev
	$(INSTALL) diesel_cli --version 2.3.14 --no-default-features \
		--features sqlite-bundled,postgres --root $(TOOLS)/diesel

$(TOOLS)/bin/cargo-fuzz:
	$(INSTALL) cargo-fuzz --version 0.13.1 --root $(TOOLS)

$(TOOLS)/bin/cargo-deny:
	$(INSTALL) cargo-deny --version 0.20.2 --root $(TOOLS)
