"""Three texts by words, inside a place where git would ask.

A word is `\\w+`, or one other character, or a value such as `2.0.1-rc1`, `2026-11-28`, `10.0.0.1` or `-5` (of which no
half stands alone; in `a-5` and `f()-5` the sign is a word). With a character goes what is written on it: accents and
vowel signs, the colour of a skin, and what a joiner makes one picture of; and two letters are a flag. Chinese and
Japanese have no spaces between words: there each character is a word, and those that touch are changed together.

The white space before a word is its *layout*. Words are compared without their layout, so a side that only re-indented
or re-wrapped a block changed no word of it; the layout of a word that all three have is merged by itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

from yp2p.threeway.sequences import Block, differences

# Written out, as Unicode goes on and every device has to cut alike; and taken possessively (`*+`), so that no text can
# be cut in many ways. Marks of letters, in the order of their blocks:
_MARKS = (
    "\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4"
    "\u06e7\u06e8\u06ea-\u06ed\u0900-\u0903\u093a-\u093c\u093e-\u094f\u0951-\u0957\u0962\u0963\u0981-\u0983\u09bc\u09be-\u09cd\u0a01-\u0a03\u0a3c-\u0a4d"
    "\u0a81-\u0a83\u0abc\u0abe-\u0acd\u0b01-\u0b03\u0b3c\u0b3e-\u0b4d\u0b82\u0bbe-\u0bcd\u0c00-\u0c04\u0c3e-\u0c4d\u0c81-\u0c83\u0cbc"
    "\u0cbe-\u0ccd\u0d00-\u0d03\u0d3b\u0d3c\u0d3e-\u0d4d\u0dca-\u0ddf\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ecd"
    "\u0f71-\u0f84\u102b-\u103e\u17b4-\u17d3\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe00-\ufe0f\ufe20-\ufe2f"
)
# What is written on a picture, what joins pictures, and the letters of flags.
_ON_PICTURES, _JOINER, _FLAG = "\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f", "\u200d", "[\U0001f1e6-\U0001f1ff]"
# Characters that are words: Chinese, and the two syllabaries of Japanese.
UNSPACED = (
    "\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
_LETTER = rf"(?:(?![{UNSPACED}])\w[{_MARKS}]*+(?:[\u200c\u200d](?=\w))?)"
_DIGIT = rf"\d[{_MARKS}]*+"
_PICTURE = rf"[^\w\s][{_MARKS}{_ON_PICTURES}]*+"
# A sign directly before a number and not behind what it could be taken from; `\u2212` is the minus of printers.
SIGN = r"(?<![\w)\]}])[+-]"
_SIGN = rf"(?<![\w)\]}}{_MARKS}])[+\-\u2212]"
_BEFORE_DIGITS = r"(?=\.?\d)\.?"
# Line breaks of two ways to wrap a text are no further from each other than a line has words.
_NEAR_WORDS = 16


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a text, and the white space before each; the last word is empty, for the white space at the end."""

    words: Sequence[str]
    layout: Sequence[str]

    @classmethod
    def of(cls, text: str) -> Words:
        return _words_of(text)

    def text(self, start: int, stop: int) -> str:
        return "".join(map("".join, zip(self.layout[start:stop], self.words[start:stop], strict=True)))


# All of Unicode is in these expressions: made when they are used first, they take nothing of a start.
@cache
def _any_words() -> re.Pattern[str]:
    return re.compile(
        rf"(\s*)((?:{_SIGN}{_BEFORE_DIGITS})?{_LETTER}*?{_DIGIT}{_LETTER}*(?:[.:+-]{_LETTER}+)*|{_LETTER}+"
        rf"|[{UNSPACED}][{_MARKS}]*+|{_FLAG}{{2}}|{_PICTURE}(?:{_JOINER}{_PICTURE})*|$)"
    )


@cache
def _ascii_words() -> re.Pattern[str]:
    """Gives the same of a text without any other characters, in half the time."""
    return re.compile(rf"(\s*)((?:{SIGN}{_BEFORE_DIGITS})?\w*\d\w*(?:[.:+-]\w+)*|\w+|[^\w\s]|$)")


@cache
def _unspaced() -> re.Pattern[str]:
    return re.compile(rf"[{UNSPACED}]")


@lru_cache(512)
def _words_of(text: str) -> Words:
    """Places are looked at in several ways, each by words."""
    pairs = (_ascii_words() if text.isascii() else _any_words()).findall(text)
    if len(pairs) > 1 and not pairs[-2][1]:
        pairs.pop()
    return Words([word for _, word in pairs], [space for space, _ in pairs])


@dataclass(frozen=True, slots=True)
class Clash:
    """Both sides changed the same words, differently: the three texts there."""

    base: str
    ours: str
    theirs: str


def merge_words(base: Words, ours: Words, theirs: Words) -> list[str | Clash]:
    """The parts of the result, in order: texts, and clashes."""
    by_ours, by_theirs = differences(base.words, ours.words), differences(base.words, theirs.words)
    of_ours, of_theirs = _layout_of(base, ours, by_ours), _layout_of(base, theirs, by_theirs)
    layout = _merged_layout(base, ours, theirs, by_ours, by_theirs)
    parts: list[str | Clash] = []
    at = at_ours = at_theirs = 0
    last: _Change | None = None
    for change in _changes(base, by_ours, by_theirs):
        parts += map("".join, zip(layout[at : change.start], base.words[at : change.start], strict=True))
        at_ours += change.start - at
        at_theirs += change.start - at
        stop_ours, stop_theirs = change.stop_in(change.ours, at_ours), change.stop_in(change.theirs, at_theirs)
        here, there = ours.text(at_ours, stop_ours), theirs.text(at_theirs, stop_theirs)
        is_next = last is not None and last.stop == change.start < change.stop
        if not change.theirs or here == there:
            if is_next and last is not None and last.theirs and not change.theirs:
                here = _relaid(here, base.layout[change.start], of_theirs[change.start])
            parts.append(here)
        elif not change.ours:
            if is_next and last is not None and last.ours:
                there = _relaid(there, base.layout[change.start], of_ours[change.start])
            parts.append(there)
        else:
            parts.append(Clash(base.text(change.start, change.stop), here, there))
        at, at_ours, at_theirs = change.stop, stop_ours, stop_theirs
        last = change
    return [*parts, *map("".join, zip(layout[at:], base.words[at:], strict=True))]


def _relaid(text: str, old: str, new: str | None) -> str:
    """What one side made of a word, behind what the other side changed: with the white space that the other one has."""
    word = text.lstrip()
    return new + word if new is not None and word and text[: len(text) - len(word)] == old else text


@dataclass(frozen=True, slots=True)
class _Change:
    """Words `start:stop` of the base, and the blocks of either side that are in them."""

    start: int
    stop: int
    ours: Sequence[Block]
    theirs: Sequence[Block]

    def stop_in(self, blocks_of_side: Sequence[Block], at: int) -> int:
        """Where the words end in a side that are `start:stop` in the base and begin at `at`."""
        grown = sum(b.new_stop - b.new_start - (b.old_stop - b.old_start) for b in blocks_of_side)
        return at + self.stop - self.start + grown


def _changes(base: Words, ours: Sequence[Block], theirs: Sequence[Block]) -> Iterator[_Change]:
    """Blocks of both that overlap or begin at one word, together; in order. Where each character is a word, those that
    touch: nobody can tell whether they are of one word."""
    i = j = 0
    while i < len(ours) or j < len(theirs):
        start = min(side[at].old_start for side, at in ((ours, i), (theirs, j)) if at < len(side))
        stop = start
        first_ours, first_theirs = i, j
        while True:
            if i < len(ours) and _goes_on(base, ours[i], start, stop):
                stop = max(stop, ours[i].old_stop)
                i += 1
            elif j < len(theirs) and _goes_on(base, theirs[j], start, stop):
                stop = max(stop, theirs[j].old_stop)
                j += 1
            else:
                break
        yield _Change(start, stop, ours[first_ours:i], theirs[first_theirs:j])


def _goes_on(base: Words, block: Block, start: int, stop: int) -> bool:
    """Whether a block belongs to what both changed of words `start:stop`."""
    if block.old_start < stop or block.old_start == start:
        return True
    is_next = start < stop == block.old_start < block.old_stop and not base.layout[stop]
    return is_next and all(map(_unspaced().match, base.words[stop - 1 : stop + 1]))


def _merged_layout(
    base: Words, ours: Words, theirs: Words, by_ours: Sequence[Block], by_theirs: Sequence[Block]
) -> list[str]:
    """The white space before each word of the base: of whoever changed it.

    Where both wrapped or indented anew, each in a way of its own, half of either is neither: then that of the side
    which changed more of the words, for all of them.
    """
    of_ours, of_theirs = _layout_of(base, ours, by_ours), _layout_of(base, theirs, by_theirs)
    places = [row for row in range(len(base.words)) if of_ours[row] is not None and of_theirs[row] is not None]
    merged = list(base.layout)
    # What is before a word that follows a change goes with that change.
    ends_ours, ends_theirs = {change.old_stop for change in by_ours}, {change.old_stop for change in by_theirs}
    behind = {
        row: side[row] or ""
        for rows, side in ((ends_ours - ends_theirs, of_ours), (ends_theirs - ends_ours, of_theirs))
        for row in rows
        if row < len(merged) and side[row] not in (None, base.layout[row])
    }
    for row, space in behind.items():
        merged[row] = space
    new_ours = {row for row in places if row not in behind and of_ours[row] != base.layout[row]}
    new_theirs = {row for row in places if row not in behind and of_theirs[row] != base.layout[row]}
    differ = sorted(row for row in new_ours | new_theirs if of_ours[row] != of_theirs[row])
    if any(
        (row in new_ours) != (after in new_ours) or row in new_ours & new_theirs
        for row, after in zip(differ, [*differ[1:], differ[-1]] if differ else [], strict=True)
        if after - row <= _NEAR_WORDS
    ):
        sizes = [sum(b.old_stop - b.old_start + b.new_stop - b.new_start for b in by) for by in (by_ours, by_theirs)]
        is_ours = sizes[0] > sizes[1] or (sizes[0] == sizes[1] and list(ours.layout) >= list(theirs.layout))
        (new_theirs if is_ours else new_ours).clear()
    for row in new_ours:
        merged[row] = of_ours[row] or ""
    for row in new_theirs:
        merged[row] = of_theirs[row] or ""
    return merged


def _layout_of(base: Words, side: Words, changes: Sequence[Block]) -> list[str | None]:
    """What a side has before each word of the base; None where it has not got the word."""
    found: list[str | None] = []
    at = 0
    for change in changes:
        found += side.layout[at : at + change.old_start - len(found)]
        found += [None] * (change.old_stop - change.old_start)
        at = change.new_stop
    return [*found, *side.layout[at:]]
