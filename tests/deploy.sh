#!/usr/bin/env bash
# Checks the files of deploy/ without Docker and without a cluster. Installs Debian packages, and
# schemas from PyPI (23 MB) into target/tools/schemas.
set -euo pipefail
cd "$(dirname "$0")/.."

tests/needs.sh deploy
/usr/bin/python3 tests/deploy/check.py
