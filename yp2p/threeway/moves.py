"""Blocks of lines that one side moved and the other changed: the change goes where the block went.

A block has moved where lines that are gone from one place of the base stand at another place of the side, and nowhere
else: each of them once, one of them at least with enough letters that it is no chance. In the base and in the side that
moved it, the block is then replaced by what the other side made of it. So only one of them has changed it: it moved.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from yp2p.threeway.lines import Three
from yp2p.threeway.sequences import Block

# Fewer letters in all lines of a block are chance: a brace, `return`, `else:`.
_DISTINCT_LETTERS = 6


def follow_moves(three: Three) -> Three | None:
    """The three texts, in which what one side changed of a block that the other one moved is changed where it went.

    Returns:
        None where there is no such block.
    """
    base, ours = _follow(three.base, three.ours, three.theirs, three.by_ours, three.by_theirs)
    followed = three if base is three.base else Three(base, ours, three.theirs)
    base, theirs = _follow(followed.base, followed.theirs, followed.ours, followed.by_theirs, followed.by_ours)
    if base is not followed.base:
        followed = Three(base, followed.ours, theirs)
    return followed if followed is not three else None


def _follow(
    base: Sequence[str],
    mover: Sequence[str],
    editor: Sequence[str],
    by_mover: Sequence[Block],
    by_editor: Sequence[Block],
) -> tuple[Sequence[str], Sequence[str]]:
    found = sorted(_moved(base, mover, by_mover), reverse=True) if by_editor else []
    versions = [(start, to, size, _version(editor, by_editor, start, start + size)) for start, to, size in found]
    edited = [(start, to, size, version) for start, to, size, version in versions if version is not None]
    if not edited:
        return base, mover
    base, mover = list(base), list(mover)
    for start, _, size, version in edited:
        base[start : start + size] = version
    for _, to, size, version in sorted(edited, key=lambda item: -item[1]):
        mover[to : to + size] = version
    return base, mover


def _moved(base: Sequence[str], side: Sequence[str], changes: Sequence[Block]) -> Iterator[tuple[int, int, int]]:
    """Blocks that moved: where in the base, where in the side, and of how many lines."""
    gone = {row for change in changes for row in range(change.old_start, change.old_stop)}
    come = {row for change in changes for row in range(change.new_start, change.new_stop)}
    count_base, count_side = Counter(base), Counter(side)
    place = {side[row]: row for row in come if count_side[side[row]] == 1}
    done = -1
    for row in sorted(gone):
        line = base[row]
        if row <= done or count_base[line] != 1 or line not in place:
            continue
        start, to = row, place[line]
        while start - 1 in gone and start - 1 > done and to - 1 in come and base[start - 1] == side[to - 1]:
            start, to = start - 1, to - 1
        size = row - start + 1
        while start + size in gone and to + size in come and base[start + size] == side[to + size]:
            size += 1
        if sum(map(_letters, base[start : start + size])) >= _DISTINCT_LETTERS:
            yield start, to, size
        done = start + size - 1


def _version(editor: Sequence[str], changes: Sequence[Block], start: int, stop: int) -> Sequence[str] | None:
    """What the editor made of rows `start:stop` of the base; None where that is nothing, the same, or more of it."""
    shift = inside = 0
    for change in changes:
        if change.old_stop <= start:
            shift = change.new_stop - change.old_stop
        elif change.old_start < stop:
            if change.old_start < start or change.old_stop > stop:
                return None
            inside += change.new_stop - change.new_start - (change.old_stop - change.old_start)
    version = editor[start + shift : stop + shift + inside]
    is_changed = any(start <= change.old_start < stop and change.old_stop > start for change in changes)
    return version if version and is_changed else None


def _letters(text: str) -> int:
    return sum(map(str.isalnum, text))
