"""Blocks of lines that one side moved and the other changed: the change goes where the block went.

A block has moved where lines that are gone from one place of the base stand at another place of the side, and nowhere
else: each of them once. A block with enough letters is known again by itself. One with fewer (`else:`, `- eggs`) has to
have moved alone: where it stood, the side has as many new lines as it took out beside those that it moved, and none of
them is what it became. One side can also have moved a line and changed it: words were only added or only taken out, and
most stayed; or it is a long one, and most of it stayed.

Such a block is taken out of the base and of the other side, and stands where it went, as the other side made it, or as
both made it. So what that side put in beside it is a change of one side alone, and the block stands once. What it put
in at its end goes with it: lines that are indented deeper than its first one, or that an empty line parts from what
follows. A neighbour (the next member, the next function) begins as the block does, and stays.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

from yp2p.threeway.alike import likeness
from yp2p.threeway.lines import Three, groups
from yp2p.threeway.sequences import Block

# Fewer letters in all lines of a block are chance: a brace, `return`, `else:`.
_DISTINCT_LETTERS = 6
# From so many letters on a line is known again that has kept so much of them.
_LONG_LETTERS, _KEPT = 12, 0.75
# Lines that are gone times lines that have come that are compared at most, and characters of a line: 0.2 s. Texts come
# from members who may be hostile: what is beyond it counts as not moved.
_MAX_COMPARED, _MAX_LINE_CHARS = 4096, 1000
# New lines of the other side that are looked at for a line that is not where it was.
_MAX_LOOKED_AT = 200
_PARTS = re.compile(r"\w+|[^\w\s]")

# What becomes of one line of the base and what both sides made of it; None where that is more than a line.
Combine = Callable[[str, str, str], str | None]


@dataclass(frozen=True, slots=True)
class _Block:
    """A block that one side moved: its rows in the base, in that side and in the other one, and what stands."""

    rows: range
    to: range
    there: range
    stands: Sequence[str]


def follow_moves(three: Three, combine: Combine, *, also_in_place: bool = False) -> Three | None:
    """The three texts, in which what one side changed in or beside a block that the other one moved is changed where it
    went.

    Returns:
        None where there is no such block.
    """
    found = three
    for is_theirs in (False, True):
        side = _Side(found, is_theirs=is_theirs, also_in_place=also_in_place)
        blocks = list(_blocks(side, combine)) if side.by_editor else []
        if blocks:
            found = _without(side, blocks, is_theirs=is_theirs)
    return found if found is not three else None


class _Side:
    """The three texts, seen from a side that may have moved something."""

    def __init__(self, three: Three, *, is_theirs: bool, also_in_place: bool) -> None:
        self._also_in_place = also_in_place
        self.base = three.base
        self.mover, self.editor = (three.theirs, three.ours) if is_theirs else (three.ours, three.theirs)
        self.by_mover, self.by_editor = (
            (three.by_theirs, three.by_ours) if is_theirs else (three.by_ours, three.by_theirs)
        )
        self.alone = _Alone(self.base, self.mover, self.by_mover)
        self._place_of: tuple[dict[int, int], dict[int, int]] = {}, {}  # of rows of the base, and of the mover's
        self.asked: set[int] = set()  # rows of the base in places that both sides changed
        for number, (rows, changes, others) in enumerate(groups(self.by_mover, self.by_editor)):
            if changes and others:
                self.asked.update(range(*rows))
            for change in changes:
                self._place_of[0].update(dict.fromkeys(range(change.old_start, change.old_stop), number))
                self._place_of[1].update(dict.fromkeys(range(change.new_start, change.new_stop), number))

    def is_one_place(self, row: int, to: int) -> bool:
        """Whether a row of the base went to one in the same place, where lines are told apart otherwise."""
        return not self._also_in_place and self._place_of[0][row] == self._place_of[1][to]


def _without(side: _Side, blocks: Sequence[_Block], *, is_theirs: bool) -> Three:
    """The three texts, with these blocks only where they went."""
    rows = {row for block in blocks for row in block.rows}
    there = {row for block in blocks for row in block.there}
    mover = list(side.mover)
    for block in sorted(blocks, key=lambda block: -block.to.start):
        mover[block.to.start : block.to.stop] = block.stands
    base = [line for row, line in enumerate(side.base) if row not in rows]
    editor = [line for row, line in enumerate(side.editor) if row not in there]
    return Three(base, editor, mover) if is_theirs else Three(base, mover, editor)


def _blocks(side: _Side, combine: Combine) -> Iterator[_Block]:
    """What the side moved and the other one has, where that one changed something in it or beside it."""
    rows: set[int] = set()
    there: set[int] = set()
    for start, to, size in _moved(side):
        found = _range_in(side.editor, side.by_editor, start, start + size)
        if found is None or not any(row in side.asked for row in range(start, start + size)):
            continue
        found = range(found.start, found.stop + _added_at_end(side, range(start, start + size), found))
        stands = side.editor[found.start : found.stop]
        if stands != side.base[start : start + size] or not side.is_one_place(start, to):
            rows.update(range(start, start + size))
            there.update(found)
            yield _Block(range(start, start + size), range(to, to + size), found, stands)
    for row, to in _remade(side, rows):
        at = _row_in(side, row)
        stands_at = combine(side.base[row], side.mover[to], side.editor[at]) if at is not None else None
        if at is not None and at not in there and stands_at is not None:
            there.add(at)
            yield _Block(range(row, row + 1), range(to, to + 1), range(at, at + 1), [stands_at])


def _moved(side: _Side) -> Iterator[tuple[int, int, int]]:
    """Blocks that moved: where in the base, where in the side, and of how many lines."""
    base, mover, changes = side.base, side.mover, side.by_mover
    gone = {row for change in changes for row in range(change.old_start, change.old_stop)}
    come = {row for change in changes for row in range(change.new_start, change.new_stop)}
    count_base, count_mover = Counter(base), Counter(mover)
    place = {mover[row]: row for row in come if count_mover[mover[row]] == 1}
    done = -1
    for row in sorted(gone):
        line = base[row]
        if row <= done or count_base[line] != 1 or line not in place:
            continue
        start, to = row, place[line]
        while start - 1 in gone and start - 1 > done and to - 1 in come and base[start - 1] == mover[to - 1]:
            start, to = start - 1, to - 1
        size = row - start + 1
        while start + size in gone and to + size in come and base[start + size] == mover[to + size]:
            size += 1
        letters = sum(map(_letters, base[start : start + size]))
        if letters >= _DISTINCT_LETTERS or (letters and side.alone.left(range(start, start + size))):
            yield start, to, size
        done = start + size - 1


class _Alone:
    """Which rows of the base a side took from where they stood, and nothing beside them."""

    def __init__(self, base: Sequence[str], side: Sequence[str], changes: Sequence[Block]) -> None:
        self._base = base
        self._side = side
        self._budget = _MAX_COMPARED
        self._unmoved_by: dict[int, tuple[set[str], set[str]]] = {}
        self._change_of = {row: change for change in changes for row in range(change.old_start, change.old_stop)}
        come = {side[row].strip() for change in changes for row in range(change.new_start, change.new_stop)}
        gone = {base[row].strip() for row in self._change_of}
        self._moved = gone & come
        others = gone - come
        if len(others) * len(come) <= _MAX_COMPARED:
            self._moved |= {line for line in others if any(_is_made_of(other, line) for other in come)}

    def left(self, rows: range) -> bool:
        """Whether it is so of these."""
        for change in {self._change_of[row] for row in rows}:
            old, new = self._unmoved_of(change)
            self._budget -= len(rows) * len(new)
            if len(old) > len(new) or self._budget < 0:
                return False
            if any(_is_made_of(line, self._base[row]) for row in rows for line in new):
                return False
        return True

    def _unmoved_of(self, change: Block) -> tuple[set[str], set[str]]:
        known = self._unmoved_by.get(id(change))
        if known is None:
            old = self._unmoved(self._base[change.old_start : change.old_stop])
            known = old, self._unmoved(self._side[change.new_start : change.new_stop])
            self._unmoved_by[id(change)] = known
        return known

    def _unmoved(self, lines: Sequence[str]) -> set[str]:
        return {line.strip() for line in lines if _letters(line)} - self._moved


def _range_in(editor: Sequence[str], changes: Sequence[Block], start: int, stop: int) -> range | None:
    """Where rows `start:stop` of the base are in a side, as it changed them; None where it took them out, or changed
    them together with what is beside them."""
    shift = inside = 0
    for change in changes:
        if change.old_stop <= start:
            shift = change.new_stop - change.old_stop
        elif change.old_start < stop:
            if change.old_start < start or change.old_stop > stop:
                return None
            inside += change.new_stop - change.new_start - (change.old_stop - change.old_start)
    return range(start + shift, stop + shift + inside) if stop + inside > start else None


def _added_at_end(side: _Side, rows: range, found: range) -> int:
    """How many rows behind a block of the base belong to it in the other side, which put them in there; `found` is the
    block there."""
    stop = rows.stop
    while stop < len(side.base) and not side.base[stop].strip():
        stop += 1
    put_in = [
        change for change in side.by_editor
        if change.old_start == change.old_stop and rows.stop <= change.old_start <= stop
    ]  # fmt: skip
    end = max((change.new_stop for change in put_in), default=found.stop)
    lines = side.editor[found.stop : end]
    filled = [row for row, line in enumerate(lines) if line.strip()]
    head = next((line for line in side.base[rows.start : rows.stop] if line.strip()), "")
    if not filled or _beginning(lines[filled[0]]) == _beginning(head):
        return 0
    behind = side.editor[end - 1 : end + 1] if filled[-1] == len(lines) - 1 else [""]
    is_apart = filled[0] > 0 or len(behind) < 2 or not behind[-1].strip()
    return filled[-1] + 1 if is_apart or _indent(lines[filled[0]]) > _indent(head) else 0


def _beginning(line: str) -> tuple[int, str]:
    """How a line begins: its indentation, and its first word or sign."""
    return _indent(line), next(iter(_PARTS.findall(line)), "")


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _remade(side: _Side, known: Collection[int]) -> Iterator[tuple[int, int]]:
    """Lines that the side moved and changed, or moved alone: the rows in the base and in that side.

    Args:
        known: rows that are of no interest.
    """
    base, mover = side.base, side.mover
    count_base, count_mover = Counter(line.strip() for line in base), Counter(line.strip() for line in mover)
    in_editor = {line.strip() for line in side.editor}
    gone = [
        row for change in side.by_mover for row in range(change.old_start, change.old_stop)
        if row in side.asked and row not in known and _letters(base[row])
        and count_base[base[row].strip()] == 1 and count_mover[base[row].strip()] <= 1
    ]  # fmt: skip
    come = {
        row: mover[row].strip() for change in side.by_mover for row in range(change.new_start, change.new_stop)
        if count_mover[mover[row].strip()] == 1
    }  # fmt: skip
    if len(gone) * len(come) > _MAX_COMPARED:
        return
    new = [row for row, word in come.items() if not count_base[word] and word not in in_editor]
    became = {
        row: [to for to, word in come.items() if word == base[row].strip()]
        or [to for to in new if _is_made_of(mover[to], base[row])]
        for row in gone
    }
    made_of = Counter(to for found in became.values() for to in found)
    for row, found in became.items():
        if len(found) != 1 or made_of[found[0]] != 1 or side.is_one_place(row, found[0]):
            continue
        if side.alone.left(range(row, row + 1)):
            yield row, found[0]


def _is_made_of(line: str, old: str) -> bool:
    """Whether a line was made of another one: words were only added or only taken out, and most stayed; or of a long
    one most was kept."""
    return max(len(line), len(old)) <= _MAX_LINE_CHARS and _has_words_of(line.strip(), old.strip())


@dataclass(frozen=True, slots=True)
class _Form:
    """The words and signs of a line, how long they are together, and how many letters the line has."""

    words: Sequence[str]
    known: frozenset[str]
    size: int
    letters: int


@lru_cache(_MAX_COMPARED)
def _form(line: str) -> _Form:
    words = _PARTS.findall(line)
    return _Form(words, frozenset(words), sum(map(len, words)), _letters(line))


@lru_cache(2 * _MAX_COMPARED)
def _has_words_of(line: str, old: str) -> bool:
    """The same of lines without white space at their ends. Each way to follow what moved asks for the same pairs."""
    smaller, larger = _form(old), _form(line)
    if smaller.size > larger.size:
        smaller, larger = larger, smaller
    if not smaller.words or 2 * smaller.size < larger.size:
        return False
    if smaller.known <= larger.known:
        left = iter(larger.words)
        if all(word in left for word in smaller.words):
            return True
    return min(smaller.letters, larger.letters) >= _LONG_LETTERS and likeness(old, line, _KEPT) >= _KEPT


def _row_in(side: _Side, row: int) -> int | None:
    """Where a line of the base is in the other side, changed or not, moved or not; None where it is not."""
    found = _range_in(side.editor, side.by_editor, row, row + 1)
    if found is not None and len(found) == 1:
        return found.start
    own = [change for change in side.by_editor if change.old_start <= row < change.old_stop]
    come = (at for change in (*own, *side.by_editor) for at in range(change.new_start, change.new_stop))
    near = islice(come, _MAX_LOOKED_AT)
    return next((at for at in near if _is_made_of(side.editor[at], side.base[row])), None)


def _letters(text: str) -> int:
    return sum(map(str.isalnum, text))
