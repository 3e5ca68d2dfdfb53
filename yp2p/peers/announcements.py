"""Announcements: one digest over everything, said when it changes; equal ones are the proof of being in sync.

`FolderState` is over membership, manifest and entries. It is said when a session starts, when the folder has settled
after changes, when it is paused (then it is not settled), and on a slow heartbeat. With a number (a nonce) it asks for
the peer's state, which answers with it.

Invariants
    * A state is sent only when what it contains is durable (invariant 1).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

import trio

from yp2p.folder.folder import Folder
from yp2p.protocol.messages import FolderState
from yp2p.transport.link import Link, LinkClosed

HEARTBEAT_S = 30.0
_SETTLE_S = 0.05


class Announcements:
    """Says what we have to one peer, and knows what it said last.

    Args:
        caught_up: is told when the peer has everything as we do, on its disk.
    """

    def __init__(self, folder: Folder, link: Link, caught_up: Callable[[], None]) -> None:
        self._folder = folder
        self._link = link
        self._caught_up = caught_up
        self._sent: FolderState | None = None
        self._sent_at = 0.0
        self._probes: dict[int, trio.Event] = {}
        self.of_peer: FolderState | None = None  # what the peer said last

    def state(self, nonce: int = 0, answers: int = 0) -> FolderState:
        """What we have now."""
        folder = self._folder
        return FolderState(
            folder.id, folder.membership.digest(), folder.catalogue.digest(), folder.leaves.tree().root(),
            folder.state.settled, nonce, answers,
        )  # fmt: skip

    @property
    def is_settled_there(self) -> bool:
        """Whether the peer's disk was what it announced last."""
        return self.of_peer is not None and self.of_peer.settled

    @property
    def is_equal(self) -> bool:
        """Whether we have what the peer announced last."""
        return self.of_peer is not None and self.of_peer.same_as(self.state())

    async def send(self, nonce: int = 0, answers: int = 0) -> None:
        """Say what we have, once it is durable."""
        state = self.state(nonce, answers)
        await self._folder.database.pending().wait()
        await self._link.send(state)
        self._sent, self._sent_at = state, trio.current_time()

    async def run(self) -> None:
        """Say what we have, once at the start and whenever it has settled."""
        changed = self._folder.state.changed  # before what is sent is looked at: sending may take a while
        await self.send(nonce=_fresh_nonce())
        while True:
            with trio.move_on_at(self._sent_at + HEARTBEAT_S) as heartbeat:
                await changed.wait()
                await self._wait_until_settled()
            changed = self._folder.state.changed
            state = self.state()
            if self.of_peer is not None and self.of_peer.settled and state.same_as(self.of_peer):
                self._caught_up()
            if heartbeat.cancelled_caught or self._is_news(state):
                await self.send()

    def _is_news(self, state: FolderState) -> bool:
        """Whether the peer has to hear this: other digests, the disk is what they say, or will not be for long."""
        sent = self._sent
        if sent is None or not state.same_as(sent):
            return True
        return state.settled != sent.settled and (state.settled or bool(self._folder.state.pause_reason))

    async def _wait_until_settled(self) -> None:
        """Return when the folder is settled, or paused, and nothing changed for a moment."""
        state = self._folder.state
        while True:
            changed, is_settled = state.changed, state.settled or bool(state.pause_reason)
            if not is_settled:
                await changed.wait()
            await trio.sleep(_SETTLE_S)  # and not woken by every keystroke meanwhile
            if is_settled and not changed.is_set():
                return

    async def answer(self, state: FolderState) -> None:
        """Take what the peer said, as of now; say what we have, where it asked."""
        self.of_peer = state
        if state.nonce:
            await self.send(answers=state.nonce)

    def answered(self, nonce: int) -> None:
        """The peer's answer to a probe was dealt with."""
        if nonce in self._probes:
            self._probes[nonce].set()

    async def probe(self) -> FolderState | None:
        """Ask the peer for its state now, and wait for it; None where the link ends before that is asked."""
        nonce = _fresh_nonce()
        self._probes[nonce] = trio.Event()
        try:
            await self.send(nonce=nonce)
            await self._probes[nonce].wait()
        except LinkClosed:
            return None
        finally:
            del self._probes[nonce]
        return self.of_peer


def _fresh_nonce() -> int:
    return secrets.randbelow(2**32 - 1) + 1
