"""A folder session without a peer: what it sends stays in a list, and a test delivers what a peer would say."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import trio
from bridge import OWN, PEER, Bridge

from yp2p.folder.budget import Budget
from yp2p.identity import DeviceID
from yp2p.peers.presence import FolderPresence
from yp2p.peers.session import FolderSession
from yp2p.protocol.messages import FolderState
from yp2p.transport.large_messages import Turn
from yp2p.transport.pacing import Pace, Pacing
from yp2p.transport.undone import Undone


class Wire:
    """The part of a link that a session uses."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.peer = SimpleNamespace(features="")
        self.has_received_more = False
        self.turn = Turn()
        self.undone = Undone()
        self.pace = Pace(Pacing())

    def send_nowait(self, message: object, key: bytes | None = None) -> bool:
        self.sent.append(message)
        return True

    async def send(self, message: object, key: bytes | None = None, limit: int = 0) -> None:
        await trio.lowlevel.checkpoint()
        self.sent.append(message)


def session_over(
    link: Any, bridge: Bridge, peer: DeviceID = PEER, *, budget: Budget | None = None, was_apart: bool = False
) -> FolderSession:
    """A session that hears of changes and does not run."""
    budget = budget or Budget(PEER)
    session = FolderSession(bridge.folder, link, peer, FolderPresence(1, OWN), budget, was_apart=was_apart)
    session.register()
    return session


@asynccontextmanager
async def open_session(bridge: Bridge, peer: DeviceID = PEER) -> AsyncIterator[tuple[FolderSession, Any]]:
    """A session at work, and its wire."""
    link = Wire()
    async with trio.open_nursery() as nursery:
        session = session_over(link, bridge, peer)
        nursery.start_soon(session.run)
        yield session, link
        nursery.cancel_scope.cancel()


def state_of_equal(session: FolderSession, *, settled: bool = True, nonce: int = 0) -> FolderState:
    """What a peer says that has what we have."""
    own = session.agreement.announcements.state()
    return FolderState(own.folder, own.membership, own.manifest, own.tree, settled, nonce, 0)
