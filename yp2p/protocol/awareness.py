"""Awareness: who is here, what they have open. Never stored.

The encoding is that of y-protocols: the number of clients, then for each its ID, a clock, and its state as JSON
text, `null` when it has left. A state with a higher clock replaces one with a lower.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from yp2p.errors import InvalidUpdate
from yp2p.protocol.cursor import MAX_CLIENT, Cursor
from yp2p.protocol.wire import write_varint

# A state is a name and a few dozen paths. Without these caps one device could fill the memory of all others
# with invented clients.
MAX_STATE_BYTES = 8 << 10
MAX_CLIENTS = 256
# In a message between devices. Its states are read at a stretch: as much as all clients together may say would take
# half a second. Whoever has more to say says it in several messages.
MAX_MESSAGE_BYTES = 64 << 10
MAX_DEPTH = 6
_NESTED = (dict, list)
# What stands in front of a state, and of a message, at most.
_HEAD_BYTES = 24


@dataclass(frozen=True, slots=True)
class Presence:
    """The state of one client; `state` is None when it has left."""

    client: int
    clock: int
    state: dict[str, Any] | None


_JSON = json.JSONEncoder(separators=(",", ":"))


def encode(presences: Iterable[Presence]) -> bytes:
    return encode_texts((item.client, item.clock, as_json(item.state)) for item in presences)


def encode_texts(presences: Iterable[tuple[int, int, str]]) -> bytes:
    """An awareness update of client, clock and state, the state as JSON."""
    items = list(presences)
    parts = [write_varint(len(items))]
    for client, clock, state in items:
        text = state.encode()
        parts += [write_varint(client), write_varint(clock), write_varint(len(text)), text]
    return b"".join(parts)


def encode_in_parts(presences: Iterable[Presence]) -> Iterator[bytes]:
    """The same as `encode`, in as many messages as it takes; one that says nothing where there is nothing to say."""
    part: list[tuple[int, int, str]] = []
    size = 0
    for item in presences:
        text = as_json(item.state)
        item_bytes = _HEAD_BYTES + len(text.encode())
        if part and size + item_bytes > MAX_MESSAGE_BYTES:
            yield encode_texts(part)
            part, size = [], 0
        part.append((item.client, item.clock, text))
        size += item_bytes
    yield encode_texts(part)


def as_json(value: object) -> str:
    """JSON without spaces, as it travels."""
    return _JSON.encode(value)


def _depth(value: dict[str, Any]) -> int:
    """How deep objects and lists are in one another, level by level: this is done for each cursor that moves."""
    depth = 0
    level: list[Any] = [value]
    while level:
        depth += 1
        members = (member for one in level for member in (one.values() if type(one) is dict else one))
        level = [member for member in members if type(member) in _NESTED]
    return depth


def _decode_state(text: str, at: int) -> dict[str, Any] | None:
    if len(text) > MAX_STATE_BYTES or text.count("[") + text.count("{") > MAX_STATE_BYTES // 8:
        raise InvalidUpdate("an awareness state that is too large", at)
    try:
        state = json.loads(text)
        if state is not None and (not isinstance(state, dict) or _depth(state) > MAX_DEPTH):
            raise InvalidUpdate("an awareness state that is no flat JSON object", at)
    except (ValueError, RecursionError):
        raise InvalidUpdate("an awareness state that is not JSON", at) from None
    return state


def decode(data: bytes) -> list[Presence]:
    """Raises InvalidUpdate when the bytes are not an awareness update within the caps."""
    cursor = Cursor(data)
    count = cursor.count(3)
    if count > MAX_CLIENTS:
        raise InvalidUpdate(f"{count} clients in one awareness update", cursor.at)
    presences: list[Presence] = []
    for _ in range(count):
        client, clock = cursor.client(), cursor.varint()
        if clock > MAX_CLIENT:  # what a number of JavaScript counts to
            raise InvalidUpdate(f"awareness clock {clock} is too large", cursor.at)
        presences.append(Presence(client, clock, _decode_state(cursor.text(), cursor.at)))
    cursor.finish()
    return presences


class AwarenessStates:
    """The states a device knows of, its own and others'."""

    def __init__(self) -> None:
        self._states: dict[int, Presence] = {}
        self.revision = 0  # another one after each change of who is here

    def present(self) -> list[Presence]:
        return [presence for presence in self._states.values() if presence.state is not None]

    def everyone(self) -> list[Presence]:
        return list(self._states.values())

    def apply(self, presences: Iterable[Presence], own: int) -> list[Presence]:
        """Take what a peer said; gives what was news and is worth relaying. Nobody speaks for `own`."""
        news: list[Presence] = []
        for presence in presences:
            held = self._states.get(presence.client)
            newer = held is None or presence.clock > held.clock
            leaves = held is not None and presence.clock == held.clock and presence.state is None
            if presence.client == own or not (newer or (leaves and held is not None and held.state)):
                continue
            if held is None and (presence.state is None or not self._has_room()):
                continue
            self._states[presence.client] = presence
            self.revision += 1
            news.append(presence)
        return news

    def _has_room(self) -> bool:
        """Whether one more client can be held; those that left make room."""
        if len(self._states) >= MAX_CLIENTS:
            gone = [client for client, presence in self._states.items() if presence.state is None]
            for client in gone:
                del self._states[client]
        return len(self._states) < MAX_CLIENTS

    def set_own(self, client: int, state: dict[str, Any] | None) -> Presence:
        held = self._states.get(client)
        # Clock 0 is ignored by every implementation.
        presence = Presence(client, held.clock + 1 if held else 1, state)
        self._states[client] = presence
        self.revision += 1
        return presence

    def leave(self, clients: Iterable[int]) -> list[Presence]:
        """Clients whose device has gone; gives the news."""
        gone: list[Presence] = []
        for client in clients:
            held = self._states.get(client)
            if held is not None and held.state is not None:
                self._states[client] = Presence(client, held.clock, None)
                self.revision += 1
                gone.append(self._states[client])
        return gone
