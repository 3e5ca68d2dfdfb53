"""Another label, another directory: through two daemons, also where a person moved the directory by hand."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import Device, devices, eventually


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[list[Device]]:
    with devices(tmp_path, "one", "two") as (one, two):
        (one.dir / "sub").mkdir()
        (one.dir / "a.txt").write_text("line 1\n")
        (one.dir / "sub" / "b.txt").write_text("line 1\n")
        two.join(one)
        one.wait()
        two.wait()
        yield [one, two]


def _edit_both_ways(one: Device, there: Path, two: Device) -> None:
    """What is saved on either side is on the other."""
    (there / "a.txt").write_text("by one\n")
    eventually(lambda: (two.dir / "a.txt").read_text() == "by one\n")
    (two.dir / "sub" / "b.txt").write_text("by two\n")
    eventually(lambda: (there / "sub" / "b.txt").read_text() == "by two\n")
    one.wait()


def test_a_folder_has_another_label_here_also_after_a_restart(pair: list[Device]) -> None:
    one, two = pair
    one.cli("folder", "rename", "dir", "my notes")
    assert [folder["label"] for folder in one.status()["folders"]] == ["my notes"]
    assert [folder["label"] for folder in two.status()["folders"]] == ["dir"]
    assert "my notes" in one.cli("folder", "list")
    one.stop()
    one.start()
    assert one.status()["folders"][0]["label"] == "my notes"
    assert "no folder is called 'dir'" in one.fails("folder", "rename", "dir", "x")
    assert "cannot be used" in one.fails("folder", "rename", "my notes", "x" * 101)


def test_two_folders_have_two_labels(pair: list[Device], tmp_path: Path) -> None:
    one, _ = pair
    other = tmp_path / "other"
    other.mkdir()
    one.cli("share", str(other))
    assert f"{one.dir} is called 'dir' already" in one.fails("folder", "rename", "other", "dir")


def test_a_directory_is_moved_with_all_that_is_in_it(pair: list[Device], tmp_path: Path) -> None:
    one, two = pair
    there = tmp_path / "there"
    one.cli("folder", "move", "dir", str(there))
    assert not one.dir.exists()
    assert one.status()["folders"][0]["path"] == str(there)
    _edit_both_ways(one, there, two)
    one.stop()
    one.start()
    _edit_both_ways(one, there, two)
    assert sorted(p.name for p in two.dir.iterdir() if p.name != ".yp2p") == ["a.txt", "sub"]
    empty = tmp_path / "empty"
    empty.mkdir()
    one.cli("folder", "move", str(there), str(empty))
    _edit_both_ways(one, empty, two)


def test_all_folders_are_paused_and_go_on_with_one_command(pair: list[Device], tmp_path: Path) -> None:
    one, _ = pair
    (tmp_path / "more").mkdir()
    one.cli("share", str(tmp_path / "more"))
    one.cli("folder", "pause", "more")

    one.cli("folder", "pause", "--all", "--for", "1h")
    assert [folder["paused"] for folder in one.status()["folders"]] == [True, True]
    one.cli("folder", "unpause", "--all")
    eventually(lambda: not any(folder["paused"] for folder in one.status()["folders"]))
    assert one.cli("folder", "unpause", "--all") == "", "nothing is paused, and nothing is wrong"


def test_a_paused_folder_stays_paused_when_it_is_moved(pair: list[Device], tmp_path: Path) -> None:
    one, two = pair
    one.cli("folder", "pause", "dir")
    there = tmp_path / "there"
    one.cli("folder", "move", "dir", str(there))
    assert one.status()["folders"][0]["state"] == "paused"
    one.cli("folder", "unpause", "dir")
    _edit_both_ways(one, there, two)


@pytest.mark.parametrize("is_stopped", [True, False])
def test_a_directory_that_somebody_moved_is_found_again(pair: list[Device], tmp_path: Path, is_stopped: bool) -> None:
    one, two = pair
    there = tmp_path / "there"
    if is_stopped:
        one.stop()
    one.dir.rename(there)
    (there / "a.txt").write_text("while nobody looked\n")
    if is_stopped:
        one.start()
    eventually(lambda: one.status()["folders"][0]["state"] == "paused")
    one.cli("folder", "move", "dir", str(there))
    eventually(lambda: (two.dir / "a.txt").read_text() == "while nobody looked\n")
    _edit_both_ways(one, there, two)


def test_what_is_missing_in_a_restored_directory_is_not_deleted_elsewhere(pair: list[Device], tmp_path: Path) -> None:
    one, two = pair
    backup = tmp_path / "backup"
    shutil.copytree(one.dir, backup, symlinks=True)
    (one.dir / "later.txt").write_text("after the backup\n")
    one.wait()
    two.wait()
    one.stop()
    shutil.rmtree(one.dir)
    one.start()
    eventually(lambda: one.status()["folders"][0]["state"] == "paused")
    one.cli("folder", "move", "dir", str(backup))
    eventually(lambda: "1 of 3 files are missing" in one.status()["folders"][0]["problem"])
    assert (two.dir / "later.txt").read_text() == "after the backup\n"
    one.cli("folder", "restore", "dir")
    eventually((backup / "later.txt").exists)
    _edit_both_ways(one, backup, two)
    assert (two.dir / "later.txt").read_text() == "after the backup\n"


def test_where_a_folder_cannot_go(pair: list[Device], tmp_path: Path) -> None:
    one, _ = pair
    (tmp_path / "file").write_text("x")
    full = tmp_path / "full"
    full.mkdir()
    (full / "x").write_text("x")
    for target, words in (
        (tmp_path / "file", "cannot be used"),
        (full, "its .yp2p/marker does not say so"),
        (tmp_path / "no" / "where", "mkdir -p"),
        (one.dir, "is at"),
        (one.dir / "sub" / "deeper", "inside"),
        (one.home / "inside", "secret key"),
    ):
        refused = one.fails("folder", "move", "dir", str(target))
        assert words in refused, refused
        assert one.status()["folders"][0]["path"] == str(one.dir)
    one.dir.rename(tmp_path / "gone")
    refused = one.fails("folder", "move", "dir", str(tmp_path / "nowhere"))
    assert f"{tmp_path / 'nowhere'} is not its directory either; find where it is now" in refused
    (tmp_path / "gone").rename(one.dir)
    one.wait()


def test_usage_is_a_table_with_units(pair: list[Device]) -> None:
    one, _ = pair
    header, row, _, store = one.cli("folder", "usage").splitlines()
    assert header.split("  ")[0] == "Folder"
    assert row.split()[:4] == ["dir", "2", "14", "bytes"]
    assert str(one.home / "store.db") in store
    assert one.cli("folder", "usage", "dir").splitlines()[1].split()[0] == "dir"
    assert "no folder is called" in one.fails("folder", "usage", "other")
