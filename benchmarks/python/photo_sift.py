# SPDX-License-Identifier: MIT
"""A set of SIFT descriptors from photographs of your own, for `compare.py --metric l2`.

128 dimensions, whole numbers from 0 to 255, compared by l2: what ann-benchmarks' sift-128 is, where
that cannot be had. Needs OpenCV (`pip install opencv-python-headless`), which nothing else here
does. Pictures that look alike count once, and so do equal descriptors.
"""

from __future__ import annotations

import argparse
import pathlib
import sys

import cv2
import numpy as np

SUFFIXES = {".jpg", ".jpeg", ".png"}
LONGER_SIDE = 1600  # pixels; larger pictures are made smaller
A_PICTURE = 12_000  # descriptors at the most
CONTRAST = 0.02  # half of OpenCV's default: about twice the descriptors


def descriptors(folder: pathlib.Path) -> np.ndarray:
    """Of all pictures below the folder: (n, 128), without repetitions, in the order of values."""
    sift = cv2.SIFT_create(nfeatures=A_PICTURE, contrastThreshold=CONTRAST)
    seen: set[bytes] = set()
    found = [np.empty((0, 128), np.float32)]
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in SUFFIXES:
            continue
        picture = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        if picture is None:
            print(f"{path.name}: cannot be read", file=sys.stderr)
            continue
        scale = min(1.0, LONGER_SIDE / max(picture.shape))
        picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        look = (cv2.resize(picture, (16, 16)) // 24).tobytes()
        if look in seen:
            continue
        seen.add(look)
        _, of_picture = sift.detectAndCompute(picture, None)
        if of_picture is not None:
            found.append(of_picture)
            print(f"{path.name}: {len(of_picture):,}", file=sys.stderr)
    return np.unique(np.concatenate(found), axis=0)


def main() -> None:
    """Read the pictures, write base.f32.npy and queries.f32.npy."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pictures", type=pathlib.Path, help="a folder, looked through whole")
    parser.add_argument("set", type=pathlib.Path, help="the folder to write")
    parser.add_argument("--queries", type=int, default=1000, help="rows held back, at random")
    arguments = parser.parse_args()
    rows = descriptors(arguments.pictures)
    if len(rows) <= arguments.queries:
        raise SystemExit(f"{arguments.pictures}: {len(rows)} descriptors, too few to hold any back")
    rows = rows[np.random.default_rng(1).permutation(len(rows))]
    arguments.set.mkdir(parents=True, exist_ok=True)
    np.save(arguments.set / "queries.f32.npy", rows[: arguments.queries])
    np.save(arguments.set / "base.f32.npy", rows[arguments.queries :])
    print(f"{arguments.set}: {len(rows) - arguments.queries:,} rows, {arguments.queries} queries")


if __name__ == "__main__":
    main()
