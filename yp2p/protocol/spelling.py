"""The state of a text with other letters in the place of its characters, also of those that are deleted.

The library tells what stands in a text, but not which operation wrote it, and nothing of what is deleted. In a document
that is made of the same blocks, in which nothing is deleted and every UTF-16 unit is a letter of our choice, both can
be read.

The blocks are read here by what the library itself wrote: as fast as Python can, and without the checks that a peer's
bytes get (`ysync.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from yp2p.errors import InvalidUpdate
from yp2p.protocol.cursor import Cursor
from yp2p.protocol.deleted_ranges import DeletedRange, snapshot_ranges
from yp2p.protocol.wire import write_varint

_ORIGIN, _RIGHT_ORIGIN, _KEYED, _KIND = 0x80, 0x40, 0x20, 0x1F
_DELETED, _STRING = 1, 4


@dataclass(frozen=True, slots=True)
class Frame:
    """The blocks of a text without their content.

    Attributes:
        clients: in the order of the blocks: which client, and how many units it wrote.
        heads: what stands in front of the content of each block.
        lengths: how many units each block has.
        pairs: which units are the second half of a character, counted in the order of the blocks.
        deleted: what is deleted.
    """

    clients: list[tuple[int, int]]
    heads: list[bytes]
    lengths: list[int]
    pairs: list[int]
    deleted: list[DeletedRange]

    def spelled(self, letters: str) -> bytes:
        """The update in which the units are these letters, in the order of the blocks. Each letter is one unit."""
        out: list[bytes] = []
        at = 0
        for head, length in zip(self.heads, self.lengths, strict=True):
            data = letters[at : at + length].encode()
            out += (head, write_varint(len(data)), data)
            at += length
        return b"".join((*out, b"\x00")) if out else b"\x00\x00"


def frame_of(state: bytes, most_units: int) -> Frame:
    """The blocks of a whole text, as the library gives them.

    Raises:
        InvalidUpdate: something is missing, there is another kind of block, or there are more units than `most_units`.
    """
    cursor = Cursor(state)
    frame = Frame([], [], [], [], [])
    head, read = 0, 0  # from where on nothing was copied yet, and how many units were read
    for _ in range(cursor.varint()):
        blocks, client, clock = cursor.varints(3)
        if clock:
            raise InvalidUpdate(f"the first operations of client {client} are missing", cursor.at)
        before = read
        for _ in range(blocks):
            head, length, text = _block(cursor, head, frame.heads)
            frame.lengths.append(length)
            if length > len(text) > 0:
                frame.pairs.extend(read + unit for unit in second_halves(text))
            read += length
            if read > most_units:
                raise InvalidUpdate(f"more than {most_units} operations", cursor.at)
        frame.clients.append((client, read - before))
    frame.deleted.extend(snapshot_ranges(state[cursor.at :]))
    return frame


def second_halves(text: str) -> Iterator[int]:
    """Which units of a text are the second half of a character."""
    unit = 0
    for character in text:
        unit += 1
        if character > "\uffff":
            yield unit
            unit += 1


def _block(cursor: Cursor, head: int, heads: list[bytes]) -> tuple[int, int, str]:
    """Read a block; gives where it ends, how many units it has, and their text, where that is not ASCII."""
    data, begin = cursor.data, cursor.at
    info = data[begin]
    kind = info & _KIND
    if info & _KEYED or kind not in (_DELETED, _STRING):
        raise InvalidUpdate(f"a block of kind {kind}", begin)
    cursor.at = begin + 1
    if info & (_ORIGIN | _RIGHT_ORIGIN):
        cursor.varints((2 if info & _ORIGIN else 0) + (2 if info & _RIGHT_ORIGIN else 0))
    else:
        cursor.varint()
        cursor.sized()
    heads.append(data[head:begin] + bytes([info & ~_KIND | _STRING]) + data[begin + 1 : cursor.at])
    if kind == _DELETED:
        length, text = cursor.varint(), ""
    else:
        content = cursor.sized()
        text = "" if content.isascii() else content.decode()
        length = len(text.encode("utf-16-le")) // 2 if text else len(content)
    return cursor.at, length, text
