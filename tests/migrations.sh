#!/usr/bin/env bash
# Arguments: the diesel program, and `check` or `schema`. Runs the migrations of each store in a new
# database: `check` runs them up, down and up, and compares the schema file with the tables;
# `schema` writes that file.
set -euo pipefail
cd "$(dirname "$0")/.."
diesel=$1 task=$2

migrate() { # STORE URL
    local store=$1 url=$2
    local migrate=("$diesel" --database-url "$url" migration --migration-dir "migrations/$store")
    local print=("$diesel" --database-url "$url" print-schema)
    local schema=src/storage/$store/schema.rs
    "${migrate[@]}" run
    if [ "$task" = schema ]; then
        "${print[@]}" >"$schema"
        return
    fi
    "${migrate[@]}" revert --all
    "${migrate[@]}" run
    "${print[@]}" | diff -u "$schema" -
}

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
migrate sqlite "$folder/check.db"

# The cluster ends with this script: tests/postgres.sh waits for the end of its input.
coproc CLUSTER { tests/postgres.sh; }
read -r socket <&"${CLUSTER[0]}"
echo start >&"${CLUSTER[1]}"
read -r started <&"${CLUSTER[0]}"
if [ "$started" != ok ]; then
    echo "$socket $started" >&2
    exit 1
fi
migrate postgres "postgres:///postgres?host=$socket&user=postgres"
