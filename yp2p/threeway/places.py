"""What becomes of a place where git would ask.

The rules, in order (`resolve`); the sides can change places without changing the answer:

0. *Both removed lines*, and nothing else: those of both go.
1. *By words.* What both sides changed are different words, and most of the base's words are left on both: both
   changes. A side that only re-indented or re-wrapped the block changed no word of it.
2. *Removed here, changed there*: what was changed stands, whole.
3. *Covered.* All that one side brought in is in what the other brought in as well: the larger one stands.
4. *Cut into lines.* Where lines of all three texts are alike, they are one line, and what is between them is decided
   by itself.
5. *One word, two values.* Inside such a line: what both inserted at one point stands one after the other, unless it is
   the value of a name that had none; of two values of one word one stands: that of the side which changed more of the
   text, so that values that belong together stay together, or where both changed as much, and of two versions always,
   the greater one (numbers by their value). So it does not matter who meets whom. Brackets and members of lists:
   `brackets.py`.
6. *Put in beside.* Where one side changed lines and the other one only put in lines before or behind them: both.
7. *Both.* What is left stands as whole lines, one side's after the other's, and lines that are in both once.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice

from yp2p.threeway.alike import cut_changes, cut_lines, keeps, likeness, values_of_one_name
from yp2p.threeway.brackets import both_members, has_torn_strings, is_torn, put_around, with_other_marks
from yp2p.threeway.glued import has_glued_lines
from yp2p.threeway.lines import Clean, Three, merge_lines, split_lines
from yp2p.threeway.order import NEAR_LINES, Neighbours
from yp2p.threeway.sequences import differences
from yp2p.threeway.together import ended_text, in_order, letters
from yp2p.threeway.words import SIGN, Clash, Words, merge_words

# Of the letters of the base, what each side has to have kept for its changes to be changes of words.
_KEPT = 0.4
# Characters of a place that is looked at word by word as a whole; a longer one is cut into lines first, and a longer
# line into phrases.
_MAX_WORD_CHARS = 50_000
# The same where one side changed white space alone: the words need not be compared.
_MAX_LAYOUT_CHARS = 1_000_000
# Parts of a long line that either side changed, at most: as many more lines would be looked at by words.
_MAX_PHRASES = 4000
# A version, with what may be around it.
_VERSION = re.compile(r"[^\w]*v?\d+(?:\.\d+)+[^\w]*")
# Words of one value: `2.0.1-rc1`, a date, an address.
_MAX_VALUE_WORDS = 8
# Parts of a line that are looked at for lists with members of both.
_MAX_LISTED = 1000
# What is between members of a list, or words.
_SEPARATORS = frozenset(" \t\n,;|&\u3000\u3001\u3002\uff01\uff0c\uff1b\uff1f")
# What comes behind the value of a name: nothing, the end of the line or of the statement, a comment.
_ENDS_OF_VALUES = ("", "\n", "\r", ",", ";", "#")
_NUMBER = re.compile(rf"({SIGN}\d+|\d+)")
_WORD = re.compile(r"\w+")
# Characters that are looked at by words in one merge, and what a piece costs besides: a second.
_MAX_LOOKED_AT = 4_000_000
_PIECE_CHARS = 800
# A part of a long line: up to what ends it.
_PHRASE = re.compile(r"[^,;{}\[\]\n]*[,;{}\[\]\n]|[^,;{}\[\]\n]+")


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
        has_lists: whether `[]` and `{}` have members with commas between them in this language.
        separators: what else can part members of a list at the ends of lines, where nothing tells whether the whole
            parses.
    """

    lines: Neighbours
    is_ours: bool | None
    budget: Budget
    has_lists: bool = False
    separators: Sequence[str] = ()


class Budget:
    """How much of one merge is looked at by words; what is beyond it is decided by whole lines."""

    def __init__(self) -> None:
        self._left = _MAX_LOOKED_AT

    def take(self, *texts: str) -> bool:
        """Whether there is enough left for a look at these texts."""
        self._left -= _PIECE_CHARS + min(sum(map(len, texts)), _MAX_WORD_CHARS)
        return self._left >= 0


def resolve(base: str, ours: str, theirs: str, around: Around) -> list[Piece]:
    """What stands at a place, in the pieces that were decided by themselves."""
    known = _whole(base, ours, theirs, around.budget)
    return _by_lines(base, ours, theirs, around) if known is None else [_piece(base, ours, theirs, known)]


def _by_lines(base: str, ours: str, theirs: str, around: Around) -> list[Piece]:
    if not around.budget.take(base, ours, theirs):
        return [_piece(base, ours, theirs, in_order(ours, theirs, around.lines, around.separators))]
    rows = split_lines(base), split_lines(ours), split_lines(theirs)
    cut = list(cut_lines(*rows))
    if len(cut) == 1:
        cut = list(cut_changes(*rows))
    if len(cut) == 1:
        if _has_open_line(*rows) and any(text.endswith("\n") for text in (ours, theirs)):
            return [_open_line(base, ours, theirs, around)]
        in_line = _in_line(base, ours, theirs, around)
        stands = in_line if in_line is not None else _put_in_beside(base, ours, theirs)
        return [
            _piece(
                base,
                ours,
                theirs,
                in_order(ours, theirs, around.lines, around.separators) if stands is None else stands,
            )
        ]
    pieces: list[Piece] = []
    before = list(around.lines.before)
    for number, lines in enumerate(cut):
        texts = "".join(lines[0]), "".join(lines[1]), "".join(lines[2])
        known = _whole(*texts, around.budget)
        if _has_open_line(*lines):
            found = [_open_line(*texts, around)]
        elif known is not None:
            found = [_piece(*texts, known)]
        else:
            later = islice(cut, number + 1, number + 1 + NEAR_LINES)
            behind = [*(line for _, lines_ours, _ in later for line in lines_ours), *around.lines.behind]
            found = _by_lines(*texts, replace(around, lines=Neighbours(before, behind[:NEAR_LINES])))
        pieces += found
        written = [line for piece in found for line in split_lines(piece.stands)]
        before = [*written[: -NEAR_LINES - 1 : -1], *before][:NEAR_LINES]
    return pieces


def _has_open_line(base: Sequence[str], ours: Sequence[str], theirs: Sequence[str]) -> bool:
    """Whether this is one line that has no end in the base: the last one."""
    return len(base) == len(ours) == len(theirs) == 1 and not base[0].endswith("\n")


def _open_line(base: str, ours: str, theirs: str, around: Around) -> Piece:
    """What both went on with in a line that had no end stands before the end that either of them gave it."""
    bare_ours, bare_theirs = (
        text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text for text in (ours, theirs)
    )
    end = max(ours[len(bare_ours) :], theirs[len(bare_theirs) :])
    stands = "".join(piece.stands for piece in resolve(base, bare_ours, bare_theirs, around))
    return Piece(base, ours, theirs, stands + end)


def _piece(base: str, ours: str, theirs: str, stands: str) -> Piece:
    """A piece that ends its line where every version does."""
    are_ended = all(text.endswith("\n") for text in (base, ours, theirs) if text)
    return Piece(base, ours, theirs, ended_text(stands) if are_ended else stands)


def _whole(base: str, ours: str, theirs: str, budget: Budget) -> str | None:
    """What stands, where that is decided without a look at the lines."""
    if ours == theirs or theirs == base:
        return ours
    if ours == base:
        return theirs
    size = max(len(base), len(ours), len(theirs))
    if not budget.take(base, ours, theirs):
        return None if ours and theirs else ours or theirs
    removed = _both_removed(base, ours, theirs)
    if removed is not None:
        return removed
    if size > _MAX_WORD_CHARS:
        is_layout = size <= _MAX_LAYOUT_CHARS and base.split() in (ours.split(), theirs.split())
        return _merged_words(base, ours, theirs) if is_layout else None if ours and theirs else ours or theirs
    quoted = with_other_marks(base, ours, theirs)
    if quoted is not None:
        return quoted
    covering = _covering(base, ours, theirs) if ours and theirs else None
    if covering is not None and _are_nearer(base, ours, theirs):
        return covering
    by_words = _by_words(base, ours, theirs)
    if by_words is not None:
        return by_words
    beside = _beside(base, ours, theirs)
    if beside is not None:
        return beside
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


def _beside(base: str, ours: str, theirs: str) -> str | None:
    """Both changes, where they are of different lines that touch; None where they are not, or one only inserts."""
    lines, sides = split_lines(base), (split_lines(ours), split_lines(theirs))
    changes = sorted(
        (change.old_start, change.old_stop, side[change.new_start : change.new_stop])
        for side in sides
        for change in differences(lines, side)
    )
    parts: list[str] = []
    at = 0
    for start, stop, put in changes:
        if start < at or start == stop:
            return None
        parts += lines[at:start]
        parts += put
        at = stop
    return "".join([*parts, *lines[at:]])


def _put_in_beside(base: str, ours: str, theirs: str) -> str | None:
    """Both changes, where each line is changed by one side at most and the other one only put in lines before or behind
    it; else None. What a side left alone and the other one changed is not that side's to stand beside the change."""
    lines, *sides = (split_lines(ended_text(text)) for text in (base, ours, theirs))
    changes = sorted(
        (change.old_start, change.old_stop, side[change.new_start : change.new_stop])
        for side in sides
        for change in differences(lines, side)
    )
    parts: list[str] = []
    at, before = 0, -1
    for start, stop, put in changes:
        if start < at or not put or start == stop == before:
            return None
        parts += lines[at:start]
        parts += put
        at, before = stop, start
    text = "".join([*parts, *lines[at:]])
    return text if ours.endswith("\n") or theirs.endswith("\n") else text.removesuffix("\n")


def _by_words(base: str, ours: str, theirs: str) -> str | None:
    """Both changes, where they are of different words; None where they are not."""
    if not base.strip():
        return None  # blank lines are not the end of whatever comes in their place
    is_kept = keeps(base, ours, _KEPT) and keeps(base, theirs, _KEPT)
    return _merged_words(base, ours, theirs) if is_kept or _is_layout(base, ours, theirs) else None


def _is_layout(base: str, ours: str, theirs: str) -> bool:
    """Whether one side changed white space alone."""
    chars, *sides = ("".join(text.split()) for text in (base, ours, theirs))
    return chars in sides and Words.of(base).words in (Words.of(ours).words, Words.of(theirs).words)


def _merged_words(base: str, ours: str, theirs: str) -> str | None:
    found: list[str] = []
    for part in merge_words(Words.of(base), Words.of(ours), Words.of(theirs)):
        if isinstance(part, Clash):
            return None
        found.append(part)
    text = "".join(found)
    versions = base, ours, theirs
    return None if has_glued_lines(text, versions) or has_torn_strings(text, versions) else text


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
    return likeness(ours, theirs) > max(likeness(base, ours), likeness(base, theirs))


def _in_line(base: str, ours: str, theirs: str, around: Around) -> str | None:
    """A line that both edited: both by words, and of two values of one word one."""
    if not base or max(text.count("\n", 0, -1) for text in (base, ours, theirs)) > 0:
        return None
    if max(len(base), len(ours), len(theirs)) > _MAX_WORD_CHARS:
        return _by_phrases(base, ours, theirs, around)
    if not (keeps(base, ours, _KEPT) and keeps(base, theirs, _KEPT)) and not _is_number(base, ours, theirs):
        return _one_value(base, ours, theirs, around)
    merged = merge_words(Words.of(base), Words.of(ours), Words.of(theirs))
    parts: list[str] = []
    for number, part in enumerate(merged):
        text = part if isinstance(part, str) else None
        if isinstance(part, Clash):
            behind = merged[number + 1] if around.has_lists and number < _MAX_LISTED else None
            text = both_members("".join(parts), part, behind) if isinstance(behind, str) else None
            is_value = _is_value("".join(parts), merged[number + 1] if number + 1 < len(merged) else "")
            text = text or put_around(part) or _decided(part, is_ours=around.is_ours, is_value=is_value)
        if text is None:
            return None
        parts.append(text)
    line = "".join(parts)
    return None if is_torn(line, (base, ours, theirs)) else line


def _one_value(base: str, ours: str, theirs: str, around: Around) -> str | None:
    """The line with one of both values, where all three give the same name short ones; else None."""
    starts = values_of_one_name(base, ours, theirs)
    texts = base, ours, theirs
    heads = {text[:start] for text, start in zip(texts, starts, strict=False)}
    values = [text[start:] for text, start in zip(texts, starts, strict=False)]
    if len(heads) != 1 or len({value[len(value.rstrip()) :] for value in values}) != 1:
        return None
    stands = _decided(Clash(*values), is_ours=around.is_ours, is_value=True)
    return heads.pop() + stands if stands is not None else None


def _is_number(base: str, ours: str, theirs: str) -> bool:
    """Whether all that differs is one number of a line, with a name beside it: however long the number is."""
    words, *sides = (Words.of(text).words for text in (base, ours, theirs))
    if any(len(side) != len(words) for side in sides):
        return False
    rows = [row for row, word in enumerate(words) if any(side[row] != word for side in sides)]
    values = [side[row] for side in (words, *sides) for row in rows]
    has_name = any(map(str.isalpha, "".join(words[: rows[0]] if rows else ())))
    return len(rows) == 1 and has_name and all(value.lstrip("+-.\u2212")[:1].isdigit() for value in values)


def _by_phrases(base: str, ours: str, theirs: str, around: Around) -> str | None:
    """A long line: as lines are merged, but by phrases, and by words only where both changed one."""
    phrases = Three(_PHRASE.findall(base), _PHRASE.findall(ours), _PHRASE.findall(theirs))
    merged = merge_lines(phrases)
    if len(merged) > _MAX_PHRASES:
        return None
    parts: list[str] = []
    for part in merged:
        if isinstance(part, Clean):
            parts += part.lines
            continue
        texts = "".join(part.base), "".join(part.ours), "".join(part.theirs)
        text = _in_line(*texts, around) if max(map(len, texts)) <= _MAX_WORD_CHARS else None
        if text is None:
            return None
        parts.append(text)
    return "".join(parts)


def _is_value(before: str, behind: str | Clash) -> bool:
    """Whether what stands between these is all that a name is given (`NAME = `, to the end of the line)."""
    return (
        before.rstrip(" \t").endswith("=") and isinstance(behind, str) and behind.lstrip(" \t")[:1] in _ENDS_OF_VALUES
    )


def _decided(clash: Clash, *, is_ours: bool | None, is_value: bool) -> str | None:
    """What stands where both changed the same words; None where it is more than a value."""
    if not clash.base.strip() and not is_value and _are_apart(clash.ours, clash.theirs):
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
    parts = enumerate(_NUMBER.split(text.strip()))
    return [(1, int(part[:400]), "") if at % 2 and part.isascii() else (0, 0, part) for at, part in parts if part]
