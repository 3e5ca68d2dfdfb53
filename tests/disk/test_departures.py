"""Which new file is which vanished one, and what a new file is that came before or elsewhere as well."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bridge import FOLDER, PEER, Bridge, clock, open_bridge, over_directory

from yp2p.disk.ingest.occupied_paths import OccupiedPaths
from yp2p.documents.layout import is_conflict_name
from yp2p.documents.registers import Change
from yp2p.documents.text import imported
from yp2p.folder.new_texts import document_id_for, entry_id_for
from yp2p.identity import DocumentID, EntryID
from yp2p.protocol.entries import Content, Kind, Mode
from yp2p.protocol.ysync import Shape, check

ONE, OTHER = "".join(f"line {n}\n" for n in range(20)), "".join(f"other {n}\n" for n in range(20))


def _entries(bridge: Bridge) -> dict[str, EntryID]:
    return dict(bridge.folder.catalogue.layout().entry_at)


def _peer_makes(bridge: Bridge, entry: EntryID, path: str, text: str, document: DocumentID) -> None:
    bridge.folder.catalogue.write([Change(entry, path, Content.text(document, Mode.PLAIN))])
    bridge.folder.edits.take_pulled(document, check(imported(text), Shape.TEXT), PEER)


async def _events(bridge: Bridge) -> None:
    """What happened on the disk is all looked at, and decided."""
    await bridge.look()
    clock().jump(2.5)
    await bridge.look()


@over_directory
async def test_equal_content_comes_before_the_inode(base: Path) -> None:
    """The inode of a vanished file is used again by another new one: git checkout does that."""
    files = base / "dir"
    (files / "one").write_text(ONE)
    (files / "two").write_text(ONE.replace("line 3\n", "line three\n"))
    async with open_bridge(base) as bridge:
        before = _entries(bridge)
        swapped = {"one": "b", "two": "a"}
        for name, new in swapped.items():
            (files / name).rename(files / new)
        texts = (files / "a").read_text(), (files / "b").read_text()
        (files / "a").write_text(texts[1])
        (files / "b").write_text(texts[0])
        await _events(bridge)
        assert _entries(bridge) == {"a": before["one"], "b": before["two"]}


@over_directory
async def test_an_inode_that_is_used_again_makes_no_rename(base: Path) -> None:
    files = base / "dir"
    (files / "one").write_text(ONE)
    async with open_bridge(base) as bridge:
        record = bridge.folder.files[_entries(bridge)["one"]]
        (files / "one").unlink()
        (files / "new").write_text(ONE.replace("line 3\n", "line three\n"))  # most of it is the same
        made_ns = bridge.root.birth_time_ns("new")
        if made_ns is None or made_ns <= record.stamp.ctime_ns:
            return  # nobody can say here whether it is that file
        reused = replace(record.stamp, inode=(files / "new").stat().st_ino)  # as the file system likes
        bridge.folder.files.set(replace(record, stamp=reused))
        await _events(bridge)
        assert _entries(bridge).keys() == {"new"}
        assert _entries(bridge)["new"] != record.entry


@over_directory
async def test_a_file_that_is_renamed_and_rewritten_is_the_same_file(base: Path) -> None:
    files = base / "dir"
    (files / "one").write_text(ONE)
    async with open_bridge(base) as bridge:
        if bridge.root.birth_time_ns("one") is None:
            return  # nobody can say here whether it is that file
        before = _entries(bridge)["one"]
        (files / "one").rename(files / "two")
        (files / "two").write_text(OTHER)
        await _events(bridge)
        assert _entries(bridge) == {"two": before}


@over_directory
async def test_files_of_one_content_keep_their_names(base: Path) -> None:
    files = base / "dir"
    for name in ("a", "b"):
        (files / "old").mkdir(exist_ok=True)
        (files / f"old/{name}").write_text(ONE)
    async with open_bridge(base) as bridge:
        before = _entries(bridge)
        (files / "new").mkdir()
        for name in ("b", "a"):
            (files / f"new/{name}").write_text(ONE)
            (files / f"old/{name}").unlink()
        (files / "old").rmdir()
        bridge.dirty |= {f"{directory}/{name}" for directory in ("old", "new") for name in "ab"}
        await _events(bridge)
        assert _entries(bridge) == {f"new/{name}": before[f"old/{name}"] for name in "ab"}


@over_directory
async def test_what_comes_again_has_the_same_entry_on_every_device(base: Path) -> None:
    """Made, renamed, made again: two devices that know the same choose the same ID."""
    (base / "dir/a").write_text(ONE)
    async with open_bridge(base) as bridge:
        (base / "dir/a").rename(base / "dir/b")
        await _events(bridge)
        (base / "dir/a").write_text(ONE)
        await _events(bridge)
        first = entry_id_for(FOLDER, b"a", bridge.folder.files[_entries(bridge)["b"]].content)
        again = entry_id_for(b"again", first)
        assert _entries(bridge) == {"b": first, "a": again}
        assert bridge.folder.files[again].document == document_id_for(again)


@over_directory
async def test_a_file_that_both_renamed_is_no_conflict(base: Path) -> None:
    """The other device's rename comes while the file has its old name here still."""
    files = base / "dir"
    (files / "a").write_text(ONE)
    async with open_bridge(base) as bridge:
        entry = _entries(bridge)["a"]
        bridge.folder.catalogue.write([Change(entry, path="b")])
        (files / "b").write_text(ONE)  # another inode, as of git checkout
        await _events(bridge)
        for _ in range(3):
            await bridge.render()
        assert _entries(bridge) == {"b": entry}
        assert sorted(path.name for path in files.iterdir()) == [".yp2p", "b"]
        assert bridge.folder.files[entry].path == "b"
        assert (files / "b").read_text() == ONE


@over_directory
async def test_two_entries_with_one_path_and_one_content_become_one(base: Path) -> None:
    (base / "dir/a").write_text(ONE)
    async with open_bridge(base) as bridge:
        own = _entries(bridge)["a"]
        for number in (0, 255):  # before and after ours, in the order of IDs
            _peer_makes(bridge, EntryID(bytes([number]) * 16), "a", ONE, DocumentID(bytes([number, 1]) * 8))
            for _ in range(4):
                await bridge.render()
            assert [path.name for path in (base / "dir").iterdir() if is_conflict_name(path.name)] == []
            assert (base / "dir/a").read_text() == ONE
        assert _entries(bridge) == {"a": min(own, EntryID(bytes(16)))}


@over_directory
async def test_what_awaits_comes_before_what_is_new(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a file meets another device's entry, no new document is in the store's queue without its entry."""
    async with open_bridge(base) as bridge:
        folder, files = bridge.folder, base / "dir"
        (files / "a").write_text(ONE)
        (files / "b").write_text(ONE + "here\n")
        _peer_makes(bridge, EntryID(b"\x07" * 16), "b", ONE + "there\n", DocumentID(b"\x08" * 16))
        meets, seen = OccupiedPaths._collides_with_text, []

        async def watching(self: OccupiedPaths, *args: Any) -> None:
            named = {entry.document for entry in folder.catalogue.entries.values() if entry.kind is Kind.TEXT}
            seen.append([path for path, id_ in folder.files.at.items() if folder.files[id_].document not in named])
            await meets(self, *args)

        monkeypatch.setattr(OccupiedPaths, "_collides_with_text", watching)
        await _events(bridge)
        assert seen == [[]]
        assert {"a", "b"} <= _entries(bridge).keys()


@over_directory
async def test_an_entry_that_comes_between_is_met_in_the_next_round(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_bridge(base) as bridge:
        files, meets = base / "dir", OccupiedPaths._collides_with_text
        (files / "a").write_text(ONE)
        (files / "b").write_text(ONE + "here\n")
        _peer_makes(bridge, EntryID(b"\x07" * 16), "b", ONE + "there\n", DocumentID(b"\x08" * 16))

        async def between(self: OccupiedPaths, *args: Any) -> None:
            if "a" not in _entries(bridge):
                _peer_makes(bridge, EntryID(b"\x01" * 16), "a", ONE, DocumentID(b"\x02" * 16))
            await meets(self, *args)

        monkeypatch.setattr(OccupiedPaths, "_collides_with_text", between)
        for _ in range(3):
            await _events(bridge)
        assert _entries(bridge)["a"] == EntryID(b"\x01" * 16)
        assert sum(1 for path in files.iterdir() if is_conflict_name(path.name)) == 1  # b's, and not a's
        assert os.listdir(files).count("a") == 1
