"""A large update, cut into parts that are applied one after the other.

What follows from a register of the manifest (an entry, where it is, what it is on the disk) costs more than the library
takes to apply it, and what follows from one update is one stretch of the loop. And operations of very many clients,
each behind one of the client before, take the library a time that grows with the square of their number. So both go in
parts: each client as far as what its operations build on is there or goes before, which is possible for whatever waits
in no circle.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush

from yp2p.protocol.wire import write_varint
from yp2p.protocol.ysync import Block, Checked, Shape, StateVector, check

# Registers in a part, and bytes: some milliseconds. A part of a text costs a millisecond for each four thousand clients
# that its document has.
PART_BLOCKS, PART_BYTES = 128, 64 << 10
_TEXT_BLOCKS, _TEXT_BYTES = 1 << 11, 1 << 20
_TURNS_AT_ONCE = 1 << 10


@dataclass(slots=True)
class _Section:
    """The blocks of one client that are still to go."""

    blocks: list[Block]
    needs: dict[int, list[tuple[int, int]]] = field(default_factory=dict)  # by clock: which client up to which clock
    next: int = 0


class _Cutter:
    """Cuts one update."""

    def __init__(self, update: Checked, known: StateVector, size: tuple[int, int]) -> None:
        self._data = update.data
        self._size = self._left = size
        self._sections: dict[int, _Section] = {}
        for block in update.blocks:
            self._sections.setdefault(block.client, _Section([])).blocks.append(block)
        self._reached = {
            client: max(section.blocks[0].clock, known.get(client, 0)) for client, section in self._sections.items()
        }
        for client, clock, origin_client, origin_clock in update.parsed.crossings:
            if origin_client in self._sections:
                self._sections[client].needs.setdefault(clock, []).append((origin_client, origin_clock))
        self._part: dict[int, list[Block]] = {}

    def parts(self) -> Iterator[bytes | None]:
        """The operations, in parts without deletions; in the last one what waits for itself, if anything does.

        None, where it was at work for some milliseconds.
        """
        for turns, _ in enumerate(self._turns(), 1):
            if self._is_full():
                yield self._finish()
            elif turns % _TURNS_AT_ONCE == 0:
                yield None
        for client, section in self._sections.items():  # a circle: to be refused
            if section.next < len(section.blocks):
                self._part.setdefault(client, []).extend(section.blocks[section.next :])
        yield self._finish()

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
        self._part.setdefault(client, []).append(block)
        self._left = self._left[0] - 1, self._left[1] - (block.ends - block.begins)
        return True

    def _missing(self, client: int, block: Block) -> tuple[int, int] | None:
        """What has to go before a block, as client and clock."""
        if block.stop <= self._reached[client]:
            return None
        needs = self._sections[client].needs.get(block.clock, ())
        return next((need for need in needs if self._reached[need[0]] <= need[1]), None)

    def _is_full(self) -> bool:
        return min(self._left) <= 0

    def _finish(self) -> bytes:
        out = [write_varint(len(self._part))]
        for client, blocks in self._part.items():
            out += [write_varint(len(blocks)), write_varint(client), write_varint(blocks[0].clock)]
            out.append(self._data[blocks[0].begins : blocks[-1].ends])
        self._part, self._left = {}, self._size
        return b"".join(out)


def in_parts(update: Checked, known: StateVector, shape: Shape) -> Iterator[Checked | None]:
    """The same as several updates, one to be applied after the other, where applying it would take long.

    Gives None where it worked for some milliseconds, so that others get their turn.

    Args:
        known: the state vector of the document.
    """
    size = (PART_BLOCKS, PART_BYTES) if shape is Shape.MANIFEST else (_TEXT_BLOCKS, _TEXT_BYTES)
    if len(update.blocks) <= size[0] and (not update.blocks or len(update.data) <= size[1]):
        yield from update.in_parts()
        return
    for operations in _Cutter(update, known, size).parts():
        if operations is None:
            yield None
        elif operations != b"\x00":
            yield check(operations + b"\x00", shape)
    if update.deleted:
        yield from check(b"\x00" + update.data[update.deletes_at :], shape).in_parts()
