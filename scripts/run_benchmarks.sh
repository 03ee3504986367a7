#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Runs the short benchmarks, one after the other; each prints a JSON document that is also kept in
# build/benchmarks. Names as arguments run these alone: scripts/run_benchmarks.sh reopen deletes
set -euo pipefail
cd "$(dirname "$0")/.."

results=$PWD/build/benchmarks
cpp=$PWD/build/release/benchmarks/cpp
mkdir -p "$results"

run() {
  local options=()
  [[ $1 != call_overhead ]] || options=(--cpp "$cpp/search_call_benchmark")
  (cd benchmarks/python && python "$1.py" "${options[@]}" --output "$results/$1.json")
}

for name in "${@:-kernels call_overhead exact_search memory reopen deletes search_speed}"; do
  for benchmark in $name; do
    echo "== $benchmark"
    if [[ $benchmark == kernels ]]; then
      "$cpp/kernels_benchmark" | tee "$results/kernels.json"
    else
      run "$benchmark"
    fi
  done
done
