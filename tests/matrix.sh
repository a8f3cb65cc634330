#!/usr/bin/env bash
# Runs the test with a Matrix server. Installs Synapse from PyPI (240 MB) into target/tools/synapse,
# which takes Python 3 with its module venv.
set -euo pipefail
cd "$(dirname "$0")/.."

synapse=target/tools/synapse
if [ ! -x "$synapse/bin/register_new_matrix_user" ]; then
    echo "installing matrix-synapse 1.163.2 from PyPI into $synapse"
    if ! python3 -m venv "$synapse"; then
        echo "the Matrix server needs Debian's package python3-venv" >&2
        exit 1
    fi
    "$synapse/bin/pip" install --quiet 'matrix-synapse==1.163.2'
fi
cargo test --locked --test matrix
