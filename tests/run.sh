#!/usr/bin/env bash
# Runs every test, on the stores of the argument: sqlite, postgres or both. Default: both, if
# PostgreSQL is installed or can be installed, which takes root and apt-get.
#
# Tests that need a store are in modules `on_sqlite` and `on_postgres`; tests of one store alone
# are in those too if they need a server.
set -euo pipefail
cd "$(dirname "$0")/.."

stores=${1:-}
why=
if [ -z "$stores" ]; then
    if compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null \
        || { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }; then
        stores=both
    else
        stores=sqlite
        why='; PostgreSQL is not installed'
    fi
fi
case $stores in
    both) packages=(postgresql) skipped=() ;;
    postgres) packages=(postgresql) skipped=(--skip on_sqlite) ;;
    sqlite) packages=() skipped=(--skip on_postgres) ;;
    *)
        echo "STORES: invalid value $stores, expected sqlite, postgres or both" >&2
        exit 2
        ;;
esac
tests/needs.sh browser "${packages[@]}"
echo "stores: $stores$why"
cargo test --locked -- "${skipped[@]}"
