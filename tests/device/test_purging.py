"""`yp2p purge` on a whole device without a network: who may, deleting first, what a start does."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from yp2p.config import Config
from yp2p.device.device import Device
from yp2p.errors import FolderError, UsageError
from yp2p.identity import Identity
from yp2p.store.database import open_database
from yp2p.trust.statements import Role

SECRET = "hunter2-correct-horse"


@asynccontextmanager
async def _running(base: Path) -> AsyncIterator[Device]:
    """A device that shares `dir`."""
    (base / "dir").mkdir(exist_ok=True)
    async with open_database(base / "store.db", make_room=False) as database, trio.open_nursery() as nursery:
        device = Device(Config(), Identity(b"i" * 32), database, ())
        await nursery.start(device.run)
        if not device.home.by_id:
            await device.share(str(base / "dir"), None)
        try:
            yield device
        finally:
            nursery.cancel_scope.cancel()


def _save(path: Path, text: str) -> None:
    path.read_bytes() if path.exists() else None
    path.write_text(text)


async def _saved(device: Device, path: Path, text: str) -> None:
    """Save a text, and wait until it is known."""
    (folder,) = device.folders
    _save(path, text)
    with trio.fail_after(20):
        while True:
            entry = folder.catalogue.layout().entry_at.get(path.name)
            if entry is not None and entry in folder.files:
                document = folder.catalogue.entries[entry].document
                if folder.texts.open(document).text.text() == text and folder.is_on_disk(entry):
                    break
            await folder.state.changed.wait()
    await folder.database.pending().wait()


def _found(base: Path) -> list[str]:
    files = [path for path in sorted(base.rglob("*")) if path.is_file()]
    return [str(path.relative_to(base)) for path in files if SECRET.encode() in path.read_bytes()]


async def test_the_past_goes_while_the_daemon_works(tmp_path: Path) -> None:
    path = tmp_path / "dir/a.txt"
    async with _running(tmp_path) as device:
        await _saved(device, path, "one\n")
        await _saved(device, path, f"one\n{SECRET}\n")
        await _saved(device, path, "one\ntwo\n")
        assert _found(tmp_path)
        plan = await device.purging.preview(str(path), with_file=False)
        assert (plan["versions"], plan["texts"], plan["unchanged"]) == (2, 1, [])
        assert _found(tmp_path), "a preview removes nothing"
        done = await device.purging.purge(str(path), with_file=False)
        assert done == plan | {"unerased": "", "asked": []}
        assert _found(tmp_path) == []
        assert path.read_text() == "one\ntwo\n"
        await _saved(device, path, "one\nthree\n")
        assert [one["path"] for one in device.purging.listed()] == ["a.txt"]
        again = await device.purging.purge(str(path), with_file=False)
        assert again["versions"] == 1
    async with _running(tmp_path) as device:
        assert path.read_text() == "one\nthree\n"
        assert [one["erased"] for one in device.purging.listed()] == [True, True]


async def test_what_is_left_fits_together(tmp_path: Path) -> None:
    async with _running(tmp_path) as device:
        for name in ("a.txt", "b.txt"):
            await _saved(device, tmp_path / "dir" / name, f"{SECRET}\n")
            await _saved(device, tmp_path / "dir" / name, "one\n")
        (tmp_path / "dir/b.bin").write_bytes(b"\0" + SECRET.encode())
        trash = tmp_path / "dir/.yp2p/trash/2026-01-01T000000-abcdef"
        trash.mkdir(parents=True)
        (trash / "a.txt").write_text(f"{SECRET}\n")
        (folder,) = device.folders
        with trio.fail_after(20):
            while "b.bin" not in folder.files.at or not folder.state.settled:
                await folder.state.changed.wait()
        before = await device.checks.run(None, read=True, peers=False, repair=False)
        await device.purging.purge(str(tmp_path / "dir/a.txt"), with_file=False)
        await device.purging.purge(str(tmp_path / "dir/b.txt"), with_file=True)
        after = await device.checks.run(None, read=True, peers=False, repair=False)
        assert before["findings"] == after["findings"] == []


async def test_a_file_can_be_deleted_first_and_nothing_of_it_is_left(tmp_path: Path) -> None:
    path = tmp_path / "dir/sub/a.txt"
    path.parent.mkdir(parents=True)
    async with _running(tmp_path) as device:
        (tmp_path / "dir/stays.txt").write_text("stays\n")
        path.write_text(f"{SECRET}\n")
        (folder,) = device.folders
        with trio.fail_after(20):
            while folder.files.at.keys() != {"sub/a.txt", "stays.txt"}:
                await folder.state.changed.wait()
        with pytest.raises(UsageError, match="not for all of a folder"):
            await device.purging.purge(str(tmp_path / "dir"), with_file=True)
        assert (await device.purging.preview(str(path.parent), with_file=True))["deleted"] == 1
        done = await device.purging.purge(str(path.parent), with_file=True)
        assert (done["deleted"], done["versions"], done["trash"]["files"]) == (1, 1, 1)
        assert _found(tmp_path) == []
        assert not path.exists()
        assert (tmp_path / "dir/stays.txt").read_text() == "stays\n"
        path.parent.mkdir(exist_ok=True)
        path.write_text("anew\n")
        with trio.fail_after(20):
            while "sub/a.txt" not in folder.files.at:
                await folder.state.changed.wait()


async def test_only_an_administrator_may_and_only_of_what_there_is(tmp_path: Path) -> None:
    path = tmp_path / "dir/a.txt"
    async with _running(tmp_path) as device:
        await _saved(device, path, f"{SECRET}\n")
        with pytest.raises(UsageError, match="no file 'nothing'"):
            await device.purging.purge(str(tmp_path / "dir/nothing"), with_file=False)
        with pytest.raises(UsageError, match="is in no folder of this device"):
            await device.purging.purge(str(tmp_path / "elsewhere"), with_file=False)
        (folder,) = device.folders
        own = folder.membership.members[device.home.clients.device]
        object.__setattr__(own, "role", Role.MEMBER)
        with pytest.raises(
            FolderError, match="only an administrator of this folder can purge, and this device is a member"
        ):
            await device.purging.purge(str(path), with_file=False)
        assert _found(tmp_path)


async def test_a_start_erases_what_a_stop_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "dir/a.txt"

    def no_room(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    async with _running(tmp_path) as device:
        await _saved(device, path, f"{SECRET}\n")
        await _saved(device, path, "without\n")
        with monkeypatch.context() as full:
            full.setattr("yp2p.store.writer.erase", no_room)
            done = await device.purging.purge(str(path), with_file=False)
        assert done["unerased"] == "database or disk is full"
        assert not device.purging.listed()[0]["erased"]
    async with _running(tmp_path) as device:
        await device.purging.run()
        assert device.purging.listed()[0]["erased"]
        assert _found(tmp_path) == []
