"""Two devices with different rules of merging repair nothing where they meet, and tell it once."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio
import trio.testing
from bridge import PEER, open_bridge, replica_like

from yp2p.documents.diff import hunks
from yp2p.documents.synced import PeerState
from yp2p.folder.notices import NoticeKind

NAME = "a.txt"


def _session(*, merges_alike: bool) -> Any:
    def nothing(*_: object) -> None:
        pass

    return SimpleNamespace(
        merges_alike=merges_alike, compared=True, document_changed=nothing, entry_changed=nothing, on_disk=nothing,
        fetch=nothing, both_changed=nothing,
    )  # fmt: skip


@pytest.mark.parametrize("merges_alike", [True, False])
def test_other_rules_make_no_repair(tmp_path: Path, merges_alike: bool) -> None:
    async def run() -> None:
        path = tmp_path / "dir" / NAME
        path.parent.mkdir()
        path.write_text("timeout = 1200\nsize = 10\n")
        async with open_bridge(tmp_path) as bridge:
            folder, live = bridge.folder, bridge.document(NAME)
            peer = replica_like(bridge, NAME, 77)
            path.write_text("timeout = 3600\nsize = 10\n")
            await bridge.take_events()
            await bridge.look()
            folder.observers.sessions[PEER] = _session(merges_alike=merges_alike)
            for value in ("timeout = 2400\nsize = 10\n", "timeout = 2400\nsize = 12\n"):
                edit = peer.edit(hunks(peer.text(), value))
                assert edit is not None
                await live.receive(edit, PEER, PeerState(peer.clocks(), is_answer=False))
            del folder.observers.sessions[PEER]
            kinds = [notice.kind for notice in folder.notices]
            assert kinds.count(NoticeKind.OTHER_RULES) == (0 if merges_alike else 1)
            assert ("timeout = 3600\n" in live.text.text()) == merges_alike
            assert "size = 12" in live.text.text()

    trio.run(run, clock=trio.testing.MockClock())
