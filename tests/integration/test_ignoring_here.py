"""What is ignored on one device only, while it runs: through two daemons."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lab import Device, devices, eventually, tree, unexpected_lines


def _ignored(device: Device) -> int:
    return int(device.status()["folders"][0]["entries"]["ignored"])


def test_what_is_ignored_here_stays_everywhere_and_comes_back(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two") as (one, two):
        (one.dir / "build").mkdir()
        for name in ("build/a.txt", "build/gone.txt", "b.log", "c.txt"):
            (one.dir / name).write_text("first\n")
        two.join(one)
        one.wait()
        two.wait()
        two.cli("folder", "ignore", "dir", "build/", "*.log")
        (two.dir / "new.log").write_text("only here\n")
        (two.dir / "build" / "a.txt").write_text("of two\n")
        (two.dir / "build" / "gone.txt").unlink()
        (one.dir / "b.log").write_text("of one\n")
        (two.dir / "c.txt").write_text("second\n")
        eventually(lambda: (one.dir / "c.txt").read_text() == "second\n")
        one.wait()
        two.wait()
        assert _ignored(two) == 3
        assert tree(one.dir) == {
            "build/a.txt": b"first\n", "build/gone.txt": b"first\n", "b.log": b"of one\n", "c.txt": b"second\n"
        }  # fmt: skip
        assert (two.dir / "b.log").read_text() == "first\n"
        two.stop()
        two.start()  # it holds
        assert _ignored(two) == 3
        assert json.loads(two.cli("folder", "ignore", "dir", "--json"))["here"] == ["build/", "*.log"]
        assert "*.log    yp2p folder ignore" in two.cli("folder", "ignore", "dir")
        two.cli("folder", "unignore", "dir", "build/", "*.log")
        eventually(lambda: tree(one.dir) == tree(two.dir))
        assert tree(one.dir) == {
            "build/a.txt": b"of two\n", "build/gone.txt": b"first\n", "b.log": b"of one\n", "c.txt": b"second\n",
            "new.log": b"only here\n",
        }  # fmt: skip
        assert _ignored(two) == 0
        for device in (one, two):
            device.wait()
            assert unexpected_lines(device) == []


def test_what_is_no_pattern_and_what_was_not_given_is_a_sentence(tmp_path: Path) -> None:
    with devices(tmp_path, "one", YP2P_FILES__IGNORE="*.iso") as (one,):
        one.cli("share", str(one.dir))
        assert one.cli("folder", "ignore", "dir").split() == ["Pattern", "From", "*.iso", "settings"]
        for pattern in ("", "# x", "a\nb", "[a", "./a", f"{one.dir}/a"):
            refused = one.fails("folder", "ignore", "dir", pattern)
            assert any(word in refused for word in ("pattern", "is written as '/a'")), refused
        one.cli("folder", "ignore", "dir", "*.log", "*.log")
        assert "those are: '*.log'" in one.fails("folder", "unignore", "dir", "*.txt")
        assert "[files] ignore" in one.fails("folder", "unignore", "dir", "*.iso")
        one.cli("folder", "pause", "dir")
        one.cli("folder", "ignore", "dir", "!*.iso")  # lifts nothing of what the settings say
        one.cli("folder", "unpause", "dir")
        (one.dir / "x.iso").write_text("x\n")
        (one.dir / "x.txt").write_text("x\n")
        eventually(lambda: one.status()["folders"][0]["entries"]["total"] == 1)
        assert json.loads(one.cli("folder", "ignore", "dir", "--json"))["here"] == ["*.log", "!*.iso"]


@pytest.mark.parametrize("state", ["paused", "stopped"])
def test_what_is_said_while_nothing_runs_holds_afterwards(tmp_path: Path, state: str) -> None:
    with devices(tmp_path, "one") as (one,):
        (one.dir / "a.log").write_text("a\n")
        one.cli("share", str(one.dir))
        one.wait()
        one.cli("folder", "pause", "dir")
        one.cli("folder", "ignore", "dir", "*.log")
        if state == "stopped":
            one.stop()
            one.start()
        (one.dir / "a.log").unlink()
        one.cli("folder", "unpause", "dir")
        eventually(lambda: _ignored(one) == 1)
        assert one.status()["folders"][0]["entries"]["total"] == 1
