#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Prints the interpreter to build the virtual environment from: $PYTHON, or the first on the path
# that is new enough for the pinned requirements.
set -euo pipefail

for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
  path=$(command -v "$candidate") || continue
  if "$path" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null; then
    echo "$path"
    exit 0
  fi
done
cat >&2 << 'END'
no Python >= 3.11 found (Debian, Ubuntu: sudo apt-get install python3.11-venv python3.11-dev).
Another one can be named: make PYTHON=/path/to/python3
END
exit 1
