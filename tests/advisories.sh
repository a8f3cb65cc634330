#!/usr/bin/env bash
# Checks the advisories of all dependencies against a database in a folder, offline: a checkout of
# an advisory database, or any folder with `crates/CRATE/ID.md`. Arguments: cargo-deny, the folder.
# cargo-deny fetches databases with git from URLs with a domain, so git gets a repository with a
# copy of the folder in place of the default URL.
set -euo pipefail
deny=$1
crates=$(cd "$2/crates" && pwd)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
git init --quiet --initial-branch main "$work/db"
cp -R "$crates" "$work/db/crates"
git -C "$work/db" add --force crates
git -C "$work/db" -c user.name=deny -c user.email=deny@localhost -c commit.gpgsign=false \
    commit --quiet --message "Advisories"

sed "s|^\[advisories\]|&\ndb-path = \"$work/fetched\"|" deny.toml >"$work/deny.toml"
export GIT_CONFIG_COUNT=1
export GIT_CONFIG_KEY_0="url.file://$work/db.insteadOf"
export GIT_CONFIG_VALUE_0="https://github.com/RustSec/advisory-db"
"$deny" --locked --config "$work/deny.toml" check advisories
