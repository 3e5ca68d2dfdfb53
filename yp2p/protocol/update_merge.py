"""Several updates of a text as one, by their bytes alone: no document is needed, and nothing is lost.

Theory of operation
    An update is, for each client, a section of blocks in the order of their clocks, and a set of deleted ranges.
    Updates that follow one another in a log continue each other's sections, so the blocks of one client are written one
    after the other and the deleted ranges united. A string that was typed behind another one, with the same character
    on its right, is the rest of that string: Yjs itself writes the two as one block and cuts such blocks where it needs
    to. So a thousand keystrokes become a few blocks. So do two such blocks of which only the length is known: the
    library writes one for each keystroke that was taken back alone.

    Deleted content stays in the result, unlike in the state of a document: what a later row deletes can be brought
    back.

Invariants
    * The result has exactly the operations and deletions of the parts: the same clients, clocks, neighbours, content.
    * No section has a gap. An update that does not continue what is there is refused and not taken.

Sources: `Item.mergeWith`, `splitItem` and `mergeUpdates` of Yjs 13.6.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from yp2p.protocol.delete_sets import encode
from yp2p.protocol.deleted_ranges import DeletedRange
from yp2p.protocol.wire import write_varint
from yp2p.protocol.ysync import Shape, UpdateParser

_DELETED, _STRING, _ORIGIN, _RIGHT_ORIGIN, _ROOT = 1, 4, 0x80, 0x40, 1

Place = tuple[int, int]  # client and clock


@dataclass(slots=True)
class Block:
    """Operations of one client that were written one behind the other: `length` UTF-16 units from `clock` on.

    `origin` and `right` are what was on their left and right when they were written. The content of a string is in
    pieces; of what was deleted and forgotten, nothing but the length is known.
    """

    client: int
    clock: int
    length: int
    origin: Place | None
    right: Place | None
    is_string: bool
    content: list[bytes]

    @classmethod
    def of_text(cls, client: int, origin: Place | None, right: Place | None, text: str) -> Block:
        """The first operations of a client: a text between two neighbours."""
        return cls(client, 0, len(text.encode("utf-16-le")) // 2, origin, right, True, [text.encode()])

    def text(self) -> str | None:
        """What was written; None where nobody knows that any more."""
        return b"".join(self.content).decode() if self.is_string else None

    def without_start(self, clock: int) -> Block:
        """What is behind the operations before a clock, which is in this block."""
        text, skip = self.text(), clock - self.clock
        content = [text.encode("utf-16-le")[2 * skip :].decode("utf-16-le").encode()] if text is not None else []
        origin = self.client, clock - 1
        return Block(self.client, clock, self.length - skip, origin, self.right, self.is_string, content)

    def encode(self) -> bytes:
        """As Yjs writes it."""
        info = (_ORIGIN if self.origin is not None else 0) | (_RIGHT_ORIGIN if self.right is not None else 0)
        out = [bytes([info | (_STRING if self.is_string else _DELETED)])]
        out += [write_varint(number) for place in (self.origin, self.right) if place is not None for number in place]
        if not info:
            root = Shape.TEXT.value.encode()
            out += [write_varint(_ROOT), write_varint(len(root)), root]
        data = b"".join(self.content)
        return b"".join((*out, write_varint(len(data) if self.is_string else self.length), data))


def encode_update(blocks: Iterable[Block], deleted: Iterable[DeletedRange]) -> bytes:
    """An update of these operations and deletions. Args: `blocks` of each client in order and without gaps."""
    sections: dict[int, list[Block]] = {}
    for block in blocks:
        sections.setdefault(block.client, []).append(block)
    out = [write_varint(len(sections))]
    for client, found in sections.items():
        out += [write_varint(len(found)), write_varint(client), write_varint(found[0].clock)]
        out += [block.encode() for block in found]
    return b"".join(out) + encode(deleted)


class _BlockReader(UpdateParser):
    """Reads the blocks of an update one by one."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data, Shape.TEXT)
        self._data = data
        self._content_at = 0
        self.found: list[Block] = []

    def _text_content(self, kind: int) -> int:
        self._content_at = self._cursor.at
        return super()._text_content(kind)

    def _block(self, client: int, clock: int) -> int:
        begin, cuts = self._cursor.at, len(self.parsed.cuts)
        length = super()._block(client, clock)
        info, numbers = self._data[begin], iter(self.parsed.cuts[cuts:])
        neighbours = list(zip(numbers, numbers, strict=True))
        origin = (neighbours[0][0], neighbours[0][1] - 1) if info & _ORIGIN else None
        right = neighbours[-1] if info & _RIGHT_ORIGIN else None
        is_string = info & 0x1F == _STRING
        content: list[bytes] = []
        if is_string:
            data = self._data[self._content_at : self._cursor.at]
            content = [data[1 if data[0] < 0x80 else _varint_bytes(data) :]]
        self.found.append(Block(client, clock, length, origin, right, is_string, content))
        return length


def read_update(update: bytes) -> tuple[list[Block], list[DeletedRange]]:
    """The blocks of an update of a text, and what it deletes. Raises InvalidUpdate."""
    reader = _BlockReader(update)
    reader.parse()
    return reader.found, reader.ranges


def read_blocks(update: bytes) -> list[Block]:
    """The blocks of an update of a text. Raises InvalidUpdate."""
    return read_update(update)[0]


def without_known(update: bytes, known: Mapping[int, int]) -> bytes:
    """An update without the operations of these clients before these clocks; it deletes the same.

    Raises:
        InvalidUpdate: it is no update of a text.
    """
    blocks, deleted = read_update(update)
    news: list[Block] = []
    for block in blocks:
        clock = known.get(block.client, 0)
        if clock <= block.clock:
            news.append(block)
        elif clock < block.clock + block.length:
            news.append(block.without_start(clock))
    return encode_update(news, deleted)


def _varint_bytes(data: bytes) -> int:
    return next(number for number, byte in enumerate(data, 1) if byte < 0x80)


class UpdateMerge:
    """StagedWrites updates of a text together, in the order of their log.

    `inserted_units` and `sections` are of what was added so far, as in `UpdateParser` and `Parsed`, and so are the
    `blocks` of each client and the deleted `ranges`.

    Args:
        with_repeats: whether an update may have operations again that are there. A log has such where it has an update
            as it was made: two repairs of a meeting put in the same.
    """

    def __init__(self, *, with_repeats: bool = False) -> None:
        self._with_repeats = with_repeats
        self.inserted_units = 0
        self.sections: dict[int, tuple[int, int]] = {}
        self.blocks: dict[int, list[Block]] = {}
        self.ranges: list[DeletedRange] = []

    def add(self, update: bytes) -> bool:
        """Add the next update; False when it does not continue what is there, which then stays as it is.

        Raises:
            InvalidUpdate: it is no update of a text.
        """
        reader = _BlockReader(update)
        sections = reader.parse().sections
        known = {client: self.sections[client][1] for client in sections if client in self.sections}
        if any(
            known[client] < sections[client][0] or (known[client] > sections[client][0] and not self._with_repeats)
            for client in known
        ):
            return False
        for client, (start, stop) in sections.items():
            self.sections[client] = (self.sections.get(client, (start, stop))[0], max(stop, known.get(client, 0)))
        for whole in reader.found:
            behind = known.get(whole.client, 0)
            if whole.clock + whole.length <= behind:
                continue
            block = whole if behind <= whole.clock else whole.without_start(behind)
            blocks = self.blocks.setdefault(block.client, [])
            last = blocks[-1] if blocks else None
            if (
                last is not None
                and last.is_string == block.is_string
                and block.origin == (block.client, block.clock - 1)
                and last.right == block.right
            ):
                last.content += block.content
                last.length += block.length
            else:
                blocks.append(block)
        self.ranges += reader.ranges
        self.inserted_units += reader.inserted_units
        return True

    def update(self) -> bytes:
        """The sum of what was added."""
        return encode_update((block for blocks in self.blocks.values() for block in blocks), self.ranges)


def merged_updates(updates: Iterable[bytes]) -> bytes | None:
    """The sum of updates that follow one another in a log; None where one does not continue those before it.

    Raises:
        InvalidUpdate: one is no update of a text.
    """
    merge = UpdateMerge()
    return merge.update() if all(merge.add(update) for update in updates) else None
