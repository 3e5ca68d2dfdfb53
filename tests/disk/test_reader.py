"""The disk of a device that only reads: what is changed there stays there, and nothing of it is lost."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
import trio
import trio.testing
from bridge import PEER, Bridge, clock, open_bridge, replica_like

from yp2p.documents.diff import Hunk
from yp2p.documents.manifest import Manifest
from yp2p.documents.registers import Change, Deletion
from yp2p.errors import FolderError
from yp2p.folder.catalogue import manifest_document_id
from yp2p.folder.local_changes import LocalChange
from yp2p.folder.members import Membership
from yp2p.protocol.entries import Content

_BLOB = b"\xff\x00 a blob"


class Role:
    """Whether the device of a test only reads."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self.is_reader(False)

    def is_reader(self, is_reader: bool) -> None:
        self._monkeypatch.setattr(Membership, "is_reader", property(lambda _: is_reader))


@pytest.fixture
def role(monkeypatch: pytest.MonkeyPatch) -> Role:
    return Role(monkeypatch)


@contextmanager
def _nothing_is_said(bridge: Bridge) -> Iterator[None]:
    """The documents are afterwards what they were."""
    before = _said(bridge)
    yield
    assert _said(bridge) == before


def _said(bridge: Bridge) -> tuple[object, ...]:
    catalogue, texts = bridge.folder.catalogue, bridge.folder.texts
    return catalogue.digest(), {document: texts.open(document).state_vector() for document in catalogue.entry_of}


async def _edit_of_peer(bridge: Bridge, path: str, text: str) -> None:
    """A peer puts this in front of a text."""
    theirs = replica_like(bridge, path, 77)
    update = theirs.edit([Hunk(0, 0, text)])
    assert update is not None
    await bridge.document(path).receive(update, PEER)


async def _changes_of_peer(bridge: Bridge, *changes: Change) -> None:
    catalogue = bridge.folder.catalogue
    theirs = Manifest(78)
    for index, replica in enumerate(catalogue.manifest.replicas):
        theirs.load(index, [replica.state()])
    for index, update in theirs.write(list(changes)).items():
        live = bridge.folder.live_document(manifest_document_id(index))
        assert live is not None
        await live.receive(update, PEER)


def _found(root: Path, pattern: str) -> list[Path]:
    return list(root.glob(pattern))


async def _settle(bridge: Bridge) -> None:
    for _ in range(6):
        await bridge.render()
        clock().jump(3)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    found = tmp_path / "dir"
    found.mkdir()
    (found / "a.txt").write_text("line one\nline two\n")
    (found / "b.bin").write_bytes(_BLOB)
    (found / "gone.txt").write_text("gone\n")
    return found


def _change(root: Path) -> None:
    (root / "a.txt").write_text("line one\nmine\n")
    (root / "b.bin").write_bytes(_BLOB + b" of mine")
    (root / "gone.txt").unlink()
    (root / "new.txt").write_text("new\n")


@asynccontextmanager
async def _changed(root: Path, role: Role) -> AsyncIterator[Bridge]:
    """A device that only reads, on which these changes were made and seen."""
    async with open_bridge(root.parent) as bridge:
        role.is_reader(True)
        _change(root)
        await _settle(bridge)
        yield bridge


_CHANGED = {
    "a.txt": LocalChange.CHANGED,
    "b.bin": LocalChange.CHANGED,
    "gone.txt": LocalChange.REMOVED,
    "new.txt": LocalChange.ADDED,
}


async def test_what_is_changed_stays_here_and_is_shown_also_after_a_restart(
    tmp_path: Path, root: Path, role: Role, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_bridge(tmp_path) as bridge:
        role.is_reader(True)
        with _nothing_is_said(bridge):
            _change(root)
            os.rename(root / "new.txt", root / "moved.txt")
            await _settle(bridge)
            os.rename(root / "moved.txt", root / "new.txt")
            await _settle(bridge)
        assert bridge.folder.files.local.paths == _CHANGED
    async with open_bridge(tmp_path) as bridge:
        with _nothing_is_said(bridge):
            await _settle(bridge)
        assert bridge.folder.files.local.paths == _CHANGED
        assert (root / "a.txt").read_text() == "line one\nmine\n"
        assert not (root / "gone.txt").exists()


async def test_it_is_an_edit_of_what_was_there_once_the_device_may_write(
    root: Path, role: Role, autojump_clock: trio.testing.MockClock
) -> None:
    async with _changed(root, role) as bridge:
        role.is_reader(False)
        bridge.folder.files.local.clear()
        await _edit_of_peer(bridge, "a.txt", "of a peer\n")
        await bridge.scan()
        await _settle(bridge)
        assert (root / "a.txt").read_text() == "of a peer\nline one\nmine\n"
        alive = bridge.folder.catalogue.layout().entry_at
        assert set(alive) == {"a.txt", "b.bin", "new.txt"}
        found = bridge.folder.catalogue.entries[alive["b.bin"]]
        assert bridge.folder.files.holds(found)
        assert bridge.folder.files.local.paths == {}


async def test_where_others_change_it_as_well_theirs_gets_the_place_and_ours_stands_beside(
    root: Path, role: Role, autojump_clock: trio.testing.MockClock
) -> None:
    async with _changed(root, role) as bridge:
        blob = bridge.folder.files.by_path("b.bin")
        assert blob is not None
        content = Content.symlink(b"a.txt").after(blob.content, ())
        for path in ("a.txt", "gone.txt"):
            await _edit_of_peer(bridge, path, "of a peer\n")
        await _changes_of_peer(bridge, Change(blob.entry, content=content))
        with _nothing_is_said(bridge):
            await _settle(bridge)
        assert (root / "a.txt").read_text() == "of a peer\nline one\nline two\n"
        assert (root / "gone.txt").read_text() == "of a peer\ngone\n"
        assert (root / "b.bin").is_symlink()
        (text,) = _found(root, "a.conflict-*")
        (other,) = _found(root, "b.conflict-*")
        assert text.read_text() == "line one\nmine\n"
        assert other.read_bytes() == _BLOB + b" of mine"
        assert bridge.folder.files.local.paths == dict.fromkeys(
            (text.name, other.name, "new.txt"), LocalChange.ADDED
        )  # fmt: skip


async def test_what_others_delete_or_rename_stays_where_it_was_changed(
    root: Path, role: Role, autojump_clock: trio.testing.MockClock
) -> None:
    async with _changed(root, role) as bridge:
        text, blob = (bridge.folder.files.by_path(path) for path in ("a.txt", "b.bin"))
        assert text is not None
        assert blob is not None
        seen = bridge.document("a.txt").state_vector()
        await _changes_of_peer(
            bridge,
            Change(text.entry, deletion=Deletion(text.document, seen)),
            Change(blob.entry, path="elsewhere.bin"),
        )
        with _nothing_is_said(bridge):
            await _settle(bridge)
        assert (root / "a.txt").read_text() == "line one\nmine\n"
        assert (root / "b.bin").read_bytes() == _BLOB + b" of mine"
        assert bridge.folder.files.local.paths["a.txt"] is LocalChange.ADDED
        assert bridge.folder.files.local.paths["b.bin"] is LocalChange.ADDED
        assert blob.entry in bridge.folder.files.blobs.wanted, "and it is fetched for its new place"


async def test_a_save_that_nobody_looked_at_before_theirs_came_is_kept(
    tmp_path: Path, root: Path, role: Role, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_bridge(tmp_path) as bridge:
        role.is_reader(True)
        await _edit_of_peer(bridge, "a.txt", "of a peer\n")
        (root / "a.txt").write_text("line one\nmine\n")
        with _nothing_is_said(bridge):
            await bridge.render_actor.run()
            await _settle(bridge)
        assert (root / "a.txt").read_text() == "of a peer\nline one\nline two\n"
        (beside,) = _found(root, "a.conflict-*")
        assert beside.read_text() == "line one\nmine\n"


async def test_what_is_written_into_a_replaced_file_is_in_the_trash(
    tmp_path: Path, root: Path, role: Role, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_bridge(tmp_path) as bridge:
        role.is_reader(True)
        with (root / "a.txt").open("a") as late:
            await _edit_of_peer(bridge, "a.txt", "of a peer\n")
            with trio.move_on_after(1):
                await bridge.render()
            late.write("mine\n")
        clock().jump(90)
        with _nothing_is_said(bridge):
            await _settle(bridge)
        assert (root / "a.txt").read_text() == "of a peer\nline one\nline two\n"
        kept = [path.read_text() for path in [*_found(root, ".yp2p/trash/*/a.txt"), *_found(root, "a.conflict-*")]]
        assert "line one\nline two\nmine\n" in kept


async def test_a_new_file_where_others_have_another_stands_beside_and_an_equal_one_is_theirs(
    tmp_path: Path, root: Path, role: Role, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_bridge(tmp_path) as bridge:
        text, blob = (bridge.folder.files.by_path(path) for path in ("a.txt", "gone.txt"))
        assert text is not None
        assert blob is not None
        role.is_reader(True)
        (root / "there.txt").write_text("mine\n")
        (root / "equal.txt").write_text("gone\n")
        await _settle(bridge)
        await _changes_of_peer(bridge, Change(text.entry, path="there.txt"), Change(blob.entry, path="equal.txt"))
        with _nothing_is_said(bridge):
            await _settle(bridge)
        assert (root / "there.txt").read_text() == "line one\nline two\n"
        assert (root / "equal.txt").read_text() == "gone\n"
        (beside,) = _found(root, "there.conflict-*")
        assert beside.read_text() == "mine\n"
        assert bridge.folder.files.local.paths == {beside.name: LocalChange.ADDED}


async def test_what_others_delete_while_it_is_missing_here_is_waited_for_no_more(
    tmp_path: Path, root: Path, role: Role, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_bridge(tmp_path) as bridge:
        record = bridge.folder.files.by_path("gone.txt")
        assert record is not None
        seen = bridge.document("gone.txt").state_vector()
        role.is_reader(True)
        (root / "gone.txt").unlink()
        await bridge.ingest.inspect(["gone.txt"])
        assert bridge.ingest.pending.missing
        await _changes_of_peer(bridge, Change(record.entry, deletion=Deletion(record.document, seen)))
        await bridge.render_actor.run()
        assert bridge.folder.files.by_path("gone.txt") is None
        await _settle(bridge)
        assert not bridge.ingest.pending
        assert bridge.folder.files.local.paths == {}


async def test_the_mode_of_a_file_stays_here_too(
    tmp_path: Path, root: Path, role: Role, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_bridge(tmp_path) as bridge:
        role.is_reader(True)
        (root / "a.txt").chmod(0o755)
        with _nothing_is_said(bridge):
            await _settle(bridge)
        assert bridge.folder.files.local.paths == {"a.txt": LocalChange.MODE}
        await _edit_of_peer(bridge, "a.txt", "of a peer\n")
        await _settle(bridge)
        assert (root / "a.txt").read_text() == "of a peer\nline one\nline two\n"
        assert [path.name for path in _found(root, "a.*")] == ["a.txt"]


async def test_nothing_of_its_own_gets_into_a_document(
    tmp_path: Path, root: Path, role: Role, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_bridge(tmp_path) as bridge:
        record = bridge.folder.files.by_path("a.txt")
        assert record is not None
        role.is_reader(True)
        with _nothing_is_said(bridge), pytest.raises(FolderError, match="may only read"):
            bridge.folder.catalogue.write([Change(record.entry, path="elsewhere.txt")])
        with pytest.raises(FolderError, match="may only read"):
            bridge.folder.edits.record(bridge.document("a.txt"), b"\x00\x00", None)
