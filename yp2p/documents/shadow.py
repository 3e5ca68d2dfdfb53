"""Where every operation of a text stands, also of what is deleted: asked of a shadow.

Theory of operation
    Where deleted characters are is known to nobody but the library's document, which does not tell. But it puts items
    in order by their operations, whatever they say. So a *shadow* is made: a document in which nothing is deleted, and
    in which every block is spelled with a letter of its own. Its text then names the blocks in their order.

    A block can have two thousand million operations in five bytes (of what was deleted only the length is known). So a
    shadow has one character not for each operation but for each *piece*: operations between which nothing was ever
    put in. Clocks are counted in pieces as well. So the work is linear in the bytes that there are.

Invariants
    * The library gets no block that waits for one that is missing: where one is, there is no order.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from pycrdt import Doc, Text

from yp2p.documents.replica import raising_panics
from yp2p.protocol.update_merge import Block, Place, encode_update
from yp2p.protocol.ysync import Shape

# Letters of one UTF-16 unit, below the surrogates. With two of them each piece of 64 MiB has a number.
_FIRST_LETTER, _LETTERS = 0x100, 0xD000


class Span(NamedTuple):
    """Characters that stand one behind the other: `length` UTF-16 units, operations of one client from `clock` on."""

    client: int
    clock: int
    length: int

    def cut(self, start: int, stop: int) -> Span:
        """A part, by clocks."""
        return Span(self.client, start, stop - start)


def spans_in_order(blocks: Sequence[Block]) -> list[tuple[int, Span]] | None:
    """The operations of these blocks in the order of the document, each span with the number of its block.

    Args:
        blocks: all of a text; those of one client by their clocks.

    Returns:
        None where an operation is missing.

    Raises:
        CrdtPanic: the library panicked.
    """
    cuts = _cuts(blocks)
    if cuts is None:
        return None
    pieces = [
        (number, block, start, stop)
        for number, block in enumerate(blocks)
        for start, stop in _pieces(cuts[block.client], block)
    ]
    digits = 1 if len(pieces) <= _LETTERS else 2
    spelled = [
        _text_of(_shadow(blocks, cuts, [number // _LETTERS**digit % _LETTERS for number in range(len(pieces))]))
        for digit in range(digits)
    ]
    if len(spelled[0]) != len(pieces):
        return None
    found: list[tuple[int, Span]] = []
    for letters in zip(*spelled, strict=True):
        at = sum((ord(letter) - _FIRST_LETTER) * _LETTERS**digit for digit, letter in enumerate(letters))
        number, block, start, stop = pieces[at]
        last = found[-1] if found else None
        if last is not None and last[0] == number and last[1].clock + last[1].length == start:
            found[-1] = number, last[1].cut(last[1].clock, stop)
        else:
            found.append((number, Span(block.client, start, stop - start)))
    return found


def _cuts(blocks: Iterable[Block]) -> dict[int, list[int]] | None:
    """Of each client the clocks at which a piece begins, and behind the last; None where an operation is missing."""
    cuts: dict[int, set[int]] = {}
    end: dict[int, int] = {}
    for block in blocks:
        if block.clock != end.get(block.client, 0):
            return None
        end[block.client] = block.clock + block.length
        for client, clock in ((block.client, block.clock), *_neighbours(block)):
            cuts.setdefault(client, set()).add(clock)
    for client, clocks in cuts.items():
        if max(clocks) > end.get(client, 0):
            return None
        clocks.add(end[client])
    return {client: sorted(clocks) for client, clocks in cuts.items()}


def _neighbours(block: Block) -> Iterator[Place]:
    """Where something was when the block was put in: the places before which it ended or began."""
    if block.origin is not None:
        yield block.origin[0], block.origin[1] + 1
    if block.right is not None:
        yield block.right


def _pieces(cuts: Sequence[int], block: Block) -> Iterator[tuple[int, int]]:
    """From which clock to which the pieces of a block are."""
    at = bisect_left(cuts, block.clock)
    while cuts[at] < block.clock + block.length:
        yield cuts[at], cuts[at + 1]
        at += 1


def _shadow(blocks: Iterable[Block], cuts: dict[int, list[int]], letters: Sequence[int]) -> bytes:
    """An update of the same blocks, with the next of these letters for each piece."""
    number = {client: {clock: index for index, clock in enumerate(clocks)} for client, clocks in cuts.items()}
    out: list[Block] = []
    used = 0
    for block in blocks:
        known = number[block.client]
        clock, stop = known[block.clock], known[block.clock + block.length]
        text = "".join(chr(_FIRST_LETTER + letter) for letter in letters[used : used + stop - clock])
        used += stop - clock
        origin = block.origin and (block.origin[0], number[block.origin[0]][block.origin[1] + 1] - 1)
        right = block.right and (block.right[0], number[block.right[0]][block.right[1]])
        out.append(Block(block.client, clock, stop - clock, origin, right, True, [text.encode()]))
    return encode_update(out, [])


def _text_of(update: bytes) -> str:
    with raising_panics():
        doc: Doc[Any] = Doc(client_id=1)
        text = doc.get(Shape.TEXT.value, type=Text)
        doc.apply_update(update)
        return str(text)
