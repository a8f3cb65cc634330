#!/usr/bin/env bash
# Installs the missing Debian packages that tests, fuzzing and benchmarks need besides a Rust
# toolchain. Arguments: further packages, which not everything needs: `postgresql`, `libpq-dev`,
# `browser` (Chromium, its driver, and axe-core from PyPI in target/tools/axe), `deploy` (Caddy, and
# the schemas for the files of deploy/ from PyPI in target/tools/schemas), or a package with a
# program of the same name.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=()
need() { # PROGRAM PACKAGE
    command -v "$1" >/dev/null || missing+=("$2")
}
need_pip() {
    need python3 python3
    python3 -m pip --version >/dev/null 2>&1 || missing+=(python3-pip)
}
need cc build-essential
need c++ build-essential
need ip iproute2
need openssl openssl
need systemd-analyze systemd
need prometheus-blackbox-exporter prometheus-blackbox-exporter
need /usr/lib/nagios/plugins/check_tcp monitoring-plugins-basic
need redis-server redis-server
need prometheus-alertmanager prometheus-alertmanager
need prometheus prometheus
need victoria-metrics victoria-metrics
need /usr/lib/postfix/sbin/master postfix
need /usr/sbin/saslpasswd2 sasl2-bin
plain=(/usr/lib/*/sasl2/libplain.so)
[ -e "${plain[0]}" ] || missing+=(libsasl2-modules)
sasldb=(/usr/lib/*/sasl2/libsasldb.so)
[ -e "${sasldb[0]}" ] || missing+=(libsasl2-modules-db)
need /usr/sbin/sshd openssh-server
axe=target/tools/axe
axe_is_needed=
schemas=target/tools/schemas
schemas_are_needed=
initdb=(/usr/lib/postgresql/*/bin/initdb)
for package in "$@"; do
    case $package in
        postgresql) need "${initdb[0]}" "$package" ;;
        browser)
            need chromium chromium
            need chromedriver chromium-driver
            # The downloaded wheel is that of the current pin.
            if ! cmp -s tests/axe.txt "$axe/axe.txt"; then
                axe_is_needed=1
                need_pip
            fi
            ;;
        deploy)
            need caddy caddy
            # Debian's Python, whichever other one is installed.
            need /usr/bin/python3 python3
            for module in yaml jsonschema; do
                /usr/bin/python3 -c "import $module" 2>/dev/null || missing+=("python3-$module")
            done
            if ! cmp -s tests/deploy/schemas.txt "$schemas/schemas.txt"; then
                schemas_are_needed=1
                need_pip
            fi
            ;;
        libpq-dev) [ -e /usr/include/postgresql/libpq-fe.h ] || missing+=("$package") ;;
        *) need "$package" "$package" ;;
    esac
done
install_packages() {
    [ ${#missing[@]} -gt 0 ] || return 0
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "installing Debian packages for tests and benchmarks: ${missing[*]}"
        # Debian's postgresql makes a cluster and starts it; tests make clusters of their own.
        no_cluster=/etc/postgresql-common/createcluster.d/tests.conf
        trap 'rm -f "$no_cluster"' EXIT
        mkdir -p "${no_cluster%/*}"
        echo 'create_main_cluster = false' >"$no_cluster"
        apt-get update -qq
        # Without a configuration, Debian's postfix does not start; tests make their own.
        echo 'postfix postfix/main_mailer_type select No configuration' | debconf-set-selections
        DEBIAN_FRONTEND=noninteractive \
            apt-get install -y -qq --no-install-recommends "${missing[@]}"
    else
        echo "tests and benchmarks need Debian packages (install them as root): ${missing[*]}" >&2
        exit 1
    fi
}

# pip compares the wheels with the hashes of REQUIREMENTS.
download_wheels() { # REQUIREMENTS FOLDER
    echo "downloading from PyPI into $2: $(grep -o '^[^# ]*==[^ ]*' "$1" | tr '\n' ' ')"
    rm -rf "$2"
    mkdir -p "$2"
    python3 -m pip --disable-pip-version-check download --quiet --no-deps --only-binary :all: \
        --require-hashes --requirement "$1" --dest "$2"
}

download_axe() {
    download_wheels tests/axe.txt "$axe"
    python3 -m zipfile -e "$axe"/*.whl "$axe/wheel"
    cp "$axe/wheel/axe_playwright_python/axe.min.js" "$axe/axe.min.js"
    cp tests/axe.txt "$axe/axe.txt"
}

download_schemas() {
    download_wheels tests/deploy/schemas.txt "$schemas"
    cp tests/deploy/schemas.txt "$schemas/schemas.txt"
}

install_packages
[ -z "$axe_is_needed" ] || download_axe
[ -z "$schemas_are_needed" ] || download_schemas
