# SPDX-License-Identifier: MIT
"""Plots and tables from results of `compare.py`.

For every set among the results: recall against queries/s (logarithmic) in each lane, as PNG and SVG
in `--folder`, from runs with `--curve`. `--markdown FILE` writes the tables of all sets: springg
beside the best peer of each lane, queries/s of all at each recall target with the ratio to springg,
then builds, memory and file size. `--into FILE` (repeatable) puts them between markers in a page:

    <!-- begin compare-summary -->  <!-- end compare-summary -->
    <!-- begin compare-tables -->   <!-- end compare-tables -->

What stood between them goes; a page may have either or both. Plots of `--folder` are linked in the
tables when the folder lies beside or below the page. A figure is the median over the rounds; a
ratio stands with its least and greatest.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import re
from typing import Any

from contender import key_of

MEBIBYTE = 1 << 20


def short(value: float) -> str:
    """Queries/s in thousands where they are many."""
    return f"{value / 1000:.1f}k" if value >= 1000 else f"{value:.0f}"


def ratio_of(ratio: dict[str, float]) -> str:
    """Median and range."""
    return f"{ratio['median']:.2f}, {ratio['min']:.2f} to {ratio['max']:.2f}"


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
        text += f" ({ratio_of(ratio)})"
    return text


def by_lane(result: dict[str, Any]) -> list[dict[str, Any]]:
    """The cells, lane by lane, single queries first."""
    lanes = ["single", *(cell["lane"] for cell in result["cells"])]
    return sorted(result["cells"], key=lambda cell: (lanes.index(cell["lane"]), cell["target"]))


def best_peer(cell: dict[str, Any], ours: list[str]) -> tuple[str, dict[str, Any]] | None:
    """The peer with the most queries/s in a cell, and its row; None when none was timed."""
    timed = [
        (name, row)
        for name, row in cell["peers"].items()
        if name not in ours and "queries_per_second" in row
    ]
    return max(timed, key=lambda one: float(one[1]["queries_per_second"]["median"]), default=None)


def summary(result: dict[str, Any]) -> list[str]:
    """Rows of the table of all sets: springg beside the best peer of each lane."""
    lines = []
    for cell in by_lane(result):
        ours = cell["peers"].get(cell["ours"])
        best = best_peer(cell, result["ours"])
        mine = f"{cell['ours']}: {speed_of(ours)}" if ours else "recall not reached"
        theirs = ratio = ""
        if best is not None:
            theirs = f"{best[0]}: {short(best[1]['queries_per_second']['median'])}"
            ratio = ratio_of(best[1]["springg_over_this"]) if ours else ""
        lines.append(
            f"| {result['set']['name']} | {cell['lane']}, {cell['target']} | {mine} | {theirs} "
            f"| {ratio} |"
        )
    return lines


def summaries(results: list[dict[str, Any]]) -> str:
    """The table of all sets."""
    lines = [
        "| set | lane, recall | springg | best peer | springg over it, least to greatest |",
        "|---|---|---|---|---|",
    ]
    return "\n".join(lines + [line for result in results for line in summary(result)]) + "\n"


def speeds(result: dict[str, Any]) -> list[str]:
    """A table of queries/s: peers down, targets and lanes across."""
    cells = by_lane(result)
    heads = [f"{cell['lane']}, {cell['target']}" for cell in cells]
    lines = ["| | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
    for name, peer in result["peers"].items():
        if "skipped" in peer:
            why = one_line(peer["skipped"])
            lines.append(f"| {name} | skipped: {why} |" + " |" * (len(heads) - 1))
            continue
        row = [speed_of(cell["peers"].get(name)) for cell in cells]
        lines.append(f"| {name} {peer['version']} | " + " | ".join(row) + " |")
    return lines


def settings_of(build: dict[str, Any]) -> str:
    """A build's settings as words."""
    return ", ".join(f"{name} {value}" for name, value in build.items())


def one_line(text: str) -> str:
    """The first line of what a library said, fit for a cell of a table."""
    return text.strip().split("\n")[0].replace("|", "/")


def mebibytes(value: float | None) -> str:
    """Bytes as MiB; nothing for what is not known."""
    return "" if value is None else f"{value / MEBIBYTE:,.0f}"


def builds(result: dict[str, Any]) -> list[str]:
    """A table of all builds that were tried; those that a cell of the speeds uses are marked."""
    used = {
        (name, key_of(row["build"]))
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
                lines.append(text + f"failed: {one_line(build['failed'])} | | | | |")
                continue
            mark = "yes" if (name, key_of(build["settings"])) in used else ""
            lines.append(
                text + f"{mark} | {build['build_seconds']:.1f} | "
                f"{mebibytes(build['memory_bytes_after_searches'])} | "
                f"{mebibytes(build['peak_memory_bytes'])} | {mebibytes(build['file_bytes'])} |"
            )
    return lines


def table(result: dict[str, Any], plot: str | None = None) -> str:
    """The whole section of one set, with its plot when there is one."""
    about, machine = result["set"], result["machine"]
    lines = [
        f"### {about['name']}",
        "",
        (
            f"{about['rows']:,} x {about['dimensions']}, {about['metric']}, {about['queries']:,} "
            f"queries, recall@{result['k']}, {result['pairs']} rounds; {machine['processor']} with "
            f"{machine['cores']} cores, {machine['isa']}; {result['when']}. Queries/s at the least "
            "setting that reaches the recall; in brackets those of the fastest of springg's over "
            "the peer's, median and range over the rounds. Exact distances: "
            f"{about['exact']}."
        ),
        "",
        *speeds(result),
        *(["", f"![recall against queries/s on {about['name']}]({plot})"] if plot else []),
        "",
        *builds(result),
    ]
    if result["left_out"]:
        lines += ["", "Left out: " + "; ".join(map(one_line, result["left_out"])) + "."]
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
                    linewidth=2.5 if name in result["ours"] else 1.2,
                    marker="o",
                    markersize=3,
                    label=name,
                )
            panel.set(title=lane, xlabel=f"recall@{result['k']}", yscale="log", xlim=(0.8, 1.0))
            panel.grid(visible=True, which="both", alpha=0.3)
        panels[0][0].set_ylabel("queries/s")
        lines = {line.get_label(): line for panel in panels[0] for line in panel.get_lines()}
        figure.legend(lines.values(), lines.keys(), loc="outside right upper", fontsize="small")
        figure.suptitle(f"{result['set']['name']}, {result['set']['rows']:,} rows")
        for ending in ("png", "svg"):
            path = folder / f"{result['set']['name']}.{ending}"
            figure.savefig(path, dpi=150)
            written.append(path)
        pyplot.close(figure)
    return written


def beside(path: pathlib.Path, page: pathlib.Path) -> str | None:
    """A link from a page to a file beside or below it; None when it lies elsewhere."""
    folder = page.resolve().parent
    if not path.resolve().is_relative_to(folder):
        return None
    return path.resolve().relative_to(folder).as_posix()


def put_into(page: pathlib.Path, parts: dict[str, str]) -> None:
    """Replace what stands between a page's markers; an error when it has none of them."""
    text, found = page.read_text(), 0
    for name, new in parts.items():
        begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
        between = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        text, count = between.subn(lambda _: f"{begin}\n\n{new}\n{end}", text)  # noqa: B023
        found += count
    if not found:
        raise SystemExit(f"{page} has none of the markers: begin and end {', '.join(parts)}")
    page.write_text(text)


def main() -> None:
    """Read the results, write what is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=pathlib.Path, nargs="+", help="JSON of compare.py")
    parser.add_argument("--folder", type=pathlib.Path, help="where plots go")
    parser.add_argument("--markdown", type=pathlib.Path, help="file for the tables")
    parser.add_argument("--into", type=pathlib.Path, action="append", default=[], help="a page")
    arguments = parser.parse_args()
    results = [json.loads(path.read_text()) for path in arguments.results]
    plots: dict[str, pathlib.Path] = {}
    if arguments.folder is not None:
        arguments.folder.mkdir(parents=True, exist_ok=True)
        for path in draw(results, arguments.folder):
            print(path)
            plots[path.stem] = path  # the last ending of each: SVG
    for page in arguments.into:
        links = {name: beside(path, page) for name, path in plots.items()}
        tables = [table(result, links.get(result["set"]["name"])) for result in results]
        put_into(page, {"compare-summary": summaries(results), "compare-tables": "\n".join(tables)})
    if arguments.markdown is not None:
        parts = [summaries(results), *(table(result) for result in results)]
        arguments.markdown.write_text("\n".join(parts))


if __name__ == "__main__":
    main()
