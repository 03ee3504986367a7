#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Builds dist/springg-*.tar.gz and from it a wheel, brings in the shared libraries that a user's
# machine may lack, and tries the wheel in a virtual environment of its own.
set -euo pipefail
cd "$(dirname "$0")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
rm -rf dist
mkdir -p dist

echo "== building the sdist, and the wheel from the sdist"
python -m build --no-isolation --outdir "$work/built" . > "$work/build.log" 2>&1 ||
  { tail -n 50 "$work/build.log" >&2; exit 1; }
cp "$work"/built/*.tar.gz dist/

echo "== what the wheel links, and the oldest Linux that it fits"
auditwheel show "$work"/built/*.whl
auditwheel repair --wheel-dir dist "$work"/built/*.whl
wheel=$(echo dist/*.whl)

echo "== trying $wheel where none of our folders is known"
python=$(scripts/find_python.sh)
"$python" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check "$wheel"
cat > "$work/try_wheel.py" << 'END'
import pathlib

import numpy as np
import springg

mapped = {line.split()[-1] for line in pathlib.Path("/proc/self/maps").read_text().splitlines()}
outside = sorted(path for path in mapped if "simdjson" in path or "xxhash" in path)
assert all("springg.libs" in path for path in outside), outside
with springg.open(":memory:") as db:
    index = db.create_index("words", 4, metric="l2")
    index.add(["a", "b", "c"], np.eye(3, 4, dtype=np.float32))
    found = index.search(np.array([0, 1, 0, 0.1], np.float32), k=2)
    assert found.ids[0] == "b", found
print(f"springg {springg.__version__} from {pathlib.Path(springg.__file__).parent.name}:"
      f" found {found.ids}, brought along: {[pathlib.Path(path).name for path in outside]}")
END
(cd "$work" && env -i PATH=/usr/bin:/bin HOME="$work" "$work/venv/bin/python" try_wheel.py)
ls -l dist
