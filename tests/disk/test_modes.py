"""Modes that come from other devices."""

from __future__ import annotations

from pathlib import Path

import trio
import trio.testing
from bridge import PEER, open_bridge, replica_like

from yp2p.documents.diff import hunks
from yp2p.documents.registers import Change
from yp2p.protocol.entries import Mode


def test_a_mode_is_set_together_with_a_newer_version_of_the_same_text(tmp_path: Path) -> None:
    """There is nothing to write then, and nobody wants the entry again for its mode."""

    async def test() -> None:
        (tmp_path / "dir").mkdir()
        path = tmp_path / "dir/a.txt"
        path.write_text("one\n")
        async with open_bridge(tmp_path) as bridge:
            there = replica_like(bridge, "a.txt", 7)
            record = bridge.folder.files.by_path("a.txt")
            assert record is not None
            for text in ("one\ntwo\n", "one\n"):
                update = there.edit(hunks(there.text(), text))
                assert update is not None
                await bridge.document("a.txt").receive(update, PEER)
            await bridge.folder.catalogue.write([Change(record.entry, mode=Mode.EXECUTABLE)]).wait()
            await bridge.render()
            assert path.read_text() == "one\n"
            assert path.stat().st_mode & 0o111
            known = bridge.folder.files[record.entry]
            assert bridge.folder.texts.is_rendered(known)
            assert known.mode is Mode.EXECUTABLE

    trio.run(test, clock=trio.testing.MockClock(rate=1))
