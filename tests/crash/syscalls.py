#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Make every call of the system that changes files fail, one after another, under strace.

    syscalls.py PROGRAM [--jobs N] [--only SCENARIO[/CALL[/FAULT[/N]]]] [--keep]

PROGRAM is build/*/tests/crash/scenario. For each scenario, call and fault, the n-th call fails for
n = 1, 2, ... until a run ends before its n-th call. A killed process, and one that went on after
the error, leaves a directory that is opened again and must hold what was acknowledged; while the
process lives, its readers must see that and nothing else. Prints one JSON line; exits with 1 after
a failure and names the run, which --only repeats and --keep leaves behind.
"""

import argparse
import concurrent.futures
import dataclasses
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

CALLS = {
    "openat": ("kill", "EIO", "ENOSPC", "ENOSPC+", "EINTR"),
    "mkdir": ("kill", "EIO", "ENOSPC"),
    "pwrite64": ("kill", "EIO", "EIO+", "ENOSPC", "ENOSPC+", "EINTR", "short"),
    "fallocate": ("kill", "EIO", "ENOSPC", "ENOSPC+", "EINTR"),
    "fdatasync": ("kill", "EIO", "EIO+", "ENOSPC", "EINTR"),
    "fsync": ("kill", "EIO", "EIO+"),
    "rename": ("kill", "EIO", "EIO+", "ENOSPC"),
    "unlink": ("kill", "EIO", "EIO+"),
    "ftruncate": ("kill", "EIO"),
    "link": ("kill", "EIO", "ENOSPC"),
}
# Faults that a caller may not see: the call is made again, or goes on with the rest.
HIDDEN = {("openat", "EINTR"), ("pwrite64", "EINTR"), ("fallocate", "EINTR"), ("pwrite64", "short")}
# These open the database again: a file that could not be synced is then made anew.
REOPENING = {"close", "crash_and_open"}
SECONDS = 60  # nothing here takes a hundredth of it
KILLED = (-9, 137)


@dataclasses.dataclass
class Run:
    scenario: str
    call: str
    fault: str
    n: int

    def __str__(self):
        return f"{self.scenario}/{self.call}/{self.fault}/{self.n}"


class FailedRunError(Exception):
    def __init__(self, kind, run, what):
        super().__init__(f"{run}: {what}")
        self.kind = kind


class Judge:
    """A process that opens directories; another one takes its place when it dies."""

    def __init__(self, program):
        self._program = program
        self._process = None

    def answer(self, directory):
        if self._process is None:
            self._process = subprocess.Popen(
                [self._program, "judge"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
        self._process.stdin.write(f"{directory}\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline().strip()
        if not line:
            code = self._process.wait()
            self._process = None
            return f"died, status {code}"
        return line

    def close(self):
        if self._process is not None:
            self._process.stdin.close()
            self._process.wait()


class Lane:
    def __init__(self, program, root, keep):
        self.program = program
        self.root = root
        self.keep = keep
        self.local = threading.local()
        self.judges = []
        self.templates = {}  # scenario: (directory, allowed fingerprints)
        self.opened_before = {}  # scenario: files that the loader opens
        self.runs = 0
        self.lock = threading.Lock()

    def here(self):
        """Folder and judge of this thread."""
        if not hasattr(self.local, "folder"):
            self.local.folder = pathlib.Path(tempfile.mkdtemp(dir=self.root))
            self.local.judge = Judge(self.program)
            with self.lock:
                self.judges.append(self.local.judge)
        return self.local.folder, self.local.judge

    def prepare(self, scenario):
        directory = self.root / f"{scenario}.template"
        done = subprocess.run(
            [self.program, "prepare", scenario, directory],
            capture_output=True,
            text=True,
            check=True,
            timeout=SECONDS,
        )
        lines = [line.split("\t") for line in done.stdout.splitlines()]
        bad = [line for line in lines if line[0] in ("error", "fault")]
        if bad:
            raise FailedRunError("others", f"{scenario}/prepare", bad)
        allowed = [line[1:] for line in lines if line[0] == "allowed"][-1]
        self.templates[scenario] = (directory, allowed)

    def check_seam(self, scenario):
        """Every file below the directory is opened as io opens files, and never through a link."""
        folder, _ = self.here()
        directory = self.fresh(scenario)
        trace = folder / "trace"
        subprocess.run(
            [
                "strace",
                "-f",
                "-qq",
                "-o",
                trace,
                "-e",
                "trace=open,openat,openat2,creat",
                self.program,
                "run",
                scenario,
                directory,
            ],
            check=True,
            capture_output=True,
            timeout=SECONDS,
        )
        opened = 0
        loader = 0
        for line in trace.read_text().splitlines():
            if str(directory) not in line:
                loader += opened == 0
                continue
            opened += 1
            if "O_CLOEXEC" not in line or not re.search("O_NOFOLLOW|O_DIRECTORY", line):
                raise FailedRunError("others", f"{scenario}/seam", f"opened past io: {line}")
        if opened == 0:
            raise FailedRunError("others", f"{scenario}/seam", "strace saw no file opened")
        self.opened_before[scenario] = loader

    def fresh(self, scenario):
        folder, _ = self.here()
        directory = folder / "db"
        shutil.rmtree(directory, ignore_errors=True)
        shutil.copytree(self.templates[scenario][0], directory)
        return directory

    def one(self, run):
        """Whether the fault was met."""
        folder, judge = self.here()
        directory = self.fresh(run.scenario)
        trace = folder / "trace"
        trace.unlink(missing_ok=True)
        command = [self.program, "run", run.scenario, directory]
        environment = dict(os.environ)
        if run.fault == "short":
            environment["SHORT_WRITE"] = str(run.n)
        else:
            first = self.opened_before[run.scenario] if run.call == "openat" else 0
            command = [*strace(run, first, trace), *command]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=SECONDS, env=environment
            )
        except subprocess.TimeoutExpired as error:
            raise FailedRunError("hung", run, f"hangs: {error.stdout}") from error
        with self.lock:
            self.runs += 1
        traced = trace.read_text() if trace.exists() else ""
        if run.fault == "short":
            met = "short\n" in done.stderr
        else:
            met = done.returncode in KILLED or "(INJECTED)" in traced
        answer = judge.answer(directory)
        judge_run(run, self.templates[run.scenario][1], done, answer, traced)
        return met

    def all_of(self, scenario, call, fault, only=None):
        n = only or 1
        while self.one(Run(scenario, call, fault, n)) and only is None:
            n += 1
        return n - 1


def strace(run, first, trace):
    when = str(run.n + first) + ("+" if run.fault.endswith("+") else "")
    action = "signal=KILL" if run.fault == "kill" else f"error={run.fault.rstrip('+')}"
    return [
        "strace",
        "-f",
        "--seccomp-bpf",
        "-qq",
        "-y",
        "-o",
        trace,
        "-e",
        f"trace={run.call}",
        "-e",
        f"inject={run.call}:{action}:when={when}",
    ]


def judge_run(run, allowed_at_first, done, answer, trace):
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    promised = [allowed_at_first, *(line[1:] for line in lines if line[0] == "allowed")]
    story = "\n".join(["", *done.stdout.splitlines(), done.stderr])
    expected = KILLED if run.fault == "kill" else ()
    if done.returncode != 0 and done.returncode not in expected:
        raise FailedRunError("crashed", run, f"ended with status {done.returncode}{story}")
    for line in lines:
        if line[0] == "fault":
            raise FailedRunError("broken_promises", run, line[1] + story)
        if line[0] == "error" and (run.call, run.fault) in HIDDEN:
            raise FailedRunError(
                "broken_promises", run, f"should not have failed: {line[1]}{story}"
            )
    if not re.fullmatch("[0-9a-f]{16}", answer):
        raise FailedRunError("false_refusals", run, answer + story)
    if answer not in promised[-1]:
        known = any(answer in states for states in promised)
        raise FailedRunError(
            "lost_acked" if known else "resurrected", run, f"holds {answer}{story}"
        )
    opened_again = any(line[0] == "error" and line[1].startswith("open: ") for line in lines)
    if run.scenario not in REOPENING and not opened_again:
        check_no_second_sync(run, trace)


def check_no_second_sync(run, trace):
    """The system may count pages as clean that it could not write: asking again proves nothing."""
    failed = set()
    for line in trace.splitlines():
        synced = re.search(r"fdatasync\((\d+<[^>]*/wal-[^>]*>)\)", line)
        if synced is None:
            continue
        if synced[1] in failed:
            raise FailedRunError("broken_promises", run, f"synced again after an error: {line}")
        if "(INJECTED)" in line and "ENOSPC" not in line:
            failed.add(synced[1])


def groups(lane, only):
    names = subprocess.run(
        [lane.program, "list"], capture_output=True, text=True, check=True
    ).stdout.split()
    wanted = only.split("/") if only else []
    for scenario in names:
        if wanted and scenario != wanted[0]:
            continue
        lane.prepare(scenario)
        lane.check_seam(scenario)
        for call, faults in CALLS.items():
            for fault in faults:
                if wanted[1:2] in ([], [call]) and wanted[2:3] in ([], [fault]):
                    yield scenario, call, fault, int(wanted[3]) if len(wanted) > 3 else None


def run_lane(lane, only, jobs):
    counts = dict.fromkeys(
        (
            "lost_acked",
            "resurrected",
            "false_refusals",
            "crashed",
            "hung",
            "broken_promises",
            "others",
        ),
        0,
    )
    met = {}
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(lane.all_of, *group) for group in groups(lane, only)]
        for future in concurrent.futures.as_completed(futures):
            try:
                met[future] = future.result()
            except FailedRunError as failure:
                counts[failure.kind] += 1
                print(failure, file=sys.stderr)
    for judge in lane.judges:
        judge.close()
    return counts, sum(met.values())


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("program", type=pathlib.Path)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--only")
    parser.add_argument("--keep", action="store_true")
    settings = parser.parse_args()
    memory = pathlib.Path("/dev/shm")
    base = memory if os.access(memory, os.W_OK) else None
    root = pathlib.Path(tempfile.mkdtemp(prefix="springg-syscalls-", dir=base))
    begin = time.monotonic()
    lane = Lane(settings.program.resolve(), root, settings.keep)
    try:
        counts, met = run_lane(lane, settings.only, settings.jobs)
    finally:
        if settings.keep:
            print(f"left in {root}", file=sys.stderr)
        else:
            shutil.rmtree(root)
    print(
        json.dumps(
            {
                "harness": "syscalls",
                "scenarios": len(lane.templates),
                "runs": lane.runs,
                "faults_met": met,
                **counts,
                "seconds": round(time.monotonic() - begin, 1),
            }
        )
    )
    return int(any(counts.values()))


if __name__ == "__main__":
    sys.exit(main())
