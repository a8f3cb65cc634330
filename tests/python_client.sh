#!/usr/bin/env bash
# Queries the monitor with a Prometheus client of Python. Installs prometheus-api-client from PyPI
# (45 MB) into target/tools/prometheus-api-client, which takes Python 3 with its module venv.
set -euo pipefail
cd "$(dirname "$0")/.."

client=target/tools/prometheus-api-client
if [ ! -x "$client/bin/python" ] || ! "$client/bin/python" -c 'import prometheus_api_client'; then
    echo "installing prometheus-api-client 0.7.2 from PyPI into $client"
    if ! python3 -m venv "$client"; then
        echo "the client needs Debian's package python3-venv" >&2
        exit 1
    fi
    "$client/bin/pip" install --quiet 'prometheus-api-client==0.7.2'
fi
cargo build --locked --bin service-healthcheck
folder=$(mktemp -d)
env -i PATH="$PATH" API_PORT=0 RUNNER_SCRAPE_INTERVAL_SECONDS=0.5 bash -c \
    "cd '$folder' && exec '$PWD/target/debug/service-healthcheck' run" 2>"$folder/log" &
monitor=$!
trap 'kill "$monitor" 2>/dev/null; rm -rf "$folder"' EXIT
for _ in $(seq 100); do
    address=$(sed -n 's/.*listening, address: //p' "$folder/log")
    [ -z "$address" ] || break
    sleep 0.1
done
[ -n "${address:-}" ] || { cat "$folder/log"; exit 1; }
"$client/bin/python" tests/python_client.py "http://$address"
