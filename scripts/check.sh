#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Every check of `make check`: all of them run, also after one failed; the end names those that did.
# Names as arguments run these alone: scripts/check.sh mypy clang-tidy
set -uo pipefail
cd "$(dirname "$0")/.."

cpp_files() { git ls-files --cached --others --exclude-standard -- '*.h' '*.cpp'; }

# What was compiled for this machine, less the tests: clang-tidy needs the flags of each.
compiled_files() {
  python -c 'import json
for entry in json.load(open("build/release/compile_commands.json")):
    print(entry["file"])' | grep -E '/cpp/(src|bindings)/' | sort -u
}

ruff-lint() { ruff check .; }
ruff-format() { ruff format --check .; }
clang-format() { cpp_files | xargs clang-format-16 --dry-run -Werror; }
mypy() { python -m mypy; }
pyright() { command pyright --warnings; }
tidy-rules() { python -m pytest -q tests/tidy; }
clang-tidy() { compiled_files | xargs -P "$(nproc)" -n 1 clang-tidy-16 --quiet -p build/release; }

checks=(ruff-lint ruff-format clang-format mypy pyright tidy-rules clang-tidy)
failed=()
for check in "${@:-${checks[@]}}"; do
  echo "== $check"
  start=$SECONDS
  "$check" 2> >(grep -v 'warnings\? generated\.$' >&2) || failed+=("$check")
  echo "== $check: $((SECONDS - start)) s"
done
if ((${#failed[@]})); then
  echo "failed: ${failed[*]}" >&2
  exit 1
fi
echo "all checks passed"
