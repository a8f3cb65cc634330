#!/usr/bin/env bash
# A private PostgreSQL cluster of the newest installed version, in a temporary folder.
#
# Arguments: settings of postgresql.conf, such as fsync=on. The first line of the output is the
# folder of the cluster, which has its socket (PGHOST), its log, and data/; the user is `postgres`,
# without a password. Then the script reads commands from its standard input, one a line, and
# answers each with "ok", or with "failed" and the log:
#
#   start            starts the server, and waits until it accepts connections
#   stop             ends the server at once, as a crash does (pg_ctl stop -m immediate)
#   pause, resume    SIGSTOP and SIGCONT for the server and its children
#
# At the end of its standard input it stops the server and removes the folder, so the cluster ends
# however its owner ends.
set -uo pipefail
# A signal to the whole process group ends the owner; the end of the input follows.
trap : INT TERM HUP
cd /

as_postgres() { # PostgreSQL refuses to run as root.
    if [ "$(id -u)" = 0 ]; then
        setpriv --reuid=postgres --regid=postgres --clear-groups "$@"
    else
        "$@"
    fi
}

control() {
    as_postgres "$bin/pg_ctl" --pgdata="$data" --timeout=100 "$@" </dev/null >>"$folder/log" 2>&1
}

# Signals the server and its children.
signal() {
    local server children
    read -r server <"$data/postmaster.pid" || return 1
    if [ "$1" = CONT ]; then kill -CONT "$server"; fi
    read -r -a children <"/proc/$server/task/$server/children"
    kill "-$1" "$server" "${children[@]}"
}

answer() {
    if "$@" 2>>"$folder/log"; then
        echo ok
    else
        fail "$1 $2"
    fi
}

# One line, with the end of the log.
fail() {
    echo "failed: $1: $(tail -n 20 "$folder/log" | tr '\n' '|')"
}

bin=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort --version-sort | tail -n 1)
if ! [ -x "$bin/initdb" ]; then
    echo "failed: no /usr/lib/postgresql/*/bin/initdb; install Debian's package postgresql"
    exit 1
fi

folder=$(mktemp -d -t healthcheck-postgres.XXXXXX)
data=$folder/data
touch "$folder/log"
chmod 755 "$folder"
if [ "$(id -u)" = 0 ]; then chown -R postgres:postgres "$folder"; fi
remove() {
    if [ -e "$data/postmaster.pid" ]; then
        signal CONT
        control --mode=immediate stop
    fi
    rm -rf "$folder"
}
trap remove EXIT

# A collation that differs from the order of the bytes, as most servers have one.
collation=(--locale=C.UTF-8)
if "$bin/initdb" --help | grep -q -e --icu-locale; then
    collation+=(--locale-provider=icu --icu-locale=en-US)
fi
if ! as_postgres "$bin/initdb" --no-sync --auth=trust --username=postgres --encoding=UTF8 \
    "${collation[@]}" --pgdata="$data" >>"$folder/log" 2>&1; then
    fail initdb
    exit 1
fi
{
    echo "listen_addresses = ''"
    echo "unix_socket_directories = '$folder'"
    echo "max_connections = 500"
    echo "shared_buffers = 32MB"
    echo "max_wal_size = 256MB"
    echo "fsync = off"
    for setting in "$@"; do
        echo "${setting%%=*} = '${setting#*=}'"
    done
} >>"$data/postgresql.conf"
echo "$folder"

while read -r command; do
    case $command in
        start) answer control --wait --log="$folder/log" start ;;
        stop) answer control --mode=immediate stop ;;
        pause) answer signal STOP ;;
        resume) answer signal CONT ;;
        *) echo "failed: no command $command" ;;
    esac
done
