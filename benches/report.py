"""What every bench says at its end: one table for people, and one JSON for programs.

A bench gives what it found as numbers, lists of numbers (samples) and mappings of these, under names that end with
their units (`p50_ms`, `memory_mib`, `files_per_s`). Each number or list becomes a row; the names on the way to it are
the row's name. Words and truth values are facts: they are told, and never compared.

    parser = argparse.ArgumentParser(description=__doc__)
    options = report.parse(parser)          # probes the machine
    report.publish(options, {"single": {"p50_ms": 4.2}}, bars={"single p50": 5.0})

The JSON is an object:

    format      1
    bench       the name of the module, without ".py"; `arguments`: those it was run with
    commit      of the code that was measured, or null where that is no checkout; `changed`: it is not as committed
    version     of the package
    machine     cores, processor, kernel, python
    load        the average load of a minute, before and after; `loaded`: before, it was above half of the cores
    rows        name, unit, samples (one or more numbers), better ("less", "more", "neither"), bar (a number or null)
    facts       name to word or truth value
    probe       rows as above, of the machine itself (`probe.py`): samples from before and from after
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import probe as machine_probe

import yp2p

FORMAT = 1
# A load of more than this for each core, before a bench begins, is told beside its figures.
_LOADED = 0.5
# The longest first: a name may end with several of them.
_UNITS = {
    "_mib_per_s": "MiB/s", "_per_s": "/s", "_a_minute": "/min", "_percent": "%", "_%": "%", "_bytes": "bytes",
    "_times": "times", "_mib": "MiB", "_kib": "KiB", "_mb": "MB", "_kb": "kB", "_ms": "ms", "_us": "us", "_s": "s",
}  # fmt: skip
_MORE_IS_BETTER = ("MiB/s", "/s")


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that was measured.

    Attributes:
        unit: empty for what is only counted.
        better: "less", "more", or "neither" for what is only counted.
        bar: what the median is to be at most (or at least, where more is better).
    """

    name: str
    unit: str
    samples: tuple[float, ...]
    better: str = "less"
    bar: float | None = None

    @property
    def median(self) -> float:
        return statistics.median(self.samples)

    @property
    def is_met(self) -> bool | None:
        """Whether the bar is met; None where there is none."""
        if self.bar is None:
            return None
        return self.median >= self.bar if self.better == "more" else self.median <= self.bar


def rows_of(found: Mapping[str, Any], bars: Mapping[str, float] | None = None) -> tuple[list[Row], dict[str, Any]]:
    """The rows and the facts in what a bench found."""
    rows: list[Row] = []
    facts: dict[str, Any] = {}
    wanted = {_called(name)[0]: bar for name, bar in (bars or {}).items()}
    for path, value in _leaves(found, ()):
        if isinstance(value, (str, bool)) or value is None:
            facts[" ".join(path)] = value
            continue
        name, unit = _called(" ".join(path))
        samples = tuple(float(one) for one in (value if isinstance(value, list) else [value]))
        better = "more" if unit in _MORE_IS_BETTER else "less" if unit else "neither"
        rows.append(Row(name, unit, samples, better, wanted.pop(name, None)))
    if wanted:
        raise ValueError(f"bars of rows that were not measured: {sorted(wanted)}")
    return rows, facts


def _called(name: str) -> tuple[str, str]:
    """What a row of this name is called, and its unit."""
    joined = name.replace(" ", "_")
    ending = next((ending for ending in _UNITS if joined.endswith(ending)), "")
    return joined.removesuffix(ending).replace("_", " ").strip(), _UNITS.get(ending, "")


def _leaves(found: Any, name: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(found, Mapping):
        for key, value in found.items():
            yield from _leaves(value, (*name, str(key)))
    elif isinstance(found, (list, tuple)) and not all(isinstance(one, (int, float)) for one in found):
        for number, value in enumerate(found):
            yield from _leaves(value, (*name, str(number)))
    elif not isinstance(found, (list, tuple)):
        yield name, found
    elif found:
        yield name, list(found)


def commit_of(directory: Path) -> tuple[str | None, bool]:
    """The commit of the code in a directory, and whether it was changed since."""

    def git(*arguments: str) -> str | None:
        done = subprocess.run(["git", "-C", str(directory), *arguments], capture_output=True, text=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else None

    try:
        if git("ls-files", "--error-unmatch", "__init__.py") is None:
            return None, False  # installed below some other checkout
        return git("rev-parse", "HEAD"), bool(git("status", "--porcelain", "--", "."))
    except FileNotFoundError:
        return None, False


def machine() -> dict[str, Any]:
    words = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in words if line.startswith("model name")), "")
    return {
        "cores": os.cpu_count(),
        "processor": model or platform.machine(),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def parse(parser: argparse.ArgumentParser, arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line, with --json added, and probe the machine before the bench begins."""
    parser.add_argument("--json", nargs="?", const="-", metavar="FILE", help="write JSON; without FILE, and no table")
    options = parser.parse_args(arguments)
    options.before = {"load": os.getloadavg()[0], "probe": machine_probe.probe()}
    return options


def made(options: argparse.Namespace, found: Mapping[str, Any], bars: Mapping[str, float] | None) -> dict[str, Any]:
    """The JSON of a bench."""
    rows, facts = rows_of(found, bars)
    after = machine_probe.probe()
    probed, _ = rows_of({name: [*samples, *after[name]] for name, samples in options.before["probe"].items()})
    commit, is_changed = commit_of(Path(yp2p.__file__).parent)
    load = [round(options.before["load"], 2), round(os.getloadavg()[0], 2)]
    return {
        "format": FORMAT,
        "bench": Path(sys.argv[0]).stem,
        "arguments": _without_json(sys.argv[1:], options.json),
        "commit": commit,
        "changed": is_changed,
        "version": yp2p.__version__,
        "machine": machine(),
        "load": load,
        "loaded": load[0] > _LOADED * (os.cpu_count() or 1),
        "rows": [asdict(row) for row in rows],
        "facts": facts,
        "probe": [asdict(row) for row in probed],
    }


def _without_json(words: list[str], target: str | None) -> list[str]:
    """The command line, but for where its output goes."""
    return [word for word in words if word != target and not word.startswith("--json")]


def load_rows(rows: list[dict[str, Any]]) -> list[Row]:
    """Rows as they stand in JSON."""
    return [Row(**{**row, "samples": tuple(row["samples"])}) for row in rows]


def number(value: float) -> str:
    """With three digits or more, and no more than tell something."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.3g}"


def table(report: Mapping[str, Any]) -> str:
    """One table of all rows, those of the machine last."""
    commit = (report["commit"] or f"version {report['version']}")[:10] + (" and changes" if report["changed"] else "")
    load = " to ".join(f"{one:.1f}" for one in report["load"])
    lines = [
        f"{report['bench']} {' '.join(report['arguments'])}".rstrip()
        + f": {commit}, {report['machine']['cores']} cores, load {load}{' (LOADED)' if report['loaded'] else ''}"
    ]
    lines += [_line("", ("median", "lowest", "highest", "n"), "unit", "")]
    for at, rows in (("", load_rows(report["rows"])), ("machine: ", load_rows(report["probe"]))):
        for row in rows:
            cells = (number(row.median), number(min(row.samples)), number(max(row.samples)), str(len(row.samples)))
            bar = "" if row.bar is None else f"bar {number(row.bar)}: {'met' if row.is_met else 'NOT MET'}"
            lines.append(_line(at + row.name, cells, row.unit, bar))
    lines += [f"{name}: {value}" for name, value in report["facts"].items()]
    return "\n".join(lines)


def _line(name: str, cells: tuple[str, ...], unit: str, bar: str) -> str:
    return (f"{name:44} " + " ".join(f"{cell:>10}" for cell in cells) + f"  {unit:6} {bar}").rstrip()


def publish(
    options: argparse.Namespace, found: Mapping[str, Any], bars: Mapping[str, float] | None = None
) -> list[Row]:
    """Print the table, or write the JSON, or both; gives the rows whose bars are not met."""
    report = made(options, found, bars)
    if options.json == "-":
        print(json.dumps(report))
    else:
        print(table(report))
    if options.json not in (None, "-"):
        Path(options.json).write_text(json.dumps(report, indent=1) + "\n")
    return [row for row in load_rows(report["rows"]) if row.is_met is False]
