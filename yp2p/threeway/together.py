"""The lines of both sides at one place: in order, each that both have once, or with what parts members of a list.

Members that each side put in as the last ones of a list need what parts them: where the line before both ends with a
comma, or with the backslash of a command that goes on, and neither of them does, the first of them gets one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from yp2p.threeway.brackets import open_ends
from yp2p.threeway.lines import split_lines
from yp2p.threeway.order import Neighbours, is_in_order
from yp2p.threeway.sequences import differences

_LETTERS = re.compile(r"[^\W_]+")
# Behind these a separator would be no separator.
_COMMENT = re.compile(r"//|#|--\s|/\*")


def in_order(ours: str, theirs: str, lines: Neighbours, separators: Sequence[str] = ()) -> str:
    """Both, in the order that the lines around them show.

    Args:
        separators: what can part the members of a list in this language, at the ends of lines.
    """
    if ours.endswith("\n") != theirs.endswith("\n"):  # a last line that has no end stays the last, and gets one
        return _both(ours, ended_text(theirs)) if ours.endswith("\n") else _both(theirs, ended_text(ours))
    first, second = (theirs, ours) if is_in_order(ours, theirs, lines) is False else (ours, theirs)
    for separator in separators:
        if _are_last(first, second, lines, separator):
            return _separated(first, second, separator)
    return _both(first, second)


def _are_last(first: str, second: str, lines: Neighbours, separator: str) -> bool:
    """Whether each is the last member of a list: the line before ends with a separator, and they do not."""
    sign = separator.strip()
    if not lines.before or not lines.before[0].rstrip().endswith(sign):
        return False
    return all(_is_last(text, sign) for text in (first, second))


def _is_last(text: str, sign: str) -> bool:
    """Whether lines can be the last member of a list."""
    member = text.rstrip()
    if not member or member.endswith(sign) or not text.endswith("\n"):
        return False
    return open_ends(member) == ("", "", (0, 0, 0)) and not _COMMENT.search(member)


def alternatives(base: str, ours: str, theirs: str) -> Iterator[str]:
    """What else could stand there: both in either order, also within what both begin and end with; one of them without
    the lines that the other one took out; one of them."""
    first, second = sorted((ours, theirs))
    if first and second:
        yield _both(first, second)
        yield _both(second, first)
        yield _stacked(first, second)
        yield _stacked(second, first)
        yield _separated(first, second, ",")
        yield _separated(second, first, ",")
        yield from _within(first, second)
    yield _without_removed(base, first, second)
    yield _without_removed(base, second, first)
    yield from sorted((first, second), key=lambda text: (-letters(text), text))


def _without_removed(base: str, side: str, other: str) -> str:
    """A side without those lines of the base that the other side took out."""
    gone = set(split_lines(base)).difference(split_lines(other))
    return "".join(line for line in split_lines(side) if line not in gone)


def _both(ours: str, theirs: str) -> str:
    """The lines of both: those that both have once, where that is most of one of them."""
    lines_ours, lines_theirs = split_lines(ended_text(ours)), split_lines(ended_text(theirs))
    changes = differences(lines_ours, lines_theirs)
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
    return ended_text(ours) + theirs


def _separated(ours: str, theirs: str, separator: str) -> str:
    """Both, with a separator between them where the first has none, and none behind the second."""
    head, tail = ours.rstrip(), theirs.rstrip()
    between = head if head.endswith(separator) else head + separator
    return between + (ours[len(head) :] or "\n") + tail.removesuffix(separator) + theirs[len(tail) :]


def _within(first: str, second: str) -> Iterator[str]:
    """Both, where they begin with the same line, or end with one that closes a bracket: a table or a member that both
    made, with what each put into it."""
    rows, others = split_lines(ended_text(first)), split_lines(ended_text(second))
    same = 0
    while same < min(len(rows), len(others)) and rows[same] == others[same]:
        same += 1
    end = 0
    while end < min(len(rows), len(others)) - same and rows[-end - 1] == others[-end - 1]:
        end += 1
    inner, others = rows[same : len(rows) - end], others[same : len(others) - end]
    head, tail = "".join(rows[:same]), "".join(rows[len(rows) - end :])
    if not (letters(head) or tail.lstrip()[:1] in ("]", "}")) or not inner or not others:
        return
    yield head + "".join([*inner, *others]) + tail
    yield head + _separated("".join(inner), "".join(others), ",") + tail


def ended_text(text: str) -> str:
    """A text that ends its last line."""
    return text if not text or text.endswith("\n") else text + "\n"


def letters(text: str) -> int:
    """How many letters and digits a text has."""
    return len("".join(_LETTERS.findall(text)))
