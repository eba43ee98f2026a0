#!/usr/bin/env bash
# Runs schemathesis, with all its checks, against each OpenAPI document that the
# gateway serves; names pick some: native ryze waha evolution wawp.
#
# Each document has a gateway of its own: the demo, that is a paired instance on
# a simulated WhatsApp, with a limit of calls that nobody can reach. Of calls only
# the endless stream is left out: scripts/schemathesis/hooks.py turns those that
# would end the shared instance, its labels or the token in use to throw-away
# ones, and says which documented answers are no failures.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target}
. scripts/common.sh

# Cases of each kind for a call; of sequences of calls, for a document.
EXAMPLES=${EXAMPLES:-25}
# The same cases in every run.
SEED=${SEED:-1}
# Seconds a call may take: more than the gateway gives itself to refuse it.
PATIENCE=100

# ── schemathesis ────────────────────────────────────────────────────────────
is_python() {
    python3 -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null
}
is_python || install 'Python 3.10 or newer with venv' python3 python3-venv
is_python || die 'Python 3.10 or newer with venv is missing; see python.org'
here=$root/scripts/schemathesis
venv=$CARGO_TARGET_DIR/tools/schemathesis
if ! cmp -s "$here/requirements.txt" "$venv/installed.txt"; then
    say 'fetching schemathesis'
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps -r "$here/requirements.txt" ||
        die 'schemathesis could not be fetched'
    cp "$here/requirements.txt" "$venv/installed.txt"
fi

# ── a gateway for each document ─────────────────────────────────────────────
if [ -z "${LABELWIRE_BIN:-}" ]; then
    cargo build -p labelwire --features simulator
    LABELWIRE_BIN=$CARGO_TARGET_DIR/debug/labelwire
fi
"$LABELWIRE_BIN" demo --help >/dev/null 2>&1 || die "\`$LABELWIRE_BIN\` is no simulator build"
work=$(mktemp -d "${TMPDIR:-/tmp}/labelwire-documents-XXXXXX")
gateways=()
finish() {
    local code=$?
    trap - EXIT INT TERM
    [ ${#gateways[@]} = 0 ] || kill "${gateways[@]}" 2>/dev/null || true
    wait
    rm -rf "$work"
    exit "$code"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
# Another copy, because the next build replaces it while it runs.
cp "$LABELWIRE_BIN" "$work/labelwire"

# Name, place, and the way of sending the token that is used throughout; a check
# of its own sees what happens without.
documents='
native    /v1/openapi.json        token    bearer
ryze      /api/openapi.json       token    api_key
waha      /waha/openapi.json      api_key  api_key
evolution /evolution/openapi.json apikey   api_key
wawp      /v2/openapi.json        query    api_key
'
names=${*:-native ryze waha evolution wawp}
for name in $names; do
    grep -q "^$name " <<<"$documents" || die "there is no document \`$name\`"
    mkdir "$work/$name"
    "$work/labelwire" demo --dir "$work/$name/demo" --listen 127.0.0.1:0 --chats 40 \
        >"$work/$name/gateway.log" 2>&1 &
    gateways+=($!)
    eval "pid_$name=$!"
done
for name in $names; do
    pid=pid_$name
    until [ -s "$work/$name/demo/demo.json" ]; do
        kill -0 "${!pid}" 2>/dev/null ||
            die "the gateway for $name does not start: $(tail -n 5 "$work/$name/gateway.log")"
        sleep 0.2
    done
done

# ── the runs ────────────────────────────────────────────────────────────────
# field <name> <field>: what the demo says of itself.
field() {
    python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' \
        "$work/$1/demo/demo.json" "$2"
}
# test_document <name> <path> <scheme> <kind>
test_document() {
    cd "$work/$1"
    {
        printf 'hooks = "%s/hooks.py"\n' "$here"
        cat "$here/schemathesis.toml"
        printf '\n[auth.openapi.%s]\n%s = "${LABELWIRE_TOKEN}"\n' "$3" "$4"
    } >config.toml
    LABELWIRE_CARD=$work/$1/demo/demo.json LABELWIRE_TOKEN=$(field "$1" account_token) \
        PYTHONDONTWRITEBYTECODE=1 \
        "$venv/bin/st" --config-file config.toml run "$(field "$1" base_url)$2" \
        --checks all --phases examples,coverage,fuzzing,stateful \
        --max-examples "$EXAMPLES" --seed "$SEED" --workers 1 --request-timeout "$PATIENCE" \
        --no-color --report json --report-json-path report.json >output.txt 2>&1 || true
}
runs=()
for name in $names; do
    # shellcheck disable=SC2046
    (test_document $(grep "^$name " <<<"$documents")) &
    runs+=($!)
done
wait "${runs[@]}"

failed=0
for name in $names; do
    LABELWIRE_CARD=$work/$name/demo/demo.json "$venv/bin/python" -B "$here/verdict.py" \
        "$name" "$work/$name/report.json" || {
        failed=1
        cat "$work/$name/output.txt"
        tail -n 20 "$work/$name/gateway.log"
    }
done
exit "$failed"
