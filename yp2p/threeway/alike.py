"""How alike texts are by their words, and which lines of three texts are one line.

A line that was edited is still the line that it was: it is paired with the one of the other text that it shares
`ALIKE` of its letters with, in order, so that the pairs together have the most in common. So is a line to which words
were only added, however many, and a line that gives another value to the same name. Two long texts are paired where
their lines are equal.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache

from yp2p.threeway.sequences import Block, differences
from yp2p.threeway.words import UNSPACED

# Two lines are one line that was edited when they share this much of their letters (as in `documents/diff.py`).
ALIKE = 0.6
# What a line counts for that is the same: as much as two that are alike. Else of "1 é" and "2 ·" that became "3 é" and
# "1 é" both would have been edited.
_SAME = 2.0
# A line of which nothing is gone is the line that it was from so many letters on: a brace is in many lines.
_MIN_KEPT = 6
# Lines times lines that are compared with each other at most, and characters times characters of them: 0.1 s.
_MAX_PAIRINGS = 4096
_MAX_SQUARE_CHARS = 64_000_000
# What a line counts for that has more characters: ten short lines that fit are worth more than a long one.
_MAX_WEIGHT = 80
# A name that a line gives a value.
_NAME = re.compile(r"""\s*(?:export\s+)?["']?([\w.-]*[^\W\d][\w.-]*)["']?\s*(?:=(?!=)|:(?=\s))\s*\S""")
_ASCII_PARTS = re.compile(r"\w+|[^\w\s]")


@cache
def _any_parts() -> re.Pattern[str]:
    """Of all of Unicode: made when it is used first."""
    return re.compile(rf"[{UNSPACED}]|(?:(?![{UNSPACED}])\w)+|[^\w\s]")


@lru_cache(4096)
def _parts(text: str) -> list[str]:
    return (_ASCII_PARTS if text.isascii() else _any_parts()).findall(text)


@lru_cache(4096)
def _counted(text: str) -> tuple[int, Counter[str]]:
    """How many letters its words have, and how often each comes."""
    words = _parts(text)
    return sum(map(len, words)), Counter(words)


def kept(base: str, side: str) -> float:
    """How much of the base a side has kept, by the letters of its words; of a value, each part counts by itself."""
    words, others = _parts(base), _parts(side)
    total = sum(map(len, words))
    gone = sum(len(word) for block in differences(words, others) for word in words[block.old_start : block.old_stop])
    return (total - gone) / total if total else 0.0


def keeps(base: str, side: str, share: float) -> bool:
    """Whether a side has kept that share of the base at least. One that is too short is not compared."""
    total = _counted(base)[0]
    return total > 0 and _counted(side)[0] / total >= share and kept(base, side) >= share


def likeness(old: str, new: str, least: float = ALIKE) -> float:
    """0 to 1: twice the letters in words that both share in order, by the letters of both; 0 below `least`."""
    (size_old, counts_old), (size_new, counts_new) = _counted(old), _counted(new)
    needed = least * (size_old + size_new) / 2
    if min(size_old, size_new) < needed:
        return 0.0
    shared = sum(len(word) * min(counts_old[word], counts_new[word]) for word in counts_old.keys() & counts_new.keys())
    if shared < needed:
        return 0.0  # whatever their order
    return 2 * kept(old, new) * size_old / (size_old + size_new) if size_old + size_new else 0.0


def _added_to(old: str, new: str) -> float:
    """`ALIKE` where all words of a line are there in order, whatever was put in beside them; else 0."""
    (size, counts), (size_new, counts_new) = _counted(old), _counted(new)
    if not _MIN_KEPT <= size <= size_new or not counts <= counts_new:
        return 0.0
    return ALIKE if kept(old, new) == 1.0 else 0.0


def values_of_one_name(*lines: str) -> list[int]:
    """Where the values begin in lines that all give the same name one; empty where they do not."""
    found = [_NAME.match(line) for line in lines]
    names = {match and match[1] for match in found}
    return [match.end() - 1 for match in found if match is not None] if len(names) == 1 and None not in names else []


def _pairs(old: Sequence[str], new: Sequence[str]) -> dict[int, int]:
    """Which old line became which new line: the alignment, in order, with the most likeness."""
    rows, columns = len(old), len(new)
    if not rows or not columns:
        return {}
    if rows * columns > _MAX_PAIRINGS or sum(map(len, old)) * sum(map(len, new)) > _MAX_SQUARE_CHARS:
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
            shared = (
                _SAME
                if old[i] == new[j]
                else likeness(old[i], new[j])
                or (_added_to(old[i], new[j]) if old[i].endswith("\n") else 0.0)
                or (ALIKE if values_of_one_name(old[i], new[j]) else 0.0)
            )
            alike[i][j] = shared if shared >= ALIKE else 0.0
            paired = best[i + 1][j + 1] + alike[i][j] * min(1 + len(old[i]), _MAX_WEIGHT) if alike[i][j] else 0.0
            best[i][j] = max(best[i + 1][j], best[i][j + 1], paired)
    found: dict[int, int] = {}
    i = j = 0
    while i < rows and j < columns:
        if alike[i][j] and best[i][j] == best[i + 1][j + 1] + alike[i][j] * min(1 + len(old[i]), _MAX_WEIGHT):
            found[i] = j
            i, j = i + 1, j + 1
        elif best[i][j] == best[i + 1][j]:
            i += 1
        else:
            j += 1
    return found


def _gone_on(pairs: dict[int, int], base: Sequence[str], side: Sequence[str]) -> dict[int, int]:
    """The pairs, with the last line where that has no end: whoever appends goes on in it, however much that is.

    It may also be that much was put into it.
    """
    last = len(base) - 1
    if last < 0 or base[last].endswith("\n") or last in pairs:
        return pairs
    rows = range(max(pairs.values(), default=-1) + 1, len(side))
    found = next((row for row in rows if side[row].startswith(base[last])), None)
    if found is None:
        found = next((row for row in rows if _added_to(base[last], side[row])), None)
    return pairs if found is None else pairs | {last: found}


def cut_lines(
    base: Sequence[str], ours: Sequence[str], theirs: Sequence[str]
) -> Iterator[tuple[Sequence[str], Sequence[str], Sequence[str]]]:
    """Lines that are one line in all three, and what is between them."""
    to_ours, to_theirs = _gone_on(_pairs(base, ours), base, ours), _gone_on(_pairs(base, theirs), base, theirs)
    i = j = k = 0
    for row in [row for row in range(len(base)) if row in to_ours and row in to_theirs]:
        at, there = to_ours[row], to_theirs[row]
        if i < row or j < at or k < there:
            yield base[i:row], ours[j:at], theirs[k:there]
        yield base[row : row + 1], ours[at : at + 1], theirs[there : there + 1]
        i, j, k = row + 1, at + 1, there + 1
    if i < len(base) or j < len(ours) or k < len(theirs):
        yield base[i:], ours[j:], theirs[k:]


def cut_changes(
    base: Sequence[str], ours: Sequence[str], theirs: Sequence[str]
) -> Iterator[tuple[Sequence[str], Sequence[str], Sequence[str]]]:
    """The same, where changes of both sides only touch: each part has changes of one side, or such as overlap.

    What is only put in touches both of its neighbours, and stays with them.
    """
    texts = base, ours, theirs
    changes = sorted(
        (
            (2 * change.old_start, 2 * change.old_stop, number, change)
            if change.old_start < change.old_stop
            else (2 * change.old_start - 1, 2 * change.old_start + 1, number, change)
            for number, side in enumerate((ours, theirs), start=1)
            for change in differences(base, side)
        ),
        key=lambda item: item[:3],
    )
    groups: list[list[tuple[int, int, int, Block]]] = []
    reached = -1
    for item in changes:
        if groups and item[0] < reached:
            groups[-1].append(item)
        else:
            groups.append([item])
        reached = max(reached, item[1])
    at, shift = [0, 0, 0], [0, 0, 0]  # how far the texts are given out, and where they are against the base
    for group in groups:
        until = [min(item[3].old_start for item in group) + by for by in shift]
        if until != at:
            yield _between(texts, at, until)
        for _, _, number, change in group:
            shift[number] += change.new_stop - change.new_start - (change.old_stop - change.old_start)
        at, until = until, [max(item[3].old_stop for item in group) + by for by in shift]
        yield _between(texts, at, until)
        at = until
    if at != [len(text) for text in texts]:
        yield _between(texts, at, [len(text) for text in texts])


def _between(
    texts: tuple[Sequence[str], Sequence[str], Sequence[str]], start: Sequence[int], stop: Sequence[int]
) -> tuple[Sequence[str], Sequence[str], Sequence[str]]:
    base, ours, theirs = texts
    return base[start[0] : stop[0]], ours[start[1] : stop[1]], theirs[start[2] : stop[2]]
