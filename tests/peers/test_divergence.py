"""What looks like two texts with one history, and is none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import trio.testing
from bridge import open_bridge, settle

from yp2p.peers.divergence import repair


async def test_a_damaged_digest_is_no_text_that_has_diverged(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir" / "a.txt").write_text("one\ntwo\n")
    async with open_bridge(tmp_path) as bridge:
        folder, document = bridge.folder, bridge.document("a.txt").id
        entry = folder.catalogue.entry_of[document]
        theirs, digest = folder.leaf(entry), folder.texts.digests.get(document)
        assert theirs is not None
        assert digest is not None
        folder.texts.digests.learn(document, replace(digest, content=bytes(32)))
        ours = folder.leaf(entry)
        assert ours is not None
        await repair(folder, entry, ours, theirs, "one\ntwo\n")
        await settle(bridge)
        assert folder.leaf(entry) == theirs
        assert folder.leaves.tree().leaves(entry[0]).get(entry, theirs) == theirs
        assert [found.path for found in folder.catalogue.entries.values()] == ["a.txt"]
        assert list(folder.notices) == []
