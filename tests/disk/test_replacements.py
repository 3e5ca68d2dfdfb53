"""Files whose content others replace are counted like deletions, and told."""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest
import trio
import trio.testing
from bridge import PEER, Bridge, clock, open_bridge

from yp2p.disk import mass_deletion
from yp2p.documents.manifest import Manifest
from yp2p.documents.registers import Change, Entry
from yp2p.documents.text import imported
from yp2p.files import trash
from yp2p.files.blobs import WholeBlob, write_blobs
from yp2p.folder import catalogue
from yp2p.folder.guard import MIN_FILES, DeletionGuard
from yp2p.folder.notices import NoticeKind
from yp2p.identity import DocumentID, EntryID
from yp2p.protocol.blobs import blob_hash, chunk_hash
from yp2p.protocol.entries import Content, Kind, Mode
from yp2p.protocol.ysync import Shape, check

_ONE_TOO_MANY = MIN_FILES + 1


def _run(test: Callable[[Bridge, Path], Awaitable[None]], files: int, text: bool = False) -> None:
    async def run(base: Path) -> None:
        async with open_bridge(base) as bridge:
            await test(bridge, base / "dir")

    with tempfile.TemporaryDirectory() as base:
        (Path(base) / "dir").mkdir()
        for number in range(files):
            (Path(base) / f"dir/{number:03}").write_bytes(_old(number, text))
        trio.run(run, Path(base), clock=trio.testing.MockClock())


def _old(number: int, text: bool = False) -> bytes:
    return b"text %d" % number if text else b"\xff old %d" % number


def _new(number: int) -> bytes:
    return b"\xff new %d" % number


def _entries(bridge: Bridge) -> list[Entry]:
    """In the order of their paths."""
    files = bridge.folder.files
    return [bridge.folder.catalogue.entries[files.at[path]] for path in sorted(files.at)]


async def _write_elsewhere(bridge: Bridge, changes: Sequence[Change]) -> None:
    """Another device writes registers."""
    other, documents = Manifest(4711), bridge.folder.catalogue.documents
    for index, live in enumerate(documents):
        other.load(index, [live.replica.state()])
    for index, update in other.write(changes).items():
        await documents[index].receive(update, PEER)


def _blob(bridge: Bridge, entry: Entry, data: bytes) -> Change:
    """What another device writes that replaced the file; the content is here already."""
    hash_ = blob_hash(len(data), [chunk_hash(data)])
    write_blobs(bridge.root, [WholeBlob(hash_, data, entry.path)])
    bridge.folder.files.blobs.downloaded[hash_] = f".yp2p/tmp/blob-{hash_.hex()}"
    return Change(
        entry.id, content=Content.blob(hash_, len(data), Mode.PLAIN, 1).after(bridge.folder.files[entry.id].content, ())
    )


def _symlink(bridge: Bridge, entry: Entry, data: bytes) -> Change:
    return Change(entry.id, content=Content.symlink(data).after(bridge.folder.files[entry.id].content, ()))


def _text(bridge: Bridge, entry: Entry, data: bytes) -> Change:
    """The file becomes a text, or another one."""
    return Change(
        entry.id, content=Content.text(_document(entry), Mode.PLAIN, 1).after(bridge.folder.files[entry.id].content, ())
    )


def _document(entry: Entry) -> DocumentID:
    return DocumentID(entry.id[::-1])


async def _render(bridge: Bridge) -> None:
    for _ in range(4):
        if not bridge.folder.state.question.reason:
            await bridge.render()
        clock().jump(1)


_WAYS = (_blob, _symlink, _text)


@pytest.mark.parametrize("was_text", [False, True])
@pytest.mark.parametrize("way", _WAYS)
def test_a_wave_waits_for_a_person(way: Callable[[Bridge, Entry, bytes], Change], was_text: bool) -> None:
    async def test(bridge: Bridge, directory: Path) -> None:
        entries = _entries(bridge)
        assert {entry.kind for entry in entries} == {Kind.TEXT if was_text else Kind.BLOB}
        await _write_elsewhere(bridge, [way(bridge, entry, _new(n)) for n, entry in enumerate(entries)])
        if way is _text:
            for entry in entries:
                bridge.folder.edits.take_pulled(_document(entry), check(imported("new"), Shape.TEXT), PEER)
        await _render(bridge)
        assert "51 of 51 files were replaced within ten minutes" in bridge.folder.state.question.reason
        assert [(directory / f"{n:03}").read_bytes() for n in range(51)] == [_old(n, was_text) for n in range(51)]
        assert trash.items(bridge.root) == []

    _run(test, _ONE_TOO_MANY, was_text)


def test_what_comes_one_by_one_is_counted_together() -> None:
    async def test(bridge: Bridge, directory: Path) -> None:
        for number, entry in enumerate(_entries(bridge)):
            await _write_elsewhere(bridge, [_blob(bridge, entry, _new(number))])
            await _render(bridge)
        assert "51 of 51 files were replaced" in bridge.folder.state.question.reason
        assert len(trash.items(bridge.root)) == MIN_FILES

    _run(test, _ONE_TOO_MANY)


def test_deletions_and_replacements_are_one_wave() -> None:
    async def test(bridge: Bridge, directory: Path) -> None:
        entries = _entries(bridge)
        for number, entry in enumerate(entries[:26]):
            await _write_elsewhere(bridge, [_blob(bridge, entry, _new(number))])
        await _render(bridge)
        for number in range(26, 51):
            (directory / f"{number:03}").unlink()
            bridge.dirty.add(f"{number:03}")
        await _render(bridge)
        assert "51 of 51 files were" in bridge.folder.state.question.reason

    _run(test, _ONE_TOO_MANY)


def test_more_bytes_than_the_trash_may_hold_wait_although_it_is_one_file() -> None:
    async def test(bridge: Bridge, directory: Path) -> None:
        bridge.folder.state.guard = DeletionGuard(3 * len(_new(0)))
        for number in range(3):
            [entry] = _entries(bridge)
            await _write_elsewhere(bridge, [_blob(bridge, entry, _new(number))])
            await _render(bridge)
        assert not bridge.folder.state.question.reason
        [entry] = _entries(bridge)
        await _write_elsewhere(bridge, [_blob(bridge, entry, _new(3))])
        await _render(bridge)
        assert "bytes were replaced within ten minutes" in bridge.folder.state.question.reason
        assert (directory / "000").read_bytes() == _new(2)

    _run(test, 1)


def test_an_edit_of_texts_is_in_their_logs_and_waits_for_nobody() -> None:
    async def test(bridge: Bridge, directory: Path) -> None:
        changes = [Change(entry.id, mode=Mode.EXECUTABLE) for entry in _entries(bridge)]
        await _write_elsewhere(bridge, changes)
        await _render(bridge)
        assert not bridge.folder.state.question.reason
        assert trash.items(bridge.root) == []

    _run(test, _ONE_TOO_MANY, text=True)


@pytest.mark.parametrize("accept", [True, False])
def test_a_person_decides(accept: bool) -> None:
    async def test(bridge: Bridge, directory: Path) -> None:
        entries = _entries(bridge)
        await _write_elsewhere(bridge, [_blob(bridge, entry, _new(n)) for n, entry in enumerate(entries)])
        await _render(bridge)
        assert bridge.folder.state.question.reason
        await mass_deletion.decide(bridge.folder, bridge.ingest, accept=accept)
        await _render(bridge)
        assert not bridge.folder.state.question.reason
        expected = _new if accept else _old
        assert [(directory / f"{n:03}").read_bytes() for n in range(51)] == [expected(n) for n in range(51)]
        hashes = {blob_hash(len(data), [chunk_hash(data)]) for data in map(expected, range(51))}
        assert {entry.content.hash for entry in _entries(bridge)} == hashes
        assert len(trash.items(bridge.root)) == (51 if accept else 0)

    _run(test, _ONE_TOO_MANY)


@pytest.mark.parametrize("count", [2, 12])
def test_a_wave_that_was_let_through_is_told_with_its_device(count: int) -> None:
    async def test(bridge: Bridge, directory: Path) -> None:
        entries = _entries(bridge)[:count]
        await _write_elsewhere(bridge, [_blob(bridge, entry, _new(n)) for n, entry in enumerate(entries)])
        await _render(bridge)
        clock().jump(60)
        await _render(bridge)
        told = [notice.text for notice in bridge.folder.notices if notice.kind is NoticeKind.REPLACED]
        name = bridge.folder.name_of(PEER)
        wave = f"{count} files were replaced by {name}, this one first; what they held is in the trash"
        assert told == ([wave] if count > 2 else [])

    _run(test, 20)


def test_no_entry_is_remembered_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "_MOST_CHANGED", 10)

    async def test(bridge: Bridge, directory: Path) -> None:
        made = [EntryID(number.to_bytes(16, "big")) for number in range(12)]
        for entry in made:
            await _write_elsewhere(bridge, [Change(entry, f"{entry[15]}", Content.directory())])
        assert bridge.folder.catalogue.changed_by == dict.fromkeys(made[2:], PEER)

    _run(test, 0)
