#!/usr/bin/env bash
# Prints the figures: `bench <name> <value> <unit>` lines. One argument picks one.
set -euo pipefail
cd "$(dirname "$0")/.."
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}

# The gateway measured is a simulator build; it stands in release/ afterwards,
# where `cargo build -p labelwire --release` puts the real one.
cargo build --release -p labelwire -p labelwire-bench --features labelwire/simulator
. scripts/postgres.sh >&2
"$CARGO_TARGET_DIR/release/labelwire-bench" "$@"
