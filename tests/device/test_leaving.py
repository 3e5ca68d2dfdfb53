"""Leaving a folder: what a failure and a crash on the way leave, and that nothing of it stays in the daemon."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from yp2p.config import Config
from yp2p.device.device import Device
from yp2p.disk import leaving
from yp2p.errors import FolderError
from yp2p.identity import DocumentID, FolderID, Identity
from yp2p.store import tables
from yp2p.store.database import Database, open_database
from yp2p.trust.statements import Role


@asynccontextmanager
async def _running(base: Path) -> AsyncIterator[Device]:
    """A device without a network."""
    (base / "dir").mkdir(exist_ok=True)
    async with open_database(base / "store.db", make_room=False) as database, trio.open_nursery() as nursery:
        device = Device(Config(), Identity(b"i" * 32), database, ())
        await nursery.start(device.run)
        try:
            yield device
        finally:
            nursery.cancel_scope.cancel()


async def _share(device: Device, base: Path) -> FolderID:
    (base / "dir" / "a.txt").write_text("text\n")
    return FolderID(bytes.fromhex((await device.share(str(base / "dir"), None))["folder"]))


def _rows(database: Database, folder: FolderID) -> int:
    counts = [database.rows(f"SELECT count(*) FROM {name} WHERE folder = ?", (folder,)) for name in tables.OF_FOLDER]
    return sum(count for ((count,),) in counts)


async def test_nothing_of_a_folder_stays_in_the_daemon(tmp_path: Path) -> None:
    async with _running(tmp_path) as device:
        folder = await _share(device, tmp_path)
        await device.invite(None, "reader", 1, 60.0)
        known = device.home.by_id[folder]
        assert device.pairing_host.window_of(known) is not None
        device.present(known)
        await device.leaving.leave("dir", with_files=False)
        assert not device.home.by_id
        assert not device.home.disks
        assert not device.home._tasks
        assert not device.pairing_host.digits()
        assert not device.invites.hint_keys()
        assert not device._presence._presences
        assert device.status()["folders"] == []
        assert _rows(device._database, folder) == 0
        assert device.home.departed.was_at(tmp_path / "dir")


async def test_what_cannot_be_cleared_is_told_and_done_by_the_same_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    async with _running(tmp_path) as device:
        await _share(device, tmp_path)
        with monkeypatch.context() as broken:
            broken.setattr(leaving.shutil, "rmtree", fails)
            with pytest.raises(FolderError, match=r"Operation not permitted; then leave again"):
                await device.leaving.leave("dir", with_files=False)
        assert device.status()["folders"][0]["state"] == "paused"
        assert (tmp_path / "dir" / "a.txt").exists()
    async with _running(tmp_path) as device:  # also after a restart
        await device.leaving.leave("dir", with_files=False)
        assert device.status()["folders"] == []
        assert not (tmp_path / "dir" / ".yp2p").exists()


async def test_files_that_went_before_a_crash_are_no_deletion_when_the_folder_is_taken_up_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with _running(tmp_path) as device:
        folder = await _share(device, tmp_path)
        with trio.fail_after(60):
            while not device.home.by_id[folder].files or not device.home.by_id[folder].state.settled:
                await device.home.by_id[folder].state.changed.wait()

        async def crash(_: Any) -> None:
            raise FolderError("the process ends here")

        monkeypatch.setattr(device.home, "forget", crash)
        with pytest.raises(FolderError, match="ends here"):
            await device.leaving.leave("dir", with_files=True)
        assert not (tmp_path / "dir" / "a.txt").exists()
    async with _running(tmp_path) as device:
        known = device.home.by_id[folder]
        await device.share(str(tmp_path / "dir"), None)  # a person takes it up
        device.changes.unpause(None)
        with trio.fail_after(60):
            while not known.state.question.reason:
                await known.state.changed.wait()
        (entry,) = [one for one in known.catalogue.entries.values() if one.path == "a.txt"]
        assert known.catalogue.is_alive(entry)


async def test_what_was_stored_of_it_later_goes_at_the_next_start_and_no_number_comes_twice(tmp_path: Path) -> None:
    async with _running(tmp_path) as device:
        folder = await _share(device, tmp_path)
        with trio.fail_after(60):
            while not device.home.by_id[folder].files:
                await device.home.by_id[folder].state.changed.wait()
        await device.leaving.leave("dir", with_files=False)
        database = device._database
        last = database.last_seq
        assert last > 0
        await database.submit([tables.log.insert(last + 1, folder, DocumentID(bytes(16)), b"", 0.0, b"")]).wait()
        assert _rows(database, folder) == 1
    async with _running(tmp_path) as device:
        await device._database.pending().wait()
        assert _rows(device._database, folder) == 0
    async with open_database(tmp_path / "store.db", make_room=False) as database:
        assert database.last_seq >= last


async def test_who_joins_again_in_the_same_run_writes_with_another_client(tmp_path: Path) -> None:
    async with _running(tmp_path) as device:
        folder = await _share(device, tmp_path)
        known = device.home.by_id[folder]
        before, statements, founder = known.clients, known.membership.statements(), known.membership.founder
        await device.leaving.leave("dir", with_files=False)
        await device.home._store(tmp_path / "dir", "dir", folder, founder, statements, adopted=True)
        again = await device.home._start(folder, "dir", tmp_path / "dir", founder, adopted=True)
        assert again.membership.may(Role.ADMINISTRATOR)
        assert not again.clients.ids & before.ids
        assert before.ids <= again.clients.earlier


async def test_the_history_goes_in_pieces_and_the_store_is_smaller_afterwards(tmp_path: Path) -> None:
    async with _running(tmp_path) as device:
        folder = await _share(device, tmp_path)
        database, document = device._database, DocumentID(bytes(16))
        rows = [
            tables.log.insert(database.next_seq(), folder, document, b"", 0.0, os.urandom(4000)) for _ in range(2000)
        ]
        await database.submit(rows).wait()
        ((size,),) = database.rows("PRAGMA page_count")
        await device.leaving.leave("dir", with_files=False)
        assert _rows(database, folder) == 0
        with trio.fail_after(30):
            while database.free_pages():
                await trio.sleep(0.05)
        ((now,),) = database.rows("PRAGMA page_count")
        assert now < size / 4
