#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Runs the short benchmarks, one after the other, in about ten minutes on two cores; each prints a
# JSON document that is also kept in build/benchmarks, and a table of the main figures comes last.
# Names as arguments run these alone: scripts/run_benchmarks.sh reopen deletes
set -euo pipefail
cd "$(dirname "$0")/.."

results=$PWD/build/benchmarks
cpp=$PWD/build/release/benchmarks/cpp
data=${SPRINGG_DATA:-$PWD/../shared/data}
failed=()
mkdir -p "$results"

run() {
  local options=()
  case $1 in
    call_overhead) options=(--cpp "$cpp/search_call_benchmark") ;;
    # Beside the peer of requirements/bench.txt alone, one build each.
    compare)
      options=(--dataset "$data/dictionary-minilm-384" --peers hnswlib --short --seconds 240) ;;
  esac
  (cd benchmarks/python && python "$1.py" "${options[@]}" --output "$results/$1.json")
}

read -ra names <<< "${*:-kernels call_overhead exact_search memory reopen deletes compare}"
for name in "${names[@]}"; do
  echo "== $name"
  start=$SECONDS
  rm -f "$results/$name.json"
  if [[ $name == kernels ]]; then
    "$cpp/kernels_benchmark" | tee "$results/kernels.json" || failed+=("$name")
  else
    run "$name" || failed+=("$name")
  fi
  echo "== $name: $((SECONDS - start)) s"
done
echo "== the main figures, after $SECONDS s"
(cd benchmarks/python && python figures.py "$results" "${names[@]}")
if ((${#failed[@]})); then
  echo "failed: ${failed[*]}" >&2
  exit 1
fi
