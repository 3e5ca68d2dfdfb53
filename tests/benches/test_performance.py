"""`docs/performance.md` says what the results say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from performance import GOALS, PAGE, RUNS, TABLES, goals, machines, read, rows, written

ROOT = Path(__file__).resolve().parents[2]


def _report(bench: str, *found: tuple[str, str, float], is_loaded: bool = False) -> dict[str, Any]:
    def row(name: str, unit: str, value: float) -> dict[str, Any]:
        return {"name": name, "unit": unit, "samples": [value], "better": "less", "bar": None}

    probe = (("fsync", "ms", 0.5), ("copy", "MiB/s", 900), ("hash", "MiB/s", 1800), ("aead", "MiB/s", 3700))
    return {
        "bench": bench, "arguments": RUNS[bench].split()[1:],
        "commit": "c" * 40, "changed": False, "version": "1", "loaded": is_loaded,
        "machine": {"cores": 2, "processor": "x", "kernel": "6", "python": "3"}, "load": [0.1, 1.0], "facts": {},
        "rows": [row(*one) for one in found], "probe": [row(*one) for one in probe],
    }  # fmt: skip


def _row_of(reports: dict[str, Any], beginning: str) -> str:
    return next(line for line in goals(reports) if line.startswith(f"| {beginning}"))


def test_the_page_has_the_tables_of_the_results() -> None:
    page = PAGE.read_text()
    assert written(page, read(ROOT / "benches" / "results")) == page, (
        "python benches/performance.py write benches/results"
    )


def test_a_goal_is_met_or_not_and_a_busy_machine_is_told() -> None:
    quick = {"latency": _report("latency", ("single p50", "ms", 2.0), ("single p95", "ms", 6.0))}
    assert _row_of(quick, "an edit").endswith("| 2, 6 ms; 2.0 times two fsyncs | met |")
    slow = {"latency": _report("latency", ("single p50", "ms", 4.0), ("single p95", "ms", 6.0), is_loaded=True)}
    assert _row_of(slow, "an edit").endswith("| not met, under load |")


def test_ratios_to_the_peers() -> None:
    measured = (("yp2p", "s", 4.0), ("syncthing of ours", "times", 5.5), ("rsync of ours", "times", 0.25))
    found = {"beside": _report("beside", *((f"files {name}", unit, value) for name, unit, value in measured))}
    assert "| 4 s: 5.5 times; 4.0 times | not met |" in _row_of(found, "10,000 files of 1 KiB")


def test_what_was_not_measured_is_no_success() -> None:
    assert [line.count("not measured") for line in goals({})][2:] == [1] * len(GOALS)


def test_a_run_of_another_size_says_nothing_of_a_goal() -> None:
    small = _report("at_rest", ("memory", "MiB", 60.0))
    assert "| 60.0 MiB | met |" in _row_of({"at_rest": small}, "memory at rest, 10,000")
    small["arguments"] = ["--files", "100"]
    assert "not measured" in _row_of({"at_rest": small}, "memory at rest, 10,000")


def test_every_goal_names_a_run() -> None:
    assert {name for goal in GOALS for name in goal.runs} <= RUNS.keys()
    assert all((ROOT / "benches" / f"{run.split()[0]}.py").exists() for run in RUNS.values())


def test_the_tables_tell_commits_loads_and_rows() -> None:
    found = {"wall": _report("wall", ("keystroke", "us", 7.0), is_loaded=True)}
    assert any("cccccccccc" in line and "(loaded)" in line for line in machines(found))
    assert "| keystroke | 7 us |  | 1 |  |" in list(rows(found))
    assert any("under load" in line for line in rows(found))


def test_a_page_without_a_place_is_an_error() -> None:
    with pytest.raises(ValueError, match="goals"):
        written("nothing", {})
    assert list(TABLES) == ["goals", "machine", "rows"]
