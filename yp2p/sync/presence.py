"""Presence: which devices are here and what they have open, per folder. Never stored.

Each device announces one awareness state a folder and passes on what is news to it, so presence also crosses devices
that have no link with each other. A state is kept as long as some link vouches for it: it came over that link, or its
device is at the other end. When the last such link goes, the client has left.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from yp2p.identity import DeviceID, DocumentID
from yp2p.protocol import awareness
from yp2p.protocol.awareness import AwarenessStates, Presence

# The channel of awareness: no document has this ID.
AWARENESS_CHANNEL = DocumentID(bytes(16))


class Session(Protocol):
    def send_awareness(self, data: bytes) -> None: ...


class FolderPresence:
    """Who is in one folder."""

    def __init__(self, client: int) -> None:
        self._client = client
        self._states = AwarenessStates()
        self._vouched: dict[int, set[DeviceID]] = {}
        self._sessions: dict[DeviceID, Session] = {}
        self._own: dict[str, Any] | None = None

    def set_own(self, state: dict[str, Any]) -> None:
        """Announce what this device has open; says nothing when nothing changed."""
        if state != self._own:
            self._own = state
            self._spread([self._states.set_own(self._client, state)], None)

    def joined(self, peer: DeviceID, session: Session) -> None:
        """A link to `peer` is up: tell it everything."""
        self._sessions[peer] = session
        session.send_awareness(awareness.encode(self._states.present()))

    def left(self, peer: DeviceID) -> None:
        """The link to `peer` is gone, and with it everyone only it vouched for."""
        self._sessions.pop(peer, None)
        for vouchers in self._vouched.values():
            vouchers.discard(peer)
        gone = [client for client, vouchers in self._vouched.items() if not vouchers]
        for client in gone:
            del self._vouched[client]
        self._spread(self._states.leave(gone), peer)

    def received(self, peer: DeviceID, data: bytes) -> None:
        """Take what a peer said. Raises InvalidUpdate."""
        presences = awareness.decode(data)
        for presence in presences:
            if presence.client != self._client and presence.state is not None:
                self._vouched.setdefault(presence.client, set()).add(peer)
        self._spread(self._states.apply(presences, self._client), peer)

    def present(self) -> list[dict[str, Any]]:
        """The states of all who are here, this device among them."""
        return [presence.state for presence in self._states.present() if presence.state is not None]

    def _spread(self, news: Iterable[Presence], source: DeviceID | None) -> None:
        items = list(news)
        if items:
            data = awareness.encode(items)
            for peer, session in list(self._sessions.items()):
                if peer != source:
                    session.send_awareness(data)
