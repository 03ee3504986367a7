#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Builds springg with one mistake after another (cpp/src/base/seeded_bug.h) and runs the lane that
# has to find it, with what CI gives the lane. Prints a table; exits with 1 when one was not found.
#   tests/crash/seeded_bugs.sh [NUMBER...]
set -uo pipefail
cd "$(dirname "$0")/../.."

build=build/seeded-bug
python=.venv/bin/python
programs=$build/tests/crash
memory=/dev/shm
[[ -w $memory ]] || memory=${TMPDIR:-/tmp}
scratch=$(mktemp -d "$memory/springg-seeded-XXXXXX")  # what a failure leaves to be looked at
trap 'rm -rf "$scratch"' EXIT

# The lane, and which of its counts says how far it came.
declare -A lanes=(
  [1]="crash_states" [2]="crash_states" [3]="crash_states" [4]="crash_states" [5]="syscalls"
  [6]="crash_states" [7]="crash_states" [8]="flips" [9]="crash_states" [10]="kill_cycles"
  [11]="crash_states" [12]="syscalls" [13]="kill_cycles"
)
declare -A names=(
  [1]="no sync of data" [2]="no sync of the directory" [3]="rename before the sync"
  [4]="acknowledge before the sync" [5]="show before the log has it" [6]="payload checksum ignored"
  [7]="length trusted before the header's checksum" [8]="log cut in its middle"
  [9]="torn tail refused" [10]="replay that logs" [11]="log dropped before the manifest is durable"
  [12]="sync tried again after an error" [13]="flush writes a dropped index back"
)

lane() {
  case $1 in
    crash_states) "$programs/crash_states" --states 250000 ;;
    kill_cycles) "$programs/kill_cycles" --cycles 3000 --directory "$scratch" ;;
    syscalls) "$python" tests/crash/syscalls.py "$programs/scenario" --only add ;;
    flips) "$programs/flips" ;;
  esac
}

targets() {
  case $1 in
    syscalls) echo scenario ;;
    *) echo "$1" ;;
  esac
}

# "states 1234" of the JSON line, or nothing.
tried() {
  tail -n 1 "$1" | "$python" -c 'import json, sys
try:
    result = json.loads(sys.stdin.read())
except ValueError:
    sys.exit()
names = ("states", "cycles", "runs", "flips")
print(*next((result[name], name) for name in names if name in result))'
}

numbers=("$@")
((${#numbers[@]})) || numbers=(1 2 3 4 5 6 7 8 9 10 11 12 13)
missed=0
table=$'bug | mistake | lane | found after | seconds\n'
for number in "${numbers[@]}"; do
  name=${lanes[$number]}
  cmake --preset release -B "$build" -DSPRINGG_SEEDED_BUG="$number" -DSPRINGG_BUILD_PYTHON=OFF \
    > "$build.log" 2>&1 &&
    cmake --build "$build" --parallel "${JOBS:-$(nproc)}" --target "$(targets "$name")" \
      >> "$build.log" 2>&1 || {
    tail "$build.log" >&2
    exit 2
  }
  start=$SECONDS
  if lane "$name" > "$build.out" 2> "$build.err"; then
    missed=$((missed + 1))
    found="NOT FOUND"
  else
    found=$(tried "$build.out")
  fi
  table+="$number | ${names[$number]} | $name | ${found:-a failed test} | $((SECONDS - start))"$'\n'
  echo "== bug $number, ${names[$number]}: ${found:-a failed test}"
done
echo
echo "$table"
exit $((missed != 0))
