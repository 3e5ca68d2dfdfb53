"""Leaving a folder, through two daemons: what goes, what stays, and who knows."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import anyio
import pytest
from lab import Device, devices, eventually, tree, unexpected_lines

from yp2p.client import connect
from yp2p.errors import YpError

FILES = {"a.txt": b"line 1\n", "sub/b.txt": b"line 2\n", "picture.bin": bytes(range(256)) * 40}


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[list[Device]]:
    with devices(tmp_path, "one", "two") as (one, two):
        (one.dir / "sub").mkdir()
        for name, content in FILES.items():
            (one.dir / name).write_bytes(content)
        two.join(one)
        one.wait()
        two.wait()
        yield [one, two]


def _rows(device: Device) -> dict[str, int]:
    """How many rows the store has in each table that is a folder's."""
    with closing(sqlite3.connect(f"file:{device.home / 'store.db'}?mode=ro", uri=True)) as store:
        tables = [name for (name,) in store.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        of_folder = [
            name for name in tables
            if "folder" in [row[1] for row in store.execute(f"PRAGMA table_info({name})")] and name != "departed"
        ]  # fmt: skip
        return {name: store.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in [*of_folder, "folder"]}


def _members(device: Device) -> set[str]:
    return {member["name"] for folder in device.status()["folders"] for member in folder["devices"]}


def test_leaving_keeps_the_files_and_takes_all_else(pair: list[Device]) -> None:
    one, two = pair
    (two.dir / "a.txt").unlink()
    eventually(lambda: not (one.dir / "a.txt").exists())
    one.wait()
    assert one.run("folder", "leave", "dir").returncode != 0  # it asks, and nobody answers
    shown = one.cli("folder", "leave", "dir", "--dry-run")
    assert "two will be told" in shown
    assert "trash with 1 file (7 bytes)" in shown
    assert one.status()["folders"]
    told = one.cli("folder", "leave", "dir", "--yes")
    assert "two knows that" in told
    assert one.status()["folders"] == []
    assert _members(two) == set()
    assert tree(one.dir) == tree(two.dir) == {name: FILES[name] for name in ("sub/b.txt", "picture.bin")}
    assert not (one.dir / ".yp2p").exists()
    assert not any(_rows(one).values()), _rows(one)
    (two.dir / "sub" / "b.txt").write_text("after that\n")
    two.wait()
    one.stop()
    one.start()
    assert one.status()["folders"] == []
    assert (one.dir / "sub" / "b.txt").read_bytes() == FILES["sub/b.txt"]
    for device in pair:
        assert unexpected_lines(device, "folder_paused") == []


@pytest.mark.parametrize("is_restarted", [False, pytest.param(True, marks=pytest.mark.long)])
def test_one_that_left_can_join_again(pair: list[Device], is_restarted: bool) -> None:
    one, two = pair
    two.cli("folder", "leave", "dir", "--yes")
    (two.dir / "a.txt").write_text("alone\n")
    (two.dir / "new.txt").write_text("new\n")
    (one.dir / "sub" / "b.txt").write_text("meanwhile\n")
    if is_restarted:
        two.stop()
        two.start()
    two.join(one)
    two.wait()
    one.wait()
    assert tree(one.dir) == tree(two.dir)
    assert {"a.txt", "new.txt", "sub/b.txt", "picture.bin"} <= tree(one.dir).keys()
    assert b"meanwhile\n" in tree(two.dir).values()
    assert b"alone\n" in tree(one.dir).values()
    for device, text in ((two, "by two\n"), (one, "by one\n")):
        (device.dir / "new.txt").write_text(text)
        eventually(lambda text=text: all((d.dir / "new.txt").read_text() == text for d in pair))  # type: ignore[misc]


def test_what_is_exactly_known_is_deleted_and_nothing_else(pair: list[Device]) -> None:
    one, two = pair
    (two.dir / ".yp2pignore").write_text("*.log\n")
    two.wait()
    one.wait()
    (two.dir / "sub" / "x.log").write_text("ignored\n")
    two.cli("folder", "pause", "dir")
    (two.dir / "a.txt").write_text("not read yet\n")
    (two.dir / "new.txt").write_text("unknown\n")
    plan = json.loads(two.cli("folder", "leave", "dir", "--delete-files", "--dry-run", "--json"))
    assert plan["deleted"]["files"] == 3
    assert plan["deleted"]["only_here"]["files"] == 0
    assert [item["path"] for item in plan["stays"]] == ["a.txt"]
    before = tree(one.dir)
    answer = json.loads(two.cli("folder", "leave", "dir", "--delete-files", "--yes", "--json"))
    assert (answer["deleted"]["files"], answer["told"], answer["unknown"]) == (3, ["one"], 2)
    assert tree(two.dir) == {"a.txt": b"not read yet\n", "new.txt": b"unknown\n", "sub/x.log": b"ignored\n"}
    assert tree(one.dir) == before
    assert one.status()["folders"][0]["state"] == "idle"


def _is_out(device: Device) -> bool:
    folder = device.status()["folders"][0]
    return "no member" in folder["problem"] or folder["state"] == "paused"


@pytest.mark.long
def test_what_no_other_device_has_is_counted(pair: list[Device]) -> None:
    one, two = pair
    one.stop()
    (two.dir / "only.txt").write_text("here\n")
    eventually(lambda: two.status()["folders"][0]["entries"]["total"] == 4)
    shown = two.cli("folder", "leave", "dir", "--delete-files", "--dry-run")
    assert "Of these, no connected device is known to have 4 files" in shown
    assert "one will not be told" in shown
    assert "`yp2p device remove two`" in two.cli("folder", "leave", "dir", "--yes")
    one.start()
    eventually(lambda: one.status()["folders"][0]["state"] == "idle")
    assert tree(one.dir).keys() == FILES.keys()


def test_the_last_administrator_names_another_one_first(pair: list[Device]) -> None:
    one, two = pair
    one.cli("device", "role", "two", "member", "--folder", "dir")
    refused = one.fails("folder", "leave", "dir", "--yes")
    assert "yp2p device role two admin --folder dir" in refused
    assert "yp2p device role two admin --folder dir" in one.fails("folder", "leave", "dir", "--dry-run")
    assert (one.dir / ".yp2p" / "marker").exists()
    one.cli("device", "role", "two", "admin", "--folder", "dir")
    one.cli("folder", "leave", "dir", "--yes")
    assert _members(two) == set()
    assert "yp2p device" not in two.cli("folder", "leave", "dir", "--yes")  # alone it may go
    assert two.status()["folders"] == []


@pytest.mark.long
def test_a_directory_that_is_away_is_not_touched(pair: list[Device], tmp_path: Path) -> None:
    one, _ = pair
    there = tmp_path / "there"
    one.dir.rename(there)
    eventually(lambda: one.status()["folders"][0]["state"] == "paused")
    assert "leave without --delete-files" in one.fails("folder", "leave", "dir", "--delete-files", "--yes")
    assert "The directory was not touched" in one.cli("folder", "leave", "dir", "--yes")
    assert one.status()["folders"] == []
    assert tree(there) == FILES
    assert (there / ".yp2p" / "marker").exists()


@pytest.mark.parametrize("delay_s", [0.0, 0.02, 0.05, 0.1, 0.2, 0.4])
@pytest.mark.long
def test_a_kill_on_the_way_deletes_nothing_of_others(tmp_path: Path, delay_s: float) -> None:
    """A folder or none, whichever moment it is; and nothing that went here goes anywhere else."""
    with devices(tmp_path, "one", "two") as (one, two):
        for number in range(200):
            (one.dir / f"{number % 9}").mkdir(exist_ok=True)
            (one.dir / f"{number % 9}" / f"{number}.txt").write_text(f"file {number}\n")
        two.join(one)
        one.wait()
        two.wait()
        before = tree(one.dir)
        leaving = threading.Thread(
            target=two.run, args=("folder", "leave", "dir", "--delete-files", "--yes"), daemon=True
        )
        leaving.start()
        # The command asks for its plan first.
        eventually(lambda: "device-removed" in two.log.read_text() or not leaving.is_alive())
        time.sleep(delay_s)
        two.kill()
        leaving.join(30)
        two.start()
        assert tree(two.dir).items() <= before.items()
        folders = two.status()["folders"]
        if folders:
            assert folders[0]["state"] == "paused" or tree(two.dir) == before
            eventually(lambda: _is_out(two) or tree(two.dir) == before, what="it has begun to leave, or has not")
            two.cli("folder", "leave", "dir", "--yes")
        assert two.status()["folders"] == []
        assert not (two.dir / ".yp2p").exists()
        assert not any(_rows(two).values())
        one.wait()
        assert tree(one.dir) == before
        two.join(one)  # and all comes back
        two.wait()
        one.wait()
        assert tree(two.dir) == tree(one.dir) == before


def test_a_program_that_has_a_file_open_is_told(pair: list[Device]) -> None:
    one, two = pair

    async def edit() -> None:
        async with connect(two.home / "control.sock") as here, here.open(two.dir / "a.txt") as file:
            file.insert(0, "typed\n")
            await file.flush()
            await anyio.to_thread.run_sync(two.cli, "folder", "leave", "dir", "--yes")
            with anyio.fail_after(30):
                while True:
                    await file.changed()

    with pytest.raises(YpError, match="this device has left the folder"):
        anyio.run(edit, backend="trio")
    eventually(lambda: (one.dir / "a.txt").read_text() == "typed\nline 1\n")
    assert not any(_rows(two).values())
    assert unexpected_lines(two, "folder_paused", "program_refused") == []


@pytest.mark.long
def test_a_device_that_was_away_hears_of_it_from_another_one(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two", "three") as (one, two, three):
        (one.dir / "a.txt").write_text("text\n")
        two.join(one)
        three.join(one)
        for device in (one, two, three):
            device.wait()
        three.stop()
        assert "two knows that" in one.cli("folder", "leave", "dir", "--yes")
        one.stop()
        three.start()
        eventually(lambda: _members(three) == {"two"})
        (three.dir / "a.txt").write_text("by three\n")
        eventually(lambda: (two.dir / "a.txt").read_text() == "by three\n")
        assert (one.dir / "a.txt").read_text() == "text\n"
