"""Three texts by lines, as git does it: what is clean, and where it would ask.

Both sides are compared with the base. A change of one side alone is taken; changes of both that overlap or touch are
one *place*, which is clean where both made the same of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from yp2p.threeway.sequences import Block, blocks


@dataclass(frozen=True, slots=True)
class Clean:
    """Lines of the result."""

    lines: Sequence[str]
    changed: bool  # whether any side changed them


@dataclass(frozen=True, slots=True)
class Place:
    """Where git would ask: the lines of the three texts, and the row of ours that they begin at."""

    base: Sequence[str]
    ours: Sequence[str]
    theirs: Sequence[str]
    ours_at: int


@dataclass(frozen=True)
class Three:
    """The lines of three texts, and what each side changed of the base."""

    base: Sequence[str]
    ours: Sequence[str]
    theirs: Sequence[str]

    @cached_property
    def by_ours(self) -> list[Block]:
        return blocks(self.base, self.ours)

    @cached_property
    def by_theirs(self) -> list[Block]:
        return blocks(self.base, self.theirs)


def split_lines(text: str) -> list[str]:
    """Lines with their ends; only a line feed ends a line."""
    lines = text.split("\n")
    last = lines.pop()
    result = [line + "\n" for line in lines]
    if last:
        result.append(last)
    return result


def merge_lines(three: Three) -> list[Clean | Place]:
    """The parts of the result, in order."""
    base, ours, theirs = three.base, three.ours, three.theirs
    parts: list[Clean | Place] = []
    at = 0  # how far the base is used
    for (start, stop), by_ours, by_theirs in groups(three.by_ours, three.by_theirs):
        if at < start:
            parts.append(Clean(base[at:start], changed=False))
        at = stop
        here, there = side_of(ours, by_ours, start, stop), side_of(theirs, by_theirs, start, stop)
        if not by_theirs or here == there:
            parts.append(Clean(here, changed=True))
        elif not by_ours:
            parts.append(Clean(there, changed=True))
        else:
            first = by_ours[0]
            parts.append(Place(base[start:stop], here, there, first.new_start - (first.old_start - start)))
    if at < len(base):
        parts.append(Clean(base[at:], changed=False))
    return parts


def places(parts: Sequence[Clean | Place]) -> list[Place]:
    """The places where git would ask."""
    return [part for part in parts if isinstance(part, Place)]


def ended(texts: Sequence[str]) -> list[str]:
    """Texts that stand one behind the other: none goes on in a line that the one before it did not end."""
    last = max((number for number, text in enumerate(texts) if text), default=0)
    return [
        text + "\n" if number < last and text and not text.endswith("\n") else text for number, text in enumerate(texts)
    ]


def all_texts(parts: Sequence[Clean | Place], chosen: Sequence[str]) -> list[str]:
    """The text of each part, given what stands at each place."""
    at = iter(chosen)
    return ended(["".join(part.lines) if isinstance(part, Clean) else next(at) for part in parts])


def joined(parts: Sequence[Clean | Place], chosen: Sequence[str]) -> str:
    """The text, given what stands at each place."""
    return "".join(all_texts(parts, chosen))


def groups(ours: list[Block], theirs: list[Block]) -> Iterator[tuple[tuple[int, int], list[Block], list[Block]]]:
    """Blocks of both that overlap or touch in the base, together, with the rows of the base that they span."""
    i = j = 0
    while i < len(ours) or j < len(theirs):
        of_ours = j >= len(theirs) or (i < len(ours) and ours[i].old_start <= theirs[j].old_start)
        first = ours[i] if of_ours else theirs[j]
        start, stop = first.old_start, first.old_stop
        by_ours: list[Block] = []
        by_theirs: list[Block] = []
        while True:
            if i < len(ours) and ours[i].old_start <= stop:
                by_ours.append(ours[i])
                stop = max(stop, ours[i].old_stop)
                i += 1
            elif j < len(theirs) and theirs[j].old_start <= stop:
                by_theirs.append(theirs[j])
                stop = max(stop, theirs[j].old_stop)
                j += 1
            else:
                break
        yield (start, stop), by_ours, by_theirs


def side_of(side: Sequence[str], changes: list[Block], start: int, stop: int) -> Sequence[str]:
    """What a side has for rows `start:stop` of the base."""
    if not changes:
        return ()
    first, last = changes[0], changes[-1]
    return side[first.new_start - (first.old_start - start) : last.new_stop + (stop - last.old_stop)]
