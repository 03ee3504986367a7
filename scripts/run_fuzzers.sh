#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Runs each fuzz target of build/fuzz from the inputs in tests/fuzz/corpus/NAME, for FUZZ_SECONDS
# seconds. New inputs stay in build/fuzz/found/NAME; one that fails is kept beside them.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${FUZZ_SECONDS:-20}
passed=0
failed=0
for target in $(find build/fuzz -type f -name '*_fuzz' -perm -u+x | sort); do
  name=$(basename "$target" _fuzz)
  found=build/fuzz/found/$name
  mkdir -p "$found"
  echo "== $name: $seconds s"
  if "$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="$found/" "$found" "tests/fuzz/corpus/$name" > "$found.log" 2>&1; then
    grep -E 'number_of_executed_units|new_units_added' "$found.log"
    passed=$((passed + 1))
  else
    tail -n 40 "$found.log"
    echo "replay: $target $found/crash-..."
    failed=$((failed + 1))
  fi
done
echo "$passed passed, $failed failed"
((failed == 0 && passed > 0))
