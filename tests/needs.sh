#!/usr/bin/env bash
# Installs the Debian packages that tests, fuzzing and benchmarks want beside a Rust toolchain, as far as they are missing.
set -euo pipefail

missing=()
need() { # a program, and the package that has it
    command -v "$1" >/dev/null || missing+=("$2")
}
need cc build-essential
need c++ build-essential
need ip iproute2
need prometheus-blackbox-exporter prometheus-blackbox-exporter
for program in "$@"; do # what else is asked for, from a package of the same name
    need "$program" "$program"
done
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
else
    echo "tests and benchmarks want these Debian packages, which only root can install: ${missing[*]}" >&2
    exit 1
fi
