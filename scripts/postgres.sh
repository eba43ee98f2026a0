# A throw-away PostgreSQL cluster on a free loopback port, for tests and
# benches: sourced, sets LABELWIRE_TEST_POSTGRES_URL and stops the cluster when
# the script that sourced it ends. Set the variable before to use your own.

. scripts/common.sh

if [ -n "${LABELWIRE_TEST_POSTGRES_URL:-}" ]; then
    say 'using the PostgreSQL of LABELWIRE_TEST_POSTGRES_URL'
    return
fi

# ── PostgreSQL's programs ───────────────────────────────────────────────────
find_postgres() {
    local candidate
    for candidate in $(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -Vr) \
        "$(dirname "$(command -v initdb || echo /nowhere/initdb)")"; do
        if [ -x "$candidate/initdb" ] && [ -x "$candidate/pg_ctl" ]; then
            echo "$candidate"
            return
        fi
    done
}
pg_bin=$(find_postgres)
if [ -z "$pg_bin" ]; then
    install PostgreSQL postgresql
    pg_bin=$(find_postgres)
    [ -n "$pg_bin" ] || die 'PostgreSQL was installed, but initdb is not to be found'
fi

# ── a throw-away cluster ────────────────────────────────────────────────────
cluster=$(mktemp -d "${TMPDIR:-/tmp}/labelwire-test-XXXXXX")
# PostgreSQL refuses to run as root.
as_postgres() {
    if [ "$(id -u)" = 0 ]; then
        (cd / && runuser -u postgres -- "$@")
    else
        (cd / && "$@")
    fi
}
stop_postgres() {
    local code=$?
    trap - EXIT INT TERM
    as_postgres "$pg_bin/pg_ctl" -D "$cluster/data" -m immediate -w stop >/dev/null 2>&1 || true
    rm -rf "$cluster"
    exit "$code"
}
trap stop_postgres EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
if [ "$(id -u)" = 0 ]; then
    id postgres >/dev/null 2>&1 || useradd --system --no-create-home postgres
    chown postgres "$cluster"
fi
password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
printf '%s\n' "$password" >"$cluster/password"
chmod 644 "$cluster/password"
as_postgres "$pg_bin/initdb" -D "$cluster/data" -U labelwire -A scram-sha-256 \
    --pwfile "$cluster/password" -E UTF8 --locale=C --no-sync >/dev/null
rm "$cluster/password"
port=
for _ in $(seq 20); do
    candidate=$((20000 + RANDOM % 10000))
    # Nothing in it outlives the tests, so nothing has to survive a power cut.
    if as_postgres "$pg_bin/pg_ctl" -D "$cluster/data" -l "$cluster/data/log" -w -t 60 start -o \
        "-p $candidate -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off -c max_connections=300" \
        >/dev/null 2>&1; then
        port=$candidate
        break
    fi
done
[ -n "$port" ] || die "PostgreSQL does not start: $(tail -n 5 "$cluster/data/log" 2>/dev/null)"
export LABELWIRE_TEST_POSTGRES_URL=postgres://labelwire:$password@127.0.0.1:$port/postgres
say "PostgreSQL on port $port"
