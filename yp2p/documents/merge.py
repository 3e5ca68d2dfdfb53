"""What two devices did apart, once their work is merged: the same change twice, and changes that met in one line.

Theory of operation
    Yjs merges operations, and two devices that make the same change (the same `git pull`, the same formatter) make it
    with different operations: the merged text has it twice. Like git, we take it once.

    Of every character of the merged text one can tell who had it before: both, only we, only they. What only one side
    had stands in *runs*. Where a run of ours and a run of theirs are neighbours and say the same, they are *twins*:
    the later one is taken out again. The same where the shorter of the two is how the longer one begins or ends, by
    whole lines: one side made that change and another one beside it.

    Both devices see the same text and the same runs and take out the same characters, and deleting something twice is
    deleting it once: it does not matter who does it, nor how many devices meet at a time. The first copy is never
    touched, and which one comes first is the same everywhere.

Invariants
    * Nothing is taken out that does not stand there again, right before or after it.
    * `ours` and `theirs` can change places: the answer is the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from yp2p.documents.diff import Hunk, apply_hunks, split_lines
from yp2p.protocol.labels import BOTH, OURS, THEIRS


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
    label: str


def look_at_merge(text: str, units: str) -> Meeting:
    """Find twins and lines of both.

    Args:
        text: the merged text.
        units: a label for each of its UTF-16 units (`protocol/labels.py`).
    """
    labels = units if len(units) == len(text) else _per_character(text, units)
    repair = sorted((twin for group in _groups(text, labels) for twin in _twins(group)), key=lambda hunk: hunk.start)
    kept = apply_hunks(text, repair)
    return Meeting(repair, _lines_of_both(kept, _labels_after(labels, repair)))


def _per_character(text: str, units: str) -> str:
    at = 0
    labels: list[str] = []
    for character in text:
        labels.append(units[at])
        at += 2 if character > "\uffff" else 1
    return "".join(labels)


def _labels_after(labels: str, repair: list[Hunk]) -> str:
    """The labels of what stays; what stands there for two belongs to both."""
    return apply_hunks(labels, repair)


def _groups(text: str, labels: str) -> Iterator[list[_Run]]:
    """Neighbouring runs, in order."""
    group: list[_Run] = []
    at = 0
    while at < len(labels):
        label = labels[at]
        stop = at
        while stop < len(labels) and labels[stop] == label:
            stop += 1
        if label != BOTH:
            group.append(_Run(at, stop, text[at:stop], label))
        elif group:
            yield group
            group = []
        at = stop
    if group:
        yield group


def _twins(group: list[_Run]) -> list[Hunk]:
    """What to take out of neighbouring runs."""
    if len(group) < 2:
        return []
    sides = {label: "".join(run.text for run in group if run.label == label) for label in (OURS, THEIRS)}
    if sides[OURS] == sides[THEIRS] and len(group) > 2:
        # Cut into each other, but the same as a whole: the side that begins first stays.
        return [Hunk(run.start, run.stop, "") for run in group if run.label != group[0].label]
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
    if first.text == second.text:
        return Hunk(second.start, second.stop, "")
    short, long = sorted((first, second), key=lambda run: len(run.text))
    if not short.text.endswith("\n"):
        return None
    if long.text.startswith(short.text) or long.text.endswith("\n" + short.text):
        if short is second:
            return Hunk(second.start, second.stop, "")
        if long.text.startswith(short.text):
            return Hunk(second.start, second.start + len(short.text), "")
        return Hunk(first.start, first.stop, "")
    return None


def _lines_of_both(text: str, labels: str) -> list[str]:
    lines: list[str] = []
    at = 0
    for line in split_lines(text):
        here = labels[at : at + len(line)]
        if OURS in here and THEIRS in here:
            lines.append(line.rstrip("\r\n"))
        at += len(line)
    return lines
