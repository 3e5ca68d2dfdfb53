"""What becomes of a place where git would ask.

The rules, in order (`resolve`); the sides can change places without changing the answer:

0. *Both removed lines*, and nothing else: those of both go.
1. *By words.* What both sides changed are different words, and most of the base's words are left on both: both
   changes. A side that only re-indented or re-wrapped the block changed no word of it.
2. *Removed here, changed there*: what was changed stands, whole.
3. *Covered.* All that one side brought in is in what the other brought in as well: the larger one stands.
4. *Cut into lines.* Where lines of all three texts are alike, they are one line, and what is between them is decided
   by itself.
5. *One word, two values.* Inside such a line: what both inserted at one point stands one after the other; of two values
   of one word the greater one stands (numbers by their value), so that it does not matter who meets whom.
6. *Both.* What is left stands as whole lines, one side's after the other's, and lines that are in both once.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice

from yp2p.threeway.lines import split_lines
from yp2p.threeway.order import NEAR_LINES, Neighbours, is_in_order
from yp2p.threeway.sequences import blocks, differences
from yp2p.threeway.words import MAX_WORDS, Clash, Words, merge_words

# Of the letters of the base, what each side has to have kept for its changes to be changes of words.
_KEPT = 0.4
# Two lines are one line that was edited when they share this much of their letters (as `documents/diff.py`).
_ALIKE = 0.6
# Lines times lines that are compared with each other; beyond it lines are paired only where they are equal.
_MAX_PAIRINGS = 4096
# A version, with what may be around it.
_VERSION = re.compile(r"[^\w]*v?\d+(?:\.\d+)+[^\w]*")
# Words of one value: `2.0.1-rc1`, a date, an address.
_MAX_VALUE_WORDS = 8
# What is between members of a list, or words.
_SEPARATORS = frozenset(" \t\n,;|&")
_NUMBER = re.compile(r"\d+|\D+")
_WORD = re.compile(r"\w+")
_PARTS = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class Piece:
    """A place or a part of one: its three texts, and what stands there."""

    base: str
    ours: str
    theirs: str
    stands: str


@dataclass(frozen=True, slots=True)
class Around:
    """What is known of a place besides its texts.

    Attributes:
        lines: the lines around it.
        is_ours: whose value stands where both changed one: that of the side which changed more of the text, so that
            values which belong together stay together. None where they changed as much: then the greater one. A later
            version always stands.
    """

    lines: Neighbours
    is_ours: bool | None


def resolve(base: str, ours: str, theirs: str, around: Around) -> list[Piece]:
    """What stands at a place, in the pieces that were decided by themselves."""
    by_words = _whole(base, ours, theirs)
    if by_words is not None:
        return [Piece(base, ours, theirs, by_words)]
    cut = list(_cut(split_lines(base), split_lines(ours), split_lines(theirs)))
    if len(cut) == 1:
        in_line = _in_line(base, ours, theirs, is_ours=around.is_ours)
        stands = _in_order(ours, theirs, around.lines) if in_line is None else in_line
        return [Piece(base, ours, theirs, stands)]
    pieces: list[Piece] = []
    before = list(around.lines.before)
    for number, lines in enumerate(cut):
        texts = "".join(lines[0]), "".join(lines[1]), "".join(lines[2])
        known = _whole(*texts)
        if known is not None:
            found = [Piece(*texts, known)]
        else:
            later = islice(cut, number + 1, number + 1 + NEAR_LINES)
            behind = [*(line for _, lines_ours, _ in later for line in lines_ours), *around.lines.behind]
            found = resolve(*texts, replace(around, lines=Neighbours(before, behind[:NEAR_LINES])))
        pieces += found
        written = [line for piece in found for line in split_lines(piece.stands)]
        before = [*written[: -NEAR_LINES - 1 : -1], *before][:NEAR_LINES]
    return pieces


def _in_order(ours: str, theirs: str, lines: Neighbours) -> str:
    return _both(theirs, ours) if is_in_order(ours, theirs, lines) is False else _both(ours, theirs)


def alternatives(piece: Piece) -> Iterator[str]:
    """What else could stand there: both in either order, then one of them."""
    first, second = sorted((piece.ours, piece.theirs))
    if first and second:
        yield _both(first, second)
        yield _both(second, first)
        yield _stacked(first, second)
        yield _stacked(second, first)
        yield _separated(first, second, ",")
        yield _separated(second, first, ",")
    yield from sorted((first, second), key=lambda text: (-letters(text), text))


def _whole(base: str, ours: str, theirs: str) -> str | None:
    """What stands, where that is decided without a look at the lines."""
    if ours == theirs or theirs == base:
        return ours
    if ours == base:
        return theirs
    removed = _both_removed(base, ours, theirs)
    if removed is not None:
        return removed
    covering = _covering(base, ours, theirs) if ours and theirs else None
    if covering is not None and _are_nearer(base, ours, theirs):
        return covering
    by_words = _by_words(base, ours, theirs)
    if by_words is not None:
        return by_words
    if not ours or not theirs:
        return ours or theirs
    return covering


def _both_removed(base: str, ours: str, theirs: str) -> str | None:
    """What is left where both sides only removed lines; None where one of them did anything else."""
    lines = split_lines(base)
    left = set(range(len(lines)))
    for side in (ours, theirs):
        for block in differences(lines, split_lines(side)):
            if block.new_start < block.new_stop:
                return None
            left.difference_update(range(block.old_start, block.old_stop))
    return "".join(lines[row] for row in sorted(left))


@lru_cache(4096)
def _parts(text: str) -> list[str]:
    return _PARTS.findall(text)


def _kept(base: str, side: str) -> float:
    """How much of the base a side has kept, by the letters of its words; of a value, each part counts by itself."""
    words, others = _parts(base), _parts(side)
    total = sum(map(len, words))
    gone = sum(len(word) for block in differences(words, others) for word in words[block.old_start : block.old_stop])
    return (total - gone) / total if total else 0.0


def _by_words(base: str, ours: str, theirs: str) -> str | None:
    """Both changes, where they are of different words; None where they are not."""
    words = Words.of(base), Words.of(ours), Words.of(theirs)
    if max(len(text.words) for text in words) > MAX_WORDS:
        return None
    if words[1].words == words[0].words or words[2].words == words[0].words:
        pass  # one side changed the layout alone
    elif min(_kept(base, ours), _kept(base, theirs)) < _KEPT:
        return None
    parts = merge_words(*words)
    return "".join(parts) if all(isinstance(part, str) for part in parts) else None  # type: ignore[arg-type]


def _covering(base: str, ours: str, theirs: str) -> str | None:
    """The side that brought in all that the other one did, and more."""
    known = Counter(_WORD.findall(base))
    new_ours, new_theirs = Counter(_WORD.findall(ours)) - known, Counter(_WORD.findall(theirs)) - known
    if new_ours <= new_theirs and new_ours != new_theirs:
        return theirs
    if new_theirs <= new_ours and new_ours != new_theirs:
        return ours
    if new_ours == new_theirs and new_ours:
        return max(ours, theirs, key=lambda text: (letters(text), len(text), text))
    return None


def _are_nearer(base: str, ours: str, theirs: str) -> bool:
    """Whether both sides are more like each other than either is like the base: they made the same change."""
    return _likeness(ours, theirs) > max(_likeness(base, ours), _likeness(base, theirs))


def _likeness(old: str, new: str) -> float:
    """0 to 1: twice the letters in words that both share in order, by the letters of both; 0 below `_ALIKE`."""
    words_old, words_new = _parts(old), _parts(new)
    size_old, size_new = sum(map(len, words_old)), sum(map(len, words_new))
    needed = _ALIKE * (size_old + size_new) / 2
    if min(size_old, size_new) < needed:
        return 0.0
    shared = Counter(words_old) & Counter(words_new)
    if sum(len(word) * count for word, count in shared.items()) < needed:
        return 0.0  # whatever their order
    return 2 * _kept(old, new) * size_old / (size_old + size_new) if size_old + size_new else 0.0


def _pairs(old: Sequence[str], new: Sequence[str]) -> dict[int, int]:
    """Which old line became which new line: the alignment, in order, with the most likeness."""
    rows, columns = len(old), len(new)
    if not rows or not columns:
        return {}
    if rows * columns > _MAX_PAIRINGS:
        pairs: dict[int, int] = {}
        at = shift = 0
        for block in differences(old, new, is_anchored=True):
            pairs |= {row: row + shift for row in range(at, block.old_start)}
            at, shift = block.old_stop, block.new_stop - block.old_stop
        return pairs | {row: row + shift for row in range(at, rows)}
    best = [[0.0] * (columns + 1) for _ in range(rows + 1)]
    alike = [[0.0] * columns for _ in range(rows)]
    for i in range(rows - 1, -1, -1):
        for j in range(columns - 1, -1, -1):
            likeness = 1.0 if old[i] == new[j] else _likeness(old[i], new[j])
            alike[i][j] = likeness if likeness >= _ALIKE else 0.0
            paired = best[i + 1][j + 1] + alike[i][j] * min(1 + len(old[i]), 80) if alike[i][j] else 0.0
            best[i][j] = max(best[i + 1][j], best[i][j + 1], paired)
    found: dict[int, int] = {}
    i = j = 0
    while i < rows and j < columns:
        if alike[i][j] and best[i][j] == best[i + 1][j + 1] + alike[i][j] * min(1 + len(old[i]), 80):
            found[i] = j
            i, j = i + 1, j + 1
        elif best[i][j] == best[i + 1][j]:
            i += 1
        else:
            j += 1
    return found


def _cut(
    base: Sequence[str], ours: Sequence[str], theirs: Sequence[str]
) -> Iterator[tuple[Sequence[str], Sequence[str], Sequence[str]]]:
    """Lines that are one line in all three, and what is between them."""
    to_ours, to_theirs = _pairs(base, ours), _pairs(base, theirs)
    i = j = k = 0
    for row in [row for row in range(len(base)) if row in to_ours and row in to_theirs]:
        at, there = to_ours[row], to_theirs[row]
        if i < row or j < at or k < there:
            yield base[i:row], ours[j:at], theirs[k:there]
        yield base[row : row + 1], ours[at : at + 1], theirs[there : there + 1]
        i, j, k = row + 1, at + 1, there + 1
    if i < len(base) or j < len(ours) or k < len(theirs):
        yield base[i:], ours[j:], theirs[k:]


def _in_line(base: str, ours: str, theirs: str, *, is_ours: bool | None) -> str | None:
    """A line that both edited: both by words, and of two values of one word one."""
    words = Words.of(base), Words.of(ours), Words.of(theirs)
    if max(len(text.words) for text in words) > MAX_WORDS:
        return None
    if min(_kept(base, ours), _kept(base, theirs)) < _KEPT:
        return None
    parts: list[str] = []
    for part in merge_words(*words):
        if isinstance(part, str):
            parts.append(part)
            continue
        decided = _decided(part, is_ours=is_ours)
        if decided is None:
            return None
        parts.append(decided)
    return "".join(parts)


def _decided(clash: Clash, *, is_ours: bool | None) -> str | None:
    """What stands where both changed the same words; None where it is more than a value."""
    if not clash.base.strip() and _are_apart(clash.ours, clash.theirs):
        return clash.ours + clash.theirs
    if not clash.ours.strip() or not clash.theirs.strip():
        return clash.ours if clash.ours.strip() else clash.theirs
    if max(len(Words.of(text).words) for text in (clash.base, clash.ours, clash.theirs)) > _MAX_VALUE_WORDS:
        return None
    if is_ours is None or (_VERSION.fullmatch(clash.ours) and _VERSION.fullmatch(clash.theirs)):
        return max(clash.ours, clash.theirs, key=value_key)
    return clash.ours if is_ours else clash.theirs


def _are_apart(first: str, second: str) -> bool:
    """Whether two insertions at one point remain two side by side: not `.1` and `.2`, nor `a` and `b`."""
    return first[-1:] in _SEPARATORS or second[:1] in _SEPARATORS


def value_key(text: str) -> list[tuple[int, int, str]]:
    """The order of values: numbers by their value, everything else by its characters."""
    return [
        (1, int(part[:400]), "") if part.isascii() and part.isdecimal() else (0, 0, part)
        for part in _NUMBER.findall(text.strip())
    ]


def _both(ours: str, theirs: str) -> str:
    """The lines of both: those that both have once, where that is most of one of them."""
    lines_ours, lines_theirs = split_lines(_ended(ours)), split_lines(_ended(theirs))
    changes = blocks(lines_ours, lines_theirs)
    smaller = min(letters(ours), letters(theirs))
    shared = letters(ours) - sum(letters("".join(lines_ours[c.old_start : c.old_stop])) for c in changes)
    if not shared or 2 * shared < smaller:
        return _stacked(ours, theirs)
    parts: list[str] = []
    at = 0
    for change in changes:
        parts += lines_ours[at : change.old_stop]
        parts += lines_theirs[change.new_start : change.new_stop]
        at = change.old_stop
    return "".join([*parts, *lines_ours[at:]])


def _stacked(ours: str, theirs: str) -> str:
    return _ended(ours) + theirs


def _separated(ours: str, theirs: str, separator: str) -> str:
    """Both, with a separator between them where the first has none, and none behind the second."""
    head, tail = ours.rstrip(), theirs.rstrip()
    between = head if head.endswith(separator) else head + separator
    return between + (ours[len(head) :] or "\n") + tail.removesuffix(separator) + theirs[len(tail) :]


def _ended(text: str) -> str:
    return text if not text or text.endswith("\n") else text + "\n"


def letters(text: str) -> int:
    """How many letters and digits a text has."""
    return sum(map(str.isalnum, text))
