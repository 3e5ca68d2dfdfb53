"""All that ever was written into a text, in the order of the document, with the text of what was deleted as far as the
updates have it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pycrdt import Doc, Text

from yp2p.documents.replica import raising_panics
from yp2p.documents.shadow import spans_in_order
from yp2p.protocol.update_merge import Block, read_blocks
from yp2p.protocol.ysync import Shape

__all__ = ["OrderedBlock", "in_order", "with_text"]


@dataclass(frozen=True, slots=True)
class OrderedBlock:
    """Operations of one client that follow one another; `text` is None where it is not known."""

    client: int
    clock: int
    length: int
    text: str | None


def in_order(updates: Iterable[bytes]) -> list[OrderedBlock] | None:
    """All blocks that ever were, in the order of the document."""
    with raising_panics():
        doc: Doc[Any] = Doc(client_id=1, skip_gc=True)
        doc.get(Shape.TEXT.value, type=Text)
        with doc.transaction():
            for update in updates:
                doc.apply_update(update)
        blocks = read_blocks(doc.get_update())
    spans = spans_in_order(blocks)
    if spans is None or len(spans) != len(blocks):
        return None
    return [OrderedBlock(*span, blocks[number].text()) for number, span in spans]


def with_text(blocks: Sequence[OrderedBlock], updates: Iterable[bytes]) -> Iterator[OrderedBlock]:
    """The same blocks, with the text of those that are known as deleted where one of these updates says it."""
    strings: dict[int, list[Block]] = {block.client: [] for block in blocks if block.text is None}
    for update in updates:
        for found in read_blocks(update):
            if found.is_string and found.client in strings:
                strings[found.client].append(found)
    said = {client: _Strings(blocks) for client, blocks in strings.items()}
    for block in blocks:
        if block.text is None and block.client in said:
            yield from said[block.client].pieces_of(block)
        else:
            yield block


class _Strings:
    """Blocks of one client that have a text; of what several say, the first one's."""

    def __init__(self, blocks: Iterable[Block]) -> None:
        self._starts: list[int] = []
        self._stops: list[int] = []
        self._units: list[bytes] = []  # UTF-16 from the start on
        reached = 0
        for block in sorted(blocks, key=lambda block: (block.clock, -block.length)):
            stop = block.clock + block.length
            if stop > reached:
                start = max(block.clock, reached)
                self._starts.append(start)
                self._stops.append(stop)
                self._units.append((block.text() or "").encode("utf-16-le")[2 * (start - block.clock) :])
                reached = stop

    def pieces_of(self, block: OrderedBlock) -> Iterator[OrderedBlock]:
        """A block without text, with the text that there is."""
        clock, stop = block.clock, block.clock + block.length
        for number in range(bisect_right(self._stops, clock), len(self._units)):
            begin = self._starts[number]
            start, until = min(begin, stop), min(self._stops[number], stop)
            if clock < start:
                yield OrderedBlock(block.client, clock, start - clock, None)
                clock = start
            if clock < until:
                units = self._units[number][2 * (clock - begin) : 2 * (until - begin)]
                yield OrderedBlock(block.client, clock, until - clock, _decoded(units))
                clock = until
            if clock >= stop:
                return
        if clock < stop:
            yield OrderedBlock(block.client, clock, stop - clock, None)


def _decoded(units: bytes) -> str | None:
    """UTF-16 as text; None where half of a surrogate pair is cut off."""
    try:
        return units.decode("utf-16-le")
    except UnicodeDecodeError:
        return None
