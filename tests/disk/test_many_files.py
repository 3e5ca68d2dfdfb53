"""Thousands of files at once: they are made in a worker thread, and the loop goes on while they come in."""

from __future__ import annotations

import errno
import os
import tempfile
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest
import trio
import trio.testing
from bridge import PEER, Bridge, clock, open_bridge, replica_like

from yp2p.disk.ingest import first_imports
from yp2p.disk.render.directory_moves import DirectoryMoves
from yp2p.documents.diff import Hunk
from yp2p.documents.manifest import Manifest
from yp2p.documents.registers import Change, Deletion
from yp2p.documents.synced import PeerState
from yp2p.documents.text import read_first_import
from yp2p.files import temporary_files
from yp2p.files.new_files import NewFiles
from yp2p.files.root import Root
from yp2p.files.temporary_files import Filling
from yp2p.files.temporary_names import Purpose, Temporary
from yp2p.folder import turns
from yp2p.folder.guard import MIN_FILES, DeletionGuard
from yp2p.folder.members import Membership
from yp2p.folder.record_table import RecordTable
from yp2p.folder.records import load_log
from yp2p.identity import DocumentID, EntryID, FolderID
from yp2p.peers import acks
from yp2p.protocol.entries import Mode
from yp2p.protocol.messages import Ack
from yp2p.protocol.ysync import Shape, check
from yp2p.store.sql import Statement
from yp2p.store.writer import Commit

FILES = 200
# What may happen in one turn of the loop, in files.
MOST_AT_ONCE = 100


def _run(test: Callable[[Bridge, Bridge], Awaitable[None]], files: int = FILES) -> None:
    """Run a test of two bridges: the first one's directory holds files that nobody has looked at yet."""

    async def run(base: Path) -> None:
        async with open_bridge(base / "one", scan=False) as one, open_bridge(base / "two") as two:
            await test(one, two)

    with tempfile.TemporaryDirectory() as base:
        for name in ("one", "two"):
            Path(base, name, "dir").mkdir(parents=True)
        for number in range(files):
            path = Path(base, "one", "dir", f"d{number // 50}", f"{number:04}")
            path.parent.mkdir(exist_ok=True)
            path.write_text(f"text {number}\n")
        trio.run(run, Path(base), clock=trio.testing.MockClock())


async def _bring(one: Bridge, two: Bridge) -> None:
    """The second device gets everything that the first one has; nothing is rendered yet."""
    for source, target in zip(one.folder.catalogue.documents, two.folder.catalogue.documents, strict=True):
        await target.receive(source.replica.state(), PEER)
    for document in two.folder.catalogue.named.missing():
        state = check(one.folder.texts.state(document), Shape.TEXT)
        assert two.folder.edits.take_pulled(document, state, PEER) is not None


class _Turns(trio.abc.Instrument):
    """How much was done in each turn of the loop."""

    def __init__(self, count: Callable[[], int]) -> None:
        self._count, self._before = count, count()
        self.most = 0

    def before_io_wait(self, timeout: float) -> None:
        now = self._count()
        self.most, self._before = max(self.most, now - self._before), now


@contextmanager
def _turns(count: Callable[[], int]) -> Iterator[_Turns]:
    """Watch the loop while every slice is as short as can be."""
    found = _Turns(count)
    trio.lowlevel.add_instrument(found)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(turns.Slice, "is_long", True)
        yield found
    trio.lowlevel.remove_instrument(found)


def test_files_of_a_first_sync_are_made_in_a_worker_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: set[int] = set()
    make = NewFiles.make

    def watched(self: NewFiles, name: str, path: str, flags: int, mode: int = 0o666) -> int:
        threads.add(threading.get_ident())
        return make(self, name, path, flags, mode)

    async def test(one: Bridge, two: Bridge) -> None:
        await one.scan()
        await _bring(one, two)
        monkeypatch.setattr(NewFiles, "make", watched)
        await two.render()
        assert len(two.folder.files) == FILES
        assert threads
        assert threading.get_ident() not in threads

    _run(test)


def test_texts_that_come_together_are_stored_together(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(one: Bridge, two: Bridge) -> None:
        await one.scan()
        for source, target in zip(one.folder.catalogue.documents, two.folder.catalogue.documents, strict=True):
            await target.receive(source.replica.state(), PEER)
        opened, *missing = two.folder.catalogue.named.missing()
        two.folder.texts.open(opened)
        found = [
            (document, *imported)
            for document in (opened, *missing)
            if (imported := read_first_import(one.folder.texts.state(document))) is not None
        ]
        commits: list[Commit] = []
        submit = two.folder.database.submit

        def watched(statements: Iterable[Statement]) -> Commit:
            commits.append(submit(statements))
            return commits[-1]

        monkeypatch.setattr(two.folder.database, "submit", watched)
        unknown = (DocumentID(b"u" * 16), *found[0][1:])
        assert two.folder.edits.take_first_imports([*found, unknown, *found], PEER) == set(missing)
        assert two.folder.edits.take_first_imports(found, PEER) == set()
        assert len(commits) == 1
        await commits[0].wait()
        for document in missing:
            [(_, data)] = load_log(two.folder.database, two.folder.id, document)
            assert data == one.folder.texts.state(document)
            entry = two.folder.catalogue.entry_of[document]
            assert entry in two.folder.render_queue
            assert two.folder.leaf(entry) == one.folder.leaf(entry)

    _run(test, files=20)


def test_the_loop_goes_on_while_files_are_imported() -> None:
    async def test(one: Bridge, two: Bridge) -> None:
        with _turns(lambda: len(one.folder.files)) as found:
            await one.scan()
        assert len(one.folder.files) == FILES
        assert found.most <= MOST_AT_ONCE

    _run(test)


def test_an_import_leaves_nothing_to_be_rendered() -> None:
    async def test(one: Bridge, two: Bridge) -> None:
        await one.scan()
        assert not list(one.folder.render_queue)
        assert all(one.folder.is_on_disk(entry) for entry in one.folder.catalogue.entries)

    _run(test)


def test_an_import_that_is_stored_late_does_not_speak_for_what_others_wrote_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    held: list[Commit] = []
    told: list[EntryID] = []

    async def test(one: Bridge, two: Bridge) -> None:
        folder = one.folder
        put = folder.database.writer.put
        monkeypatch.setattr(folder.database.writer, "put", held.append)
        monkeypatch.setattr(folder.observers, "on_disk", told.append)
        await one.scan()
        first, other = [record.entry for record in folder.files.values()]
        replica = replica_like(one, folder.files[first].path, 77)
        update = replica.edit([Hunk(0, 0, "more ")])
        assert update is not None
        live = one.document(folder.files[first].path)
        await live.receive_all([update], PEER, PeerState(replica.clocks(), is_answer=False))
        for commit in held:
            put(commit)
        await folder.database.pending().wait()
        assert told == [other]

    _run(test, files=2)


def test_the_loop_goes_on_while_files_are_put_in_place() -> None:
    async def test(one: Bridge, two: Bridge) -> None:
        await one.scan()
        await _bring(one, two)
        with (
            _turns(lambda: len(two.folder.files)) as placed,
            _turns(lambda: FILES - len(two.folder.render_queue)) as planned,
        ):
            await two.render()
        assert len(two.folder.files) == FILES
        assert placed.most <= MOST_AT_ONCE
        assert planned.most <= MOST_AT_ONCE

    _run(test)


def test_deletions_that_come_in_the_middle_of_a_round_are_counted_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """A round was begun with files that are fine; while it goes on another device deletes all of them."""

    async def test(one: Bridge, two: Bridge) -> None:
        await one.scan()
        one.folder.state.guard = DeletionGuard(1 << 20)
        entries = list(one.folder.catalogue.entries.values())
        other = Manifest(4711)
        for index, live in enumerate(one.folder.catalogue.documents):
            other.load(index, [live.replica.state()])
        seen = {entry.id: one.folder.texts.digests.get(entry.document) for entry in entries}
        deleted = other.write(
            [Change(it.id, deletion=Deletion(it.document, digest.clocks)) for it in entries if (digest := seen[it.id])]
        )
        end, documents = turns.Slice.end, one.folder.catalogue.documents

        ends = 0

        async def deleting(self: turns.Slice) -> None:
            nonlocal ends
            ends += 1
            while deleted and ends > FILES + 10:  # they were counted, and some of them carried out
                await documents[min(deleted)].receive(deleted.pop(min(deleted)), PEER)
            await end(self)

        monkeypatch.setattr(turns.Slice, "is_long", True)
        monkeypatch.setattr(turns.Slice, "end", deleting)
        one.folder.render_queue.want_all(one.folder.catalogue.entries)
        await one.render_actor.run()
        assert not deleted
        assert len(one.folder.files) == FILES
        for _ in range(4):
            await one.render()
            clock().jump(30)
        assert one.folder.state.question.reason
        assert len(one.folder.files) == FILES

    assert FILES > MIN_FILES
    _run(test)


def test_what_is_on_the_disk_is_acknowledged_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acks, "SENT_LEAVES", 50)

    async def test(one: Bridge, two: Bridge) -> None:
        await one.scan()
        sent: list[Ack] = []

        class Link:
            async def send(self, message: Ack) -> None:
                sent.append(message)
                await trio.lowlevel.checkpoint()

        told = acks.Acks(one.folder, cast("Any", Link()), lambda _: None)
        for entry in one.folder.files:
            told.on_disk(entry)
        with _turns(lambda: len(sent)):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(told.run)
                while len(sent) < FILES // 50:
                    await trio.lowlevel.checkpoint()
                nursery.cancel_scope.cancel()
        assert [len(message.leaves) for message in sent] == [50] * (FILES // 50)
        assert {entry for message in sent for entry, _ in message.leaves} == one.folder.files.keys()

    _run(test)


def test_a_batch_of_what_is_missing_costs_no_more_with_many_files() -> None:
    async def test(one: Bridge, two: Bridge) -> None:
        await one.scan()
        for source, target in zip(one.folder.catalogue.documents, two.folder.catalogue.documents, strict=True):
            await target.receive(source.replica.state(), PEER)
        named = two.folder.catalogue.named
        asked: list[bytes] = []

        def held(document: bytes) -> bool:
            asked.append(document)
            return len(asked) <= 3

        found = named.missing(10, held)
        assert len(found) == 10
        assert len(asked) == 13
        assert not named.is_complete()
        assert set(found) < set(named.missing())
        assert len(named.missing()) == FILES

    _run(test)


@pytest.mark.parametrize("purpose", [None, Purpose(bytes(16), 7, bytes(8))])
def test_a_temporary_file_that_cannot_be_filled_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, purpose: Purpose | None
) -> None:
    root = Root(tmp_path)
    root.prepare(FolderID(bytes(16)))
    before = root.temporaries()

    def filling(temporary: Temporary) -> Filling:
        return Filling(temporary, None, b"text", Mode.PLAIN)

    def no_room(descriptor: int, data: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as full:
        full.setattr(os, "write", no_room)
        with pytest.raises(OSError, match="No space"):
            temporary_files.create_filled(root, "f", purpose, filling, new_files=NewFiles(root), sync=True)
    assert root.temporaries() == before
    made = temporary_files.create_filled(root, "f", purpose, filling, new_files=NewFiles(root), sync=True)
    assert (tmp_path / made.name).read_text() == "text"
    assert (tmp_path / made.name).stat().st_ino == made.inode
    root.close()


def test_a_batch_is_made_also_where_somebody_removes_the_directory_for_it(tmp_path: Path) -> None:
    root = Root(tmp_path)
    root.prepare(FolderID(bytes(16)))
    new_files = NewFiles(root)
    with new_files.keeping_open():
        for number in range(3):
            if number == 1:
                for name in root.temporaries():
                    (tmp_path / name).unlink()
                (tmp_path / ".yp2p/tmp").rmdir()
            made = temporary_files.create_filled(
                root, "f", None, lambda it: Filling(it, None, b"text", Mode.PLAIN), new_files=new_files, sync=False
            )
            assert (tmp_path / made.name).read_text() == "text"
    assert temporary_files.force_temporaries(root, [made, Temporary(f"{made.name}-not", 1)])[0] is None
    root.close()


def test_a_device_that_comes_to_read_only_in_the_middle_of_an_import_imports_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What was not submitted is known nowhere, so that it is imported once the device may write again."""

    async def test(one: Bridge, two: Bridge) -> None:
        folder = one.folder
        is_reader = False

        class Slice(turns.Slice):
            async def end(self) -> None:
                nonlocal is_reader
                await super().end()
                is_reader = bool(folder.files)  # in the turn after the first files were imported

        monkeypatch.setattr(first_imports, "Slice", Slice)
        monkeypatch.setattr(Membership, "is_reader", property(lambda _: is_reader))
        await one.scan()
        imported = len(folder.files)
        assert 0 < imported < FILES
        assert set(folder.files) == set(folder.catalogue.entries)
        assert len(folder.files.local.paths) == FILES - imported
        monkeypatch.undo()
        folder.files.local.clear()
        await one.scan()
        assert len(folder.files) == len(folder.catalogue.entries) == FILES

    _run(test)


def test_to_look_at_all_files_after_a_start_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a hundred thousand files, to go through what is known of each takes half a second, here and there."""

    async def test(one: Bridge, two: Bridge) -> None:
        folder, looked_up = one.folder, 0
        await one.scan()
        await folder.database.pending().wait()
        get = RecordTable.get

        def counted(self: RecordTable, entry: object, default: object = None) -> object:
            nonlocal looked_up
            looked_up += 1
            return get(self, entry, default)

        monkeypatch.setattr(RecordTable, "get", counted)
        monkeypatch.setattr(RecordTable, "__getitem__", counted)
        monkeypatch.setattr(turns.Slice, "is_long", True)
        turns_ = _Turns(lambda: looked_up)
        trio.lowlevel.add_instrument(turns_)
        assert not await one.ingest.preview(list(folder.files.at))
        assert looked_up >= FILES
        folder.render_queue.want_all(folder.catalogue.entries)
        moves = DirectoryMoves(folder, one.root, one.ingest.readers, one.render_actor.retries)
        assert not await moves.run()
        trio.lowlevel.remove_instrument(turns_)
        assert looked_up >= 2 * FILES
        assert turns_.most <= 10

    _run(test)
