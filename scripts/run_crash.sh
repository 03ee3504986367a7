#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The harnesses that crash databases and judge what is left (docs/testing.md).
#   scripts/run_crash.sh short            each once, as CI runs them
#   scripts/run_crash.sh campaign HOURS   on all cores, with seeds that no run had, until the time
#                                         is over; a line for each run in docs/ledger.csv
# CRASH_BUILD (build/release) has the programs. Stops at the first failure, whose seed stands above.
set -euo pipefail
cd "$(dirname "$0")/.."

programs=${CRASH_BUILD:-build/release}/tests/crash
python=.venv/bin/python
ledger=docs/ledger.csv

lane() {
  echo "== $*"
  "$@"
}

# Some containers forbid tracing: said aloud, since the lane proves less without it.
traced() {
  if strace -qq -o /dev/null true; then
    lane "$@"
  else
    echo "== NOT RUN, because this machine does not permit strace: $*"
  fi
}

short() {
  lane "$programs/crash_states" --states 250000
  lane "$programs/flips"
  lane "$programs/allocations" --stride 7
  lane "$programs/kill_cycles" --cycles 3000
  traced "$python" tests/crash/syscalls.py "$programs/scenario"
  lane "$python" tests/crash/kill_python.py --cycles 60
  lane "$python" tests/crash/full_disk.py
}

# A run that goes into the ledger, also when it failed.
noted() {
  local output failed=0
  output=$(lane "$@" | tee /dev/stderr) || failed=1
  tail -n 1 <<< "$output" | "$python" tests/crash/ledger.py add "$ledger" "$commit"
  ((failed == 0))
}

next_seed() { "$python" tests/crash/ledger.py next "$ledger" "$1"; }

campaign() {
  local cores end seed
  cores=$(nproc)
  end=$(($(date +%s) + $(awk -v hours="$1" 'BEGIN {print int(hours * 3600)}')))
  commit=$(git describe --always --dirty)
  noted "$python" tests/crash/syscalls.py "$programs/scenario"
  noted "$programs/flips" --bits 8 --threads "$cores"
  noted "$programs/allocations"
  while (($(date +%s) < end)); do
    seed=$(next_seed kill_cycles)
    noted "$programs/kill_cycles" --cycles 20000 --seed "$seed"
    seed=$(next_seed crash_states)
    noted "$programs/crash_states" --states 1000000 --seed "$seed" --threads "$cores"
    seed=$(next_seed crash_states+garbage)
    noted "$programs/crash_states" --states 200000 --seed "$seed" --threads "$cores" --garbage
    seed=$(next_seed allocations)
    noted "$programs/allocations" --seed "$seed" --stride 7
    seed=$(next_seed kill_python)
    noted "$python" tests/crash/kill_python.py --cycles 200 --seed "$seed"
  done
}

case "${1:-short}" in
  short) short ;;
  campaign) campaign "${2:?hours}" ;;
  *)
    sed -n '3,7s/^# //p' "$0" >&2
    exit 2
    ;;
esac
