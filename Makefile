# Entry points. Everything a person or a script needs is one of these.
#
#   make demo    build and run the main job on a simulated WhatsApp
#                (DEMO_DIR, LISTEN, SIM_LISTEN, SEED, CHATS)
#   make test    install what the tests need, run them all
#   make bench   print the figures (BENCH=<name> for one)
#   make check   format, lints, import walls

CARGO ?= cargo
BENCH ?=
SIMULATOR = --features labelwire/simulator

.DEFAULT_GOAL := help
.PHONY: help demo test bench check

help:
	@sed -n 's/^#   //p' Makefile

demo:
	@command -v cc >/dev/null || { echo 'make demo needs a C compiler: apt-get install build-essential' >&2; exit 1; }
	@$(CARGO) run -p labelwire --features simulator -- demo

test:
	@scripts/test.sh

bench:
	@scripts/bench.sh $(BENCH)

check:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets $(SIMULATOR) -- -D warnings
	$(CARGO) clippy -p labelwire --all-targets -- -D warnings
	$(CARGO) test -q -p labelwire --features simulator --test it walls::
