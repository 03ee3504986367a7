# SPDX-License-Identifier: MIT
"""The dictionary set under a memory limit that its vectors have no room in, against none.

Resident memory, queries/s and recall of 1,000 default searches, one at a time, in a new process
each: first with the files out of the system's cache (cold; what compares checksums in the
background reads them meanwhile), then again (warm). Under the limit also with the files taken out
of the cache before each search. And what building takes under the limit. To see it under a limit
of the system as well, run it in a control group (`systemd-run --scope -p MemoryMax=...`); the
result names what limit it found.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
from measure import Dataset, dictionary, report, spread

import springg

SEARCHES = 1000
ROWS_OF_CALL = 4096

CHILD = """
import json, os, pathlib, sys, time
import numpy as np, springg

folder, queries, limit, cold, answers = sys.argv[1:]
queries = np.load(queries)

def resident():
    wanted = ("RssAnon:", "RssFile:")
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(wanted))

def passes():
    found = np.empty((len(queries), 10), np.float32)
    begin = time.perf_counter()
    for i, query in enumerate(queries):
        found[i] = index.search(query).distances
    return len(queries) / (time.perf_counter() - begin), found

def evict():
    for path in pathlib.Path(folder).glob("*.segment"):
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

# Only what is not mapped can be taken out of the cache: this tells something under a limit alone.
def uncached():
    spent = 0.0
    for query in queries[:200]:
        evict()
        begin = time.perf_counter()
        index.search(query)
        spent += time.perf_counter() - begin
    return 200 / spent

with springg.open(":memory:") as small:  # threads and allocator pools are there before it counts
    index = small.create_index("w", queries.shape[1])
    index.add(np.arange(1000), queries[:1000])
    index.search(queries[0])
if cold == "cold":
    evict()
else:
    for path in pathlib.Path(folder).glob("*.segment"):
        with path.open("rb") as file:
            while file.read(1 << 20):
                pass
start = resident()
begin = time.perf_counter()
database = springg.open(folder, memory_limit=int(limit) or None)
index = database["words"]
opened = time.perf_counter() - begin
first, found = passes()
grown = resident() - start
second, again = passes()
grown_again = resident() - start
usage = database.memory_usage()
lean = usage["counted"] + usage["mapped"] > int(limit) > 0
np.save(answers, found)
print(json.dumps({
    "open_seconds": opened, "first_pass_qps": first, "second_pass_qps": second,
    "resident_growth_bytes": grown, "resident_growth_after_second_pass_bytes": grown_again,
    **({"uncached_qps": uncached()} if lean else {}),
    "counted": usage["counted"], "mapped": usage["mapped"],
    "equal": bool(np.array_equal(found, again))}))
"""


def build(folder: str, data: Dataset, limit: int | None) -> float:
    """Seconds until all rows are in one segment on the disk."""
    begin = time.perf_counter()
    with springg.open(folder, memory_limit=limit, durability="buffered") as db:
        index = db.create_index("words", data.base.shape[1])
        for at in range(0, len(data.base), ROWS_OF_CALL):
            rows = data.base[at : at + ROWS_OF_CALL]
            index.add(np.arange(at, at + len(rows)), rows)
        index.optimize()
    return time.perf_counter() - begin


def system_limit() -> int | None:
    """Of the control group that this process is in; None without one."""
    for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines():
        if not line.startswith("0::"):
            continue
        path = pathlib.Path("/sys/fs/cgroup" + line[3:]) / "memory.max"
        if path.is_file() and (text := path.read_text().strip()) != "max":
            return int(text)
    return None


def run(folder: str, work: str, limit: int | None, cold: str) -> dict[str, float]:
    """One new process."""
    command = [sys.executable, "-c", CHILD, folder, f"{work}/queries.npy", str(limit or 0), cold]
    out = subprocess.run(
        [*command, f"{work}/found.npy"], capture_output=True, text=True, check=True
    ).stdout
    result: dict[str, float] = json.loads(out)
    return result


def measured(
    folder: str, work: str, data: Dataset, limits: dict[str, int | None], repeats: int
) -> dict[str, dict[str, object]]:
    """Every kind of run, in turns; medians with least and greatest."""
    runs: dict[str, list[dict[str, float]]] = {}
    for _ in range(repeats):
        for cold in ("cold", "warm"):
            for name, limit in limits.items():
                one = run(folder, work, limit, cold)
                found = np.load(f"{work}/found.npy")
                true = data.distances[: len(found), 9:10] + 1e-3
                one["recall"] = float((found <= true).mean())
                runs.setdefault(f"{name}, {cold}", []).append(one)
    return {
        name: {key: spread([one[key] for one in each]) for key in each[0]}
        for name, each in runs.items()
    }


def main() -> None:
    """Run and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=pathlib.Path)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--limit", type=float, default=0.35, help="of the vectors' bytes")
    arguments = parser.parse_args()
    data = dictionary()
    limit = int(arguments.limit * data.base.nbytes)
    with tempfile.TemporaryDirectory() as work:
        np.save(f"{work}/queries.npy", data.queries[:SEARCHES])
        seconds = {
            "no limit": build(f"{work}/mapped", data, None),
            "limit": build(f"{work}/limited", data, limit),
        }
        limits = {"no limit": None, "limit": limit}
        runs = measured(f"{work}/mapped", work, data, limits, arguments.repeats)
    for each in runs.values():
        grown = each["resident_growth_bytes"]
        assert isinstance(grown, dict)
        each["resident_over_raw"] = {key: v / data.base.nbytes for key, v in grown.items()}
    report(
        "larger",
        {
            "set": data.name,
            "rows": len(data.base),
            "raw_bytes": data.base.nbytes,
            "limit_bytes": limit,
            "system_limit_bytes": system_limit(),
            "searches": min(SEARCHES, len(data.queries)),
            "build_seconds": seconds,
            "runs": runs,
        },
        arguments.output,
    )


if __name__ == "__main__":
    main()
