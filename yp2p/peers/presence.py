"""Presence: which devices are here and what they have open, per folder. Never stored.

Each device announces one awareness state a folder and passes on what is news to it, so presence also crosses devices
that have no link with each other. A state is kept as long as some link vouches for it: it came over that link, or its
device is at the other end. When the last such link goes, the client has left. So has a client that said nothing for
half a minute, even if its link is still there: its device sleeps. A device that is awake renews its state every 15 s,
as in y-protocols.

Invariants
    * Nobody speaks for this device, and of a device that is linked only that device itself does: what others say of its
      clients, or of new ones in its name, is not taken.
    * A peer that says that a client has left takes back its own word only, as long as others vouch for that client.
    * What is kept, shown and passed on has known keys, of known types (`protocol/presence.py`).
    * One peer vouches for at most `MAX_CLIENTS_PER_PEER` clients and is heard at most `MAX_MESSAGES_PER_S`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Protocol

from yp2p.errors import InvalidUpdate
from yp2p.identity import DeviceID, DocumentID, format_device_id
from yp2p.protocol import awareness
from yp2p.protocol import channel as channel_messages
from yp2p.protocol.awareness import AwarenessStates, Presence
from yp2p.protocol.presence import read_state

# The channel of awareness: no document has this ID.
AWARENESS_CHANNEL = DocumentID(bytes(16))
# A room has a few dozen devices, and a peer relays for those that we cannot see ourselves. Without the cap one device
# could take all `awareness.MAX_CLIENTS` places, and nobody else's presence would be shown.
MAX_CLIENTS_PER_PEER = 64
# Every state of a peer costs us a message to every other one. A device says something new every two seconds, for itself
# and for those it relays; a peer that says more is not heard, but that is no fault: states replace each other.
MAX_MESSAGES_PER_S = 20.0
_BURST = 60.0
RENEWED_S, OUTDATED_S = 15.0, 30.0


def _read(data: bytes) -> list[Presence]:
    """What devices say of themselves, as far as it can be shown. Raises InvalidUpdate."""
    if len(data) > awareness.MAX_MESSAGE_BYTES:
        raise InvalidUpdate(f"awareness of {len(data)} bytes, more than {awareness.MAX_MESSAGE_BYTES}", 0)
    return [
        one if one.state is None else replace(one, state=read_state(one.state)) for one in awareness.decode(data)
    ]  # fmt: skip


class Session(Protocol):
    def send_awareness(self, data: bytes) -> None: ...


@dataclass(slots=True)
class _Allowance:
    """How much of what a peer says is still taken (a token bucket): messages, and large ones count for several."""

    left: float = _BURST
    at: float = 0.0

    def takes(self, now: float, data: bytes) -> bool:
        price = min(_BURST, 1 + len(data) // awareness.MAX_STATE_BYTES)
        self.left = min(_BURST, self.left + (now - self.at) * MAX_MESSAGES_PER_S)
        self.at = now
        if self.left < price:
            return False
        self.left -= price
        return True


class FolderPresence:
    """Who is in one folder. `own` is this device; `on_change` is told when somebody says something new, or goes.

    Args:
        is_large: whether so many are in the folder that what is said again is passed on in bundles, with each `tick`.
    """

    def __init__(
        self,
        client: int,
        own: DeviceID,
        on_change: Callable[[], None] = lambda: None,
        *,
        is_large: Callable[[], bool] = lambda: False,
    ) -> None:
        self._on_change = on_change
        self._is_large = is_large
        # What others said again and is not passed on yet, by client, and who has heard of it.
        self._said_again: dict[int, tuple[Presence, set[DeviceID]]] = {}
        self._client = client
        self._own_name = format_device_id(own)
        self._states = AwarenessStates()
        self._vouched: dict[int, set[DeviceID]] = {}
        self._sessions: dict[DeviceID, Session] = {}
        self._owner: dict[int, DeviceID] = {}  # clients of linked devices, as those said themselves
        self._allowance: dict[DeviceID, _Allowance] = {}
        self._late: dict[DeviceID, bytes] = {}
        self._own: dict[str, Any] | None = None
        self._renewed_at = 0.0
        self._heard_at: dict[int, float] = {}  # when others' clients said something last

    def set_own(self, state: dict[str, Any]) -> None:
        """Announce what this device has open; says nothing when nothing changed."""
        if state != self._own:
            self._own = state
            self._spread([self._states.set_own(self._client, state)], None)

    def joined(self, peer: DeviceID, session: Session) -> None:
        """A link to `peer` is up: tell it everything.

        Of this device under a new clock: with the last link the peer let go of what it had heard, but not of the clock.
        """
        self._sessions[peer] = session
        self._allowance[peer] = _Allowance()
        if self._own is not None:
            self._states.set_own(self._client, self._own)
        self.greet(peer)

    def greet(self, peer: DeviceID) -> None:
        """Tell a peer who is here."""
        if (session := self._sessions.get(peer)) is not None:
            for data in awareness.encode_in_parts(self._states.present()):
                session.send_awareness(data)

    def left(self, peer: DeviceID, session: Session) -> None:
        """The link to `peer` is gone, and with it everyone only it vouched for; unless a newer one took its place."""
        if self._sessions.get(peer) is not session:
            return
        del self._sessions[peer]
        self._allowance.pop(peer, None)
        self._late.pop(peer, None)
        self._owner = {client: owner for client, owner in self._owner.items() if owner != peer}
        self._spread(self._leave(self._take_back(peer, list(self._vouched))), peer)

    def take_message(self, peer: DeviceID, payload: bytes, now: float) -> None:
        """`received` of what is in a message of the peer. Raises InvalidUpdate."""
        message = channel_messages.decode(payload)
        if isinstance(message, channel_messages.AwarenessUpdate):
            self.received(peer, message.data, now)

    def received(self, peer: DeviceID, data: bytes, now: float) -> None:
        """Take what a peer said, `now` by any steady clock. Raises InvalidUpdate."""
        if self._allowance.setdefault(peer, _Allowance()).takes(now, data):
            self._late.pop(peer, None)
            self._take(peer, _read(data), now)
        else:
            self._late[peer] = data  # the last word counts, a little later; nothing is read before

    def tick(self, now: float) -> None:
        """Say that this device is awake, take what was said too fast, and let go of who sleeps; `now` as `received`."""
        if self._own is not None and now - self._renewed_at >= RENEWED_S:
            self._renewed_at = now
            self._spread([self._states.set_own(self._client, self._own)], None, is_news=False)
        self._catch_up(now)
        silent = [client for client, at in self._heard_at.items() if now - at > OUTDATED_S]
        for client in silent:
            del self._heard_at[client]
            self._vouched.pop(client, None)
        if self._leave(silent):
            self._on_change()
        self._pass_on_bundles()

    def _leave(self, clients: Collection[int]) -> list[Presence]:
        """These are gone: nothing that they said is passed on any more. Gives what others are told."""
        for client in clients:
            self._said_again.pop(client, None)
        return self._states.leave(clients)

    def _catch_up(self, now: float) -> None:
        for peer, data in list(self._late.items()):
            if peer in self._sessions and self._allowance[peer].takes(now, data):
                del self._late[peer]
                with suppress(InvalidUpdate):  # its session has gone on; who says it again is heard, and ends it
                    self._take(peer, _read(data), now)

    def _pass_on_bundles(self) -> None:
        said_again, self._said_again = self._said_again, {}
        for peer, session in list(self._sessions.items()):
            for data in awareness.encode_in_parts([one for one, heard in said_again.values() if peer not in heard]):
                session.send_awareness(data)

    def _take(self, peer: DeviceID, presences: list[Presence], now: float) -> None:
        for one in presences:
            if one.client in self._said_again and one.clock >= self._said_again[one.client][0].clock:
                self._said_again[one.client][1].add(peer)
        before = {presence.client: presence.state for presence in self._states.present()}
        news = self._states.apply(self._taken(peer, presences), self._client)
        for presence in news:
            if presence.state is None:
                self._heard_at.pop(presence.client, None)
            else:
                self._heard_at[presence.client] = now
        if self._is_large():
            again = [one for one in news if before.get(one.client) == one.state]
            self._said_again |= {one.client: (one, {peer}) for one in again}
            news = [one for one in news if before.get(one.client) != one.state]
            for one in news:
                self._said_again.pop(one.client, None)
        self._spread(news, peer, is_news=any(before.get(one.client) != one.state for one in news))

    def present(self) -> list[dict[str, Any]]:
        """The states of all who are here, this device among them."""
        return [presence.state for presence in self._states.present() if presence.state is not None]

    @property
    def revision(self) -> int:
        """Another one after each change of `present`."""
        return self._states.revision

    def _taken(self, peer: DeviceID, presences: Iterable[Presence]) -> Iterator[Presence]:
        """What of it this peer may say."""
        linked = {format_device_id(device): device for device in self._sessions}
        vouching = sum(peer in vouchers for vouchers in self._vouched.values())
        for presence in presences:
            if presence.client == self._client or self._owner.get(presence.client, peer) != peer:
                continue
            if presence.state is None:
                if self._take_back(peer, [presence.client]) or presence.client not in self._vouched:
                    yield presence
                continue
            name = str(presence.state.get("id", ""))
            if name == self._own_name or linked.get(name, peer) != peer:
                continue
            vouchers = self._vouched.get(presence.client, set())
            if peer not in vouchers:
                if vouching >= MAX_CLIENTS_PER_PEER:
                    continue
                vouching += 1
            self._vouched.setdefault(presence.client, set()).add(peer)
            if linked.get(name) == peer:
                self._owner[presence.client] = peer
            yield presence

    def _take_back(self, peer: DeviceID, clients: Iterable[int]) -> list[int]:
        """A peer does not vouch for these any more; gives those for whom nobody does."""
        gone = []
        for client in clients:
            vouchers = self._vouched.get(client)
            if vouchers is not None and peer in vouchers:
                vouchers.discard(peer)
                if not vouchers:
                    del self._vouched[client]
                    gone.append(client)
        return gone

    def _spread(self, news: Iterable[Presence], source: DeviceID | None, *, is_news: bool = True) -> None:
        items = list(news)
        if items:
            if is_news:
                self._on_change()
            for data in awareness.encode_in_parts(items):
                for peer, session in list(self._sessions.items()):
                    if peer != source:
                        session.send_awareness(data)
