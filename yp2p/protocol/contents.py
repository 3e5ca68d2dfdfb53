"""What items of a Yjs document can hold, and how to read past it: a text of a file has next to none of that.

Format: the source of Yjs 13.6 (`ContentAny` and the others, `UpdateDecoderV1`) and of lib0 (`readAny`).
"""

from __future__ import annotations

from yp2p.errors import InvalidUpdate
from yp2p.protocol.cursor import Cursor

GC, DELETED, JSON, BINARY, STRING, EMBED, FORMAT, TYPE, ANY, DOCUMENT, SKIP = range(11)

_XML_ELEMENT, _XML_HOOK = 3, 5  # types that have a name
_BUFFER, _ARRAY, _OBJECT, _TEXT, _BIG, _DOUBLE, _FLOAT, _WHOLE = 116, 117, 118, 119, 122, 123, 124, 125
_SIZES = {_BIG: 8, _DOUBLE: 8, _FLOAT: 4}
_EMPTY = (120, 121, 126, 127)  # true, false, null, undefined
# Values in values: awareness and the states of editors have three or four.
_MAX_DEPTH = 64


def pass_content(cursor: Cursor, kind: int) -> int:
    """Read past the content of an item; gives how many clocks it takes. Raises InvalidUpdate."""
    length = 1
    if kind in (GC, DELETED, SKIP):
        length = cursor.varint()
    elif kind == STRING:
        length = len(cursor.text().encode("utf-16-le")) // 2
    elif kind in (JSON, ANY):
        length = cursor.count(1)
        for _ in range(length):
            _pass_value(cursor) if kind == ANY else cursor.sized()
    else:
        _pass_single(cursor, kind)
    if length == 0:
        raise InvalidUpdate("an empty block", cursor.at)
    return length


def _pass_single(cursor: Cursor, kind: int) -> None:
    if kind in (BINARY, EMBED):
        cursor.sized()
    elif kind == FORMAT:
        cursor.sized()
        cursor.sized()
    elif kind == TYPE:
        if cursor.varint() in (_XML_ELEMENT, _XML_HOOK):
            cursor.sized()
    elif kind == DOCUMENT:
        cursor.sized()
        _pass_value(cursor)
    else:
        raise InvalidUpdate(f"content of kind {kind}, which does not exist", cursor.at)


def _pass_value(cursor: Cursor) -> None:
    """Read past one value of lib0."""
    left = [1]  # values that are still to come, of each value that one is in
    keyed = [False]
    while left:
        if left[-1] == 0:
            left.pop()
            keyed.pop()
            continue
        left[-1] -= 1
        if keyed[-1]:
            cursor.sized()
        kind = cursor.varint()
        if kind in (_ARRAY, _OBJECT):
            if len(left) >= _MAX_DEPTH:
                raise InvalidUpdate(f"values in values, more than {_MAX_DEPTH} deep", cursor.at)
            left.append(cursor.count(1))
            keyed.append(kind == _OBJECT)
        elif kind in (_BUFFER, _TEXT):
            cursor.sized()
        elif kind == _WHOLE:
            cursor.varint()  # its sign is in the first byte
        elif kind not in _EMPTY:
            _pass_bytes(cursor, kind)


def _pass_bytes(cursor: Cursor, kind: int) -> None:
    size = _SIZES.get(kind)
    if size is None or size > cursor.end - cursor.at:
        raise InvalidUpdate(f"a value of kind {kind}, which does not exist, or is not whole", cursor.at)
    cursor.at += size
