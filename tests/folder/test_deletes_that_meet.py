"""A delete is undone by an edit, and by a person; not by another delete, whose author had seen less."""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from bridge import PEER, Bridge, clock, open_bridge, replica_like
from scenes import Test, as_test

from yp2p.documents.diff import Hunk
from yp2p.documents.manifest import Manifest
from yp2p.documents.manifest_replica import ManifestReplica
from yp2p.documents.registers import Change, Deletion, Entry, index_of
from yp2p.identity import DocumentID, EntryID
from yp2p.protocol.cursor import MAX_CLIENT
from yp2p.protocol.entries import Content, Mode
from yp2p.protocol.ysync import Shape, check

_NO_CLOCKS = b"\0"
_BLOB = bytes(9) + b"saved here, and nowhere else"


def _run(test: Callable[[Path], Awaitable[None]]) -> None:
    with tempfile.TemporaryDirectory() as base:
        (Path(base) / "dir").mkdir()
        (Path(base) / "dir" / "a").write_text("one\ntwo\n")
        trio.run(test, Path(base), clock=trio.testing.MockClock())


def over_a_file(test: Test) -> Callable[..., None]:
    """Makes a test of a coroutine that takes a directory with the file `a`."""
    return as_test(test, 1, _run)


class _Other:
    """The manifest of a device that does not know yet what happens here from now on, and whose registers stand."""

    def __init__(self, bridge: Bridge, entry: EntryID) -> None:
        self._live = bridge.folder.catalogue.documents[index_of(entry)]
        self.entry = entry
        self.replica = ManifestReplica(MAX_CLIENT)
        self.replica.load([self._live.replica.state()])

    async def meet(self, change: Change) -> Entry:
        """It wrote this meanwhile; gives the entry as it has it in the end."""
        update = self.replica.write(change.registers())
        assert update is not None
        await self._live.receive(update, PEER)
        self.replica.receive(self._live.replica.update_since(self.replica.state_vector()))
        assert self.replica.version() == self._live.replica.version()
        return Manifest._parse(self.replica, [self.entry])[self.entry]


async def _events(bridge: Bridge) -> None:
    await bridge.look()
    clock().jump(2.5)
    await bridge.look()


def _is_alive(bridge: Bridge, entry: EntryID) -> bool:
    catalogue = bridge.folder.catalogue
    return catalogue.is_alive(catalogue.entries[entry])


@pytest.mark.parametrize("restarts", [False, True])
@over_a_file
async def test_who_deleted_the_text_before_does_not_bring_back_the_blob(base: Path, restarts: bool) -> None:
    """The text became a blob here, and was deleted, before anybody had that: it would be on no device."""
    file = base / "dir" / "a"
    async with open_bridge(base) as bridge:
        folder = bridge.folder
        entry = folder.catalogue.layout().entry_at["a"]
        text = folder.catalogue.entries[entry].document
        seen = bridge.document("a").state_vector()
        other = _Other(bridge, entry)
        file.write_bytes(_BLOB)
        await _events(bridge)
        file.unlink()
        await _events(bridge)
        assert not _is_alive(bridge, entry)
        there = await other.meet(Change(entry, deletion=Deletion(text, seen)))
        assert not _is_alive(bridge, entry)
        assert not folder.files.blobs.wanted
        assert there.deletion is not None
        assert there.deletion.counts(there.document, {}), "nor there"
    if restarts:
        async with open_bridge(base) as bridge:
            assert not _is_alive(bridge, entry)


@over_a_file
async def test_what_two_deletes_saw_together_is_deleted(base: Path) -> None:
    file = base / "dir" / "a"
    async with open_bridge(base) as bridge:
        folder = bridge.folder
        entry = folder.catalogue.layout().entry_at["a"]
        live = bridge.document("a")
        theirs = replica_like(bridge, "a", 7)
        other = _Other(bridge, entry)
        file.write_text("one\ntwo\nthree\n")
        await _events(bridge)
        file.unlink()
        await _events(bridge)
        there = await other.meet(Change(entry, deletion=Deletion(live.id, theirs.state_vector())))
        assert not _is_alive(bridge, entry)
        assert there.deletion is not None
        assert there.deletion.counts(live.id, live.replica.clocks())
        update = theirs.edit([Hunk(0, 0, "zero\n")])
        assert update is not None
        folder.edits.accept(live, check(update, Shape.TEXT), PEER)
        assert _is_alive(bridge, entry), "nobody who deleted it had seen that"


@pytest.mark.parametrize(
    "change",
    [
        {"revive": True},
        {"content": Content.blob(bytes(32), 9, Mode.PLAIN, 1), "deletion": Deletion(DocumentID(b"x" * 16), _NO_CLOCKS)},
    ],
)
@over_a_file
async def test_a_person_and_an_edit_undo_a_delete(base: Path, change: dict[str, Any]) -> None:
    async with open_bridge(base) as bridge:
        entry = bridge.folder.catalogue.layout().entry_at["a"]
        other = _Other(bridge, entry)
        (base / "dir" / "a").unlink()
        await _events(bridge)
        assert not _is_alive(bridge, entry)
        await other.meet(Change(entry, **change))
        assert _is_alive(bridge, entry)


@over_a_file
async def test_who_removes_an_older_file_of_a_deleted_entry_does_not_undo_the_delete(base: Path) -> None:
    """Its newer version was deleted elsewhere, and the older one has not been removed here yet."""
    file = base / "dir" / "b"
    file.write_bytes(_BLOB)
    async with open_bridge(base) as bridge:
        folder = bridge.folder
        entry = folder.catalogue.layout().entry_at["b"]
        old = folder.catalogue.entries[entry]
        newer = Content.blob(bytes(32), 9, Mode.PLAIN, 1).after(old.content.hash, ())
        deleted = Deletion(newer.document, _NO_CLOCKS)
        await _Other(bridge, entry).meet(Change(entry, content=newer, deletion=deleted))
        file.unlink()
        await _events(bridge)
        assert folder.catalogue.entries[entry].deletion == deleted
        assert not _is_alive(bridge, entry)
        assert entry not in folder.files


@over_a_file
async def test_a_deleted_content_is_the_one_of_the_register_whatever_it_came_after(base: Path) -> None:
    """The same content was saved elsewhere in the place of another one, and that version stands in the register."""
    file = base / "dir" / "b"
    file.write_bytes(_BLOB)
    async with open_bridge(base) as bridge:
        folder = bridge.folder
        entry = folder.catalogue.layout().entry_at["b"]
        same = folder.catalogue.entries[entry].content.after(b"s" * 32, ())
        await _Other(bridge, entry).meet(Change(entry, content=same))
        await bridge.render()
        file.unlink()
        await _events(bridge)
        assert not _is_alive(bridge, entry)
