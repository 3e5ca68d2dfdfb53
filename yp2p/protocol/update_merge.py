"""Several updates of a text as one, by their bytes alone: no document is needed, and nothing is lost.

Theory of operation
    An update is, for each client, a section of blocks in the order of their clocks, and a set of deleted ranges.
    Updates that follow one another in a log continue each other's sections, so the blocks of one client are written one
    after the other and the deleted ranges united. A string that was typed behind another one, with the same character
    on its right, is the rest of that string: Yjs itself writes the two as one block and cuts such blocks where it needs
    to. So a thousand keystrokes become a few blocks.

    Deleted content stays in the result, unlike in the state of a document: what a later row deletes can be brought
    back.

Invariants
    * The result has exactly the operations and deletions of the parts: the same clients, clocks, neighbours, content.
    * No section has a gap. An update that does not continue what is there is refused and not taken.

Sources: `Item.mergeWith`, `splitItem` and `mergeUpdates` of Yjs 13.6.
"""

from __future__ import annotations

from dataclasses import dataclass

from yp2p.protocol.delete_sets import encode
from yp2p.protocol.wire import write_varint
from yp2p.protocol.ysync import DeletedRange, Shape, UpdateParser

_STRING, _ORIGIN, _RIGHT_ORIGIN = 4, 0x80, 0x40

_Place = tuple[int, int]  # client and clock


@dataclass(slots=True)
class _Block:
    """A block of one client: its bytes up to the content, and the content, in pieces."""

    head: bytes
    is_string: bool
    right: _Place | None
    content: list[bytes]  # of a string without its length

    def encode(self) -> bytes:
        data = b"".join(self.content)
        return self.head + write_varint(len(data)) + data if self.is_string else self.head + data


class _Blocks(UpdateParser):
    """Reads the blocks of an update one by one."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data, Shape.TEXT)
        self._data = data
        self._content_at = 0
        self.found: list[tuple[int, int, _Place | None, _Block]] = []  # client, clock, left neighbour, block

    def _text_content(self, kind: int) -> int:
        self._content_at = self._cursor.at
        return super()._text_content(kind)

    def _block(self, client: int, clock: int) -> int:
        begin, cuts = self._cursor.at, len(self.parsed.cuts)
        length = super()._block(client, clock)
        info, neighbours = self._data[begin], self.parsed.cuts[cuts:]
        origin = (neighbours[0][0], neighbours[0][1] - 1) if info & _ORIGIN else None
        right = neighbours[-1] if info & _RIGHT_ORIGIN else None
        is_string, content_at = info & 0x1F == _STRING, self._content_at
        content = self._data[content_at : self._cursor.at]
        if is_string:
            content = content[_varint_bytes(content) :]
        self.found.append((client, clock, origin, _Block(self._data[begin:content_at], is_string, right, [content])))
        return length


def _varint_bytes(data: bytes) -> int:
    return next(number for number, byte in enumerate(data, 1) if byte < 0x80)


class UpdateMerge:
    """Puts updates of a text together, in the order of their log.

    `inserted_units` and `sections` are of what was added so far, as in `UpdateParser` and `Parsed`.
    """

    def __init__(self) -> None:
        self.inserted_units = 0
        self.sections: dict[int, tuple[int, int]] = {}
        self._blocks: dict[int, list[_Block]] = {}
        self._ranges: list[DeletedRange] = []

    def add(self, update: bytes) -> bool:
        """Add the next update; False when it does not continue what is there, which then stays as it is.

        Raises:
            InvalidUpdate: it is no update of a text.
        """
        parser = _Blocks(update)
        sections = parser.parse().sections
        if any(
            client in self.sections and self.sections[client][1] != start for client, (start, _) in sections.items()
        ):
            return False
        for client, (start, stop) in sections.items():
            self.sections[client] = (self.sections.get(client, (start, stop))[0], stop)
        for client, clock, origin, block in parser.found:
            blocks = self._blocks.setdefault(client, [])
            last = blocks[-1] if blocks else None
            is_rest = last is not None and last.is_string and block.is_string and origin == (client, clock - 1)
            if last is not None and is_rest and last.right == block.right:
                last.content += block.content
            else:
                blocks.append(block)
        self._ranges += parser.ranges
        self.inserted_units += parser.inserted_units
        return True

    def update(self) -> bytes:
        """The sum of what was added."""
        out = [write_varint(len(self.sections))]
        for client, (start, _) in self.sections.items():
            blocks = self._blocks[client]
            out += [write_varint(len(blocks)), write_varint(client), write_varint(start)]
            out += [block.encode() for block in blocks]
        return b"".join(out) + encode(self._ranges)


def merged_updates(updates: list[bytes]) -> bytes | None:
    """The sum of updates that follow one another in a log; None where one does not continue those before it.

    Raises:
        InvalidUpdate: one is no update of a text.
    """
    merge = UpdateMerge()
    return merge.update() if all(merge.add(update) for update in updates) else None
