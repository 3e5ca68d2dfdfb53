"""Devices that meet with files of their own: what is equal stays one, what differs is kept beside, once."""

from __future__ import annotations

import json
import random
import re
import shutil
from pathlib import Path

import pytest
from lab import Device, devices, eventually, tree

pytestmark = pytest.mark.long


def _fill(device: Device, own: str) -> None:
    """500 files that all have, 50 that differ, 50 of its own."""
    rng = random.Random(1)
    for number in range(500):
        path = device.dir / f"equal{number % 10}" / f"{number}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"EQUAL-CONTENT {number} {rng.random()}\n" * 20)
    for number in range(50):
        (device.dir / f"different-{number}.txt").write_text(f"{number} as {own} has it\n")
        (device.dir / f"{own}-{number}.txt").write_text(f"only {own} has {number}\n")


def _check(found: dict[str, bytes], owners: tuple[str, ...]) -> None:
    assert sum(name.startswith("equal") for name in found) == 500
    for owner in owners:
        for number in range(50):
            assert found[f"{owner}-{number}.txt"] == f"only {owner} has {number}\n".encode()
    for number in range(50):
        kept = [data for name, data in found.items() if name.startswith(f"different-{number}.")]
        assert sorted(kept) == sorted(f"{number} as {owner} has it\n".encode() for owner in owners)
    assert len(found) == 500 + 100 * len(owners)


def _pulled(device: Device) -> int:
    """How many documents the log says were adopted instead of pulled."""
    return sum(int(n) for n in re.findall(r"event='local_files_reused' count=(\d+)", device.log.read_text())) or sum(
        int(n) for line in device.log.read_text().splitlines() if "local_files_reused" in line
        for n in re.findall(r"count=(\d+)", line)
    )  # fmt: skip


def test_joining_with_a_directory_that_is_half_the_same(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two") as (one, two):
        _fill(one, "one")
        _fill(two, "two")
        code = one.cli("share", str(one.dir))
        one.wait()
        two.cli("join", code, str(two.dir))
        one.wait(60)
        two.wait(60)
        assert tree(one.dir) == tree(two.dir)
        _check(tree(one.dir), ("one", "two"))
        assert _pulled(two) == 500
        for device in (one, two):
            assert device.status()["folders"][0]["entries"]["conflicts"] == 50
        notices = json.loads(two.cli("notices", "--json"))
        assert [notice["kind"] for notice in notices] == ["conflict-copy"] * 50


def test_three_that_meet_at_once(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two", "three") as (one, two, three):
        for device in (one, two, three):
            _fill(device, device.name)
        # Two of them have the same different file: there is one copy of it, not two.
        for device in (two, three):
            (device.dir / "same.txt").write_text("two and three have this\n")
        (one.dir / "same.txt").write_text("one has this\n")
        for device in (two, three):
            device.join(one)
        for device in (one, two, three):
            device.wait(60)
        eventually(lambda: tree(one.dir) == tree(two.dir) == tree(three.dir), what="all being equal")
        found = tree(one.dir)
        same = sorted(data for name, data in found.items() if name.startswith("same."))
        assert same == [b"one has this\n", b"two and three have this\n"]
        _check({name: data for name, data in found.items() if not name.startswith("same.")}, ("one", "two", "three"))


def _program(number: int, version: int) -> str:
    """A module that a formatter or a pull changes in many places."""
    lines = [f"def function_{number}_{n}(x):\n    return x + {n * version}\n\n" for n in range(20)]
    if version > 1:
        lines.insert(7, "import os\nimport sys\n\n")
        lines[3] = lines[3].replace("    return", "        return").replace("(x)", "( x )")
        del lines[11]
    return "".join(lines)


def _write_version(root: Path, version: int) -> None:
    for number in range(20):
        (root / f"module{number}.py").write_text(_program(number, version))
    if version > 1:
        (root / "new.py").write_text("x = 1\n")
        (root / "module19.py").unlink()


def test_the_same_change_on_all_while_apart(tmp_path: Path) -> None:
    """The same pull, formatter or archive on three devices that are not running, then that run but are not linked."""
    with devices(tmp_path, "one", "two", "three") as (one, two, three):
        everyone = (one, two, three)
        _write_version(one.dir, 1)
        for device in (two, three):
            device.join(one)
        for device in everyone:
            device.wait()
        for device in everyone:
            device.stop()
        for device in everyone:
            _write_version(device.dir, 2)
        wanted = tree(one.dir)
        for device in everyone:
            device.start()
        for device in everyone:
            device.wait()
        assert [tree(device.dir) == wanted for device in everyone] == [True] * 3
        # Now each of them is started alone, so that it takes the change in before it meets the others.
        for device in everyone:
            device.stop()
        for device in everyone:
            for number in range(19):
                (device.dir / f"module{number}.py").write_text(_program(number, 5))
            device.start()
            eventually(lambda: _is_stored(device), what="the change being taken in")  # noqa: B023
            device.stop()
        wanted = tree(one.dir)
        for device in everyone:
            device.start()
        for device in everyone:
            device.wait()
        assert [tree(device.dir) == wanted for device in everyone] == [True] * 3


def _is_stored(device: Device) -> bool:
    folder = device.status()["folders"][0]
    return folder["state"] == "idle" and "folder_scanned" in device.log.read_text().rpartition("daemon_started")[2]


def test_a_store_older_than_the_files_and_files_older_than_the_store(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two") as (one, two):
        _write_version(one.dir, 1)
        two.join(one)
        one.wait()
        two.wait()
        two.stop()
        shutil.copytree(two.home, tmp_path / "store-before")
        shutil.copytree(two.dir, tmp_path / "files-before", symlinks=True)
        two.start()
        _write_version(one.dir, 3)
        one.wait()
        two.wait()
        (two.dir / "module0.py").write_text(_program(0, 9))
        two.wait()
        one.wait()
        wanted = tree(one.dir)
        assert tree(two.dir) == wanted
        # The store goes back, the files stay.
        two.stop()
        shutil.rmtree(two.home)
        shutil.copytree(tmp_path / "store-before", two.home)
        two.start()
        two.wait()
        one.wait()
        assert tree(two.dir) == tree(one.dir) == wanted
        # The files go back, the store stays: who stopped in order and put them back wanted that, and can undo it.
        two.stop()
        for path in (tmp_path / "files-before").glob("*.py"):
            shutil.copy2(path, two.dir / path.name)
        two.start()
        two.wait()
        one.wait()
        put_back = {"new.py": wanted["new.py"], **tree(tmp_path / "files-before")}
        assert tree(two.dir) == tree(one.dir) == put_back
        two.cli("undo", str(two.dir / "module0.py"))
        two.wait()
        one.wait()
        assert tree(one.dir)["module0.py"] == wanted["module0.py"]


def test_changes_that_met_in_one_line_are_told(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two") as (one, two):
        (one.dir / "settings").write_text("a = 1\ntimeout = 1200\nb = 2\n")
        two.join(one)
        one.wait()
        two.wait()
        two.stop()
        (one.dir / "settings").write_text("a = 1\ntimeout = 1800\nb = 2\n")
        (two.dir / "settings").write_text("a = 1\ntimeout = 2400\nb = 2\n")
        one.wait()
        two.start()
        two.wait()
        one.wait()
        text = (one.dir / "settings").read_text()
        assert (two.dir / "settings").read_text() == text
        assert text == "a = 1\ntimeout = 2400\nb = 2\n"
        counts = [d.status()["folders"][0]["notices"]["both-changed"] for d in (one, two)]
        assert max(counts) >= 1
        assert "timeout = 1800" in one.cli("notices") + two.cli("notices")
        for device in (one, two):
            shown = [line.split("  ")[0] for line in device.cli("blame", str(device.dir / "settings")).splitlines()]
            assert shown[1] in ("merged: one, two", "merged: two, one")
            assert {shown[0], shown[2]} == {"one"}
