"""Taking back what somebody did long ago keeps lines whole, where others have written in them or removed them since.

Theory of operation
    Undoing takes out what was inserted and brings deleted characters back where they were. By characters alone that
    makes lines that nobody wrote, where lines have changed meanwhile:

    * Of a line in which somebody had changed a word and which others removed afterwards the old word would come back
      alone, in the line that stands there now. Without the change the others would have removed it with its line. So a
      deletion is looked at in the text of its time. The *rest* of a line is what stood in it then and was not deleted
      by the same edit, with its line end. Where nothing of the rest stands any more, and nothing of it comes back as
      well, the piece does not come back. A line that was deleted as a whole has no rest.
    * A whole line may have been in a place that is in the middle of a line by now. It comes back before that line
      (`restoring.py` is told where lines begin that come back).
    * A line end that is taken out joins what stands on both sides. Where one of these was written after it, they were
      never side by side, and the line end stays.

    The order of the document is the same at all times, so the text of a time is that order with what had been written
    by then and not been deleted: the log is gone through once.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, starmap
from operator import itemgetter

from yp2p.documents.order import Order, Ranges, Span
from yp2p.documents.restoring import copies_of
from yp2p.protocol.delete_sets import GrowingSet, in_order, without
from yp2p.protocol.deleted_ranges import DeletedRange
from yp2p.protocol.update_merge import Place
from yp2p.protocol.ysync import Shape, UpdateParser

# So many characters of a line, and spans for each side of it, are looked at; of a longer one all comes back.
_MAX_REST = 10_000


@dataclass(frozen=True, slots=True)
class Lines:
    """What an undo is to do, so that lines stay whole.

    Attributes:
        back: deleted characters that are to come back.
        out: inserted characters that are to be taken out.
        starts: the first characters of whole lines among those that come back.
    """

    back: list[DeletedRange]
    out: list[DeletedRange]
    starts: frozenset[Place]


class _TooLong(Exception):
    """A line is not looked at."""


def whole_lines(
    order: Order,
    log: Sequence[bytes],
    change: Collection[int],
    inserted: Iterable[DeletedRange],
    deleted: Iterable[DeletedRange],
) -> Lines:
    """What is to be done to undo a change.

    Args:
        log: all updates of the document, in order.
        change: which of them deleted these characters, by number.
        inserted, deleted: by the change.
    """
    inserted, deleted = in_order(inserted), in_order(deleted)
    then, own, pieces = _Then(order), Ranges(inserted), list[_Piece]()
    for number, update in enumerate(log):
        parser = UpdateParser(update, Shape.TEXT)
        sections = parser.parse().sections
        if number in change:
            pieces += then.pieces(parser.ranges, own)
        then.take(number, sections, parser.ranges)
    back = _of_standing_lines(order, [piece for piece in pieces if piece.rest], deleted)
    starts = frozenset((piece.deleted.client, piece.deleted.clock) for piece in pieces if piece.is_line)
    return Lines(back, without(inserted, then.line_ends_that_stay(Ranges(back), own)), starts)


def _of_standing_lines(order: Order, pieces: Sequence[_Piece], deleted: list[DeletedRange]) -> list[DeletedRange]:
    """Deleted characters, but for pieces of lines of which nothing else is left.

    What stood beside a piece was deleted later, so from the last piece back all is known of whatever it depends on.

    Args:
        pieces: in the order in which they were deleted.
    """
    copied, coming, torn = Ranges(copies_of(order)) if pieces else Ranges([]), Ranges(deleted), GrowingSet()
    gone: list[DeletedRange] = []
    for piece in reversed(pieces):
        if not any(_has_standing(order, copied, span) or _comes(coming, torn, span) for span in piece.rest):
            gone.append((piece.deleted.client, piece.deleted.clock, piece.deleted.length))
            torn.add(gone[-1])
    return without(deleted, gone)


def _comes(coming: Ranges, torn: GrowingSet, span: Span) -> bool:
    """Whether something of a span comes back: what is to come, and is not torn from its line."""
    parts = (part for part, inside in coming.parts(span) if inside)
    return any(True for part in parts for _ in torn.missing(part.client, part.clock, part.clock + part.length))


def _is_in(ranges: Ranges, span: Span) -> bool:
    return any(inside for _, inside in ranges.parts(span))


def _has_standing(order: Order, copied: Ranges, span: Span) -> bool:
    return any(not is_gone or _is_in(copied, part) for part, is_gone in order.deleted.parts(span))


@dataclass(slots=True)
class _Piece:
    """What an edit deleted of one line, and the rest of that line; `is_line`: that is nothing, and there is an end."""

    deleted: Span
    rest: list[Span]
    is_line: bool


@dataclass(slots=True)
class _Then:
    """A text at some time, while its log is gone through."""

    order: Order
    known: dict[int, int] = field(default_factory=dict)
    came: dict[int, list[tuple[int, int]]] = field(default_factory=dict)  # up to which clock, with which update
    gone: GrowingSet = field(default_factory=GrowingSet)
    numbers: dict[int, list[tuple[int, int]]] = field(default_factory=dict)  # of spans, by client: clock and number

    def __post_init__(self) -> None:
        for number, span in enumerate(self.order.spans):
            self.numbers.setdefault(span.client, []).append((span.clock, number))
        for found in self.numbers.values():
            found.sort()

    def take(self, number: int, sections: Mapping[int, tuple[int, int]], deleted: Iterable[DeletedRange]) -> None:
        """Go on with the update of this number."""
        for client, (_, stop) in sections.items():
            if stop > self.known.get(client, 0):
                self.known[client] = stop
                self.came.setdefault(client, []).append((stop, number))
        for one in deleted:
            self.gone.add(one)

    def standing(self, span: Span) -> Iterator[Span]:
        """The parts of a span that stood."""
        stop = min(span.clock + span.length, self.known.get(span.client, 0))
        return starmap(Span, self.gone.missing(span.client, span.clock, stop))

    def pieces(self, deleted: Iterable[DeletedRange], own: Ranges) -> Iterator[_Piece]:
        """What an edit is about to delete that stands inside of lines.

        Args:
            deleted: all that it deletes.
            own: what is taken out when the edit is undone, and belongs to no line.
        """
        passed = in_order(deleted)
        skipped = Ranges(passed), own
        for one in passed:
            for number, span in self._spans(Span(*one)):
                for part in self.standing(span):
                    for other, is_own in own.parts(part):
                        if not is_own:
                            yield from self._pieces_in(number, other, skipped)

    def _spans(self, what: Span) -> Iterator[tuple[int, Span]]:
        """The spans that something is in, with their numbers."""
        found, stop = self.numbers.get(what.client, []), what.clock + what.length
        for clock, number in found[max(0, bisect_right(found, what.clock, key=itemgetter(0)) - 1) :]:
            if clock >= stop:
                return
            end = min(stop, clock + self.order.spans[number].length)
            if (start := max(clock, what.clock)) < end:
                yield number, Span(what.client, start, end - start)

    def _pieces_in(self, number: int, part: Span, skipped: Sequence[Ranges]) -> Iterator[_Piece]:
        """The beginning and the end of a part, as far as they are not lines of their own."""
        text, end = self.order.text(part), part.clock + part.length
        if text is None:
            return
        if "\n" not in text:
            sides = self._leftwards(number, part.clock), self._rightwards(number, end)
            yield from self._piece(part, chain(*sides), skipped)
            return
        first = part.clock + _units(text[: text.index("\n") + 1])
        yield from self._piece(part.cut(part.clock, first), self._leftwards(number, part.clock), skipped, ends=True)
        last = end - _units(text[text.rindex("\n") + 1 :])
        if last < end:
            yield from self._piece(part.cut(last, end), self._rightwards(number, end), skipped)

    @staticmethod
    def _piece(
        deleted: Span, beside: Iterable[Span], skipped: Sequence[Ranges], *, ends: bool = False
    ) -> Iterator[_Piece]:
        rest: list[Span] = []
        size = 0
        try:
            for part in beside:
                size += part.length
                if size > _MAX_REST:
                    return
                some = [part]
                for ranges in skipped:
                    some = [one for span in some for one, inside in ranges.parts(span) if not inside]
                rest += some
        except _TooLong:
            return
        yield _Piece(deleted, rest, ends and not size)

    def _leftwards(self, number: int, clock: int) -> Iterator[Span]:
        """What stood on the left, back to the line end before. Raises _TooLong."""
        spans = self.order.spans
        span = spans[number].cut(spans[number].clock, clock)
        for before in range(number - 1, number - 1 - _MAX_REST, -1):
            for part in reversed(list(self.standing(span))):
                text = self.order.text(part) or ""
                if "\n" in text:
                    end = part.clock + part.length
                    yield part.cut(end - _units(text[text.rindex("\n") + 1 :]), end)
                    return
                yield part
            if before < 0:
                return
            span = spans[before]
        raise _TooLong

    def _rightwards(self, number: int, clock: int) -> Iterator[Span]:
        """What stood on the right, to the line end, with it. Raises _TooLong."""
        spans = self.order.spans
        span = spans[number].cut(clock, spans[number].clock + spans[number].length)
        for behind in range(number + 1, number + 1 + _MAX_REST):
            for part in self.standing(span):
                text = self.order.text(part) or ""
                if "\n" in text:
                    yield part.cut(part.clock, part.clock + _units(text[: text.index("\n") + 1]))
                    return
                yield part
            if behind == len(spans):
                return
            span = spans[behind]
        raise _TooLong

    def line_ends_that_stay(self, back: Ranges, out: Ranges) -> list[DeletedRange]:
        """Line ends among what is taken out that parted what was never side by side."""
        found: list[DeletedRange] = []
        left: tuple[str, int] | None = None  # the last character that stays or comes back, and when it was written
        ends: list[tuple[Place, int]] = []  # line ends behind it that are taken out, and when they were written
        for part, goes in self._afterwards(back, out):
            text = self.order.text(part) or "?"
            if goes:
                ends += self._line_ends(part, text) if left is not None and left[0] != "\n" else []
                continue
            if ends and left is not None:
                newer = max(left[1], self._when(part))
                found += [(*place, 1) for place, when in ends if when < newer][:1]
            end = part.clock + part.length
            left, ends = (text[-1], self._when(part.cut(end - 1, end))), []
        return found

    def _afterwards(self, back: Ranges, out: Ranges) -> Iterator[tuple[Span, bool]]:
        """What stands or comes back, in order, and whether it is taken out."""
        for span in self.order.spans:
            for part, is_gone in self.order.deleted.parts(span):
                for one, comes in back.parts(part):
                    if comes or not is_gone:
                        yield from out.parts(one)

    def _line_ends(self, part: Span, text: str) -> Iterator[tuple[Place, int]]:
        at = text.find("\n")
        while at >= 0:
            clock = part.clock + _units(text[:at])
            yield (part.client, clock), self._when(part.cut(clock, clock + 1))
            at = text.find("\n", at + 1)

    def _when(self, part: Span) -> int:
        """The number of the update that the beginning of a part came with."""
        came = self.came[part.client]
        return came[bisect_right(came, part.clock, key=itemgetter(0))][1]


def _units(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2
