#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Makes .venv, or brings it up to requirements/NAME.txt, with CMake and Ninja from PyPI where the
# system's are missing or too old.
#   scripts/make_venv.sh build|dev|bench
set -euo pipefail
cd "$(dirname "$0")/.."

if [[ ! -x .venv/bin/python ]]; then
  python=$(scripts/find_python.sh)
  echo "== making .venv from $python"
  "$python" -m venv .venv
fi

requirements=(-r "requirements/$1.txt")
cmake_version=$(cmake --version 2> /dev/null | sed -n '1s/[^0-9]*//p' || true)
oldest=$(printf '%s\n' "${cmake_version:-0}" 3.25 | sort -V | head -n 1)
if [[ $oldest != 3.25 ]] || ! command -v ninja > /dev/null; then
  requirements+=(-r requirements/cmake.txt)
fi
echo "== installing requirements/$1.txt into .venv"
.venv/bin/python -m pip install --quiet --disable-pip-version-check "${requirements[@]}"
touch ".venv/$1.stamp"
