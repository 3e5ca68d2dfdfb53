"""The disk actor of one folder, with its questions to a person."""

from __future__ import annotations

import errno
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from bridge import open_bridge, open_folder

from yp2p.config import Files, Trash
from yp2p.disk import rounds
from yp2p.disk.actor import Disk
from yp2p.disk.ingest import pending_paths
from yp2p.disk.ingest.ingest import Ingest
from yp2p.disk.render.staged_writes import StagedWrites
from yp2p.documents.registers import Change
from yp2p.errors import FolderError
from yp2p.files import temporary_files
from yp2p.files.blobs import name_of
from yp2p.files.syscalls import sync_file_system
from yp2p.files.temporary_files import BULK
from yp2p.folder.folder import Folder
from yp2p.history.trash import on_root
from yp2p.identity import EntryID, FolderID
from yp2p.protocol.blobs import blob_hash, chunk_hash
from yp2p.protocol.entries import Content, Mode

_FOLDER = FolderID(bytes(range(16)))
_FILES = 120


@asynccontextmanager
async def _running(base: Path) -> AsyncIterator[tuple[Folder, Disk]]:
    """A folder of many files, all of which the disk actor knows."""
    path = base / "dir"
    path.mkdir()
    for number in range(_FILES):
        (path / f"{number}.txt").write_text(f"text {number}\n")
    async with open_folder(base, _FOLDER) as folder:
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
        await _until(folder, lambda: folder.state.question.reason)
        scans = disk._scans
        scan = scans.run
        refused: list[str] = []

        async def scan_and_ask_again(*given: Any) -> None:
            monkeypatch.setattr(scans, "run", scan)
            with pytest.raises(FolderError) as error:
                disk.decide(accept=True)
            refused.append(str(error.value))
            await scan(*given)

        monkeypatch.setattr(scans, "run", scan_and_ask_again)
        disk.decide(accept=True)
        await _until(folder, lambda: not folder.state.question.reason)
        assert refused == ["the folder 'test' does not wait for a decision any more: the deletions are carried out"]
        await _until(folder, lambda: _alive(folder) == _FILES - 60)
        _remove(folder, range(60, _FILES))
        await _until(folder, lambda: folder.state.question.reason)
        assert _alive(folder) == _FILES - 60


def _filled(base: Path, count: int) -> Path:
    """A directory outside of the folder."""
    made = base / "outside"
    made.mkdir()
    for number in range(count):
        (made / f"{number}.txt").write_text(f"new {number}\n")
    return made


@pytest.mark.parametrize("known", [False, True])
async def test_files_that_are_all_new_are_imported_while_others_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    """Where a known one may be among them all are read first: it is the same entry under another name."""
    monkeypatch.setattr(pending_paths, "SETTLE_S", 0.0)
    monkeypatch.setattr(rounds, "BATCH", 10)
    monkeypatch.setattr(Ingest, "inspect", _noting(Ingest.inspect, imported := []))
    outside = _filled(tmp_path, 35)
    async with _running(tmp_path) as (folder, _):
        imported.clear()
        entry = folder.files.at["7.txt"]
        if known:
            (folder.path / "7.txt").rename(outside / "99.txt")
        outside.rename(folder.path / "inside")
        await _until(
            folder, lambda: _alive(folder) == _FILES + 35 and "7.txt" not in (folder.files.at if known else ())
        )
        assert folder.files.at["inside/99.txt" if known else "7.txt"] == entry
    before = {count - _FILES for count in imported}
    assert before <= {0, 35} if known else before >= {0, 10, 20, 30}


def _noting(inspect: Callable[..., Awaitable[None]], counts: list[int]) -> Callable[..., Awaitable[None]]:
    async def noting(self: Ingest, paths: Any, **given: Any) -> None:
        counts.append(len(self._folder.files))
        await inspect(self, paths, **given)

    return noting


async def test_files_are_put_back_between_two_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that moves files beside a batch would move what the batch has just looked at."""
    async with _running(tmp_path) as (folder, disk):
        rounds = disk._rounds
        step, is_in_batch, may_end = rounds._step, trio.Event(), trio.Event()
        order: list[str] = []

        async def slow_step(*given: Any) -> bool:
            monkeypatch.setattr(rounds, "_step", step)
            is_in_batch.set()
            await may_end.wait()
            order.append("batch")
            return await step(*given)

        async def put_back() -> None:
            await on_root(folder, lambda root: order.append("files"))

        monkeypatch.setattr(rounds, "_step", slow_step)
        folder.render_queue.wake()
        async with trio.open_nursery() as nursery:
            await is_in_batch.wait()
            nursery.start_soon(put_back)
            await trio.testing.wait_all_tasks_blocked()
            assert folder.files.writing.statistics().tasks_waiting == 1
            may_end.set()
        assert order == ["batch", "files"]


def _new_blobs(folder: Folder) -> list[EntryID]:
    """Blobs of others, all of which have just come."""
    changes: list[Change] = []
    for number in range(BULK):
        data = b"\xff%d" % number
        hash_ = blob_hash(len(data), [chunk_hash(data)])
        (folder.path / name_of(hash_)).write_bytes(data)
        folder.files.blobs.downloaded[hash_] = name_of(hash_)
        entry = EntryID(b"blob %011d" % number)
        changes.append(Change(entry, f"{number}.bin", Content.blob(hash_, len(data), Mode.PLAIN, 0)))
    folder.catalogue.write(changes)
    return [change.entry for change in changes]


async def test_files_that_could_not_be_forced_to_the_disk_together_are_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the folder stops, nor is a blob that came lost."""
    failed: list[int] = []

    def fails(descriptor: int) -> None:
        monkeypatch.setattr(temporary_files, "sync_file_system", sync_file_system)
        failed.append(descriptor)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    async with _running(tmp_path) as (folder, _):
        await _until(folder, lambda: folder.state.settled)
        monkeypatch.setattr(temporary_files, "sync_file_system", fails)
        entries = _new_blobs(folder)
        with trio.fail_after(20):
            while not all(entry in folder.files for entry in entries):
                assert not folder.state.problem
                await trio.sleep(0.01)
        assert len(failed) == 1
        assert not folder.files.blobs.installing
        assert (folder.path / "0.bin").read_bytes() == b"\xff0"


async def test_what_was_about_to_be_put_in_place_when_the_work_was_cut_short_is_still_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    """As when a disk is taken out: the folder goes on in the same process when it is there again."""
    (tmp_path / "dir").mkdir()
    async with open_bridge(tmp_path) as bridge:
        await bridge.render()
        with trio.CancelScope() as scope:

            async def cut(self: StagedWrites, intents: Any) -> None:
                scope.cancel()
                await trio.lowlevel.checkpoint()

            monkeypatch.setattr(StagedWrites, "_submit", cut)
            entries = _new_blobs(bridge.folder)
            await bridge.render_actor.run()
        assert scope.cancelled_caught
        assert set(entries) <= set(bridge.folder.render_queue)
