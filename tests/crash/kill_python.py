#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""kill -9 of a Python process that uses springg, over and over on the same directories.

    kill_python.py [--cycles N] [--seed S]

A child opens a database, says what it found, and works until it is killed; it tells each call
through a pipe, before and after it. The next child, on the same directory, must find what was
acknowledged at `process` or `disk`, and nothing that nobody wrote. Prints one JSON line; after a
failure also the seed of the history and its calls, and exits with 1.
"""

import argparse
import contextlib
import hashlib
import json
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time

DIMENSIONS = 6
IDS = 40
CYCLES_OF_HISTORY = 15
SECONDS = 60  # opening takes a hundredth of it
LEVELS = ("disk", "disk", "process", "buffered")


def digest(model):
    text = json.dumps(model, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


# --- the child --------------------------------------------------------------------------------


def state_of(db):
    """Every index: id as text, vector, metadata; read in two ways."""
    model = {}
    for name in db.indexes():
        index = db[name]
        rows = {}
        for record in (record for batch in index.scan(16) for record in batch):
            key = str(record.id)
            assert key not in rows, f"{name}: id {key} comes twice"
            rows[key] = [[float(value) for value in record.vector], record.metadata]
        assert len(index) == len(rows), f"{name}: {len(index)} rows, a scan has {len(rows)}"
        for key in rows:
            assert int(key) in index, f"{name}: id {key} is listed and not found"
        if rows:
            hits = index.search([1.0] * DIMENSIONS, k=len(rows), exact=True)
            assert sorted(map(str, hits.ids)) == sorted(rows), f"{name}: a search finds others"
        model[name] = rows
    return model


class Child:
    def __init__(self, directory, seed):
        import springg  # only here: the parent must not depend on it

        self.springg = springg
        self.directory = directory
        self.random = random.Random(seed)
        self.seed = seed
        self.made = 0
        self.db = springg.open(directory, threads=1)
        self.model = state_of(self.db)
        self.tell("found", digest(self.model))

    @staticmethod
    def tell(*fields):
        sys.stdout.write("\t".join(fields) + "\n")
        sys.stdout.flush()

    def step(self, what, level, call, apply):
        before = digest(self.model)
        apply()
        after = digest(self.model)
        # A write that changes nothing makes nothing durable.
        if before == after and what.split()[0] in ("upsert", "update", "patch", "delete"):
            level = "buffered"
        self.tell("begin", level, after, what)
        call()
        self.tell("done")

    def work(self):
        while True:
            if not self.model:
                self.create()
                continue
            name = self.random.choice(sorted(self.model))
            draw = self.random.randrange(100)
            if draw < 55:
                self.store(name, update=draw < 12)
            elif draw < 65:
                self.patch(name)
            elif draw < 82:
                self.delete(name)
            else:
                self.change_structure(name, draw)

    def store(self, name, update):
        rows = self.model[name]
        ids = self.random.sample(range(IDS), self.random.choice((1, 1, 1, 4, 20)))
        if update:
            ids = [number for number in ids if str(number) in rows]
        if not ids:
            return
        vectors = [[float(self.random.randrange(-50, 50)) for _ in range(DIMENSIONS)] for _ in ids]
        documents = [self.document() if self.random.random() < 0.5 else None for _ in ids]

        def apply():
            for number, vector, document in zip(ids, vectors, documents, strict=True):
                kept = rows[str(number)][1] if update and document is None else document
                rows[str(number)] = [vector, kept]

        level = self.random.choice(LEVELS)
        index = self.db[name]
        call = index.update if update else index.upsert
        verb = "update" if update else "upsert"
        self.step(
            f"{verb} {len(ids)} rows of {name} at {level}",
            level,
            lambda: call(ids, vectors=vectors, metadata=documents, durability=level),
            apply,
        )

    def document(self):
        return {"n": self.random.randrange(1000), "t": "x" * self.random.choice((1, 30, 700))}

    def patch(self, name):
        rows = self.model[name]
        ids = [number for number in rows if self.random.random() < 0.2]
        if not ids:
            return
        documents = [self.document() for _ in ids]

        def apply():
            for number, document in zip(ids, documents, strict=True):
                rows[number][1] = document

        level = self.random.choice(LEVELS)
        index = self.db[name]
        self.step(
            f"patch {len(ids)} rows of {name} at {level}",
            level,
            lambda: index.update(
                [int(number) for number in ids], metadata=documents, durability=level
            ),
            apply,
        )

    def delete(self, name):
        ids = self.random.sample(range(IDS), self.random.randrange(1, 7))
        level = self.random.choice(LEVELS)

        def apply():
            for number in ids:
                self.model[name].pop(str(number), None)

        index = self.db[name]
        self.step(
            f"delete {len(ids)} ids of {name} at {level}",
            level,
            lambda: index.delete(ids, durability=level),
            apply,
        )

    def create(self):
        self.made += 1
        name = f"index-{self.seed}-{self.made}"
        self.step(
            f"create {name}",
            "disk",
            lambda: self.db.create_index(name, DIMENSIONS),
            lambda: self.model.update({name: {}}),
        )

    def change_structure(self, name, draw):
        if draw < 85 and len(self.model) < 5:
            self.create()
        elif draw < 87:
            self.step(
                f"drop {name}",
                "disk",
                lambda: self.db.drop_index(name),
                lambda: self.model.pop(name),
            )
        elif draw < 89:
            self.made += 1
            to = f"index-{self.seed}-{self.made}"
            self.step(
                f"rename {name} to {to}",
                "disk",
                lambda: self.db.rename_index(name, to),
                lambda: self.model.update({to: self.model.pop(name)}),
            )
        elif draw < 91:
            self.step(f"clear {name}", "disk", self.db[name].clear, self.model[name].clear)
        elif draw < 96:
            self.step("flush", "disk", self.db.flush, lambda: None)
        elif draw < 98:
            self.step("sync", "disk", self.db.sync, lambda: None)
        elif draw == 98:
            self.step(f"optimise {name}", "buffered", self.db[name].optimize, lambda: None)
        else:
            self.step("close and open", "disk", self.reopen, lambda: None)

    def reopen(self):
        self.db.close()
        self.db = self.springg.open(self.directory, threads=1)


# --- the parent -------------------------------------------------------------------------------


class FailedRunError(Exception):
    def __init__(self, kind, what):
        super().__init__(what)
        self.kind = kind


def run_child(directory, seed, moment):
    """What the child said until it was killed, and its errors."""
    child = subprocess.Popen(
        [sys.executable, __file__, "--child", directory, str(seed)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    lines = []
    opened = threading.Event()

    def read():
        for line in child.stdout:
            lines.append(line)
            opened.set()
        opened.set()

    reader = threading.Thread(target=read)
    reader.start()
    hung = False
    if moment.random() < 0.2:
        time.sleep(moment.random() * 0.5)
    elif opened.wait(SECONDS):
        said = 2 * moment.randrange(40)
        end = time.monotonic() + SECONDS
        while len(lines) < said and child.poll() is None and not hung:
            time.sleep(0.001)
            hung = time.monotonic() > end
        time.sleep(0.00001 * 2 ** (moment.random() * 10))
    else:
        hung = True
    with contextlib.suppress(ProcessLookupError):
        child.kill()
    errors = child.stderr.read()
    child.wait()
    reader.join()
    if hung:
        raise FailedRunError("other_failures", f"hangs after {lines[-1:]}")
    return [line.rstrip("\n").split("\t") for line in lines if line.endswith("\n")], errors, child


def allowed_after(run):
    """Indexes of the states of a run that a kill may leave."""
    least = max(i for i, step in enumerate(run) if step["ended"] and step["level"] != "buffered")
    return range(least, len(run))


def judge(run, found):
    states = allowed_after(run)
    if any(run[i]["state"] == found for i in states):
        return
    older = [step["what"] for step in run[: states.start] if step["state"] == found]
    if older:
        raise FailedRunError("lost_acked", f"stands after {older[-1]!r}")
    raise FailedRunError("resurrected", f"holds {found}, the state of no moment")


def one_cycle(directory, run, seed, moment):
    lines, errors, child = run_child(directory, seed, moment)
    if not lines:
        if child.returncode != -9:
            raise FailedRunError("false_refusals", errors)
        return run
    judge(run, lines[0][1])
    now = [{"what": "as it was found", "state": lines[0][1], "level": "disk", "ended": True}]
    for line in lines[1:]:
        if line[0] == "begin":
            now.append({"what": line[3], "state": line[2], "level": line[1], "ended": False})
        else:
            now[-1]["ended"] = True
    if child.returncode != -9:
        raise FailedRunError("other_failures", f"after {now[-1]['what']!r}: {errors}")
    return now


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cycles", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    settings = parser.parse_args()
    begin = time.monotonic()
    counts = dict.fromkeys(("lost_acked", "resurrected", "false_refusals", "other_failures"), 0)
    cycles = operations = seeds = 0
    root = pathlib.Path(tempfile.mkdtemp(prefix="springg-kill-python-"))
    while cycles < settings.cycles and not any(counts.values()):
        seed = settings.seed + seeds
        seeds += 1
        moment = random.Random(seed)
        run = [{"what": "nothing", "state": digest({}), "level": "disk", "ended": True}]
        for cycle in range(min(CYCLES_OF_HISTORY, settings.cycles - cycles)):
            cycles += 1
            try:
                run = one_cycle(str(root / str(seed)), run, seed * 1000 + cycle, moment)
            except FailedRunError as failure:
                counts[failure.kind] += 1
                print(
                    f"seed {seed}, cycle {cycle}: {failure}; {root / str(seed)}",
                    *run,
                    sep="\n  ",
                    file=sys.stderr,
                )
                break
            operations += len(run) - 1
    if not any(counts.values()):
        shutil.rmtree(root)
    print(
        json.dumps(
            {
                "harness": "kill_python",
                "first_seed": settings.seed,
                "seeds": seeds,
                "cycles": cycles,
                "operations": operations,
                **counts,
                "seconds": round(time.monotonic() - begin, 1),
            }
        )
    )
    return int(any(counts.values()))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        Child(sys.argv[2], int(sys.argv[3])).work()
    sys.exit(main())
