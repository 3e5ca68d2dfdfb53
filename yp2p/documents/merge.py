"""What two devices did apart, once their work is merged: the same change twice, and changes that met in one line.

Theory of operation
    Yjs merges operations, and two devices that make the same change (the same `git pull`, the same formatter) make it
    with different operations: the merged text has it twice. Like git, we take it once.

    Of every character of the merged text one can tell who had it before: both, only we, only they. What only one side
    had stands in *runs*. Where a run of ours and a run of theirs are neighbours and say the same, they are *twins*: the
    later one is taken out again. The same where the shorter of the two is how the longer one begins (or how the earlier
    one ends), by whole lines, or any lines of it that are no chance: one side made that change and another one beside.
    And where lines that are no chance end the earlier run and begin the later one: each made one beside.
    Runs are no neighbours where something stood between them that only one side took out: two rows that are replaced by
    the same word stand side by side afterwards, but each of them was one's own.

    Both devices see the same text and the same runs and take out the same characters, and deleting something twice is
    deleting it once: it does not matter who does it, nor how many devices meet at a time. What is taken out stands
    there again on its left; so the leftmost copy is never touched by anybody.

Invariants
    * Nothing is taken out that does not stand on its left as well.
    * `ours` and `theirs` can change places: the answer is the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from yp2p.documents.diff import Hunk, apply_hunks, hunks, split_lines
from yp2p.protocol.labels import BOTH, GAP, GONE, piece_number

# Fewer letters than these in common are chance: a brace, `return`.
_DISTINCT_LETTERS = 8
# The same where copies touch each other.
_MET_LETTERS = 6


@dataclass(frozen=True, slots=True)
class Meeting:
    """What a merge amounts to: `repair` takes out second copies; `lines`, as they are then, were changed by both."""

    repair: list[Hunk]
    lines: list[str]


@dataclass(frozen=True, slots=True)
class _Run:
    start: int
    stop: int
    text: str
    ours: bool


def look_at_merge(text: str, units: str, sides: Sequence[bool], wanted: str | None = None) -> Meeting:
    """Find twins and lines of both.

    Args:
        text: the merged text.
        units: a letter for each UTF-16 unit of it and of what is deleted; `sides` is of each piece whether it is ours
            (`protocol/labels.py`).
        wanted: the text that both had when they compared, where both had the same.
    """
    letters, gaps = _per_character(text, units)
    repair = sorted(
        (twin for group in _groups(text, letters, gaps, sides) for twin in _twins(group)), key=lambda hunk: hunk.start
    )
    if wanted is not None and apply_hunks(text, repair) != wanted and _are_copies(text, letters, sides, wanted):
        return Meeting(hunks(text, wanted), [])
    return Meeting(repair, _lines_of_both(apply_hunks(text, repair), apply_hunks(letters, repair), sides))


def _are_copies(text: str, letters: str, sides: Sequence[bool], wanted: str) -> bool:
    """Whether a merged text can come of `wanted` being on both sides: neither side then has any other characters.

    Otherwise one of them has got something since they compared.
    """
    had = Counter(wanted)
    return all(
        Counter(
            character
            for character, letter in zip(text, letters, strict=True)
            if letter == BOTH or sides[piece_number(letter)] == ours
        )
        <= had
        for ours in (True, False)
    )


def _per_character(text: str, units: str) -> tuple[str, set[int]]:
    """A letter for each character of the text, and the places where a gap is."""
    at = 0
    letters: list[str] = []
    gaps: set[int] = set()
    for character in text:
        while units[at] in (GONE, GAP):
            if units[at] == GAP:
                gaps.add(len(letters))
            at += 1
        letters.append(units[at])
        at += 2 if character > "\uffff" else 1
    return "".join(letters), gaps


def _groups(text: str, letters: str, gaps: set[int], sides: Sequence[bool]) -> Iterator[list[_Run]]:
    """Neighbouring runs, in order."""
    group: list[_Run] = []
    at = 0
    while at < len(letters):
        if at in gaps and group:
            yield group
            group = []
        letter = letters[at]
        stop = at + 1
        if letter == BOTH:
            while stop < len(letters) and letters[stop] == BOTH:
                stop += 1
            if group:
                yield group
                group = []
        else:
            ours = sides[piece_number(letter)]
            while (
                stop < len(letters)
                and stop not in gaps
                and letters[stop] != BOTH
                and sides[piece_number(letters[stop])] == ours
            ):
                stop += 1
            group.append(_Run(at, stop, text[at:stop], ours))
        at = stop
    if group:
        yield group


def _twins(group: list[_Run]) -> list[Hunk]:
    """What to take out of neighbouring runs."""
    found: list[Hunk] = []
    used: set[int] = set()
    for number, (first, second) in enumerate(pairwise(group)):
        if number in used:
            continue
        copy = _copy(first, second)
        if copy is not None:
            found.append(copy)
            used.add(number + 1)
    return found


def _copy(first: _Run, second: _Run) -> Hunk | None:
    """The later copy of what two neighbours share, when the shorter one is all of it."""
    if first.ours == second.ours:
        return None
    if first.text == second.text:
        return Hunk(second.start, second.stop, "")
    if second.text.endswith("\n") and (first.text.startswith(second.text) or first.text.endswith("\n" + second.text)):
        return Hunk(second.start, second.stop, "")
    if first.text.endswith("\n") and second.text.startswith(first.text):
        return Hunk(second.start, second.start + len(first.text), "")
    if _place_of(second.text, first.text) >= 0:
        return Hunk(second.start, second.stop, "")
    place = _place_of(first.text, second.text)
    if place >= 0:
        return Hunk(second.start + place, second.start + place + len(first.text), "")
    shared = _overlap(first.text, second.text)
    return Hunk(second.start, second.start + shared, "") if shared else None


def _overlap(first: str, second: str) -> int:
    """How many characters of whole lines end the first text and begin the second one; 0 where that may be chance."""
    at = second.rfind("\n") + 1
    while at:
        part = second[:at]
        if ("\n" + first).endswith("\n" + part):
            return at if sum(map(str.isalnum, part)) >= _MET_LETTERS else 0
        at = second.rfind("\n", 0, at - 1) + 1
    return 0


def _place_of(part: str, whole: str) -> int:
    """Where whole lines that are no chance stand among others; -1 where they do not, or may be chance."""
    if not part.endswith("\n") or sum(map(str.isalnum, part)) < _DISTINCT_LETTERS:
        return -1
    return ("\n" + whole).find("\n" + part)


def _lines_of_both(text: str, letters: str, sides: Sequence[bool]) -> list[str]:
    lines: list[str] = []
    at = 0
    for line in split_lines(text):
        here = {sides[piece_number(letter)] for letter in set(letters[at : at + len(line)]) if letter != BOTH}
        if len(here) == 2:
            lines.append(line.rstrip("\r\n"))
        at += len(line)
    return lines
