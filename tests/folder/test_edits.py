"""What the log of a text says of what peers sent."""

from __future__ import annotations

import tempfile
from pathlib import Path

import trio
import trio.testing
from bridge import PEER, open_bridge, replica_like

from yp2p.documents.diff import Hunk
from yp2p.documents.joined import deleted_at
from yp2p.protocol.ysync import deleted_ranges


def test_an_update_that_removes_what_another_removed_before_says_so_in_the_log() -> None:
    """Who has only the second one has it removed as well: meetings are decided of that."""

    async def test(base: Path) -> None:
        (base / "dir").mkdir()
        (base / "dir" / "a.txt").write_text("one\ntwo\nthree\n")
        async with open_bridge(base) as bridge:
            live = bridge.document("a.txt")
            first, second = replica_like(bridge, "a.txt", 7), replica_like(bridge, "a.txt", 8)
            known = second.clocks()
            removing = [first.edit([Hunk(4, 8, "2\n")]), second.edit([Hunk(4, 8, "ii\n")])]
            for update in removing:
                assert update is not None
                bridge.folder.edits.accept(live, update, PEER, None)
            await bridge.folder.database.pending().wait()
            log = bridge.folder.texts.updates_as_made(live, known)
            assert log[-2:] == removing
            gone = live.replica.deleted()
            assert set(deleted_ranges(log[-1])) <= set(gone)
            for replica in (first, second):
                assert deleted_at(replica.clocks(), log, gone) == deleted_ranges(log[-1])
            assert deleted_at(known, log, gone) == []

    with tempfile.TemporaryDirectory() as base:
        trio.run(test, Path(base), clock=trio.testing.MockClock())
