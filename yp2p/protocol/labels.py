"""Who of two devices had which character of a merged text.

The merged document has the operations of both, and state vectors tell what each had before. Replacing every character
of its update by a letter that says whose it is, and loading that, gives the letters in the order of the text.

The result is made for looking at and never merged anywhere.
"""

from __future__ import annotations

from yp2p.protocol.wire import write_varint
from yp2p.protocol.ysync import Cursor, Shape, StateVector, UpdateParser

BOTH, OURS, THEIRS = "b", "o", "t"
_STRING = 4


class _Labeller(UpdateParser):
    def __init__(self, state: bytes, ours: StateVector, theirs: StateVector) -> None:
        super().__init__(state, Shape.TEXT)
        self._data = state
        self._vectors = ours, theirs

    def labelled(self) -> bytes:
        cursor = self._cursor
        out: list[bytes] = []
        number = cursor.count(4)
        out.append(write_varint(number))
        for _ in range(number):
            self._labelled_section(out)
        out.append(self._data[cursor.at :])
        return b"".join(out)

    def _labelled_section(self, out: list[bytes]) -> None:
        cursor = self._cursor
        begin = cursor.at
        blocks = cursor.count(2)
        client = cursor.client()
        clock = cursor.varint()
        out.append(self._data[begin : cursor.at])
        ours, theirs = (vector.get(client, 0) for vector in self._vectors)
        for _ in range(blocks):
            begin = cursor.at
            length = self._block(client, clock)
            block = self._data[begin : cursor.at]
            if block[0] & 0x1F == _STRING:
                units = range(clock, clock + length)
                letters = "".join(
                    BOTH if unit < ours and unit < theirs else OURS if unit < ours else THEIRS for unit in units
                )
                block = block[: _content_at(block)] + write_varint(length) + letters.encode()
            out.append(block)
            clock += length


def _content_at(block: bytes) -> int:
    """Where the content of a block begins: after the info byte and the origins or the parent."""
    cursor = Cursor(block)
    cursor.at = 1
    for flag in (0x80, 0x40):
        if block[0] & flag:
            cursor.client()
            cursor.varint()
    if not block[0] & 0xC0:
        cursor.varint()
        cursor.text()
    return cursor.at


def labelled(state: bytes, ours: StateVector, theirs: StateVector) -> bytes:
    """A text document with a letter for every UTF-16 unit: `BOTH`, `OURS` or `THEIRS`.

    Args:
        state: a whole text document, made here.
        ours, theirs: what each side had; together all there is.
    """
    return _Labeller(state, ours, theirs).labelled()
