"""Files that a program writes anew each time, such as `{"run": 3, "list": [4, 5, 6]}`.

Where both sides changed the same lines, and these differ in values alone, one of which both changed, the whole file of
one side is right, as some program wrote it, and a mixture of both is what nobody wrote. So the lines of one side stand,
all of them: of the one whose first value that differs is larger, as the later one's counter or time is.

A value is a number, or a word in quotes. People write files that look like this as well, but they leave some values
alone, add rows to a table, or write programs. So the rule holds only where both sides changed every line with a value,
where each such line is in both (except in JSON, where a list may have become longer), and not for source code.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from yp2p.threeway.lines import Clean, Place, Three, groups, places
from yp2p.threeway.places import value_key
from yp2p.threeway.words import Clash, Words, merge_words

_VALUE = r"""(?:"[^"\\\s]*"|(?<!\w)'[^'\\\s]*'|(?<!\w)-?\d[\w.:+-]*)"""
# Of a list of values only that it is one: it may have become longer.
_VALUES = re.compile(rf"{_VALUE}(?:\s*,\s*{_VALUE})*,?")
_KEY = re.compile(r'"[^"\\]*"\s*:')
_EMPTY_LIST = re.compile(r"\[\s*\]")
_SOURCE_CODE = frozenset({"python", "notebook"})
# Of all places together; where they are longer they are not looked at.
_MAX_CHARS = 20_000


def whole_side(language: str | None, three: Three, parts: Sequence[Clean | Place]) -> bool | None:
    """Whether ours (True) or theirs stands in all places; None where that is not for one side to decide."""
    found = places(parts)
    size = sum(len(line) for place in found for lines in (place.base, place.ours, place.theirs) for line in lines)
    if language in _SOURCE_CODE or size > _MAX_CHARS or not all(_is_state(language, place) for place in found):
        return None
    if not all(by_ours and by_theirs for _, by_ours, by_theirs in groups(three.by_ours, three.by_theirs)):
        return None  # one side alone changed something
    kept = [line for part in parts if isinstance(part, Clean) and not part.changed for line in part.lines]
    if any(_VALUES.search(_KEY.sub("", line)) for line in kept):
        return None  # people leave some values alone
    ours, theirs = ("".join(lines) for lines in (found[0].ours, found[0].theirs))
    return value_key(ours) > value_key(theirs)


def _is_state(language: str | None, place: Place) -> bool:
    """Whether both sides have the lines of the base with other values, one of which both changed differently."""
    texts = ["".join(lines) for lines in (place.base, place.ours, place.theirs)]
    if not all(texts) or set(place.base) & {*place.ours, *place.theirs}:
        return False
    base, ours, theirs = ([_shape(line) for line in lines] for lines in (place.base, place.ours, place.theirs))
    if not (base == ours == theirs or (language == "json" and {*ours, *theirs} <= set(base))):
        return False
    parts = merge_words(*map(Words.of, texts))
    return any(
        isinstance(part, Clash) and part.base.strip() and part.ours.strip() and part.theirs.strip() for part in parts
    )


def _shape(line: str) -> str:
    return _VALUES.sub("0", _EMPTY_LIST.sub("[0]", line))
