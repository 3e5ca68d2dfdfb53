"""Every bench can be asked what it measures, and writes the one format."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

BENCHES = Path(__file__).resolve().parents[2] / "benches"
# What others use: they measure nothing by themselves, or compare and collect what the others wrote.
_PARTS = {
    "compare", "hostile_member", "judgement", "loop_watch", "performance", "probe", "report", "wake_watch",
}  # fmt: skip


@pytest.mark.parametrize("path", sorted(BENCHES.glob("*.py")), ids=lambda path: path.stem)
def test_a_bench_reads_its_command_line_and_publishes_in_the_common_way(path: Path) -> None:
    if path.stem in _PARTS:
        return
    called = {
        f"{node.func.value.id}.{node.func.attr}"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name)
    }
    assert {"report.parse", "report.publish"} <= called
    assert "json.dump" not in called


def test_the_parts_are_there() -> None:
    assert {path.stem for path in BENCHES.glob("*.py")} >= _PARTS - {"performance"}
