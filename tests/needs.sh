#!/usr/bin/env bash
# Installs the missing Debian packages that tests, fuzzing and benchmarks need besides a Rust
# toolchain. Arguments: further programs, each in a package of the same name.
set -euo pipefail

missing=()
need() { # PROGRAM PACKAGE
    command -v "$1" >/dev/null || missing+=("$2")
}
need cc build-essential
need c++ build-essential
need ip iproute2
need openssl openssl
postgresql=(/usr/lib/postgresql/*/bin/postgres)
need "${postgresql[0]}" postgresql
need prometheus-blackbox-exporter prometheus-blackbox-exporter
need /usr/lib/nagios/plugins/check_tcp monitoring-plugins-basic
need redis-server redis-server
need /usr/sbin/sshd openssh-server
for program in "$@"; do
    need "$program" "$program"
done
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "${missing[@]}"
else
    echo "tests and benchmarks need these Debian packages (install them as root): ${missing[*]}" >&2
    exit 1
fi
