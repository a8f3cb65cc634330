# service-healthcheck. `make` alone tells what there is.

.DEFAULT_GOAL := help
TOOLS := $(CURDIR)/target/tools
DIESEL := $(shell command -v diesel || echo $(TOOLS)/bin/diesel)
DENY := $(shell command -v cargo-deny || echo $(TOOLS)/bin/cargo-deny)
CHECK_DB := $(CURDIR)/target/migrate-check.db
# Without diesel.toml, so that a step in between does not rewrite schema.rs.
MIGRATE = $(DIESEL) --config-file /dev/null --database-url $(CHECK_DB) migration --migration-dir migrations/sqlite

FUZZ := $(shell command -v cargo-fuzz || echo $(TOOLS)/bin/cargo-fuzz)
FUZZ_SECONDS ?= 60
FUZZ_TARGETS := condition services_file api_body chunk

.PHONY: help run local-run build test lint deny fmt bench bench-smoke bench-history fuzz schema migrate-check docker-build docker-up

help: ## tell what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ## build the service and run it here (settings: .env, see .env.example)
	cargo run --release --locked -- run

local-run: run ## the same; go-service-healthcheck's name for it

build: ## build target/release/service-healthcheck
	cargo build --release --locked

test: ## run every test; installs the Debian packages they want, when root
	tests/needs.sh
	cargo test --locked

lint: ## formatting, clippy and documentation, warnings denied
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --document-private-items

deny: $(DENY) ## licences, sources and, where the database can be reached, advisories of all dependencies
	$(DENY) --locked check licenses bans sources
	if $(DENY) fetch db; then $(DENY) --locked check --disable-fetch advisories; \
	else echo "advisories: their database cannot be reached from here, so they were not checked"; fi

fmt: ## format the code
	cargo fmt --all

# The service as it is released, and beside it what drives and measures it. PARTS="probes scale" runs some parts only, and
# BENCH_OTHER=FILE measures another build in turn with this one.
BUILD_BENCH = cargo build --release --locked -p service-healthcheck -p service-healthcheck-bench --bin service-healthcheck

bench: ## measure what a probe costs and what one machine carries, into docs/benchmarks.md; PARTS, BENCH_OTHER
	tests/needs.sh wrk
	$(BUILD_BENCH) --bin bench
	target/release/bench $(or $(PARTS),--into docs/benchmarks.md)

bench-smoke: ## the small form for CI: parts 1, 3 and 6, ratios checked generously
	$(BUILD_BENCH) --bin bench
	target/release/bench smoke

bench-history: ## write a year of results and ask for it; BENCH_SERVICES (100), BENCH_DAYS (365)
	$(BUILD_BENCH) --bin bench-history
	target/release/bench-history

# libFuzzer asks for flags of a nightly compiler, which RUSTC_BOOTSTRAP allows the stable one; no unsafe code, so no sanitizer.
fuzz: $(FUZZ) ## feed conditions, services files, API bodies and chunks with nonsense, FUZZ_SECONDS (60) each
	for target in $(FUZZ_TARGETS); do \
		mkdir -p target/fuzz/corpus/$$target; \
		RUSTC_BOOTSTRAP=1 $(FUZZ) run --sanitizer none --target-dir target/fuzz $$target \
			target/fuzz/corpus/$$target fuzz/seeds/$$target -- \
			-max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 || exit 1; \
	done

schema: $(DIESEL) ## write src/storage/schema.rs anew from the migrations
	rm -f $(CHECK_DB)
	$(DIESEL) --database-url $(CHECK_DB) migration run
	rm -f $(CHECK_DB)

migrate-check: $(DIESEL) ## migrations up, down and up again, and src/storage/schema.rs in step with them
	rm -f $(CHECK_DB)
	$(MIGRATE) run
	$(MIGRATE) revert --all
	$(MIGRATE) run
	rm -f $(CHECK_DB)
	$(DIESEL) --database-url $(CHECK_DB) migration run --locked-schema
	rm -f $(CHECK_DB)

docker-build: ## build the image service-healthcheck
	docker build -t service-healthcheck .

docker-up: docker-build ## run the image; data on the volume service-healthcheck-data
	docker run --rm --name service-healthcheck -p 127.0.0.1:9999:9999 \
		-v service-healthcheck-data:/data -e API_TOKEN service-healthcheck

$(TOOLS)/bin/diesel:
	cargo install diesel_cli --version 2.3.14 --locked --no-default-features --features sqlite-bundled --root $(TOOLS)

$(TOOLS)/bin/cargo-fuzz:
	cargo install cargo-fuzz --version 0.13.1 --locked --root $(TOOLS)

$(TOOLS)/bin/cargo-deny:
	cargo install cargo-deny --version 0.20.2 --locked --root $(TOOLS)
