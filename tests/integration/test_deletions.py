"""Deletions: a few go through and can be taken back, many need a person's word, whoever deleted them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from lab import Device, devices, eventually, tree, unexpected_lines

pytestmark = pytest.mark.long


def _files(device: Device, count: int) -> None:
    for number in range(count):
        path = device.dir / f"d{number % 7}" / f"{number}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"file {number}\n")


def _remove_all(device: Device) -> None:
    for path in device.dir.iterdir():
        if path.name != ".yp2p":
            shutil.rmtree(path)


def _share_many(one: Device, two: Device, count: int) -> dict[str, bytes]:
    _files(one, count)
    two.join(one)
    one.wait()
    two.wait()
    return tree(one.dir)


def _held(device: Device) -> bool:
    return bool(device.status()["folders"][0]["awaiting_confirmation"])


def test_removing_everything_is_held_where_it_happened(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two") as (one, two):
        before = _share_many(one, two, 120)
        _remove_all(one)
        eventually(lambda: _held(one), what="one waiting for a word")
        assert one.status()["folders"][0]["state"] == "paused"
        assert "120 of 120 files were deleted" in one.status()["folders"][0]["problem"]
        assert "yp2p folder confirm" in one.cli("status")
        # It is still held after a restart, and nobody else lost anything.
        one.stop()
        one.start()
        assert _held(one)
        assert tree(two.dir) == before
        one.cli("folder", "restore")
        eventually(lambda: tree(one.dir) == before, what="one having its files again")
        one.wait()
        assert tree(two.dir) == before
        assert one.run("folder", "restore").returncode == 8
        # The same again, and this time it was meant: the other device asks, too.
        _remove_all(one)
        eventually(lambda: _held(one), what="one waiting for a word")
        one.cli("folder", "confirm", str(one.dir))
        eventually(lambda: _held(two), what="two waiting for a word")
        assert len(before) - len(tree(two.dir)) <= 2  # what comes first and alone goes into the trash at once
        two.cli("folder", "confirm")
        eventually(lambda: tree(two.dir) == {}, what="two being empty")
        one.wait()
        assert len(json.loads(two.cli("trash", "list", "--json"))) == 120
        for device in (one, two):
            assert unexpected_lines(device, "mass_deletion_paused") == []


def test_held_incoming_deletions_can_be_undone_for_everybody(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two") as (one, two):
        before = _share_many(one, two, 120)
        _remove_all(one)
        eventually(lambda: _held(one), what="one waiting for a word")
        one.cli("folder", "confirm")
        eventually(lambda: _held(two), what="two waiting for a word")
        two.cli("folder", "restore")
        eventually(lambda: tree(one.dir) == before and tree(two.dir) == before, what="everything being back")
        one.wait()
        two.wait()
        assert tree(one.dir) == tree(two.dir) == before


def test_ten_deletions_go_through_and_come_back_from_the_trash_of_another_device(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two") as (one, two):
        before = _share_many(one, two, 30)
        for number in range(10):
            (one.dir / f"d{number % 7}" / f"{number}.txt").unlink()
        eventually(lambda: len(tree(two.dir)) == 20, what="ten files being gone")
        items = json.loads(two.cli("trash", "list", "--json"))
        assert sorted(item["path"] for item in items) == sorted(f"d{n % 7}/{n}.txt" for n in range(10))
        assert "d3/3.txt" in two.cli("trash", "list")
        assert one.cli("trash", "list") == "The trash is empty."  # a person deleted them here
        two.cli("trash", "restore", "d0")  # a directory: 0.txt and 7.txt
        eventually(lambda: len(tree(one.dir)) == 22, what="two files being back")
        (two.dir / "d3" / "3.txt").write_text("something new\n")
        done = two.run("trash", "restore", "--all", "--json")
        assert done.returncode == 8
        assert [item["path"] for item in json.loads(done.stdout)["skipped"]] == ["d3/3.txt"]
        eventually(lambda: len(tree(one.dir)) == 30, what="all files being back")
        one.wait()
        two.wait()
        assert tree(one.dir) == tree(two.dir) == {**before, "d3/3.txt": b"something new\n"}
        assert two.run("trash", "restore", "nothing.txt").returncode == 2
        assert two.run("trash", "restore").returncode == 2
        two.cli("trash", "empty", "--yes")
        assert two.cli("trash", "list") == "The trash is empty."


def test_the_first_mass_deletion_of_a_new_device_waits_on_all_the_others(tmp_path: Path) -> None:
    """Also where it is less than what anybody else may delete; nobody who was there before is asked about so."""
    with devices(tmp_path, "one", "two", "new") as (one, two, new):
        before = _share_many(one, two, 100)
        new.join(one)
        for device in (new, two, one):
            device.wait()
        for path in list(before)[:30]:
            (new.dir / path).unlink()
        for device in (one, two):
            eventually(lambda device=device: _held(device), what=f"{device.name} waiting for a word")
            assert "by 'new', new here" in device.status()["folders"][0]["problem"]
            assert len(before) - len(tree(device.dir)) <= 2  # what comes first and alone goes into the trash at once
        assert not _held(new)
        one.cli("folder", "restore")
        for device in (new, two, one):
            eventually(lambda device=device: tree(device.dir) == before, what=f"{device.name} having all again")
        eventually(lambda: not _held(two), what="two going on by itself")
        for path in list(before)[:30]:
            (one.dir / path).unlink()
        for device in (two, new):
            eventually(lambda device=device: len(tree(device.dir)) == 70, what=f"{device.name} having lost them")
