"""A blob that every device wants, and only the trash of one of them has."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
import trio.testing
from bridge import open_bridge

from yp2p.config import Trash
from yp2p.disk.housekeeping import Housekeeping
from yp2p.documents.registers import Change
from yp2p.files.inspect import MAX_TEXT_BYTES, inspect
from yp2p.protocol.entries import Content, Kind, Mode

_LOST = bytes(range(256)) * 20


@pytest.mark.parametrize("lies_in_trash", [True, False])
def test_what_nobody_gives_is_taken_from_the_trash(tmp_path: Path, *, lies_in_trash: bool) -> None:
    """It was replaced before anybody had it, and then the entry went back to it."""

    async def test() -> None:
        directory = tmp_path / "dir"
        directory.mkdir()
        (directory / "b.bin").write_bytes(bytes(100))
        async with open_bridge(tmp_path) as bridge:
            folder = bridge.folder
            place = directory / ".yp2p/trash/2026-01-31T120000-abcdef"
            place.mkdir(parents=True)
            (place / "b.bin").write_bytes(_LOST)
            (place / "other.bin").write_bytes(_LOST[:-1] + b"x")
            found = inspect(
                bridge.root, ".yp2p/trash/2026-01-31T120000-abcdef/b.bin", None, MAX_TEXT_BYTES, trust_stamp=False,
                base=(Kind.BLOB, b""),
            )  # fmt: skip
            if not lies_in_trash:
                (place / "b.bin").unlink()
            record = folder.files.by_path("b.bin")
            assert record is not None
            entry = folder.catalogue.entries[record.entry]
            lost = Content.blob(found.content, len(_LOST), Mode.PLAIN, 1).after(entry.content.hash, ())
            await folder.catalogue.write([Change(record.entry, content=lost)]).wait()
            await bridge.render()
            assert (directory / "b.bin").read_bytes() == bytes(100)
            housekeeping = Housekeeping(folder, Trash())
            for _ in range(3):
                await housekeeping.fetch_from_trash(bridge.root)
                await bridge.render()
            assert (directory / "b.bin").read_bytes() == (_LOST if lies_in_trash else bytes(100))
            assert (place / "b.bin").exists() == lies_in_trash, "the trash keeps what it has"
            assert bool(folder.files.blobs.wanted) != lies_in_trash

    trio.run(test, clock=trio.testing.MockClock(rate=1))
