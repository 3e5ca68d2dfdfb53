"""The disk actor of one folder, with its questions to a person."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from yp2p.config import Files, Trash
from yp2p.disk.actor import Disk
from yp2p.errors import FolderError
from yp2p.files.root import Root
from yp2p.folder.client_ids import ClientIDs
from yp2p.folder.folder import Folder
from yp2p.identity import DeviceID, FolderID
from yp2p.store.database import open_database

_FOLDER = FolderID(bytes(range(16)))
_FILES = 120


@asynccontextmanager
async def _running(base: Path) -> AsyncIterator[tuple[Folder, Disk]]:
    """A folder of many files, all of which the disk actor knows."""
    path = base / "dir"
    path.mkdir()
    for number in range(_FILES):
        (path / f"{number}.txt").write_text(f"text {number}\n")
    root = Root(path)
    root.prepare(_FOLDER)
    root.close()
    async with open_database(base / "store", make_room=False) as database:
        clients = ClientIDs.fresh(DeviceID(b"o" * 32))
        folder = Folder(_FOLDER, "test", path, DeviceID(bytes(32)), database=database, clients=clients, adopted=True)
        folder.load()
        disk = Disk(folder, Files(), Trash())
        async with trio.open_nursery() as nursery:
            await nursery.start(disk.run)
            await _until(folder, lambda: _alive(folder) == _FILES)
            yield folder, disk
            nursery.cancel_scope.cancel()


async def _until(folder: Folder, condition: Callable[[], Any]) -> None:
    with trio.fail_after(20):
        while not condition():
            changed = folder.state.changed
            if not condition():
                await changed.wait()


def _alive(folder: Folder) -> int:
    return len(folder.catalogue.layout().path_of)


def _remove(folder: Folder, numbers: range) -> None:
    for number in numbers:
        (folder.path / f"{number}.txt").unlink()


async def test_an_answer_is_for_one_question(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Said again while it is carried out, it is refused: it is no answer to whatever is asked next."""
    async with _running(tmp_path) as (folder, disk):
        _remove(folder, range(60))
        await _until(folder, lambda: folder.state.confirmation_reason)
        scan = disk._scan
        refused: list[str] = []

        async def scan_and_ask_again(*given: Any) -> None:
            monkeypatch.setattr(disk, "_scan", scan)
            with pytest.raises(FolderError) as error:
                disk.resume(accept=True)
            refused.append(str(error.value))
            await scan(*given)

        monkeypatch.setattr(disk, "_scan", scan_and_ask_again)
        disk.resume(accept=True)
        await _until(folder, lambda: not folder.state.confirmation_reason)
        assert refused == ["the folder 'test' does not wait for a decision any more: the deletions are carried out"]
        await _until(folder, lambda: _alive(folder) == _FILES - 60)
        _remove(folder, range(60, _FILES))
        await _until(folder, lambda: folder.state.confirmation_reason)
        assert _alive(folder) == _FILES - 60
