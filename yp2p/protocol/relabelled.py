"""Copies of updates in which every character is replaced by a letter that stands for its writer.

A document made of such copies tells what the library does not tell of the real one (`documents/positions.py`).
"""

from __future__ import annotations

from collections.abc import Callable

from yp2p.protocol.wire import write_varint
from yp2p.protocol.ysync import STRING, Shape, UpdateParser


class _Relabeller(UpdateParser):
    """Copies an update of a text, with a letter in the place of every character."""

    def __init__(self, data: bytes, letter: Callable[[int], str]) -> None:
        super().__init__(data, Shape.TEXT)
        self._letter = letter
        self._copied = 0
        self.pieces: list[bytes] = []

    def _text_content(self, kind: int) -> int:
        before = self._cursor.at
        length = super()._text_content(kind)
        if kind == STRING:
            letters = (self._letter(self._at[0]) * length).encode()
            self.pieces += (self._cursor.data[self._copied : before], write_varint(len(letters)), letters)
            self._copied = self._cursor.at
        return length

    def rest(self) -> bytes:
        return self._cursor.data[self._copied :]


def relabelled(data: bytes, letter: Callable[[int], str]) -> bytes:
    """An update of a text in which every UTF-16 unit became the letter of the client that wrote it.

    The document that such updates make has the same items at the same clocks, so it answers what the library does not
    tell of the real one: where an item is now, and who wrote what is at an index.

    Args:
        letter: one character of one UTF-16 unit for a client ID.

    Raises:
        InvalidUpdate: it is no update of a text.
    """
    relabeller = _Relabeller(data, letter)
    relabeller.parse()
    return b"".join((*relabeller.pieces, relabeller.rest()))
