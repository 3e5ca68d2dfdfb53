"""What nobody knows and stands where a directory should be."""

from __future__ import annotations

from pathlib import Path

import pytest
from bridge import PEER, Bridge, clock, open_bridge, over_directory

from yp2p.documents.registers import Change
from yp2p.documents.text import imported
from yp2p.identity import DocumentID, EntryID
from yp2p.protocol.entries import Content, Mode
from yp2p.protocol.ysync import Shape, check

_ENTRY, _DOCUMENT, _EMPTY = EntryID(b"\x07" * 16), DocumentID(b"\x08" * 16), EntryID(b"\x09" * 16)
_BENEATH = "d/e/a.txt"


async def _unseen(bridge: Bridge) -> None:
    """Whatever happened on the disk, nobody says so."""
    await bridge.take_events()
    bridge.dirty.clear()


@pytest.mark.parametrize("at", ["d", "d/e"])
@pytest.mark.parametrize("is_link", [True, False])
@pytest.mark.parametrize("is_directory", [True, False])
@over_directory
async def test_it_steps_aside_once_it_is_known(base: Path, at: str, is_link: bool, is_directory: bool) -> None:
    root = base / "dir"
    async with open_bridge(base) as bridge:
        folder, odd = bridge.folder, root / at
        odd.parent.mkdir(exist_ok=True)
        if is_link:
            odd.symlink_to("nowhere")
        else:
            odd.write_text("a file\n")
        await _unseen(bridge)
        if is_directory:
            folder.catalogue.write([Change(_EMPTY, "d/e/f", Content.directory())])
        else:
            folder.catalogue.write([Change(_ENTRY, _BENEATH, Content.text(_DOCUMENT, Mode.PLAIN))])
            folder.edits.take_pulled(_DOCUMENT, check(imported("beneath\n"), Shape.TEXT), PEER)
        for _ in range(8):
            await bridge.render()
            clock().jump(5)
        if is_directory:
            assert (root / "d/e/f").is_dir()
        else:
            assert (root / _BENEATH).read_text() == "beneath\n"
        (aside,) = odd.parent.glob(f"{odd.name}.conflict-*")
        assert aside.is_symlink() if is_link else aside.read_text() == "a file\n"
        assert not folder.files.waiting.entries


@over_directory
async def test_a_file_where_a_blob_is_about_to_be_moved_takes_nothing_from_that(base: Path) -> None:
    root = base / "dir"
    old, new = root / "old.bin", root / "new.bin"
    old.write_bytes(b"\xff\x00 a blob")
    async with open_bridge(base) as bridge:
        folder = bridge.folder
        record = folder.files.by_path("old.bin")
        assert record is not None
        new.write_bytes(b"\xff\x00 another one")
        folder.catalogue.write([Change(record.entry, path="new.bin")])
        for _ in range(8):
            await bridge.render()
            clock().jump(5)
        assert new.read_bytes() == b"\xff\x00 a blob"
        assert not old.exists()
        (aside,) = root.glob("new.conflict-*")
        assert aside.read_bytes() == b"\xff\x00 another one"
        assert set(folder.files.at) == {"new.bin", aside.name}
