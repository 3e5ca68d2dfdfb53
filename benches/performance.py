"""The figures of `docs/performance.md`: run the benches, and write the tables of the page from what they found.

    python benches/performance.py run benches/results             all of them, one after another (an hour)
    python benches/performance.py run benches/results --only latency git_checkout
    python benches/performance.py write benches/results           the tables of docs/performance.md

A run writes one JSON a bench (`report.py`), so a single one can be run again. The page says of each figure from which
commit it is and whether the machine was busy meanwhile; a test compares its tables with the results that are here.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from report import Row, load_rows, number

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "performance.md"
RUNS = {
    "beside": "beside",
    "first_sync": "first_sync --watch",
    "latency": "latency --files 10000",
    "keystroke": "keystroke",
    "large": "large",
    "scale": "scale --files 10000 100000 --idle 0",
    "at_rest": "at_rest",
    "at_rest_100000": "at_rest --files 100000 --no-strace --no-watched",
    "git_checkout": "git_checkout",
    "service": "service",
    "commands": "commands",
    "writes": "writes",
    "wall": "wall",
}
_BEGINS, _ENDS = "<!-- {name}: written by benches/performance.py -->", "<!-- end of {name} -->"
Reports = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Figure:
    """What a goal came to: in words, and whether that is enough."""

    text: str
    is_met: bool


@dataclass(frozen=True, slots=True)
class Goal:
    """A row of the first table.

    Attributes:
        runs: what has to be there for it, by the names of `RUNS`.
        of: gives the figure from a look-up of rows: bench and row to its median. Raises KeyError: there is none.
    """

    work: str
    bar: str
    runs: tuple[str, ...]
    of: Callable[[Callable[[str, str], float]], Figure]


def _at_most(bench: str, row: str, bar: float, unit: str) -> Callable[[Callable[[str, str], float]], Figure]:
    def figure(at: Callable[[str, str], float]) -> Figure:
        return Figure(f"{number(at(bench, row))} {unit}", at(bench, row) <= bar)

    return figure


def _small_files(at: Callable[[str, str], float]) -> Figure:
    syncthing, rsync = at("beside", "files syncthing of ours"), 1 / at("beside", "files rsync of ours")
    took = number(at("beside", "files yp2p"))
    return Figure(f"{took} s: {syncthing:.1f} times; {rsync:.1f} times", syncthing >= 5 and rsync <= 3)


def _large_file(at: Callable[[str, str], float]) -> Figure:
    rate, syncthing = at("beside", "large yp2p rate"), at("beside", "large syncthing of ours")
    return Figure(f"{rate:.0f} MiB/s; {syncthing:.1f} times", rate >= 500 and syncthing >= 3)


def _ten_times_the_files(at: Callable[[str, str], float]) -> Figure:
    times = at("scale", "100,000 files first sync") / at("scale", "10,000 files first sync")
    return Figure(f"{times:.1f} times", times <= 10.5)


def _edit(at: Callable[[str, str], float]) -> Figure:
    p50, p95, fsync = at("latency", "single p50"), at("latency", "single p95"), at("latency", "machine fsync")
    times = p50 / (2 * fsync)
    shown = f"{number(p50)}, {number(p95)} ms; {times:.1f} times two fsyncs"
    return Figure(shown, p50 <= 3.5 and p95 <= 7 and times <= 3)


def _keystroke(at: Callable[[str, str], float]) -> Figure:
    times = at("keystroke", "paced p50") / at("keystroke", "bare paced p50")
    return Figure(f"{number(at('keystroke', 'paced p50'))} ms: {times:.1f} times", times <= 1.6)


def _checkout(at: Callable[[str, str], float]) -> Figure:
    alone, took = at("git_checkout", "checkout"), at("git_checkout", "checkout to other disk")
    return Figure(f"{number(took)} s, of {number(alone)} s alone", at("git_checkout", "after bar") == 0)


GOALS = (
    Goal(
        "10,000 files of 1 KiB, first sync",
        "5 times Syncthing's speed; 3 times rsync's time",
        ("beside",),
        _small_files,
    ),
    Goal(
        "the loop's longest stretch in it",
        "20 ms",
        ("first_sync",),
        _at_most("first_sync", "longest stretch", 20, "ms"),
    ),
    Goal("100,000 files of 1 KiB, first sync", "10.5 times the 10,000", ("scale",), _ten_times_the_files),
    Goal("1 GiB of random bytes, first sync", "500 MiB/s; 3 times Syncthing's speed", ("beside",), _large_file),
    Goal(
        "1 MiB inserted at the front of 1 GiB",
        "8 MiB received",
        ("large",),
        _at_most("large", "inserted received", 8, "MiB"),
    ),
    Goal(
        "an edit to the other's disk, 10 KB, in 10,000 files",
        "p50 3.5 ms, p95 7 ms; 3 times two fsyncs",
        ("latency",),
        _edit,
    ),
    Goal(
        "a keystroke after a pause, program to program",
        "1.6 times the bare exchange and a commit",
        ("keystroke",),
        _keystroke,
    ),
    Goal("killed until in sync, 10,000 files", "1 s", ("at_rest",), _at_most("at_rest", "killed to in sync", 1, "s")),
    Goal(
        "killed until in sync, 100,000 files",
        "4 s",
        ("at_rest_100000",),
        _at_most("at_rest_100000", "killed to in sync", 4, "s"),
    ),
    Goal(
        "start until READY, 100,000 files",
        "0.8 s",
        ("at_rest_100000",),
        _at_most("at_rest_100000", "start to ready", 0.8, "s"),
    ),
    Goal("memory at rest, 10,000 files", "70 MiB", ("at_rest",), _at_most("at_rest", "memory", 70, "MiB")),
    Goal(
        "memory at rest, 100,000 files",
        "160 MiB",
        ("at_rest_100000",),
        _at_most("at_rest_100000", "memory", 160, "MiB"),
    ),
    Goal("idle CPU, 10,000 files, two peers", "0.03 %", ("at_rest",), _at_most("at_rest", "cpu", 0.03, "%")),
    Goal(
        "`git checkout`, 1,000 of 5,000 files changed, to the other's disk",
        "2 times the checkout, and 1 s",
        ("git_checkout",),
        _checkout,
    ),
)


def read(directory: Path) -> dict[str, dict[str, Any]]:
    """The reports that are there, by the names of `RUNS`."""
    return {name: json.loads((directory / f"{name}.json").read_text())
            for name in RUNS if (directory / f"{name}.json").exists()}  # fmt: skip


def _medians(reports: Reports) -> Callable[[str, str], float]:
    rows = {
        (name, prefix + row.name): row.median
        for name, report in reports.items()
        for prefix, key in (("", "rows"), ("machine ", "probe"))
        for row in load_rows(report[key])
    }
    return lambda bench, row: rows[bench, row]


def _as_wanted(reports: Reports) -> Reports:
    """Those that were run as `RUNS` says: a smaller one is told among all rows, and says nothing of a goal."""
    return {name: one for name, one in reports.items() if one["arguments"] == shlex.split(RUNS[name])[1:]}


def goals(reports: Reports) -> Iterator[str]:
    """The table of the goals."""
    reports = _as_wanted(reports)
    yield "| work | bar | measured | |"
    yield "| --- | --- | --- | --- |"
    for goal in GOALS:
        try:
            figure = goal.of(_medians(reports))
        except KeyError:
            yield f"| {goal.work} | {goal.bar} | not measured | |"
            continue
        loaded = any(reports[name]["loaded"] for name in goal.runs)
        verdict = ("met" if figure.is_met else "not met") + (", under load" if loaded else "")
        yield f"| {goal.work} | {goal.bar} | {figure.text} | {verdict} |"


def machines(reports: Reports) -> Iterator[str]:
    """On what each bench was run, and what the machine itself did then."""
    yield "| bench | commit | load before, after | fsync | copy | SHA-256 | AEAD |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for name, report in reports.items():
        probe = {row.name: row.median for row in load_rows(report["probe"])}
        before, after = report["load"]
        commit = (report["commit"] or report["version"])[:10] + (" and changes" if report["changed"] else "")
        yield (
            f"| {name} | {commit} | {before:.1f}, {after:.1f}{' (loaded)' if report['loaded'] else ''} "
            f"| {number(probe['fsync'])} ms | {number(probe['copy'])} MiB/s | {number(probe['hash'])} MiB/s "
            f"| {number(probe['aead'])} MiB/s |"
        )
    for machine in dict.fromkeys(json.dumps(report["machine"]) for report in reports.values()):
        told = json.loads(machine)
        yield ""
        yield f"{told['cores']} cores, {told['processor']}, Linux {told['kernel']}, Python {told['python']}."


def rows(reports: Reports) -> Iterator[str]:
    """Everything that was measured, a table for each bench."""
    for report in reports.values():
        command = f"benches/{report['bench']}.py {' '.join(report['arguments'])}".rstrip()
        yield f"### `{command}`{', under load' if report['loaded'] else ''}"
        yield ""
        yield "| row | median | lowest to highest | n | bar |"
        yield "| --- | --- | --- | --- | --- |"
        for row in load_rows(report["rows"]):
            yield _told(row)
        yield ""


def _told(row: Row) -> str:
    between = f"{number(min(row.samples))} to {number(max(row.samples))}" if len(row.samples) > 1 else ""
    bar = "" if row.bar is None else f"{number(row.bar)}: {'met' if row.is_met else 'not met'}"
    return f"| {row.name} | {number(row.median)} {row.unit} | {between} | {len(row.samples)} | {bar} |"


TABLES: dict[str, Callable[[Reports], Iterator[str]]] = {"goals": goals, "machine": machines, "rows": rows}


def written(page: str, reports: Reports) -> str:
    """The page with its tables as the reports say. Raises ValueError: it has no place for one of them."""
    for name, table in TABLES.items():
        begins, ends = (mark.format(name=name) for mark in (_BEGINS, _ENDS))
        before, mark, rest = page.partition(begins)
        _, end, after = rest.partition(ends)
        if not (mark and end):
            raise ValueError(f"the page has no place for {name}")
        text = "\n".join(table(reports)).strip()
        page = f"{before}{begins}\n\n{text}\n\n{ends}{after}"
    return page


def run(directory: Path, names: list[str]) -> None:
    """Run benches; what one of them found before is replaced when it is through."""
    directory.mkdir(exist_ok=True, parents=True)
    for name in names:
        bench, *arguments = shlex.split(RUNS[name])
        target = directory / f"{name}.json"
        command = [sys.executable, str(ROOT / "benches" / f"{bench}.py"), *arguments, "--json", str(target)]
        done = subprocess.run(command, check=False)
        print(f"{name}: {'written' if target.exists() else 'nothing was found'}, {done.returncode}", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["run", "write"])
    parser.add_argument("results", type=Path, metavar="DIRECTORY")
    parser.add_argument("--only", nargs="+", choices=list(RUNS), default=list(RUNS))
    options = parser.parse_args()
    if options.what == "run":
        run(options.results, options.only)
    else:
        PAGE.write_text(written(PAGE.read_text(), read(options.results)))


if __name__ == "__main__":
    main()
