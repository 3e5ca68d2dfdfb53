"""Files that a program writes anew each time, such as `{"run": 3, "list": [4, 5, 6]}`.

Where both sides changed the same lines, and these differ in values alone (numbers, and strings in quotes), one of which
both changed, the whole file of one side is right, as some program wrote it, and a mixture of both is what nobody wrote.
So the lines of one side stand, all of them: of the one whose first value that differs is larger, as the later one's
counter or time is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from yp2p.threeway.lines import Clean, Place, Three, groups, places
from yp2p.threeway.places import value_key
from yp2p.threeway.words import Clash, Words, merge_words

# A string that is not closed goes to the end of its line, so that each character is looked at once.
_VALUE = r"""(?:"(?:[^"\\]|\\.)*\\?(?:"|$)|'(?:[^'\\]|\\.)*\\?(?:'|$)|-?\d[\w.:+-]*)"""
# Of a list of values only that it is one: it may have become longer.
_VALUES = re.compile(rf"{_VALUE}(?:\s*,\s*{_VALUE})*,?")
_EMPTY_LIST = re.compile(r"\[\s*\]")
# Of all places together; where they are longer they are not looked at.
_MAX_CHARS = 20_000


def whole_side(three: Three, parts: Sequence[Clean | Place]) -> bool | None:
    """Whether ours (True) or theirs stands in all places; None where that is not for one side to decide."""
    found = places(parts)
    if not all(by_ours and by_theirs for _, by_ours, by_theirs in groups(three.by_ours, three.by_theirs)):
        return None  # one side alone changed something
    size = sum(len(line) for place in found for lines in (place.base, place.ours, place.theirs) for line in lines)
    if size > _MAX_CHARS or not all(map(_is_state, found)):
        return None
    ours, theirs = ("".join(lines) for lines in (found[0].ours, found[0].theirs))
    return value_key(ours) > value_key(theirs)


def _is_state(place: Place) -> bool:
    """Whether both sides have the lines of the base with other values, one of which both changed differently."""
    texts = ["".join(lines) for lines in (place.base, place.ours, place.theirs)]
    if not all(texts):
        return False
    if set(place.base) & {*place.ours, *place.theirs}:
        return False
    shapes = [{_shape(line) for line in lines} for lines in (place.base, place.ours, place.theirs)]
    if not shapes[1] | shapes[2] <= shapes[0]:
        return False
    parts = merge_words(*map(Words.of, texts))
    return any(
        isinstance(part, Clash) and part.base.strip() and part.ours.strip() and part.theirs.strip() for part in parts
    )


def _shape(line: str) -> str:
    return _VALUES.sub("0", _EMPTY_LIST.sub("[0]", line))
