"""What a bench found becomes rows with units, and one JSON."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import probe
import pytest
import report
from compare import judged, lines, order
from judgement import Verdict
from report import Row, commit_of, load_rows, number, parse, publish, rows_of, table


def test_names_on_the_way_and_units_at_the_end() -> None:
    rows, facts = rows_of(
        {"single": {"p50_ms": 4.5, "way": "disk"}, "files_per_s": [10, 20], "calls": 7, "equal": True}
    )
    assert rows == [
        Row("single p50", "ms", (4.5,)),
        Row("files", "/s", (10.0, 20.0), "more"),
        Row("calls", "", (7.0,), "neither"),
    ]
    assert facts == {"single way": "disk", "equal": True}


def test_a_list_of_things_is_numbered_and_an_empty_one_is_left_out() -> None:
    rows, facts = rows_of({"runs": [{"s": 1}, {"s": 2}], "problems": [], "faults": ["one"]})
    assert [(row.name, row.samples) for row in rows] == [("runs 0", (1.0,)), ("runs 1", (2.0,))]
    assert facts == {"faults 0": "one"}


def test_a_bar_is_met_from_its_own_side() -> None:
    rows, _ = rows_of({"start_s": [0.7, 0.9, 0.8], "rate_mib_per_s": 400}, {"start_s": 0.8, "rate": 500})
    assert [row.is_met for row in rows] == [True, False]
    assert Row("x", "s", (1.0,)).is_met is None


def test_a_bar_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="stop"):
        rows_of({"start_s": 1}, {"stop_s": 1})


@pytest.fixture
def quick_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "_MEBIBYTES", 1)
    monkeypatch.setattr("os.sync", lambda: None)


@pytest.mark.usefixtures("quick_probe")
def test_the_json_of_a_bench(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "found.json"
    monkeypatch.setattr(sys, "argv", ["benches/start.py", "--files", "5", "--json", str(target)])
    parser = argparse.ArgumentParser()
    parser.add_argument("--files", type=int)
    options = parse(parser)
    missed = publish(options, {"start_s": [2.0, 1.0, 3.0], "kind": "cold"}, {"start": 1.5})
    found = json.loads(target.read_text())
    assert [row.name for row in missed] == ["start"]
    assert (found["bench"], found["format"], found["facts"]) == ("start", report.FORMAT, {"kind": "cold"})
    assert found["arguments"] == ["--files", "5"]
    assert load_rows(found["rows"]) == [Row("start", "s", (2.0, 1.0, 3.0), "less", 1.5)]
    assert {row.name: len(row.samples) for row in load_rows(found["probe"])} == {
        "fsync": 30, "copy": 10, "hash": 10, "aead": 10,
    }  # fmt: skip
    assert all(sample > 0 for row in load_rows(found["probe"]) for sample in row.samples)
    assert len(found["load"]) == 2
    assert found["machine"]["cores"] >= 1
    shown = capsys.readouterr().out
    assert "start" in shown
    assert "NOT MET" in shown
    assert "machine: fsync" in shown


@pytest.mark.usefixtures("quick_probe")
def test_json_alone_is_printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["start.py", "--json"])
    assert publish(parse(argparse.ArgumentParser()), {"start_s": 1}) == []
    assert json.loads(capsys.readouterr().out)["bench"] == "start"


def test_the_commit_is_that_of_the_code(tmp_path: Path) -> None:
    assert commit_of(tmp_path) == (None, False), "below no checkout"
    (tmp_path / "__init__.py").touch()
    here = Path(__file__).resolve().parents[2]
    found, _ = commit_of(here / "yp2p")
    if (here / ".git").exists():
        assert found is not None
        assert len(found) == 40


def test_numbers_are_short() -> None:
    assert [number(one) for one in (0.01234, 1.234, 12.34, 1234.5)] == ["0.0123", "1.23", "12.3", "1,234"]


def _report(**rows: float) -> dict[str, Any]:
    found, _ = rows_of(rows)
    return {"rows": [vars_of(row) for row in found]}


def vars_of(row: Row) -> dict[str, Any]:
    return {"name": row.name, "unit": row.unit, "samples": list(row.samples), "better": row.better, "bar": row.bar}


def test_two_sides_are_compared_row_by_row() -> None:
    a = [_report(start_s=1 + n / 100, size_mib=5, only_here_s=1) for n in range(5)]
    b = [_report(start_s=2 + n / 100, size_mib=5) for n in range(5)]
    found = judged((a, b))
    assert [(row.name, one.verdict) for row, one in found] == [("start", Verdict.WORSE), ("size", Verdict.NOISE)]
    text = "\n".join(lines(found))
    assert "start, s" in text
    assert "worse" in text
    assert "1.98" in text


def test_the_sides_take_turns() -> None:
    assert order(3) == [0, 1, 1, 0, 0, 1]
    assert [order(5).count(side) for side in (0, 1)] == [5, 5]


def test_a_table_tells_a_loaded_machine() -> None:
    row = vars_of(Row("start", "s", (1.0,)))
    found = {
        "bench": "start", "arguments": [], "commit": "a" * 40, "changed": True, "version": "1", "machine": {"cores": 2},
        "load": [9.0, 9.0], "loaded": True, "rows": [row], "probe": [], "facts": {},
    }  # fmt: skip
    assert "aaaaaaaaaa and changes" in table(found)
    assert "(LOADED)" in table(found)
    assert "LOADED" not in table(found | {"loaded": False})
