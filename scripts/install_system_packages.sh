#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Installs what apt has and this machine lacks, for each group named: build, check, clang, neon,
# crash.
# As root it installs; as anybody else it prints the one line to run and stops. A machine without
# apt is left alone: CMake then names each missing library with its brew and conda line.
set -euo pipefail

declare -A packages=(
  [build]="libxsimd-dev libsimdjson-dev robin-map-dev libxxhash-dev catch2 ccache"
  [check]="clang-tidy-16 clang-format-16"
  [clang]="clang-16 lld-16 libclang-rt-16-dev"
  [neon]="g++-aarch64-linux-gnu qemu-user"
  [crash]="strace"
)

if ! command -v apt-get > /dev/null; then
  echo "no apt here: install the libraries that CMake asks for by hand"
  exit 0
fi

missing=()
want() {
  if [[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2> /dev/null)" != installed ]]; then
    missing+=("$1")
  fi
}

for group in "${@:-build}"; do
  for package in ${packages[$group]}; do want "$package"; done
  if [[ $group == build ]]; then
    command -v c++ > /dev/null || missing+=(g++)
    # Debian keeps pip's and venv's parts, and the headers, in packages of their own.
    python=$("$(dirname "$0")/find_python.sh")
    release=$("$python" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
    "$python" -c 'import ensurepip' 2> /dev/null || missing+=("$release-venv")
    "$python" -c 'import os, sys, sysconfig
sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))' ||
      missing+=("$release-dev")
  fi
done

((${#missing[@]})) || exit 0
if ((EUID != 0)); then
  echo "springg needs system packages that are not installed. Run this line, then try again:" >&2
  echo "  sudo apt-get install -y ${missing[*]}" >&2
  exit 1
fi
echo "== installing system packages: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}" > /dev/null
