"""What a client calls its text.

The name of a root stands in an update where an item has no neighbours, and nowhere else. So it can be another one at
each client: it is exchanged on the way. Whatever else an update holds is copied; the wall looks at it afterwards.
"""

from __future__ import annotations

from collections.abc import Generator

from yp2p.errors import InvalidUpdate
from yp2p.protocol.contents import GC, SKIP, pass_content
from yp2p.protocol.cursor import Cursor
from yp2p.protocol.deleted_ranges import finish
from yp2p.protocol.wire import write_varint
from yp2p.protocol.ysync import SLICE_BLOCKS

_ORIGIN, _RIGHT_ORIGIN, _KEYED, _KIND = 0x80, 0x40, 0x20, 0x1F


def _parent(name: str) -> bytes:
    """How an item says that it is in a root."""
    data = name.encode()
    return b"\x01" + write_varint(len(data)) + data


def renaming(data: bytes, old: str, new: str) -> Generator[None, None, bytes]:
    """An update in which the root `old` is called `new`, and the other way round; in slices of some milliseconds.

    Raises InvalidUpdate: it is no update.
    """
    exchanged = {_parent(old): _parent(new), _parent(new): _parent(old)}
    if not any(parent in data for parent in exchanged):
        return data  # as next to all are: what is typed has neighbours
    parts: list[bytes] = []
    cursor, copied, done = Cursor(data), 0, 0
    for _ in range(cursor.count(4)):
        blocks, _, _ = cursor.count(2), cursor.client(), cursor.varint()
        for _ in range(blocks):
            begins, ends = _pass_block(cursor)
            if (found := exchanged.get(data[begins:ends])) is not None:
                parts += (data[copied:begins], found)
                copied = ends
            done += 1
            if done % SLICE_BLOCKS == 0:
                yield
    return b"".join((*parts, data[copied:]))


def renamed(data: bytes, old: str, new: str) -> bytes:
    """The same at once, for what is small. Raises InvalidUpdate."""
    return finish(renaming(data, old, new))


def _pass_block(cursor: Cursor) -> tuple[int, int]:
    """Read past an item; gives where in the bytes its parent is, where it says it."""
    if cursor.at >= cursor.end:
        raise InvalidUpdate("the bytes end early", cursor.at)
    info = cursor.data[cursor.at]
    cursor.at += 1
    if info in (GC, SKIP):
        pass_content(cursor, info)
        return cursor.at, cursor.at
    neighbours = bool(info & _ORIGIN) + bool(info & _RIGHT_ORIGIN)
    cursor.varints(2 * neighbours)
    begins = ends = cursor.at
    if not neighbours:
        if cursor.varint() == 1:
            cursor.text()
        else:
            cursor.varints(2)
        ends = cursor.at
        if info & _KEYED:
            cursor.sized()
    pass_content(cursor, info & _KIND)
    return begins, ends
