"""The wall in front of the CRDT library: a strict parser of Yjs v1 updates.

Well-formed bytes crash the library (malformed ones too), and a crash in native code ends the daemon. So
nothing that a peer sent reaches it unless this parser has read every byte of it and found only what honest
documents of ours contain:

    text      ContentDeleted and ContentString, in the one root `source`
    manifest  ContentDeleted and ContentAny of buffers, under a key of the one root `entries`

Blocks of kind GC stand for what was inside a deleted type. Our documents have nothing inside their roots but items, and
an item that comes after a GC block vanishes on some devices and not on others.

Invariants
    * Exact consumption: no byte is left over, no length is believed beyond the bytes there are.
    * No gap against the local state vector and every dependency known (`dependencies.py`), so that the library's queue
      of pending updates, where most crashes live, is never used. A gap is `MissingDependency` (a resync), everything
      else is `InvalidUpdate` (the end of that peer's session).
    * An operation of one of our own client IDs is never ahead of what we made ourselves.
    * Nothing cuts a surrogate pair in two: clocks count UTF-16 units, and the library loses the second half.

Format: the source of Yjs, `UpdateDecoderV1` and `encodeStateAsUpdate`; lengths of strings are UTF-16 units.
"""

from __future__ import annotations

import math
import re
from array import array
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace
from enum import Enum
from itertools import chain
from typing import NamedTuple

from yp2p.errors import InvalidUpdate
from yp2p.protocol.cursor import Cursor
from yp2p.protocol.deleted_ranges import (
    FEW_RANGES,
    RANGES_AT_ONCE,
    DeletedRange,
    encode,
    encoding,
    finish,
    read_delete_set,
)
from yp2p.protocol.state_vectors import MAX_CLOCK, StateVector

# One manifest value is a path or a delete's state vector. Larger ones would let a peer fill the memory of
# every member through one key.
MAX_VALUE_BYTES = 64 << 10

# A text that was edited for years has thousands of places where something was taken out. Two bytes on the wire make two
# hundred while they are read: without the cap a message of 64 MiB would take 6 GB. What has more goes in several
# updates (`update_parts.py`).
MAX_DELETED_RANGES = 1 << 13

# A text of as many ranges has as many pieces between them. Three bytes on the wire make two hundred in memory.
MAX_BLOCKS, _BLOCK_BYTES = 1 << 14, 3
# More than so many in one update take the library tens of milliseconds: it gets them in parts, too.
MANY_BLOCKS = 1 << 15
# A text that is older than a few months has more: whoever sends it says it in several updates (`update_parts.py`). The
# library finds clients by the lower bits of their IDs, which their makers choose: of clients that have those in common
# it looks at all to find one. As many as these take it a third of a second, eight times as many half a minute.
MAX_CLIENTS = 1 << 12
# More than so many in one update the library gets in parts (`update_parts.py`).
MANY_CLIENTS = 1 << 9

_RUN = 64

# Blocks parsed at a stretch, some 8 ms: a state of a megabyte would hold up the loop for half a second.
SLICE_BLOCKS = 4096

_ORIGIN, _RIGHT_ORIGIN, _PARENT_SUB = 0x80, 0x40, 0x20
_GC, _DELETED, STRING, _ANY = 0, 1, 4, 8
_ANY_BUFFER = 116


class Shape(Enum):
    """What kind of document an update is for; the value is the name of its root type."""

    TEXT = "source"
    MANIFEST = "entries"


class Sender(Enum):
    """Whose update is read.

    A stock program says everything in one update. It runs on this device, for whoever has the folder.
    """

    PEER = 0
    PROGRAM = 1

    @property
    def most(self) -> tuple[int, int]:
        """How many deleted ranges and blocks it may have."""
        return (MAX_DELETED_RANGES, MAX_BLOCKS) if self is Sender.PEER else (1 << 17, 1 << 19)


_ASTRAL = re.compile("[\U00010000-\U0010ffff]")


def utf16_length(text: str) -> int:
    """How many units of clocks a text takes."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2


class Block(NamedTuple):
    """What goes in one part of an update that may go in parts: whose, its clocks, and where it is in the bytes.

    Of a text it is up to `_RUN` blocks, of which only the first one may be next to an item of another client.
    """

    client: int
    clock: int
    stop: int
    begins: int
    ends: int
    number: int = 1


@dataclass(slots=True)
class Parsed:
    """What an update contains: the clocks of its operations (`sections`), and up to which clocks others are needed."""

    sections: dict[int, tuple[int, int]]
    origins: dict[int, int]
    deletes: dict[int, int]
    # Items that come right after or before one of another client: client, clock, and that one's client and clock; as
    # numbers without an object each, since a member may send a hundred thousand.
    crossing_numbers: array[int]
    cuts: array[int]  # client, and clock before which an item divides what is there, in turns: there are many
    halves: set[tuple[int, int]]  # client and clock of the second halves of surrogate pairs in this update
    deleted: list[DeletedRange] = field(default_factory=list)
    # A state vector on which its items can be put in place one after the other; so they can on each that contains it.
    ordered_on: StateVector | None = None
    pieces: int = 0  # how many blocks it has

    def dividing(self) -> Iterator[tuple[int, int]]:
        """Client and clock before which an item or a deletion divides what is there."""
        ends = ((client, clock) for client, start, length in self.deleted for clock in (start, start + length))
        numbers = iter(self.cuts)
        return chain(zip(numbers, numbers, strict=True), ends)

    def crossings(self) -> Iterator[tuple[int, int, int, int]]:
        """Client and clock of an item, and client and clock of another client's that it is next to."""
        numbers = iter(self.crossing_numbers)
        return zip(numbers, numbers, numbers, numbers, strict=True)

    @classmethod
    def empty(cls) -> Parsed:
        return cls({}, {}, {}, array("Q"), array("Q"), set())

    def vector(self) -> dict[int, int]:
        """The least that whoever made this update has."""
        vector = {client: stop for client, (_, stop) in self.sections.items()}
        for needs in (self.origins, self.deletes):
            for client, clock in needs.items():
                vector[client] = max(vector.get(client, 0), clock)
        return vector


class UpdateParser:
    """Reads one update of one shape. Of somebody else's (`sender`) it takes no more than the caps above.

    Afterwards `ranges` is its delete set, which begins at byte `deletes_at`, `inserted_units` what a text got,
    `has_nul` and `has_replacement` whether that has U+0000, or U+FFFD, which Yjs sends for half a surrogate pair, and
    `blocks` are those of an update that may have to go in parts, or of any (`keeps_blocks`).
    """

    def __init__(
        self, data: bytes, shape: Shape, *, sender: Sender | None = None, keeps_blocks: bool = False
    ) -> None:  # fmt: skip
        self._cursor = Cursor(data)
        self._shape = shape
        self._sender = sender
        self._blocks_left: float = sender.most[1] if sender is not None else math.inf
        self.blocks: list[Block] = []
        is_long = len(data) > _BLOCK_BYTES * MANY_BLOCKS
        self._keeps_blocks = keeps_blocks or (sender is not None and (is_long or shape is Shape.MANIFEST))
        self.ranges: list[tuple[int, int, int]] = []
        self.inserted_units = 0
        self.has_nul = self.has_replacement = False
        self.deletes_at = 0
        self.parsed = Parsed.empty()
        self._at = (0, 0)  # client and clock of the block that is being read
        self._astral: list[tuple[int, int, str]] = []  # strings with such characters: client, clock, text

    def parse(self) -> Parsed:
        for _ in self.steps():
            pass
        return self.parsed

    def steps(self) -> Iterator[None]:
        """Parse, and stop for a moment after every `SLICE_BLOCKS` blocks; the result is in `parsed` at the end."""
        cursor, parsed = self._cursor, self.parsed
        sections, left = cursor.count(4), SLICE_BLOCKS
        is_limited = self._sender is not None
        if is_limited and sections > MAX_CLIENTS:
            raise InvalidUpdate(f"{sections} clients in one update, more than {MAX_CLIENTS}", cursor.at)
        self._keeps_blocks |= is_limited and sections > MANY_CLIENTS
        for _ in range(sections):
            blocks, client, clock = self._section()
            start = clock
            while blocks > left:
                clock = self._blocks(left, client, clock)
                blocks -= left
                left = SLICE_BLOCKS
                yield
            parsed.sections[client] = (start, self._blocks(blocks, client, clock))
            left -= blocks
        yield
        yield from self._delete_set()
        cursor.finish()
        yield from self._note_halves()

    def _section(self) -> tuple[int, int, int]:
        """Number of blocks, client and first clock of a section."""
        cursor = self._cursor
        blocks = cursor.count(2)
        if blocks == 0:
            raise InvalidUpdate("a client section without blocks", cursor.at)
        self._blocks_left -= blocks
        self.parsed.pieces += blocks
        if self._blocks_left < 0:
            raise InvalidUpdate("more blocks than one update may have", cursor.at)
        client = cursor.client()
        if client in self.parsed.sections:
            raise InvalidUpdate(f"client {client} has two sections", cursor.at)
        return blocks, client, cursor.varint()

    def _blocks(self, number: int, client: int, clock: int) -> int:
        for _ in range(number):
            first, begins, crossings = clock, self._cursor.at, len(self.parsed.crossing_numbers)
            clock += self._block(client, clock)
            if clock > MAX_CLOCK:
                raise InvalidUpdate(f"clock {clock} is too large", self._cursor.at)
            if self._keeps_blocks:
                crosses = len(self.parsed.crossing_numbers) > crossings
                self._keep(Block(client, first, clock, begins, self._cursor.at), crosses=crosses)
        return clock

    def _keep(self, block: Block, *, crosses: bool) -> None:
        """Note a block, with those before it where that can be: half a million objects hold up the collector."""
        last = self.blocks[-1] if self.blocks and self._shape is Shape.TEXT and not crosses else None
        if last is None or last.stop != block.clock or last.client != block.client or last.number == _RUN:
            self.blocks.append(block)
        else:
            self.blocks[-1] = Block(last.client, last.clock, block.stop, last.begins, block.ends, last.number + 1)

    def _block(self, client: int, clock: int) -> int:
        cursor = self._cursor
        self._at = (client, clock)
        if cursor.at >= cursor.end:
            raise InvalidUpdate("the bytes end early", cursor.at)
        info = cursor.data[cursor.at]
        cursor.at += 1
        if info == _GC:
            raise InvalidUpdate("a GC block, where no type was ever deleted", cursor.at - 1)
        if info & _ORIGIN:
            self._origin(client, clock, 1)
        if info & _RIGHT_ORIGIN:
            if self._shape is Shape.MANIFEST:
                raise InvalidUpdate("a manifest value with a right neighbour", cursor.at)
            self._origin(client, clock, 0)
            cuts = self.parsed.cuts
            if info & _ORIGIN and cuts[-2] == cuts[-4] and cuts[-1] == cuts[-3] - 1:
                raise InvalidUpdate("an item right after and right before the same one", cursor.at)
        if not info & (_ORIGIN | _RIGHT_ORIGIN):
            self._parent(info)
        elif self._shape is Shape.TEXT and info & _PARENT_SUB:
            raise InvalidUpdate("a keyed item in a text", cursor.at)
        kind = info & 0x1F
        return self._text_content(kind) if self._shape is Shape.TEXT else self._manifest_content(kind)

    def _parent(self, info: int) -> None:
        cursor = self._cursor
        if cursor.varint() != 1:
            raise InvalidUpdate("an item inside another type", cursor.at)
        root = cursor.text()
        if not self.is_root(root):
            raise InvalidUpdate(f"a root named {root[:40]!r}", cursor.at)
        keyed = bool(info & _PARENT_SUB)
        if keyed != (self._shape is Shape.MANIFEST):
            raise InvalidUpdate("a keyed item in a text, or one without a key in a manifest", cursor.at)
        if keyed:
            cursor.text()

    def is_root(self, name: str) -> bool:
        """Whether the document has its content under this name."""
        return name == self._shape.value

    def _origin(self, client: int, clock: int, behind: int) -> None:
        cursor = self._cursor
        origin_client = cursor.client()
        origin_clock = cursor.varint()
        self.parsed.cuts.extend((origin_client, origin_clock + behind))
        if origin_client == client:
            if origin_clock >= clock:
                raise InvalidUpdate("an item that comes after itself", cursor.at)
            return
        self.parsed.crossing_numbers.extend((client, clock, origin_client, origin_clock))
        origins = self.parsed.origins
        if origin_clock >= origins.get(origin_client, 0):
            origins[origin_client] = origin_clock + 1

    def _length(self) -> int:
        length = self._cursor.varint()
        if length == 0:
            raise InvalidUpdate("an empty block", self._cursor.at)
        return length

    def _text_content(self, kind: int) -> int:
        if kind == STRING:
            text = self._cursor.text()
            if not text:
                raise InvalidUpdate("an empty string", self._cursor.at)
            length = utf16_length(text)
            self.inserted_units += length
            self.has_nul = self.has_nul or "\x00" in text
            self.has_replacement = self.has_replacement or "\ufffd" in text
            if length != len(text):
                self._astral.append((*self._at, text))
            return length
        if kind == _DELETED:
            return self._length()
        raise InvalidUpdate(f"content of kind {kind} in a text", self._cursor.at)

    def _note_halves(self) -> Iterator[None]:
        """Find the second halves of the characters that take two UTF-16 units, some thousand at a stretch."""
        for client, clock, text in self._astral:
            for number, found in enumerate(_ASTRAL.finditer(text)):
                self.parsed.halves.add((client, clock + found.start() + number + 1))
                if number % SLICE_BLOCKS == SLICE_BLOCKS - 1:
                    yield
        self._astral.clear()

    def _manifest_content(self, kind: int) -> int:
        cursor = self._cursor
        if kind == _DELETED:
            return self._length()
        if kind != _ANY:
            raise InvalidUpdate(f"content of kind {kind} in a manifest", cursor.at)
        count = cursor.count(2)
        if count == 0:
            raise InvalidUpdate("an empty block", cursor.at)
        for _ in range(count):
            if cursor.varint() != _ANY_BUFFER:
                raise InvalidUpdate("a manifest value that is no buffer", cursor.at)
            size = cursor.varint()
            if size > MAX_VALUE_BYTES or size > cursor.end - cursor.at:
                raise InvalidUpdate(f"a manifest value of {size} bytes", cursor.at)
            cursor.at += size
        return count

    def _delete_set(self) -> Iterator[None]:
        self.deletes_at = self._cursor.at
        deletes, unyielded = self.parsed.deletes, 0
        most = self._sender.most[0] if self._sender is not None else math.inf
        for found in read_delete_set(self._cursor, most):
            self.ranges += found
            client = found[0][0]
            deletes[client] = max(deletes.get(client, 0), max(start + length for _, start, length in found))
            unyielded += len(found)
            if unyielded >= RANGES_AT_ONCE:
                unyielded = 0
                yield
        self.parsed.deleted = self.ranges


# Ranges applied at a stretch: some 40 ms, with the version that the document has then.
_RANGES_IN_PART = 1 << 12


@dataclass(frozen=True, slots=True)
class Checked:
    """Somebody else's update whose form is right; only `check` and `checking` make one.

    Whether a document has what it builds on is for `check_dependencies` to say, in the step that applies it.

    Attributes:
        data: the update; many deleted ranges in an order of our own (`deleted_ranges.py`).
        deleted: client, first clock and length of what it deletes.
        has_nul: whether it inserts U+0000.
        has_replacement: whether it inserts U+FFFD, which Yjs sends for half of a surrogate pair.
    """

    data: bytes
    parsed: Parsed
    deleted: list[tuple[int, int, int]]
    has_nul: bool
    has_replacement: bool
    deletes_at: int = 0  # where the delete set begins in `data`
    blocks: list[Block] = field(default_factory=list)  # of a manifest document, or where there may be many

    @property
    def says_nothing(self) -> bool:
        return not self.parsed.sections and not self.deleted

    def in_parts(self) -> Iterator[Checked]:
        """The same as several updates, one to be applied after the other, where it removes so much that applying it
        would take long: first what it inserts, then what it deletes, in order."""
        if len(self.deleted) <= _RANGES_IN_PART:
            yield self
            return
        ranges = sorted(self.deleted)  # so that each part changes another place of the document
        if self.parsed.sections:
            yield self._deleting(self.data[: self.deletes_at], self.parsed, [])
        for start in range(0, len(ranges), _RANGES_IN_PART):
            part = ranges[start : start + _RANGES_IN_PART]
            yield self._deleting(b"\x00", Parsed.empty(), part)

    def _deleting(self, operations: bytes, parsed: Parsed, ranges: list[DeletedRange]) -> Checked:
        deletes: dict[int, int] = {}
        for client, start, length in ranges:
            deletes[client] = max(deletes.get(client, 0), start + length)
        data = operations + encode(ranges)
        parsed = replace(parsed, deletes=deletes, deleted=ranges)
        return Checked(data, parsed, ranges, self.has_nul, self.has_replacement, len(operations))


def checking(data: bytes, shape: Shape, sender: Sender = Sender.PEER) -> Generator[None, None, Checked]:
    """`check` in slices of some milliseconds each."""
    parser = UpdateParser(data, shape, sender=sender)
    yield from parser.steps()
    if len(parser.ranges) > FEW_RANGES:
        encoded = yield from encoding(parser.ranges)
        data = data[: parser.deletes_at] + encoded
    return Checked(
        data, parser.parsed, parser.ranges, parser.has_nul, parser.has_replacement, parser.deletes_at, parser.blocks
    )


def check(data: bytes, shape: Shape, sender: Sender = Sender.PEER) -> Checked:
    """Check the form of an update. Raises InvalidUpdate: no honest device made this."""
    return finish(checking(data, shape, sender))


def parse_update(data: bytes) -> Parsed:
    """What an update of a text contains. Raises InvalidUpdate."""
    return UpdateParser(data, Shape.TEXT).parse()


def deleted_ranges(data: bytes) -> list[tuple[int, int, int]]:
    """Client ID, first clock and number of the operations that an update of a text deletes. Raises InvalidUpdate."""
    parser = UpdateParser(data, Shape.TEXT)
    parser.parse()
    return parser.ranges
