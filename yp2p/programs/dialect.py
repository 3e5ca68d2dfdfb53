"""The channel of a program that calls its text by another name than we do (`protocol/roots.py`).

Editors choose the name of their root: `codemirror`, `monaco`, `quill`. A program says it when it connects, as it is
sent the text before it writes anything. In here, and for everybody else, the text is `source`; so programs with
different names share one file. Positions at the ends of a text name the root as well, also those of cursors.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import Any

from yp2p.documents.synced import Channel
from yp2p.errors import InvalidUpdate
from yp2p.folder.turns import turn
from yp2p.protocol import awareness
from yp2p.protocol.channel import AwarenessUpdate, Step2, Updates, decode, encode
from yp2p.protocol.deleted_ranges import finish
from yp2p.protocol.roots import renaming
from yp2p.protocol.ysync import Shape

_ROOT = Shape.TEXT.value
_ROOT_NAME = "tname"  # in the JSON of a position
_SLICED_BYTES = 16 << 10


def named(message: bytes, old: str, new: str) -> Generator[None, None, bytes]:
    """A message of a provider in which the root `old` is called `new`, in slices of some milliseconds."""
    if old.encode() not in message and new.encode() not in message:
        return message
    try:
        match decode(message):
            case Step2(update):
                return encode(Step2((yield from renaming(update, old, new))))
            case Updates(updates):
                others = list(updates)
                for number, update in enumerate(updates):
                    others[number] = yield from renaming(update, old, new)
                return encode(Updates(tuple(others)))
            case AwarenessUpdate(data):
                presences = [replace(one, state=_renamed(one.state, old, new)) for one in awareness.decode(data)]
                return encode(AwarenessUpdate(awareness.encode(presences)))
            case _:
                return message
    except InvalidUpdate:
        return message  # whoever takes it says what is wrong with it


def _renamed(value: Any, old: str, new: str) -> Any:
    if isinstance(value, list):
        return [_renamed(item, old, new) for item in value]
    if isinstance(value, dict):
        return {
            key: new if key == _ROOT_NAME and item == old else _renamed(item, old, new) for key, item in value.items()
        }
    return value


def in_dialect(channel: Channel, root: str) -> Channel:
    """A channel for a program that calls its text so."""
    return channel if root == _ROOT else Dialect(channel, root)


class Dialect:
    """A channel on which the root is called otherwise."""

    def __init__(self, channel: Channel, root: str) -> None:
        self.path = channel.path
        self._channel = channel
        self._root = root

    async def send(self, message: bytes) -> None:
        await self._channel.send(await self._named(message, _ROOT, self._root))

    def send_nowait(self, message: bytes) -> bool:
        send_nowait = getattr(self._channel, "send_nowait", None)  # as `Provider` has it
        if len(message) > _SLICED_BYTES or send_nowait is None:
            return False
        return bool(send_nowait(finish(named(message, _ROOT, self._root))))

    def __aiter__(self) -> Dialect:
        return self

    async def __anext__(self) -> bytes:
        return await self._named(await anext(self._channel), self._root, _ROOT)

    async def _named(self, message: bytes, old: str, new: str) -> bytes:
        steps = named(message, old, new)
        while True:
            try:
                next(steps)
            except StopIteration as done:
                return bytes(done.value)
            await turn()
