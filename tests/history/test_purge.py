"""Purging: of what was removed from a file nothing is left in the store or in `.yp2p`, and all else is as it was."""

from __future__ import annotations

import secrets
import sqlite3
import tempfile
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path

import pytest
import trio
import trio.testing
from bridge import FOLDER, OWN, PEER, Bridge, arrive, open_bridge, replica_like, settle
from scenes import Test, as_test

from yp2p.documents.diff import Hunk, hunks
from yp2p.documents.positions import Assoc, PositionIndex
from yp2p.documents.registers import Bookmark, Change, Deletion, Entry
from yp2p.documents.synced import PeerState
from yp2p.documents.text import TextReplica
from yp2p.errors import FolderError, UsageError
from yp2p.files.temporary_files import create_temporary
from yp2p.files.temporary_names import Purpose
from yp2p.files.trash import new_place
from yp2p.folder.notices import NoticeKind, Undo
from yp2p.folder.packs import MAX_ROWS
from yp2p.folder.records import FileRecord, save_former
from yp2p.history import purge as purging
from yp2p.history.packing import Packing
from yp2p.history.purge import Purged, erase, listed, preview, purge
from yp2p.history.undo import undo
from yp2p.identity import EntryID
from yp2p.protocol.messages import BothChanged, Side
from yp2p.store import tables

NAME = "a.txt"
SECRET = "hunter2-correct-horse"


def _run(test: Callable[[Path], Awaitable[None]]) -> None:
    with tempfile.TemporaryDirectory() as base:
        (Path(base) / "dir").mkdir()
        trio.run(test, Path(base), clock=trio.testing.MockClock(autojump_threshold=0.05))


def over_directory(test: Test) -> Callable[..., None]:
    """Makes a test of a coroutine that takes a directory with an empty `dir`, on a clock that jumps where all wait."""
    return as_test(test, 1, _run)


def _forgetting(bridge: Bridge) -> Callable[..., object]:
    """What the disk actor does."""

    async def forget(entries: frozenset[EntryID], has_name: Callable[[str], bool]) -> list[str]:
        busy = await bridge.render_actor.displaced.end(entries)
        bridge.ingest.readers.forget_versions(entries, has_name)
        return busy

    return forget


async def _purge(bridge: Bridge, path: str = NAME) -> Purged:
    bridge.folder.state.settled = bridge.folder.state.is_scanned = True
    found = await purge(bridge.folder, path, _forgetting(bridge))  # type: ignore[arg-type]
    assert await erase(bridge.folder.database) == ""
    return found


async def _save(bridge: Bridge, text: str, name: str = NAME) -> None:
    path = bridge.folder.path / name
    await bridge.take_events()
    path.read_bytes() if path.exists() else None
    path.write_text(text)
    await bridge.look()
    await bridge.folder.database.pending().wait()


def _entry(bridge: Bridge, name: str = NAME) -> Entry:
    return bridge.folder.catalogue.entries[bridge.folder.files.at[name]]


def _found(base: Path, secret: str = SECRET) -> list[str]:
    """Where the bytes of a secret are: in files as they are or in hexadecimal, and in rows that are compressed."""
    needles = [secret.encode(), secret.encode().hex().upper().encode()]
    found = [
        str(path.relative_to(base))
        for path in sorted(base.rglob("*"))
        if path.is_file() and any(needle in path.read_bytes() for needle in needles)
    ]
    with closing(sqlite3.connect(base / "store")) as store:
        rows = store.execute("SELECT rows FROM pack").fetchall()
    return [*found, *("pack" for (packed,) in rows if needles[0] in zlib.decompress(packed))]


@asynccontextmanager
async def _with_secret(base: Path, text: str = "one\ntwo\n") -> AsyncIterator[Bridge]:
    """A text that had the secret once."""
    (base / "dir" / NAME).write_text(text)
    async with open_bridge(base) as bridge:
        await _save(bridge, f"{text}password = {SECRET}\n")
        await _save(bridge, f"{text}password from the environment\n")
        assert _found(base)
        yield bridge


@over_directory
async def test_of_a_text_nothing_is_left_but_what_it_says_now(base: Path) -> None:
    async with _with_secret(base) as bridge:
        folder, entry = bridge.folder, _entry(bridge)
        live = folder.texts.open(entry.document)
        before = live.replica.version(), live.text.text(), live.last_seq
        shown = await preview(folder, NAME)
        found = await _purge(bridge)
        assert (shown.texts, shown.versions) == (found.texts, found.versions) == (1, 2)
        assert _found(base) == []
        assert (live.replica.version(), live.text.text(), live.last_seq) == before
        again = folder.texts.at(entry.document, live.last_seq)
        assert (again.version(), again.text()) == before[:2]
        assert folder.files[entry.id].base_seq == live.last_seq
        with pytest.raises(UsageError, match="nothing to undo"):
            await undo(folder, entry, NAME, 1)
        await _save(bridge, "one\nthree\n")
        assert live.text.text() == "one\nthree\n"
        await undo(folder, entry, NAME, 1)
        assert live.text.text() == before[1]
    async with open_bridge(base) as bridge:
        assert bridge.document(NAME).text.text() == before[1]


@over_directory
async def test_a_device_that_has_not_purged_goes_on_merging_with_one_that_has(base: Path) -> None:
    async with _with_secret(base) as bridge:
        peer = replica_like(bridge, NAME, 77)
        await _purge(bridge)
        await _save(bridge, "ONE\ntwo\npassword from the environment\n")
        update = peer.edit(hunks(peer.text(), "one\ntwo\npassword from a file\n"))
        assert update is not None
        await bridge.document(NAME).receive(update, PEER, PeerState(peer.clocks(), is_answer=False))
        await bridge.render()
        assert (base / "dir" / NAME).read_text() == "ONE\ntwo\npassword from a file\n"
        peer.receive(bridge.document(NAME).replica.update_since(peer.state_vector()))
        assert peer.version() == bridge.document(NAME).replica.version()


@over_directory
async def test_what_was_written_on_a_version_that_is_gone_is_merged_and_not_lost(base: Path) -> None:
    """Another device had the secret still when it went away, and wrote beside it."""
    (base / "dir" / NAME).write_text("one\ntwo\n")
    async with open_bridge(base) as bridge:
        await _save(bridge, f"one\n{SECRET}\ntwo\n")
        peer = replica_like(bridge, NAME, 77)
        await _save(bridge, "one\ntwo\nthree\n")
        await _purge(bridge)
        update = peer.edit(hunks(peer.text(), f"zero\none\n{SECRET}\ntwo\n"))
        assert update is not None
        await bridge.document(NAME).receive(update, PEER, PeerState(peer.clocks(), is_answer=True))
        await bridge.render()
        assert (base / "dir" / NAME).read_text() == "zero\none\ntwo\nthree\n"
        peer.receive(bridge.document(NAME).replica.update_since(peer.state_vector()))
        assert peer.text() == "zero\none\ntwo\nthree\n"
        assert _found(base) == []


@over_directory
async def test_packs_and_what_was_removed_from_the_store_before_go_as_well(base: Path) -> None:
    def is_stored(data: bytes) -> bool:
        return any(data in path.read_bytes() for path in base.glob("store*"))

    async with _with_secret(base) as bridge:
        folder, live = bridge.folder, bridge.document(NAME)
        program = replica_like(bridge, NAME, 99)
        typed = "typed-hunter3"
        at = program.text().index("two")
        for number in range(MAX_ROWS):  # the secret is typed again and again
            hunk = Hunk(at, at, typed[number % 13]) if number % 26 < 13 else Hunk(at, at + 1, "")
            at += 1 if number % 26 < 12 else -1 if 13 <= number % 26 < 25 else 0
            update = program.edit([hunk])
            assert update is not None
            live.replica.apply(update)
            folder.edits.record(live, update, program, undo_gap_s=1.0)
        await folder.database.pending().wait()
        assert await Packing(folder).pack() == 1
        await bridge.render()
        assert folder.database.rows("SELECT count(*) FROM pack") == [(1,)]
        packed = folder.database.rows("SELECT rows FROM pack")[0][0]
        assert is_stored(packed[100:164])
        await _purge(bridge)
        assert folder.database.rows("SELECT count(*) FROM pack") == [(0,)]
        assert not is_stored(packed[100:164])
        assert _found(base) == []
        assert live.text.text() == TextReplica.from_updates(1, [data for _, data in folder.texts.rows(live.id)]).text()


@over_directory
async def test_bases_that_saves_may_be_made_of_go(base: Path) -> None:
    async with _with_secret(base) as bridge:
        folder, entry = bridge.folder, _entry(bridge)
        record = folder.files[entry.id]
        old = TextReplica.from_updates(1, [data for _, data in folder.texts.rows(entry.document)[:2]])
        assert SECRET in old.text()
        state, content = old.state(), old.content()
        await folder.database.submit(
            [
                tables.base.save(FOLDER, entry.id, time.time(), entry.document, state, content),
                tables.unread.save(FOLDER, entry.id, content, (1, state, None), (b"", 0), is_read=False),
                tables.unread.save(FOLDER, EntryID(b"n" * 16), content, (1, state, entry.id), (b"", 0), is_read=False),
                save_former(FOLDER, _based(record, "former.txt", state), time.time()),
                save_former(FOLDER, _based(record, NAME, state, EntryID(b"o" * 16)), time.time()),
            ]
        ).wait()
        await _purge(bridge)
        for table in ("base", "unread", "former"):
            assert folder.database.rows(f"SELECT count(*) FROM {table}") == [(0,)], table
        assert _found(base) == []


def _based(record: FileRecord, path: str, state: bytes, entry: EntryID | None = None) -> FileRecord:
    return replace(record, path=path, base_state=state, entry=entry or record.entry)


@over_directory
async def test_a_save_that_was_made_of_a_version_that_is_gone_is_one_of_the_present(base: Path) -> None:
    """Its base was a candidate in memory: its row is gone, and nothing may come twice by that."""
    async with _with_secret(base) as bridge:
        (base / "dir" / NAME).read_text()
        await arrive(bridge, NAME, "one\ntwo\npassword from the environment\nfour\n")
        assert bridge.ingest.readers.bases()
        await _purge(bridge)
        assert not [one for one in bridge.ingest.readers.bases() if one.document == _entry(bridge).document]
        assert not bridge.render_actor.displaced.bases()
        (base / "dir" / NAME).write_text("one\ntwo\npassword from the environment\n")
        await settle(bridge)
        assert (base / "dir" / NAME).read_text() == "one\ntwo\npassword from the environment\n"
        assert _found(base) == []


@over_directory
async def test_files_in_the_trash_and_on_their_way_go_by_their_names_and_by_what_they_hold(base: Path) -> None:
    old = f"one\ntwo\npassword = {SECRET}\n"
    async with _with_secret(base) as bridge:
        await _save(bridge, "another text\n", "other.txt")
        await bridge.folder.catalogue.write([Change(_entry(bridge).id, path="b.txt")]).wait()
        await bridge.render()
        trash, tmp = base / "dir" / new_place(), base / "dir/.yp2p/tmp"
        trash.mkdir(parents=True)
        (trash / NAME).write_text(f"by its former name: {SECRET}\n")
        (trash / "b.txt").write_text(f"by its name: {SECRET}\n")
        (trash / "copy.txt").write_text(old)
        (trash / "other.txt").write_text("not meant\n")
        (tmp / secrets.token_hex(8)).write_text(old)
        replaced = create_temporary(bridge.root, "b.txt", Purpose.of(_entry(bridge, "b.txt").id, 1, b"12345678"))
        (base / "dir" / replaced.name).write_text(f"what it was: {SECRET}\n")
        others = create_temporary(bridge.root, "other.txt", Purpose.of(_entry(bridge, "other.txt").id, 1, b"12345678"))
        assert len(_found(base)) >= 6
        shown = await preview(bridge.folder, "b.txt")
        found = await _purge(bridge, NAME)  # by the name that it had
        for one in (shown, found):
            assert [item.path for item in one.files.items] == [NAME, "b.txt"]
            assert [item.path for item in one.files.copies] == ["copy.txt"]
            assert len(one.files.temporary) == 2
        assert _found(base) == []
        assert (trash / "other.txt").exists()
        assert (base / "dir" / others.name).exists()
        assert (base / "dir/b.txt").read_text() == "one\ntwo\npassword from the environment\n"


@over_directory
async def test_what_is_no_text_goes_from_the_trash_and_its_chunks_are_forgotten(base: Path) -> None:
    name, old = "key.bin", b"\0" + SECRET.encode() + bytes(300_000)
    (base / "dir" / name).write_bytes(old)
    async with open_bridge(base) as bridge:
        folder = bridge.folder
        await folder.database.pending().wait()
        content = _entry(bridge, name).content.hash
        assert folder.files.chunk_hashes(content)
        (base / "dir" / name).write_bytes(b"\0" + bytes(300_000))
        await settle(bridge)
        trash = base / "dir/.yp2p/trash/2026-01-01T000000-abcdef"
        trash.mkdir(parents=True)
        (trash / "copy.bin").write_bytes(old)
        (base / f"dir/.yp2p/tmp/blob-{content.hex()}").write_bytes(old[:100])
        found = await _purge(bridge, name)
        assert [item.path for item in found.files.copies] == ["copy.bin"]
        assert folder.files.chunk_hashes(content) == []
        assert folder.files.chunk_hashes(_entry(bridge, name).content.hash)
        assert _found(base) == []
        assert (base / "dir" / name).read_bytes() == b"\0" + bytes(300_000)


@over_directory
async def test_documents_of_former_generations_and_of_deleted_files_go_as_a_whole(base: Path) -> None:
    (base / "dir" / NAME).write_text(f"{SECRET}\n")
    (base / "dir" / "stays.txt").write_text("stays\n")
    async with open_bridge(base) as bridge:
        former = _entry(bridge).document
        (base / "dir" / NAME).write_bytes(b"\0now it is no text")
        await settle(bridge)
        await _save(bridge, f"deleted with {SECRET}\n", "sub.txt")
        deleted = _entry(bridge, "sub.txt")
        seen = Deletion(deleted.document, bridge.folder.texts.open(deleted.document).state_vector())
        await bridge.folder.catalogue.write([Change(deleted.id, deletion=seen)]).wait()
        await settle(bridge)
        assert former in tables.log.documents_of(bridge.folder.database.rows, FOLDER)
        found = await _purge(bridge)
        assert (found.texts, found.forgotten) == (0, 1)
        found = await _purge(bridge, "sub.txt")
        assert (found.texts, found.forgotten) == (0, 1)
        assert _found(base) == []
        assert not {former, deleted.document} & tables.log.documents_of(bridge.folder.database.rows, FOLDER)
        await _save(bridge, "anew\n", "sub.txt")
        await settle(bridge)
        assert (base / "dir/sub.txt").read_text() == "anew\n"
    async with open_bridge(base) as bridge:
        assert sorted(bridge.folder.files.at) == [NAME, "stays.txt", "sub.txt"]


@over_directory
async def test_notices_bookmarks_and_rows_that_cannot_be_read_go(base: Path) -> None:
    async with _with_secret(base) as bridge:
        folder, entry = bridge.folder, _entry(bridge)
        live = folder.texts.open(entry.document)
        position = PositionIndex(live.replica.state()).create(live.text.text(), 3, Assoc.AFTER)
        for name, where in ((f"mark {SECRET}", position), (f"mark {SECRET}", None), ("stays", position)):
            await folder.catalogue.write([Bookmark(entry.id, name, where)]).wait()
        other = EntryID(b"x" * 16)
        hunk = [Hunk(0, 0, SECRET)]
        folder.notices.add(NoticeKind.DAMAGED, NAME, f"of the file: {SECRET}", other)
        folder.notices.add(NoticeKind.DAMAGED, "elsewhere", f"of the entry: {SECRET}", entry.id)
        folder.notices.add(NoticeKind.DAMAGED, "elsewhere", f"{SECRET} was in {NAME}, it says", other)
        undo_of = Undo.of(entry.document, 1, hunk)
        folder.notices.add(NoticeKind.REMOVED_OTHERS_TEXT, "elsewhere", "of the document", other, undo_of)
        folder.notices.add(NoticeKind.DAMAGED, f"not-{NAME}", "stays", other)
        row = "log(7, {}, {}, X'', 0.5, {}, 1)".format(
            *(f"X'{value.hex().upper()}'" for value in (FOLDER, entry.document, SECRET.encode()))
        )
        row_of_other = row.replace(entry.document.hex().upper(), b"z".hex() * 16).replace(
            SECRET.encode().hex().upper(), ""
        )
        insert = "INSERT INTO aside (at, row) VALUES (0.5, ?)"
        await folder.database.submit([(insert, (row,)), (insert, (row_of_other,))]).wait()
        assert _found(base)
        version = folder.catalogue.manifest.versions()
        found = await _purge(bridge)
        assert _found(base) == []
        assert [notice.text for notice in folder.notices] == ["stays"]
        assert found.set_aside == 1
        assert [mark.name for mark in folder.catalogue.manifest.bookmarks[entry.id].values() if mark.position] == [
            "stays"
        ]
        assert folder.catalogue.manifest.versions() == version
    async with open_bridge(base) as bridge:
        assert bridge.folder.catalogue.manifest.versions() == version
        assert [notice.text for notice in bridge.folder.notices] == ["stays"]


@over_directory
async def test_a_directory_is_all_that_is_and_was_beneath_it(base: Path) -> None:
    (base / "dir/in/deep").mkdir(parents=True)
    for name in ("in/one", "in/deep/two", "inside"):
        (base / "dir" / name).write_text(f"{name} {SECRET}\n")
    async with open_bridge(base) as bridge:
        for name in ("in/one", "in/deep/two", "inside"):
            await _save(bridge, f"{name}\n", name)
        found = await _purge(bridge, "in")
        assert (found.texts, found.versions) == (2, 2)
        assert _found(base, f"inside {SECRET}")
        assert not _found(base, f"one {SECRET}")
        found = await _purge(bridge, "")
        assert found.texts == 1
        assert _found(base) == []
        assert [(one["path"], one["erased"]) for one in listed(bridge.folder)] == [("in", True), ("", True)]


@over_directory
async def test_a_text_of_which_nobody_knows_whose_it_was_goes_with_the_folder(base: Path) -> None:
    async with _with_secret(base) as bridge:
        folder = bridge.folder
        lost = TextReplica(5)
        update = lost.edit([Hunk(0, 0, f"lost {SECRET}\n")])
        assert update is not None
        seq = folder.database.next_seq()
        await folder.database.submit([tables.log.insert(seq, FOLDER, b"lost" * 4, b"", 1.0, update)]).wait()  # type: ignore[arg-type]
        found = await _purge(bridge)
        assert found.scope.unknown == {b"lost" * 4}
        assert _found(base)
        assert not (await _purge(bridge, "")).scope.unknown
        assert _found(base) == []


@over_directory
async def test_what_is_in_the_file_still_or_in_another_one_is_told(base: Path) -> None:
    text = f"password = {SECRET}\n"
    (base / "dir" / NAME).write_text("")
    async with open_bridge(base) as bridge:
        await _save(bridge, text)
        await _save(bridge, text, "copy.txt")
        found = await _purge(bridge)
        assert found.unchanged == [NAME]
        assert found.held == []
        await _save(bridge, "removed\n")
        found = await _purge(bridge)
        assert found.unchanged == []
        assert found.held == ["copy.txt"]
        assert (base / "dir/copy.txt").read_text() == text


@over_directory
async def test_it_is_refused_where_it_would_not_be_safe(base: Path) -> None:
    async with _with_secret(base) as bridge:
        folder = bridge.folder
        with pytest.raises(UsageError, match="no file 'nothing'"):
            await _purge(bridge, "nothing")
        folder.state.problem = "its disk is away"
        with pytest.raises(FolderError, match="its disk is away"):
            await _purge(bridge)
        folder.state.problem = ""
        peer = replica_like(bridge, NAME, 77)
        update = peer.edit([Hunk(0, 0, "not rendered yet\n")])
        assert update is not None
        await bridge.document(NAME).receive(update, PEER, PeerState(peer.clocks(), is_answer=False))
        with pytest.raises(FolderError, match=r"the file a\.txt is not yet what it is to be"):
            await _purge(bridge)
        await bridge.render()
        (displaced,) = (base / "dir/.yp2p/tmp").iterdir()
        with displaced.open("a") as late:
            late.write("written into the file that was replaced\n")
            late.flush()
            with pytest.raises(FolderError, match=r"writing a\.txt"):
                await _purge(bridge)
        with pytest.raises(FolderError, match=r"not yet what"):  # it is merged, and put on the disk by the disk actor
            await _purge(bridge)
        await bridge.render()
        await _purge(bridge)
        assert "written into the file that was replaced\n" in (base / "dir" / NAME).read_text()
        assert _found(base) == []


@over_directory
async def test_what_was_not_erased_is_known_and_done_later(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with _with_secret(base) as bridge:
        folder = bridge.folder
        folder.state.settled = folder.state.is_scanned = True

        def no_room(*_: object) -> None:
            raise sqlite3.OperationalError("database or disk is full")

        with monkeypatch.context() as full:
            full.setattr("yp2p.store.writer.erase", no_room)
            await purge(folder, NAME, _forgetting(bridge))  # type: ignore[arg-type]
            assert await erase(folder.database) == "database or disk is full"
        assert [one["erased"] for one in listed(folder)] == [False]
        assert tables.purge.is_any_unerased(folder.database.rows)
        assert await erase(folder.database) == ""
        assert [one["erased"] for one in listed(folder)] == [True]
        assert _found(base) == []


@over_directory
async def test_what_others_tell_again_of_a_place_is_not_taken(base: Path) -> None:
    async with _with_secret(base) as bridge:
        folder, entry = bridge.folder, _entry(bridge)
        await _purge(bridge)

        def told(at: float) -> BothChanged:
            sides = Side(SECRET, (OWN,), round(at * 1000)), Side("other", (PEER,), round(at * 1000))
            return BothChanged(FOLDER, entry.id, False, 1, "stands", "", "", sides)

        folder.notices.take(NAME, told(time.time() - 60), PEER)
        assert list(folder.notices) == []
        folder.notices.take(NAME, told(time.time() + 1), PEER)
        assert len(list(folder.notices)) == 1


@over_directory
async def test_the_trash_of_another_file_that_had_a_former_name_stays(base: Path) -> None:
    """Untitled.txt was renamed, and another one of that name was deleted."""
    (base / "dir" / "Untitled.txt").write_text("one\n")
    async with open_bridge(base) as bridge:
        folder = bridge.folder
        await folder.catalogue.write([Change(_entry(bridge, "Untitled.txt").id, path=NAME)]).wait()
        await bridge.render()
        await _save(bridge, "another one\n", "Untitled.txt")
        other = _entry(bridge, "Untitled.txt")
        seen = Deletion(other.document, folder.texts.open(other.document).state_vector())
        await folder.catalogue.write([Change(other.id, deletion=seen)]).wait()
        await settle(bridge)
        (kept,) = (base / "dir/.yp2p/trash").rglob("Untitled.txt")
        found = await _purge(bridge)
        assert [item.path for item in found.files.kept] == ["Untitled.txt"]
        assert kept.read_text() == "another one\n"
        found = await _purge(bridge, "Untitled.txt")
        assert [item.path for item in found.files.items] == ["Untitled.txt"]
        assert not kept.exists()


@over_directory
async def test_a_file_that_comes_back_while_it_is_purged_stays(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with _with_secret(base) as bridge:
        folder, entry = bridge.folder, _entry(bridge)
        (base / "dir/b.txt").write_text("b\n")
        await settle(bridge)
        seen = Deletion(entry.document, folder.texts.open(entry.document).state_vector())
        await folder.catalogue.write([Change(entry.id, deletion=seen)]).wait()
        await settle(bridge)
        read, came = purging.read_logs, False

        async def revived(*args: object) -> object:
            nonlocal came
            logs = await read(*args)  # type: ignore[arg-type]
            if not came:
                came = True
                await folder.catalogue.write([Change(entry.id, path=NAME, revive=True)]).wait()
                trio.lowlevel.spawn_system_task(_render, bridge)
            return logs

        monkeypatch.setattr(purging, "read_logs", revived)
        await _purge(bridge)
        assert (base / "dir" / NAME).read_text() == "one\ntwo\npassword from the environment\n"
        assert folder.texts.open(entry.document).text.text() == (base / "dir" / NAME).read_text()
        assert _found(base) == []


async def _render(bridge: Bridge) -> None:
    await bridge.render()
    bridge.folder.state.touch()


@over_directory
async def test_a_text_that_was_forgotten_is_written_with_other_client_ids(base: Path) -> None:
    async with _with_secret(base) as bridge:
        folder, entry = bridge.folder, _entry(bridge)
        live = folder.texts.open(entry.document)
        ids = folder.clients.own_of(entry.document), folder.clients.fork_of(entry.document)
        assert {*ids} & live.replica.clocks().keys()
        (base / "dir/b.txt").write_text("b\n")
        await settle(bridge)
        seen = Deletion(entry.document, live.state_vector())
        await folder.catalogue.write([Change(entry.id, deletion=seen)]).wait()
        await settle(bridge)
        assert (await _purge(bridge)).forgotten == 1
        assert not {*ids} & {folder.clients.own_of(entry.document), folder.clients.fork_of(entry.document)}
