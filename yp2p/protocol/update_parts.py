"""A large update, cut into parts that are applied one after the other.

There are three reasons. To work out what a changed register of the manifest means (an entry, where it is, what it is on
the disk) takes longer than applying it, and holds up the loop for the whole of an update. Operations of very many
clients, each behind one of the client before, take the library a time that grows with the square of their number. And
an update from a peer has caps, which a document of many years exceeds.

A part has of each client the operations whose dependencies are there already or are in earlier parts. So everything can
be sent in parts, unless operations depend on each other in a circle.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush

from yp2p.protocol.cursor import Cursor
from yp2p.protocol.deleted_ranges import encode, ordering_slices
from yp2p.protocol.state_vectors import StateVector
from yp2p.protocol.wire import write_varint
from yp2p.protocol.ysync import (
    MANY_BLOCKS,
    MANY_CLIENTS,
    MAX_BLOCKS,
    MAX_CLIENTS,
    MAX_DELETED_RANGES,
    Block,
    Checked,
    Sender,
    Shape,
    UpdateParser,
    check,
)

# Registers in a part, and bytes: some milliseconds.
PART_BLOCKS, PART_BYTES = 128, 64 << 10
_TURNS_AT_ONCE = 1 << 10


@dataclass(frozen=True, slots=True)
class _Size:
    """How large a part may be: what its blocks cost, a client of it as much as so many blocks, and its bytes."""

    price: int
    client_price: int
    data_bytes: int


_OF_REGISTERS = _Size(PART_BLOCKS, 0, PART_BYTES)
# Of clients that the library can hardly tell from one another (`ysync.MAX_CLIENTS`) 256 take it a tenth of a second,
# of others some milliseconds. As many blocks as cost the same take fifteen, most of them to be read once more.
_OF_TEXT = _Size(1 << 12, 1 << 4, 1 << 20)
_OF_ONE = _Size(1, 0, 1)
# A message about a manifest document: what goes at once, and one register more. Each of the 64 would be as large as a
# message may be else, twice, while it is read.
MAX_MANIFEST_MESSAGE_BYTES = 5 << 20
# What goes to a peer: well below the caps of what it takes.
_TO_SEND = _Size(1 << 13, 1 << 3, 4 << 20)
_RANGES_TO_SEND = 1 << 12


@dataclass(slots=True)
class _Section:
    """The blocks of one client that are still to go."""

    blocks: list[Block]
    needs: dict[int, list[tuple[int, int]]] = field(default_factory=dict)  # by clock: which client up to which clock
    next: int = 0


class _Cutter:
    """Cuts the operations of one update.

    Args:
        crossings: as in `ysync.Parsed`.
        known: the state vector of the document that it is for.
    """

    def __init__(self, data: bytes, known: StateVector, size: _Size) -> None:
        self._data = data
        self._known = known
        self._size = size
        self._price_left, self._bytes_left = size.price, size.data_bytes
        self._sections: dict[int, _Section] = {}
        self._reached: dict[int, int] = {}
        self._part: dict[int, list[Block]] = {}

    def parts(self, blocks: Iterable[Block], crossings: Iterable[tuple[int, int, int, int]]) -> Iterator[bytes | None]:
        """The operations, in parts without deletions; in the last one what waits for itself, if anything does.

        None, where it was at work for some milliseconds.
        """
        yield from self._sort(blocks, crossings)
        for turns, _ in enumerate(self._turns(), 1):
            if self._is_full():
                yield self._finish()
            elif turns % _TURNS_AT_ONCE == 0:
                yield None
        for client, section in self._sections.items():  # a circle: to be refused
            if section.next < len(section.blocks):
                self._part.setdefault(client, []).extend(section.blocks[section.next :])
        yield self._finish()

    def _sort(self, blocks: Iterable[Block], crossings: Iterable[tuple[int, int, int, int]]) -> Iterator[None]:
        """Put together what there is of each client."""
        for number, block in enumerate(blocks, 1):
            self._sections.setdefault(block.client, _Section([])).blocks.append(block)
            if number % _TURNS_AT_ONCE == 0:
                yield
        for client, section in self._sections.items():
            self._reached[client] = max(section.blocks[0].clock, self._known.get(client, 0))
        for number, (client, clock, origin_client, origin_clock) in enumerate(crossings, 1):
            if origin_client in self._sections:
                self._sections[client].needs.setdefault(clock, []).append((origin_client, origin_clock))
            if number % _TURNS_AT_ONCE == 0:
                yield

    def _turns(self) -> Iterator[None]:
        """Take block after block, or find that a client has to wait."""
        waiting: dict[int, list[tuple[int, int]]] = {}  # by the client that is needed: clock and who waits
        ready = list(self._sections)
        while ready:
            client = ready.pop()
            while self._goes_on(client):
                yield
            if (block := self._next(client)) is not None and (need := self._missing(client, block)) is not None:
                origin_client, origin_clock = need
                heappush(waiting.setdefault(origin_client, []), (origin_clock, client))
                yield
            heap = waiting.get(client, [])
            while heap and heap[0][0] < self._reached[client]:
                ready.append(heappop(heap)[1])

    def _next(self, client: int) -> Block | None:
        section = self._sections[client]
        return section.blocks[section.next] if section.next < len(section.blocks) else None

    def _goes_on(self, client: int) -> bool:
        """Take the next block of a client, if there is one and what it builds on is there."""
        section, block = self._sections[client], self._next(client)
        if block is None or self._missing(client, block) is not None:
            return False
        section.next += 1
        self._reached[client] = max(self._reached[client], block.stop)
        self._price_left -= block.number if client in self._part else block.number + self._size.client_price
        self._bytes_left -= block.ends - block.begins
        self._part.setdefault(client, []).append(block)
        return True

    def _missing(self, client: int, block: Block) -> tuple[int, int] | None:
        """What has to go before a block, as client and clock."""
        if block.stop <= self._reached[client]:
            return None
        needs = self._sections[client].needs.get(block.clock, ())
        return next((need for need in needs if self._reached[need[0]] <= need[1]), None)

    def _is_full(self) -> bool:
        return self._price_left <= 0 or self._bytes_left <= 0

    def _finish(self) -> bytes:
        out = [write_varint(len(self._part))]
        for client, blocks in self._part.items():
            number = sum(block.number for block in blocks)
            out += [write_varint(number), write_varint(client), write_varint(blocks[0].clock)]
            out.append(self._data[blocks[0].begins : blocks[-1].ends])
        self._part = {}
        self._price_left, self._bytes_left = self._size.price, self._size.data_bytes
        return b"".join(out)


def _size_of_parts(update: Checked, shape: Shape) -> _Size | None:
    """None, where the operations of an update can be applied at a stretch."""
    blocks = sum(block.number for block in update.blocks)
    if shape is Shape.MANIFEST:
        return _OF_REGISTERS if blocks > PART_BLOCKS or (blocks and len(update.data) > PART_BYTES) else None
    return _OF_TEXT if len(update.parsed.sections) > MANY_CLIENTS or blocks > MANY_BLOCKS else None


def in_parts(update: Checked, known: StateVector, shape: Shape) -> Iterator[Checked | None]:
    """The same as several updates, one to be applied after the other, where applying it would take long.

    Gives None where it worked for some milliseconds, so that others get their turn.

    Args:
        known: the state vector of the document.
    """
    size = _size_of_parts(update, shape)
    if size is None:
        yield from update.in_parts()
        return
    for operations in _Cutter(update.data, known, size).parts(update.blocks, update.parsed.crossings()):
        if operations is None:
            yield None
        elif operations != b"\x00":
            yield check(operations + b"\x00", shape)
    if update.deleted:
        yield from check(b"\x00" + update.data[update.deletes_at :], shape, Sender.PROGRAM).in_parts()


def single_registers(update: bytes) -> Iterator[tuple[int, bytes]]:
    """The operations of an update of the manifest one by one, to be applied in this order, each with whose it is.

    What it deletes comes last, as nobody's: client 0.
    """
    parser = UpdateParser(update, Shape.MANIFEST, keeps_blocks=True)
    parser.parse()
    for operation in _Cutter(update, {}, _OF_ONE).parts(parser.blocks, parser.parsed.crossings()):
        if operation is not None and operation != b"\x00":
            cursor = Cursor(operation)
            cursor.varints(2)
            yield cursor.client(), operation + b"\x00"
    if parser.ranges:
        yield 0, b"\x00" + update[parser.deletes_at :]


def _is_small(update: bytes) -> bool:
    return Cursor(update).varint() <= MAX_CLIENTS and len(update) <= 2 * MAX_DELETED_RANGES


def in_messages(updates: Sequence[bytes]) -> list[tuple[bytes, ...]]:
    """Updates of a manifest document as they go in several messages, of which none is larger than it has to be."""
    messages: list[tuple[bytes, ...]] = []
    size = 0
    for update in updates:
        if not messages or size + len(update) > _TO_SEND.data_bytes:
            messages.append(())
            size = 0
        messages[-1] += (update,)
        size += len(update)
    return messages


def is_too_much(update: bytes, shape: Shape) -> bool:
    """Whether a peer would not take an update of our own as one (`to_send`)."""
    if _is_small(update):
        return False
    return next((part for part in to_send(update, shape) if part is not None), update) is not update


def to_send(update: bytes, shape: Shape) -> Iterator[bytes | None]:
    """An update of our own as several, one to be applied after the other, where a peer would not take it as one.

    Gives None where it worked for some milliseconds.
    """
    if _is_small(update):
        yield update
        return
    parser = UpdateParser(update, shape, keeps_blocks=True)
    for _ in parser.steps():
        yield None
    parsed, ranges = parser.parsed, parser.ranges
    is_long = len(parsed.sections) > MAX_CLIENTS or sum(block.number for block in parser.blocks) > MAX_BLOCKS
    is_long |= shape is Shape.MANIFEST and len(update) > _TO_SEND.data_bytes
    if not is_long and len(ranges) <= MAX_DELETED_RANGES:
        yield update
        return
    if is_long:
        for operations in _Cutter(update, {}, _TO_SEND).parts(parser.blocks, parsed.crossings()):
            yield operations + b"\x00" if operations is not None else None
    elif parsed.sections:
        yield update[: parser.deletes_at] + b"\x00"
    ordered = yield from ordering_slices(ranges)
    for start in range(0, len(ordered), _RANGES_TO_SEND):
        yield b"\x00" + encode(ordered[start : start + _RANGES_TO_SEND])
