"""Bringing deleted characters back, so that devices that bring back the same make the same operations.

Theory of operation
    What is deleted in a CRDT stays deleted: it comes back as new operations that write the same again. If each device
    made its own, what two of them bring back apart would be there twice once they meet. So these operations are made of
    nothing but what comes back: a piece of deleted text gets the client ID that is the hash of the text and of its two
    neighbours, and stands in front of the first of its deleted characters. Who brings back the same piece writes the
    same operation, and the same operation comes once, whoever sends it.

    Pieces are lines, or some words where no line ends, so that two changes that overlap have their common lines in
    common. Each piece costs a client ID. In the middle of a large change several lines are a piece, which begins and
    ends at lines that their hash chooses: at the same ones on every device. What is in too many places for that is
    written with one client ID, and is nobody else's operation.

    The client ID tells what such an operation stands for: it can be computed again from the operation. A *copy* that is
    there stands for its original, which is not brought back once more; and goes with it, when that is undone. When
    nothing of a copy is left, its original comes back and not the copy: so there is one next copy for all devices, and
    who makes it has deleted the one before.

Invariants
    * Equal client IDs have equal operations: everything that is in one is in the hash.
    * What stands between the pieces of a deleted text, because somebody wrote it there meanwhile, stays between them.
"""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, replace

from yp2p.documents.diff import split_lines
from yp2p.documents.order import Order, Ranges, Span
from yp2p.protocol.delete_sets import in_order, without
from yp2p.protocol.deleted_ranges import DeletedRange
from yp2p.protocol.update_merge import Block, Place, UpdateMerge, encode_update

# Client IDs of 53 bits, which is what Yjs allows; those that are drawn at random have 32.
_FIRST_CLIENT = 1 << 52
# A client ID is ten bytes in every state vector, and somebody can undo a rewritten file as often as they like.
MAX_PIECES = 64
# Lines at both ends of a large change that are pieces by themselves: another one can begin or end among them.
_EDGE_LINES = 8
# More words than these were hardly deleted by two people in part.
_MAX_WORDS = 8
_WORD = re.compile(r"\w+\W*|\W+")
# At one line in 2**20 nothing that fits into a text is divided any more.
_MAX_LEVEL = 20
# So many characters are looked through for the originals of a copy, between which others may have written.
_MAX_WALK = 10_000


@dataclass(frozen=True, slots=True)
class _Piece:
    """A text to be written between two neighbours."""

    origin: Place | None
    right: Place
    text: str

    def client(self) -> int:
        return _client_of(self.origin, self.right, self.text)


def _client_of(origin: Place | None, right: Place, text: str) -> int:
    digest = hashlib.sha256(b"yp2p restored v1" + repr((origin, right)).encode() + text.encode()).digest()
    return _FIRST_CLIENT | (int.from_bytes(digest[:8], "big") % _FIRST_CLIENT)


def brought_back(
    order: Order,
    gone: Iterable[DeletedRange],
    inserted: Iterable[DeletedRange],
    client: int,
    starts: Set[Place] = frozenset(),
) -> bytes | None:
    """The update that brings back what is gone and takes out what was inserted; None when nothing is left to do.

    Args:
        order: the text as it is.
        gone: deleted characters.
        inserted: characters to be taken out. What is in both is taken out.
        client: what to write with where it is too much for pieces, an ID that is nowhere in the document.
        starts: where lines begin in what is gone that come back whole: before a line that stands where they were.
    """
    copies = _Copies(order)
    inserted = in_order(inserted)
    gone = without(gone, inserted)
    going = without(copies.with_copies(inserted), copies.with_copies(gone))
    going = [(s.client, s.clock, s.length) for s in _not_in(order.deleted, going)]
    standing = copies.that_stand(going)
    missing = Ranges(without(copies.originals_of(gone, standing), standing))
    pieces = _fewer(list(_pieces(order, missing, Ranges(going), starts)))
    if not pieces and not going:
        return None
    return encode_update(_blocks(order, pieces, client), going)


def taken_out(log: UpdateMerge, inserted: Iterable[DeletedRange]) -> bytes | None:
    """The update that takes out what was inserted, which needs no order; None when nothing of it is left."""
    going = [(s.client, s.clock, s.length) for s in _not_in(Ranges(log.ranges), in_order(inserted))]
    return encode_update([], going) if going else None


def has_copies(log: UpdateMerge) -> bool:
    """Whether anything in a text may have been brought back."""
    return any(client >= _FIRST_CLIENT for client in log.sections)


def copies_of(order: Order) -> list[DeletedRange]:
    """The deleted operations for which a copy stands."""
    return _Copies(order).that_stand([])


def _blocks(order: Order, pieces: Sequence[_Piece], client: int) -> Iterator[Block]:
    clock = 0
    for piece in pieces:
        block = Block.of_text(piece.client(), piece.origin, piece.right, piece.text)
        if len(pieces) > MAX_PIECES or block.client in order.sections:
            block = replace(block, client=client, clock=clock)
            clock += block.length
        yield block


def _not_in(ranges: Ranges, what: Iterable[DeletedRange]) -> Iterator[Span]:
    return (part for one in what for part, inside in ranges.parts(Span(*one)) if not inside)


class _Copies:
    """Which operations of a text brought back which others."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._found: list[tuple[Span, Span]] = []  # original and copy, of equal length
        candidates = [block for client in order.sections if (block := self._candidate(client)) is not None]
        if candidates:
            self._find(candidates)

    def _candidate(self, client: int) -> Block | None:
        blocks = self._order.blocks[client]
        block, text = blocks[0], blocks[0].text()
        if client < _FIRST_CLIENT or len(blocks) > 1 or text is None or block.right is None:
            return None
        return block if _client_of(block.origin, block.right, text) == client else None

    def _find(self, candidates: Sequence[Block]) -> None:
        order = self._order
        numbers: dict[int, list[tuple[int, int]]] = {block.right[0]: [] for block in candidates if block.right}
        for number, span in enumerate(order.spans):
            if span.client in numbers:
                numbers[span.client].append((span.clock, number))
        for found in numbers.values():
            found.sort()
        for block in candidates:
            assert block.right is not None
            client, start = block.right
            known, text = numbers[client], block.text() or ""
            number = known[bisect_right(known, (start, len(order.spans))) - 1][1] if known else len(order.spans)
            clock = walked = 0
            while text and number < len(order.spans) and walked < _MAX_WALK:
                span = order.spans[number]
                span = span.cut(max(start, span.clock), span.clock + span.length) if not walked else span
                for part, is_deleted in order.deleted.parts(span):
                    was = order.text(part) if is_deleted else None
                    if was is not None and text and (text.startswith(was) or was.startswith(text)):
                        length = min(part.length, len(text.encode("utf-16-le")) // 2)
                        self._found.append((Span(part.client, part.clock, length), Span(block.client, clock, length)))
                        clock += length
                        text = text[len(was) :]
                number, walked = number + 1, walked + span.length

    def with_copies(self, what: Iterable[DeletedRange]) -> list[DeletedRange]:
        """These operations, with what brought them back, and what brought that back."""
        found = in_order(what)
        while True:
            ranges = Ranges(found)
            more = [
                (copy.client, copy.clock + part.clock - original.clock, part.length)
                for original, copy in self._found
                for part, inside in ranges.parts(original)
                if inside
            ]
            if not without(more, found):
                return found
            found = in_order([*found, *more])

    def originals_of(self, gone: Iterable[DeletedRange], standing: Iterable[DeletedRange]) -> list[DeletedRange]:
        """Deleted operations, with the originals in place of those copies of which nothing is left."""
        found, stands = in_order(gone), Ranges(standing)
        dead: dict[int, bool] = {}
        for _, copy in self._found:
            [block] = self._order.blocks[copy.client]
            whole = Span(copy.client, 0, block.length)
            dead[copy.client] = not any(True for _ in self._alive(whole, Ranges([]), stands))
        while True:
            ranges = Ranges(found)
            more: list[tuple[DeletedRange, DeletedRange]] = [
                (
                    (part.client, part.clock, part.length),
                    (original.client, original.clock + part.clock - copy.clock, part.length),
                )
                for original, copy in self._found
                if dead[copy.client]
                for part, inside in ranges.parts(copy)
                if inside
            ]
            if not more:
                return found
            found = in_order([*without(found, (part for part, _ in more)), *(original for _, original in more)])

    def that_stand(self, going: Iterable[DeletedRange]) -> list[DeletedRange]:
        """The deleted operations for which a copy is there, that is not about to go."""
        dead = Ranges(going)
        standing: list[DeletedRange] = []
        while True:
            known = Ranges(standing)
            more = [
                (original.client, original.clock + part.clock - copy.clock, part.length)
                for original, copy in self._found
                for part in self._alive(copy, dead, known)
            ]
            if not without(more, standing):
                return standing
            standing = in_order([*standing, *more])

    def _alive(self, copy: Span, dead: Ranges, standing: Ranges) -> Iterator[Span]:
        for part, is_deleted in self._order.deleted.parts(copy):
            if is_deleted:
                yield from (one for one, stands in standing.parts(part) if stands)
            else:
                yield from (one for one, goes in dead.parts(part) if not goes)


@dataclass(slots=True)
class _Line:
    """The line that stands where one is in a text: what it begins between, and whether anything of it was passed."""

    origin: Place | None = None
    right: Place | None = None
    has_text: bool = False

    def pass_by(self, span: Span, text: str | None) -> None:
        """Go on by what stands."""
        if text is None or "\n" not in text:
            self.right = self.right or (span.client, span.clock)
            self.has_text = True
            return
        behind = len(text[text.rindex("\n") + 1 :].encode("utf-16-le")) // 2
        start = span.clock + span.length - behind
        self.origin, self.has_text = (span.client, start - 1), behind > 0
        self.right = (span.client, start) if behind else None


def _pieces(order: Order, missing: Ranges, going: Ranges, starts: Set[Place]) -> Iterator[list[_Piece]]:
    """What is missing, as pieces: those of a deleted text with nothing in between are together."""
    run: list[tuple[Place | None, Span, str]] = []  # left neighbour, characters, text
    left: Place | None = None
    line = _Line()
    for whole in order.spans:
        for span, is_missing in missing.parts(whole):
            if is_missing and (text := order.text(span)) is not None:
                run.append((left, span, text))
            elif run and any(not gone for _, gone in order.deleted.parts(span)):
                yield _divided(run) if not _is_torn(run, line, starts) else [_before(line, run)]
                run = []
            if not is_missing:
                line.right = line.right or (span.client, span.clock)
                for part, is_gone in order.deleted.parts(span):
                    for one, goes in going.parts(part) if not is_gone else ():
                        if not goes:
                            line.pass_by(one, order.text(one))
            left = (span.client, span.clock + span.length - 1)
    if run:
        yield _divided(run)


def _is_torn(run: Sequence[tuple[Place | None, Span, str]], line: _Line, starts: Set[Place]) -> bool:
    """Whether lines are about to come back in the middle of one that stands."""
    first, last = run[0][1], run[-1][2]
    is_whole = (first.client, first.clock) in starts and last.endswith("\n")
    return line.has_text and line.right is not None and is_whole


def _before(line: _Line, run: Sequence[tuple[Place | None, Span, str]]) -> _Piece:
    assert line.right is not None
    return _Piece(line.origin, line.right, "".join(text for _, _, text in run))


def _divided(run: Sequence[tuple[Place | None, Span, str]]) -> list[_Piece]:
    """A deleted text as lines; as words, where no line ends in it."""
    whole = "".join(text for _, _, text in run)
    words = _WORD.findall(whole) if "\n" not in whole else []
    parts = split_lines(whole) if "\n" in whole else words if len(words) <= _MAX_WORDS else [whole]
    found: list[_Piece] = []
    at = begins = number = 0  # where the part begins, and the element of the run that it begins in; in code points
    for part in parts:
        while at >= begins + len(run[number][2]):
            begins += len(run[number][2])
            number += 1
        left, span, text = run[number]
        units = len(text[: at - begins].encode("utf-16-le")) // 2
        place = (span.client, span.clock + units)
        found.append(_Piece((place[0], place[1] - 1) if units else left, place, part))
        at += len(part)
    return found


def _fewer(runs: Sequence[list[_Piece]]) -> list[_Piece]:
    """All pieces, not too many: neighbours are put together, up to those whose text's hash says so."""
    level, edge = 0, min(_EDGE_LINES, 2 * _EDGE_LINES // max(1, len(runs)))
    while sum(map(len, runs)) > MAX_PIECES and level < _MAX_LEVEL:
        level += 1
        runs = [
            [*run[:edge], *_joined(run[edge : len(run) - edge], level), *run[len(run) - edge :]]
            if len(run) > 2 * edge
            else run
            for run in runs
        ]
    return [piece for run in runs for piece in run]


def _joined(run: Sequence[_Piece], level: int) -> list[_Piece]:
    found: list[_Piece] = []
    is_open = False
    for piece in run:
        if is_open:
            found[-1] = _Piece(found[-1].origin, found[-1].right, found[-1].text + piece.text)
        else:
            found.append(piece)
        last = hashlib.sha256(split_lines(piece.text)[-1].encode()).digest()
        is_open = int.from_bytes(last[:8], "big") % (1 << level) != 0
    return found
