#!/bin/sh
# Cargo calls this in the place of rustc for our own crates: it is the `RUSTC_WORKSPACE_WRAPPER`. It adds what libFuzzer wants
# to be told, each edge that is passed and what is compared with what, as `cargo fuzz` asks for it; and some optimisation,
# because targets run a hundred thousand times. Cargo does not notice a change of this file: touch the crates.
exec "$@" -Copt-level=1 \
    -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares
