# SPDX-License-Identifier: MIT
"""Plots and a table from results of `compare.py`.

For every set among the results: recall against queries/s (logarithmic) in each lane, as PNG and SVG
in `--folder`, from runs with `--curve`. `--markdown FILE` writes the tables of all sets: queries/s
at each recall target with the ratio to springg, then builds, memory and file size. A figure is the
median over the rounds; a ratio stands with its least and greatest.
"""

from __future__ import annotations

import argparse
import json
import pathlib
from typing import Any

MEBIBYTE = 1 << 20


def short(value: float) -> str:
    """Queries/s in thousands where they are many."""
    return f"{value / 1000:.1f}k" if value >= 1000 else f"{value:.0f}"


def speed_of(row: dict[str, Any] | None) -> str:
    """One cell of the table of speeds."""
    if row is None:
        return ""
    if "without" in row:
        return str(row["without"])
    if "failed" in row:
        return "failed"
    if "not_timed" in row:
        return f"at most {row['most_recall']:.3f}"
    text = short(row["queries_per_second"]["median"])
    if (ratio := row.get("springg_over_this")) is not None:
        text += f" ({ratio['median']:.2f}, {ratio['min']:.2f}..{ratio['max']:.2f})"
    return text


def speeds(result: dict[str, Any]) -> list[str]:
    """A table of queries/s: peers down, targets and lanes across."""
    cells = sorted(result["cells"], key=lambda cell: cell["lane"] != "single")
    heads = [f"{cell['lane']}, {cell['target']}" for cell in cells]
    lines = ["| | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
    for name, peer in result["peers"].items():
        if "skipped" in peer:
            lines.append(f"| {name} | skipped: {peer['skipped']} |" + " |" * (len(heads) - 1))
            continue
        row = [speed_of(cell["peers"].get(name)) for cell in cells]
        lines.append(f"| {name} {peer['version']} | " + " | ".join(row) + " |")
    return lines


def settings_of(build: dict[str, Any]) -> str:
    """A build's settings as words."""
    return ", ".join(f"{name} {value}" for name, value in build.items())


def mebibytes(value: float | None) -> str:
    """Bytes as MiB; nothing for what is not known."""
    return "" if value is None else f"{value / MEBIBYTE:,.0f}"


def builds(result: dict[str, Any]) -> list[str]:
    """A table of all builds that were tried; those that a cell of the speeds uses are marked."""
    used = {
        (name, json.dumps(row["build"], sort_keys=True))
        for cell in result["cells"]
        for name, row in cell["peers"].items()
        if "build" in row
    }
    lines = [
        "| build | in use | seconds | memory, MiB | at its peak | files, MiB |",
        "|---|---|---|---|---|---|",
    ]
    for name, peer in result["peers"].items():
        for build in peer.get("builds", []):
            text = f"| {name}: {settings_of(build['settings'])} | "
            if "failed" in build:
                lines.append(text + f"failed: {build['failed']} | | | | |")
                continue
            mark = "yes" if (name, json.dumps(build["settings"], sort_keys=True)) in used else ""
            lines.append(
                text + f"{mark} | {build['build_seconds']:.1f} | "
                f"{mebibytes(build['memory_bytes_after_searches'])} | "
                f"{mebibytes(build['peak_memory_bytes'])} | {mebibytes(build['file_bytes'])} |"
            )
    return lines


def table(result: dict[str, Any]) -> str:
    """The whole section of one set."""
    about, machine = result["set"], result["machine"]
    lines = [
        f"### {about['name']}",
        "",
        (
            f"{about['rows']:,} x {about['dimensions']}, {about['metric']}, {about['queries']:,} "
            f"queries, recall@{result['k']}, {result['pairs']} rounds; {machine['processor']} with "
            f"{machine['cores']} cores, {machine['isa']}. Queries/s at the least setting that "
            "reaches the recall; in brackets springg's over the peer's, median and range over the "
            "rounds."
        ),
        "",
        *speeds(result),
        "",
        *builds(result),
    ]
    if result["left_out"]:
        lines += ["", "Left out: " + "; ".join(result["left_out"]) + "."]
    return "\n".join(lines) + "\n"


def draw(results: list[dict[str, Any]], folder: pathlib.Path) -> list[pathlib.Path]:
    """One figure a set, one panel a lane; files written."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    written = []
    for result in results:
        curves = {lane: peers for lane, peers in result.get("curves", {}).items() if peers}
        if not curves:
            continue
        figure, panels = pyplot.subplots(
            1, len(curves), figsize=(6 * len(curves), 5), squeeze=False, layout="constrained"
        )
        hues = {name: f"C{i % 10}" for i, name in enumerate(result["peers"])}
        for panel, (lane, peers) in zip(panels[0], curves.items(), strict=True):
            for name, points in peers.items():
                ordered = sorted(points, key=lambda point: float(point["recall"]))
                panel.plot(
                    [point["recall"] for point in ordered],
                    [point["queries_per_second"]["median"] for point in ordered],
                    color=hues[name],
                    linestyle="-" if list(hues).index(name) < len(hues) / 2 else "--",
                    linewidth=2.5 if name == "springg" else 1.2,
                    marker="o",
                    markersize=3,
                    label=name,
                )
            panel.set(title=lane, xlabel=f"recall@{result['k']}", yscale="log", xlim=(0.8, 1.0))
            panel.grid(visible=True, which="both", alpha=0.3)
        panels[0][0].set_ylabel("queries/s")
        panels[0][-1].legend(fontsize="small")
        figure.suptitle(f"{result['set']['name']}, {result['set']['rows']:,} rows")
        for ending in ("png", "svg"):
            path = folder / f"{result['set']['name']}.{ending}"
            figure.savefig(path, dpi=150)
            written.append(path)
        pyplot.close(figure)
    return written


def main() -> None:
    """Read the results, write what is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=pathlib.Path, nargs="+", help="JSON of compare.py")
    parser.add_argument("--folder", type=pathlib.Path, help="where plots go")
    parser.add_argument("--markdown", type=pathlib.Path, help="file for the tables")
    arguments = parser.parse_args()
    results = [json.loads(path.read_text()) for path in arguments.results]
    if arguments.markdown is not None:
        arguments.markdown.write_text("\n".join(table(result) for result in results))
    if arguments.folder is not None:
        arguments.folder.mkdir(parents=True, exist_ok=True)
        for path in draw(results, arguments.folder):
            print(path)


if __name__ == "__main__":
    main()
