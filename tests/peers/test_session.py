"""A folder session: what is said again to a peer whose session began after ours."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio
import trio.testing
from bridge import FOLDER, OWN, PEER, open_bridge

from yp2p.folder.notices import Notices
from yp2p.identity import EntryID
from yp2p.peers.presence import FolderPresence
from yp2p.peers.session import FolderSession
from yp2p.protocol.messages import BothChanged, FolderState, Side

_SIDE = Side("", (), 0)
_TOLD = BothChanged(FOLDER, EntryID(bytes(16)), False, 1, "", "", "", (_SIDE, _SIDE))


class Wire:
    """The part of a link that a session uses; what is sent stays here."""

    def __init__(self) -> None:
        self.sent: list[object] = []
        self.peer = SimpleNamespace(features="")
        self.has_received_more = False

    def send_nowait(self, message: object, key: bytes | None = None) -> bool:
        self.sent.append(message)
        return True

    async def send(self, message: object, key: bytes | None = None, limit: int = 0) -> None:
        await trio.lowlevel.checkpoint()
        self.sent.append(message)


async def test_places_changed_apart_are_told_again_once_the_peer_is_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    monkeypatch.setattr(Notices, "of_maker", lambda *_: [_TOLD])
    (tmp_path / "dir").mkdir()
    async with open_bridge(tmp_path) as bridge, trio.open_nursery() as nursery:
        link: Any = Wire()
        session = FolderSession(bridge.folder, link, PEER, FolderPresence(1, OWN))
        nursery.start_soon(session.run)
        await trio.sleep(0.1)
        assert link.sent.count(_TOLD) == 1
        for times in (2, 2):
            own = session._announcements.state()
            await session.deliver(FolderState(bridge.folder.id, own.membership, own.manifest, own.tree, True, 0, 0))
            await trio.sleep(0.1)
            assert link.sent.count(_TOLD) == times
        nursery.cancel_scope.cancel()
