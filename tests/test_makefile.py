"""`make run` is the first thing that a newcomer types."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def _make_run(directory: str, base: Path) -> subprocess.CompletedProcess[str]:
    """`make run DIR=...` with a `yp2p` that prints what it is asked."""
    (base / ".run").touch()
    (base / "yp2p").write_text('#!/bin/sh\nprintf "%s|" "$@"\n')
    (base / "yp2p").chmod(0o755)
    command = ["make", "-s", "-o", str(base / ".run"), "run", f"VENV={base}", f"BIN={base}", f"DIR={directory}"]
    environment = os.environ | {"HOME": str(base / "home")}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize(("given", "meant"), [("~/my 'notes'", "/my 'notes'"), ("~", "")])
def test_a_home_is_expanded_in_every_shell(given: str, meant: str, tmp_path: Path) -> None:
    done = _make_run(given, tmp_path)
    assert (done.stdout, done.stderr) == (f"up|{tmp_path}/home{meant}|", "")
    assert Path(f"{tmp_path}/home{meant}").is_dir()


def test_somebody_elses_home_is_refused(tmp_path: Path) -> None:
    done = _make_run("~somebody/notes", tmp_path)
    assert done.returncode == 2
    assert "give the whole path" in done.stderr
    assert not (ROOT / "~somebody").exists()
