#!/usr/bin/env bash
# Fails when a line of a tracked text file is wider than 100 characters. Excluded: generated files,
# JSON, test data, fuzz seeds, and the tables in docs/benchmarks.md that `make bench` writes.
set -euo pipefail
cd "$(dirname "$0")/.."
export LC_ALL=C.UTF-8

files=$(git ls-files -- ':!*.json' ':!*.db' ':!*.lock' ':!LICENSE' ':!*schema.rs' \
    ':!tests/e2e/data' ':!tests/golden/*.txt' ':!tests/e2e/support/bomb.*' \
    ':!proptest-regressions' ':!fuzz/seeds' ':!docs/benchmarks.md')
wide=$(
    grep -nE '^.{101,}$' $files || true
    sed '/<!-- bench: begin -->/,/<!-- bench: end -->/s/.*//' docs/benchmarks.md |
        grep -nE '^.{101,}$' | sed 's|^|docs/benchmarks.md:|' || true
)
[ -z "$wide" ] && exit 0
echo "lines wider than 100 characters:" >&2
echo "$wide" >&2
exit 1
