"""The examples of docs/examples run, and print what they say."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

EXAMPLES = Path(__file__).parents[1] / "docs" / "examples"
SCRIPTS = sorted(path.name for path in EXAMPLES.glob("*.py") if path.name != "memory.py")


@pytest.mark.parametrize("name", SCRIPTS)
def test_an_example_prints_what_it_says(name: str) -> None:
    said = ast.get_docstring(ast.parse((EXAMPLES / name).read_text())) or ""
    wanted = dedent(said.partition("Prints::")[2]).strip()
    assert wanted, f"{name} does not say what it prints"
    done = subprocess.run([sys.executable, name], cwd=EXAMPLES, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == wanted


def test_the_table_names_every_example() -> None:
    table = (EXAMPLES.parent / "seeds.md").read_text()
    assert [name for name in SCRIPTS if f"examples/{name}" not in table] == []
