#!/usr/bin/env bash
# Runs chromedriver until the end of the standard input; then ends it and its browsers, and removes
# their folder. Prints the folder, and then what chromedriver prints, such as its port.
set -euo pipefail

folder=$(mktemp -d)
driver=
finish() {
    trap - EXIT
    if [ -n "$driver" ]; then
        # Browsers that a killed test has left; their own processes end with them.
        browsers=$(cat /proc/"$driver"/task/*/children 2>/dev/null || true)
        kill -KILL "$driver" $browsers 2>/dev/null || true
        wait "$driver" 2>/dev/null || true
    fi
    # A browser that is about to end can still write.
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        rm -rf "$folder" 2>/dev/null && break
        sleep 0.1
    done
}
trap finish EXIT
trap 'exit 0' INT TERM HUP

echo "$folder"
# Chromium writes below HOME as well as into its profile.
env -i PATH="$PATH" HOME="$folder" TMPDIR="$folder" LANG=C.UTF-8 TZ=UTC \
    chromedriver --port=0 --log-level=SEVERE </dev/null 2>&1 &
driver=$!
while read -r _; do :; done
