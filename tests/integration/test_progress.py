"""Progress: a bar on a terminal, nothing elsewhere, and numbers for programs."""

from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path

import pytest
from lab import YP2P, Device, devices, eventually

from yp2p.folder.progress import Progress, Rate
from yp2p.sentences import ToGo


def _on_a_terminal(device: Device, *arguments: str) -> str:
    """What a command shows on a terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [YP2P, *arguments], env=device.environment | {"TERM": "xterm"}, stdout=theirs, stderr=theirs, stdin=theirs
    )
    os.close(theirs)
    shown = b""
    try:
        while part := os.read(ours, 65536):
            shown += part
    except OSError:
        pass  # the other side was closed
    finally:
        os.close(ours)
    assert process.wait(10) == 0
    return shown.decode()


@pytest.mark.long
def test_joining_shows_a_bar_on_a_terminal_until_all_is_there(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two") as (one, two):
        for number in range(1500):
            (one.dir / f"{number}.txt").write_text(f"file {number}\n")
        (one.dir / "big").write_bytes(os.urandom(64 << 20))
        code = one.cli("share", str(one.dir))
        eventually(lambda: one.status()["folders"][0]["entries"]["total"] == 1501)
        shown = _on_a_terminal(two, "join", code, str(two.dir))
        assert "files" in shown
        assert "to go" in shown
        assert "Everything is there." in shown
        assert len(list(two.dir.iterdir())) == 1502
        progress = two.status()["folders"][0]["progress"]
        assert (progress["files_to_go"], progress["bytes_to_go"], progress["seconds_left"]) == (0, 0, None)
        assert two.run("wait").stdout == two.run("wait").stderr == ""
        assert "to go" not in two.cli("status")


def test_rates_fade() -> None:
    rate = Rate()
    for second in range(60):
        rate.add(100, second)
    assert 80 < rate.per_second(59) < 130
    assert rate.per_second(90) < 1


@pytest.mark.parametrize(("files", "size", "left"), [(0, 0, None), (60, 0, 6.0), (60, 6000, 60.0), (0, 6000, 60.0)])
def test_the_time_left_is_that_of_the_slower(files: int, size: int, left: float | None) -> None:
    progress = Progress()
    for tenth in range(600):
        progress.files.add(1, tenth / 10)
        progress.traffic.add(10, tenth / 10)
    told = progress.describe(files, size, 60.0)["seconds_left"]
    assert told == (pytest.approx(left, rel=0.1) if left is not None else None)


def test_nobody_knows_how_long_it_takes_before_anything_came() -> None:
    assert Progress().describe(5, 0, 1.0)["seconds_left"] is None


def test_what_is_to_go() -> None:
    own = {"files_to_go": 1234, "bytes_to_go": 3 << 20, "bytes_per_s": 1 << 20, "seconds_left": 3.0}
    idle = {"files_to_go": 0, "bytes_to_go": 0, "bytes_per_s": 0, "seconds_left": None}
    behind = [{"behind": 5}, {"behind": None}]
    to_go = ToGo.of({"folders": [{"progress": own, "devices": []}, {"progress": idle, "devices": behind}]})
    assert to_go.text() == "1,239 files, 3.0 MiB to go, 1.0 MiB/s, 3 s left"
    assert ToGo.of({"folders": [{"progress": idle, "devices": []}]}).files == 0
