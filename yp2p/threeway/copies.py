"""Lines that would stand twice though every version has them once.

Where one side moved a line and the other changed what is next to it, the merge can keep the line in both places. Such a
line stands where the mover put it, or, where both moved it, where the first of the two texts has it.

A line of few letters may be there twice for a reason. Where one side took out a block that ends with `else:`, wrote
another one with such a line elsewhere, and the other side changed the first, that stands whole, and both blocks need
the line. So a short line has to have moved without a block: where it stood, the mover has as many new lines as it took
out beside those that it moved.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from yp2p.threeway.alike import likeness
from yp2p.threeway.lines import Place, Three
from yp2p.threeway.sequences import Block, differences

# Fewer letters and digits are no line that is known again by itself: a brace, `end`, `else:`.
_DISTINCT_LETTERS = 6
# A line that has so much of another one was made of it; and with so many it is compared.
_MADE_OF, _MOST_COMPARED = 0.75, 200


def without_copies(
    three: Three, rows: Sequence[str], asked: Sequence[tuple[range, Place]], back: Collection[str]
) -> list[str] | None:
    """The result without the lines that it has twice and every version once; None where there is none.

    White space at either end of a line does not tell lines apart here. Of a line that both sides put in, the copies
    have to be in one place, as in two each of them may be meant; or both made it of one line of the base, which one of
    them has moved.

    Args:
        rows: the result.
        asked: the places where git would ask, and the rows of each; where there is none, only the lines of `back` are
            looked at.
        back: lines that both sides brought back: they are the same ones, wherever they stand.
    """
    words = [line.strip() for line in rows]
    counts = Counter(words)
    doubled = {word for word, count in counts.items() if count > 1 and _letters(word)}
    for side in (three.base, three.ours, three.theirs) if doubled else ():
        known = Counter(line.strip() for line in side)
        doubled = {word for word in doubled if known[word] == 1 or (side is three.base and _is_long(word))}
    base = {line.strip() for line in three.base}
    together = {
        word for place, _ in asked for word, count in Counter(words[place.start : place.stop]).items() if count > 1
    }
    of_base = base - {line.strip() for side in (three.ours, three.theirs) for line in side}  # that both took out
    doubled = {
        word
        for word in doubled
        if word in back or (asked and (word in base or word in together or _is_one_of(word, of_base)))
    }
    if not doubled:
        return None
    gone: set[int] = set()
    in_ours, in_theirs = (_rows_of(side, rows) for side in (three.ours, three.theirs))
    moved = _moved(three.base, three.ours, three.by_ours), _moved(three.base, three.theirs, three.by_theirs)
    for word in doubled:
        places = [row for row, other in enumerate(words) if other == word]
        is_theirs = word in moved[1] and word not in moved[0]
        order = (in_theirs, in_ours) if is_theirs else (in_ours, in_theirs)
        keep = next((row for known in order for row in places if row in known), places[0])
        copies = [row for row in places if row != keep]
        if _is_long(word) or (word in moved[is_theirs] and _left_alone(copies, asked, moved, is_theirs=is_theirs)):
            gone.update(copies)
    return [line for row, line in enumerate(rows) if row not in gone] if gone else None


def _left_alone(
    copies: Iterable[int], asked: Sequence[tuple[range, Place]], moved: Sequence[set[str]], *, is_theirs: bool
) -> bool:
    """Whether whoever moved a line away from these rows took no more out there than was moved or replaced."""
    for place in (place for rows, place in asked if any(row in rows for row in copies)):
        before, after = (
            {line.strip() for line in lines if _letters(line)}
            for lines in (place.base, place.theirs if is_theirs else place.ours)
        )
        if len(before - after - moved[is_theirs]) > len(after - before - moved[is_theirs]):
            return False
    return True


def _letters(line: str) -> int:
    return sum(map(str.isalnum, line))


def _is_long(line: str) -> bool:
    return _letters(line) >= _DISTINCT_LETTERS


def _is_one_of(word: str, lines: Collection[str]) -> bool:
    """Whether a line was made of one of these."""
    near = (line for line in lines if 2 * len(line) >= len(word) and 2 * len(word) >= len(line))
    return any(likeness(line, word) >= _MADE_OF for line in itertools.islice(near, _MOST_COMPARED))


def _rows_of(side: Sequence[str], rows: Sequence[str]) -> set[int]:
    """The rows of the result that are lines of a side, where the side has them."""
    found = set(range(len(rows)))
    for change in differences(side, rows):
        found.difference_update(range(change.new_start, change.new_stop))
    return found


def _moved(base: Sequence[str], side: Sequence[str], changes: Sequence[Block]) -> set[str]:
    """The lines, without white space at their ends, that a side took from one place to another."""
    gone = {base[row].strip() for change in changes for row in range(change.old_start, change.old_stop)}
    come = {side[row].strip() for change in changes for row in range(change.new_start, change.new_stop)}
    return gone & come
