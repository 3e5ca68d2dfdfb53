"""What is not chosen: which files leave this disk and when, and what a crash in the middle of it leaves."""

from __future__ import annotations

import dataclasses
import itertools
import os
import secrets
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from bridge import FOLDER, PEER, Bridge, arrive, clock, open_bridge, over_directory, settle

from yp2p.disk import root_check
from yp2p.disk.render.displaced_files import KEEP_S
from yp2p.disk.render.unchosen import Circumstances, may_leave
from yp2p.files import replace as disk
from yp2p.folder.choice import Choice
from yp2p.folder.folder import Folder
from yp2p.folder.records import Sight
from yp2p.identity import DocumentID, EntryID
from yp2p.protocol.reconcile import Leaf
from yp2p.store.database import open_database

_LEAF = Leaf(DocumentID(bytes(16)), b"v" * 32, b"c" * 32)
_BLOB = b"\x00\x01\x02"


def test_a_file_leaves_in_one_case_only() -> None:
    other = dataclasses.replace(_LEAF, version=b"w" * 32)
    flags = ("is_unchosen", "is_on_disk", "is_wanted", "is_changed_here", "is_edited")
    leaving: list[dict[str, Any]] = []
    for values in itertools.product((True, False), repeat=len(flags)):
        for leaf, kept in itertools.product((None, _LEAF, other), repeat=2):
            what = dict(zip(flags, values, strict=True)) | {"leaf": leaf, "kept": kept}
            if may_leave(Circumstances(**what)):
                leaving.append(what)
    is_so = {"is_unchosen": True, "is_on_disk": True, "is_wanted": False, "is_changed_here": False, "is_edited": False}
    assert leaving == [is_so | {"leaf": leaf, "kept": leaf} for leaf in (_LEAF, other)]


@pytest.mark.parametrize(
    ("paths", "covered", "left_out"),
    [
        ((), ["a", "a/b", ".yp2pignore"], []),
        (("docs",), ["docs", "docs/a", "docs/a/b", ".yp2pignore"], ["doc", "docs2", "docs2/a", "a/docs", "a"]),
        (("a/b/c", "d"), ["a", "a/b", "a/b/c", "a/b/c/d", "d/e"], ["a/x", "a/b/x", "a/b/cd", "b", "x/d"]),
    ],
)
async def test_what_a_path_covers(
    tmp_path: Path, paths: Iterable[str], covered: list[str], left_out: list[str]
) -> None:
    async with open_database(tmp_path / "store", make_room=False) as database:
        choice = Choice(FOLDER, database)
        await database.submit(choice.statements(paths, bytes(16))).wait()
        choice.load()
        assert [path for path in (*covered, *left_out) if choice.covers(path)] == covered
        for number, path in enumerate(left_out):
            made = EntryID(bytes([number] * 16))
            assert not choice.has(made, path)
            choice.was_made_here(made, path)
            assert choice.has(made, path)
        await database.pending().wait()
        again = Choice(FOLDER, database)
        again.load()
        assert (again.paths, again.mark, again.made_here) == (choice.paths, bytes(16), choice.made_here)
        await database.submit(choice.statements((), b"m" * 16)).wait()
        again.load()
        assert (again.paths, again.mark, again.made_here) == (frozenset(), b"m" * 16, frozenset())


class _Keeper:
    """A session with a device that keeps everything."""

    peer = PEER
    compared = merges_alike = True

    def __getattr__(self, name: str) -> Any:
        return lambda *_arguments, **_others: None


async def _choose(bridge: Bridge, *paths: str) -> None:
    folder = bridge.folder
    folder.state.is_scanned = True
    mark = secrets.token_bytes(16)
    bridge.root.set_choice_mark(mark)
    await folder.database.submit(folder.files.choice.statements(paths, mark)).wait()
    folder.files.choice.take(paths, mark)
    entries = list(folder.catalogue.layout().path_of)
    folder.note_chosen(entries)
    folder.render_queue.want_all(entries)


def _is_kept(folder: Folder, *paths: str) -> None:
    folder.observers.sessions[PEER] = _Keeper()
    for path in paths:
        entry = folder.catalogue.layout().entry_at[path]
        leaf = folder.leaf(entry)
        assert leaf is not None
        folder.files.choice.kept[entry] = leaf, PEER
        folder.render_queue.want(entry)


def _fill(base: Path) -> None:
    for path, data in (("docs/a", b"a\n"), ("big/text", b"text\n"), ("big/blob", _BLOB)):
        place = base / "dir" / path
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(data)


def _there(base: Path) -> dict[str, bytes]:
    found = (base / "dir").rglob("*")
    return {
        str(path.relative_to(base / "dir")): path.read_bytes()
        for path in found
        if path.is_file() and ".yp2p" not in path.parts
    }


def _in_trash(base: Path) -> list[bytes]:
    return [path.read_bytes() for path in (base / "dir/.yp2p/trash").rglob("*") if path.is_file()]


def _alive(bridge: Bridge) -> set[str]:
    return set(bridge.folder.catalogue.layout().path_of.values())


_ALL = {"docs/a", "big/text", "big/blob"}


@over_directory
async def test_a_file_stays_until_it_is_kept_and_leaves_without_a_trace(base: Path) -> None:
    _fill(base)
    async with open_bridge(base) as bridge:
        await _choose(bridge, "docs")
        await settle(bridge)
        assert _there(base).keys() == _ALL, "nobody keeps them"
        _is_kept(bridge.folder, "big/text")
        await settle(bridge)
        assert _there(base).keys() == {"docs/a", "big/blob"}
        _is_kept(bridge.folder, "big/blob")
        await settle(bridge)
        assert _there(base) == {"docs/a": b"a\n"}
        assert not (base / "dir/big").exists()
        clock().jump(KEEP_S + 1)
        await bridge.render()
        await settle(bridge)
        assert not os.listdir(base / "dir/.yp2p/tmp")
        assert not _in_trash(base)
        folder = bridge.folder
        assert _alive(bridge) == _ALL
        assert not folder.files.blobs.wanted
        assert folder.files.tally.files_to_go == 0
        assert all(folder.is_on_disk(entry) and folder.leaf(entry) for entry in folder.catalogue.layout().path_of)
        assert not folder.files.blobs.file_with(
            folder.catalogue.entries[folder.catalogue.layout().entry_at["big/blob"]].content.hash
        )
    async with open_bridge(base) as bridge:
        await settle(bridge)
        assert _there(base) == {"docs/a": b"a\n"}
        assert _alive(bridge) == _ALL
        await _choose(bridge)
        await settle(bridge)
        assert _there(base) == {"docs/a": b"a\n", "big/text": b"text\n"}
        assert len(bridge.folder.files.blobs.wanted) == 1


@over_directory
async def test_what_is_edited_or_changed_does_not_leave(base: Path) -> None:
    _fill(base)
    async with open_bridge(base) as bridge:
        await _choose(bridge, "docs")
        _is_kept(bridge.folder, "big/text", "big/blob")
        (base / "dir/big/text").write_bytes(b"text\nmore\n")
        (base / "dir/big/blob").write_bytes(_BLOB + b"\x03")
        await settle(bridge)
        assert _there(base)["big/text"] == b"text\nmore\n", "another version is kept"
        assert _there(base)["big/blob"] == _BLOB + b"\x03"
        clock().jump(120)
        with (base / "dir/big/blob").open("ab"):
            _is_kept(bridge.folder, "big/blob")
            await settle(bridge)
            assert "big/blob" in _there(base), "somebody has it open for writing"
        (base / "dir/big/.text.swp").write_bytes(b"")
        live = bridge.document("big/text")
        assert live.text.text() == "text\nmore\n"


@over_directory
async def test_what_is_removed_by_hand_is_no_deletion(base: Path) -> None:
    _fill(base)
    async with open_bridge(base) as bridge:
        await _choose(bridge, "docs")
        await settle(bridge)
        (base / "dir/big/text").unlink()
        await settle(bridge)
        assert _alive(bridge) == _ALL
        (base / "dir/big/blob").unlink()
    async with open_bridge(base) as bridge:
        await settle(bridge)
        assert _alive(bridge) == _ALL
        assert _there(base) == {"docs/a": b"a\n"}
        (base / "dir/docs/a").unlink()
        await settle(bridge)
        assert _alive(bridge) == {"docs", "big/text", "big/blob"}, "that was chosen"


@over_directory
async def test_what_is_made_or_moved_there_by_hand_stays(base: Path) -> None:
    _fill(base)
    (base / "dir/big/chosen").write_bytes(b"chosen\n")
    (base / "dir/docs/b").write_bytes(b"b\n")
    async with open_bridge(base) as bridge:
        await _choose(bridge, "docs", "big/chosen")
        _is_kept(bridge.folder, "big/text", "big/blob")
        await settle(bridge)
        assert _there(base).keys() == {"docs/a", "docs/b", "big/chosen"}
        (base / "dir/big/new").write_bytes(b"new\n")
        (base / "dir/big/blob").write_bytes(_BLOB)
        os.rename(base / "dir/docs/a", base / "dir/big/a")
        await settle(bridge)
        await settle(bridge)
        assert _alive(bridge) == {"docs/b", "big/a", "big/text", "big/blob", "big/new", "big/chosen"}
        _is_kept(bridge.folder, "big/new", "big/blob", "big/a")
        await settle(bridge)
        assert _there(base).keys() == {"docs/b", "big/new", "big/blob", "big/a", "big/chosen"}


@over_directory
async def test_who_had_it_open_goes_on_with_it(base: Path) -> None:
    _fill(base)
    async with open_bridge(base) as bridge:
        await _choose(bridge, "docs")
        _is_kept(bridge.folder, "big/text")
        await settle(bridge)
        assert "big/text" not in _there(base)
        (base / "dir/big/text").write_bytes(b"text\nsaved\n")
        clock().jump(1.0)
        await settle(bridge)
        assert _there(base)["big/text"] == b"text\nsaved\n"
        assert _alive(bridge) == _ALL
        assert bridge.document("big/text").text.text() == "text\nsaved\n"
        _is_kept(bridge.folder, "big/text")
        clock().jump(120)
        await settle(bridge)
        assert "big/text" in _there(base), "it counts as made here"


@over_directory
async def test_another_file_of_that_name_stands_beside_it(base: Path) -> None:
    _fill(base)
    async with open_bridge(base) as bridge:
        await _choose(bridge, "docs")
        _is_kept(bridge.folder, "big/text")
        await settle(bridge)
        (base / "dir/big/text").write_bytes(b"something else\n")
        clock().jump(1.0)
        await settle(bridge)
        entry = bridge.folder.catalogue.layout().entry_at["big/text"]
        document = bridge.folder.catalogue.entries[entry].document
        assert bridge.folder.texts.open(document).text.text() == "text\n", "nobody here saw it"
        assert b"something else\n" in _there(base).values()
        assert "big/text" not in _there(base)
        assert len(_alive(bridge)) == 4


@over_directory
async def test_what_is_written_into_a_file_that_has_left_is_merged(base: Path) -> None:
    _fill(base)
    async with open_bridge(base) as bridge:
        with (base / "dir/big/text").open("ab", buffering=0) as file:
            await _choose(bridge, "docs")
            await settle(bridge)
            path = f"/proc/self/fd/{file.fileno()}"
            is_read = os.open(path, os.O_RDONLY)
        _is_kept(bridge.folder, "big/text")
        await settle(bridge)
        assert "big/text" not in _there(base)
        [name] = os.listdir(base / "dir/.yp2p/tmp")
        with (base / "dir/.yp2p/tmp" / name).open("ab") as late:
            late.write(b"late\n")
        os.close(is_read)
        clock().jump(KEEP_S + 1)
        await bridge.render()
        entry = bridge.folder.catalogue.layout().entry_at["big/text"]
        document = bridge.folder.catalogue.entries[entry].document
        assert bridge.folder.texts.open(document).text.text() == "text\nlate\n"
        await settle(bridge)
        assert _there(base).keys() == {"docs/a", "big/blob"}


@over_directory
async def test_what_others_change_comes_to_a_file_that_waits(base: Path) -> None:
    _fill(base)
    async with open_bridge(base) as bridge:
        await _choose(bridge, "docs")
        await arrive(bridge, "big/text", "text\nof others\n")
        assert _there(base)["big/text"] == b"text\nof others\n"
        _is_kept(bridge.folder, "big/text")
        await settle(bridge)
        assert "big/text" not in _there(base)


class _Crash(BaseException):
    """The daemon is no more."""


_POINTS = ("before the rename", "after the rename", "after the sync", "before the record goes", "after all of it")


@pytest.mark.parametrize("point", _POINTS)
@pytest.mark.parametrize("chosen_again", [False, True])
def test_a_crash_in_the_middle_deletes_nothing(
    point: str, monkeypatch: pytest.MonkeyPatch, *, chosen_again: bool
) -> None:
    def crash(*_: object) -> None:
        raise _Crash

    async def first(base: Path) -> None:
        async with open_bridge(base, clean_end=False) as bridge:
            await _choose(bridge, "docs")
            _is_kept(bridge.folder, "big/text", "big/blob")
            with monkeypatch.context() as patch:
                match point:
                    case "before the rename":
                        patch.setattr(disk, "move_away", crash)
                    case "after the rename":
                        patch.setattr("yp2p.disk.render.unchosen.sync_file_system", crash)
                    case "after the sync":
                        patch.setattr(bridge.ingest.readers, "moved_away", crash)
                    case "before the record goes":
                        patch.setattr(bridge.render_actor.displaced, "add", crash)
                    case _:
                        patch.setattr(bridge.render_actor._unchosen, "_remove_directories", crash)
                with pytest.raises(_Crash):
                    await bridge.render()

    async def second(base: Path) -> None:
        async with open_bridge(base, scan=False) as bridge:
            if chosen_again:
                await _choose(bridge)
            await bridge.scan()
            bridge.folder.state.is_scanned = True
            await settle(bridge)
            assert _alive(bridge) - {"big"} == _ALL
            assert not _in_trash(base)
            assert not [name for name in os.listdir(base / "dir/.yp2p/tmp") if name.startswith("left-")]
            there = _there(base)
            assert there["docs/a"] == b"a\n"
            if point == "before the rename":
                assert there.keys() == _ALL
            elif chosen_again:
                assert there == {"docs/a": b"a\n", "big/text": b"text\n"}
                assert len(bridge.folder.files.blobs.wanted) == 1
            else:
                assert there.keys() == {"docs/a"}

    with tempfile.TemporaryDirectory() as base:
        (Path(base) / "dir").mkdir()
        _fill(Path(base))
        trio.run(first, Path(base), clock=trio.testing.MockClock())
        trio.run(second, Path(base), clock=trio.testing.MockClock())


@over_directory
async def test_a_store_of_before_the_choice_deletes_nothing(base: Path) -> None:
    """Nor does a directory of before it."""
    _fill(base)
    async with open_bridge(base) as bridge:
        folder = bridge.folder
        await root_check.check_choice(folder, bridge.root)
        assert all(record.sight is Sight.SEEN for record in folder.files.values())
        bridge.root.set_choice_mark(b"m" * 16)  # what a later store had chosen
        await root_check.check_choice(folder, bridge.root)
        assert all(record.sight is Sight.LOST for record in folder.files.values())
        assert bridge.root.choice_mark() == b""
        (base / "dir/big/text").unlink()
        bridge.dirty |= set(folder.files.at)
        await settle(bridge)
        assert _alive(bridge) == _ALL
        assert _there(base).keys() == _ALL, "it is made again"
        await root_check.check_choice(folder, bridge.root)
        assert all(record.sight is Sight.SEEN for record in folder.files.values())
