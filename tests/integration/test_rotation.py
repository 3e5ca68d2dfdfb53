"""A device gets another key: others see it under a new ID, nothing is lost, and copies of the old key get nothing."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from lab import Device, devices, eventually, tree, unexpected_lines

pytestmark = pytest.mark.long

_SOON_S = 20.0


def _id(device: Device) -> str:
    return device.cli("identity", "show").split()[0]


def _roles(device: Device) -> dict[str, str]:
    """By ID, what each device is in the folder."""
    shown = json.loads(device.cli("device", "list", "--json"))
    return {one["id"]: one["folders"][0]["role"] for one in shown if one["folders"]}


def _has(device: Device, files: dict[str, bytes]) -> bool:
    return tree(device.dir) == files


def _copy(device: Device, base: Path) -> Device:
    """Another machine with the disk of this one, which is stopped."""
    clone = Device(base, "clone", YP2P_DEVICE__NAME=device.name)
    shutil.copytree(device.home, clone.home, ignore=shutil.ignore_patterns("*.sock", "lock"))
    shutil.copytree(device.dir, clone.dir, dirs_exist_ok=True)
    with closing(sqlite3.connect(clone.home / "store.db")) as store, store:
        store.execute("UPDATE folder SET root = ?", (str(clone.dir),))
    return clone


def test_the_others_see_one_device_under_a_new_id_and_the_copy_of_its_key_gets_nothing(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two", "three") as (one, two, three):
        (one.dir / "a.txt").write_text("a line\n")
        two.join(one)
        three.join(one)
        one.cli("device", "role", "three", "member")
        for device in (one, two, three):
            device.wait()
        one.stop()  # the founder
        clone = _copy(one, tmp_path)
        one.start()
        one.wait()
        before = _id(one)
        three.stop()

        (one.dir / "b.txt").write_text("just before\n")
        answer = json.loads(one.cli("device", "rotate", "--yes", "--json"))
        (one.dir / "c.txt").write_text("just after\n")
        eventually(lambda: not (one.home / "device.next").exists(), _SOON_S)
        assert _id(one) == answer["device"] != before
        eventually(lambda: _roles(two).get(answer["device"]) == "admin", _SOON_S)
        eventually(lambda: _roles(two)[before] == "removed", _SOON_S)
        names = {shown["id"]: shown["name"] for shown in json.loads(two.cli("device", "list", "--json"))}
        assert names[answer["device"]] == "one"
        eventually(
            partial(_has, two, {"a.txt": b"a line\n", "b.txt": b"just before\n", "c.txt": b"just after\n"}), _SOON_S
        )
        (two.dir / "a.txt").write_text("a line\nof two\n")
        eventually(lambda: (one.dir / "a.txt").read_text() == "a line\nof two\n", _SOON_S)

        # The copy meets the one that was away first: what it does there does not last.
        one.stop()
        two.stop()
        clone.start()
        three.start()
        eventually(lambda: clone.status()["devices"] != [] and any(d["connected"] for d in clone.status()["devices"]))
        (clone.dir / "a.txt").write_text("a line\nof a thief\n")
        (clone.dir / "thief.txt").write_text("of a thief\n")
        eventually(lambda: (three.dir / "thief.txt").exists(), _SOON_S)
        one.start()
        two.start()
        eventually(lambda: _roles(three).get(before) == "removed", 30)
        eventually(lambda: not (three.dir / "thief.txt").exists(), 30)
        kept = {"a.txt": b"a line\nof two\n", "b.txt": b"just before\n", "c.txt": b"just after\n"}
        for device in (one, two, three):
            eventually(partial(_has, device, kept), 30, f"what counts on {device.name}")
        assert "no member of the folder any more" in clone.status()["folders"][0]["problem"]

        # A person can give the copy a key of its own, and let it in again.
        clone.cli("device", "rotate", "--yes")
        eventually(lambda: _id(clone) not in (before, answer["device"]))
        code = one.cli("share", str(one.dir), "--role", "member")
        clone.cli("join", code, str(clone.dir))
        eventually(lambda: (clone.dir / "c.txt").exists(), _SOON_S)
        clone.kill()
        assert unexpected_lines(one, "device_cloned") == []


def test_a_member_needs_an_administrator_and_nobody_changes_a_key_alone(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two") as (one, two):
        (one.dir / "a.txt").write_text("a line\n")
        two.join(one)
        two.wait()
        one.cli("device", "role", "two", "member")
        eventually(lambda: _roles(two)[_id(two)] == "member", _SOON_S)
        before = _id(two)
        said = two.fails("device", "rotate", "--yes")
        command = said.partition("`yp2p ")[2].partition("`")[0].split()
        assert command[:3] == ["device", "remove", before]
        assert two.fails("device", "rotate", "--yes") == said, "the same new key"
        one.cli(*command, "--yes")
        eventually(lambda: before not in {i for i, role in _roles(two).items() if role == "member"}, _SOON_S)
        two.cli("device", "rotate", "--yes")
        eventually(lambda: not (two.home / "device.next").exists(), _SOON_S)
        assert _roles(one)[_id(two)] == "member"
        (two.dir / "b.txt").write_text("of the new key\n")
        eventually(lambda: (one.dir / "b.txt").exists(), _SOON_S)

        two.stop()
        own = _id(one)
        assert "no other device that has dir is connected" in one.fails("device", "rotate", "--yes")
        assert _id(one) == own
        assert _roles(one)[own] == "admin"
