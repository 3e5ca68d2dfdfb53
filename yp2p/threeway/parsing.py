"""What parsed still parses: how the pieces where two sides met are resolved until the whole does.

The text with all pieces as they were resolved does not parse. So the search begins with one side's text, which does,
and replaces it piece by piece with what was resolved, as long as the whole parses. At the first piece where it does
not, other resolutions of that piece are tried, those that lose least first. This is done from either side, and the
result that leaves out the fewest letters is taken.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Protocol

from yp2p.threeway.places import Piece
from yp2p.threeway.together import alternatives, letters


class Parses(Protocol):
    """Tells whether texts parse as those of a merge do, while a budget lasts."""

    @property
    def has_budget(self) -> bool:
        """Whether another text can be asked about."""

    def __call__(self, pieces: Sequence[str], /) -> bool:
        """Whether a text parses; no, once the budget is used."""

    def parses_at_last(self, pieces: Sequence[str], /) -> bool:
        """The same for one more text, whatever is left of the budget."""


def parsing(pieces: Sequence[Piece], parses: Parses) -> list[str] | None:
    """What stands at each piece so that the whole parses; None where that was not found.

    Args:
        pieces: the whole text, in order; what nobody need decide on is the same on both sides.
    """
    sides = [
        [piece.ours for piece in pieces],
        [piece.theirs for piece in pieces],
    ]
    ways: list[tuple[int, list[str]]] = []
    for side in sides:
        if parses(side):
            way = _from_side(pieces, side, parses)
            ways.append((sum(map(_lost, pieces, way)), way))
            if not ways[-1][0]:
                break
    return min(ways)[1] if ways else None


def _lost(piece: Piece, stands: str) -> int:
    """Letters of lines that a side brought in and that do not stand, beyond what was resolved without the whole."""
    if stands == piece.stands:
        return 0
    known = _lines(piece.base) + _lines(stands)
    brought = (_lines(piece.ours) | _lines(piece.theirs)) - known
    return sum(letters(line) * count for line, count in brought.items())


def _lines(text: str) -> Counter[str]:
    """The lines of a text; a comma more or less at their end is none that a side brought."""
    return Counter(line.strip().removesuffix(",") for line in text.split("\n"))


def _from_side(pieces: Sequence[Piece], side: Sequence[str], parses: Parses) -> list[str]:
    """One side's text, and of the other what can be taken; the side parses."""
    chosen = list(side)
    wanted = [piece.stands for piece in pieces]
    open_rows = [row for row, text in enumerate(side) if text != wanted[row]]

    def take(rows: Sequence[int]) -> bool:
        before = [chosen[row] for row in rows]
        for row in rows:
            chosen[row] = wanted[row]
        if parses(chosen):
            return True
        for row, text in zip(rows, before, strict=True):
            chosen[row] = text
        return False

    while open_rows and parses.has_budget:
        if take(open_rows):
            break
        # The most that can be taken in order: `low` fit, `high` do not.
        low, high = 0, len(open_rows)
        while high - low > 1:
            middle = (low + high) // 2
            if take(open_rows[:middle][low:]):
                low = middle
            else:
                high = middle
        fault = open_rows[low]
        piece = pieces[fault]
        stands = chosen[fault]
        losses = {other: _lost(piece, other) for other in (*alternatives(piece.base, piece.ours, piece.theirs), stands)}
        for other in sorted(losses, key=losses.__getitem__):
            if losses[other] >= losses[stands]:
                break
            chosen[fault] = other
            if parses(chosen):
                break
            chosen[fault] = stands
        open_rows = open_rows[low + 1 :]
    return chosen
