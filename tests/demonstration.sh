#!/usr/bin/env bash
# Runs the commands of "Demonstration" in docs/scaling.md, with target/release/service-healthcheck.
set -euo pipefail
cd "$(dirname "$0")/.."

tests/needs.sh postgresql

# What still runs when a command fails.
end() {
    for file in log/*.pid; do
        kill -9 "$(cat "$file")" || true
    done
    [ ! -e db/data/postmaster.pid ] || server pg_ctl --pgdata=db/data --mode=immediate stop
}
trap 'end >/dev/null 2>&1' EXIT

commands=$(sed '1,/^## Demonstration$/d' docs/scaling.md | sed -n '/^```sh$/,/^```$/{/^```/!p}')
set -x
eval "$commands"
