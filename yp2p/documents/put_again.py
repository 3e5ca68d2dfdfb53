"""Which words of what repairs put in again one side alone wrote.

Theory of operation
    A repair takes text out of one place and puts it in at another one, as new operations: nothing in them says whose
    the words were. What was taken out says it, as these are still the operations of who wrote them. So what was put in
    is compared with what was taken out, line by line: each line with the one that it is, else with the one that it has
    the most letters in common with, and in it word by word. A line that is like none is not known here.

    Words alone do not do: `<`, `w` and `>` are in many lines, and a line without them is one that nobody had.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from yp2p.threeway.sequences import differences

# Lines put in times lines taken out that are compared at most: 0.1 s. Texts come from members who may be hostile.
_MAX_COMPARED = 4096
_TOKENS = re.compile(r"\w+|\n|[^\S\n]+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class Taken:
    """A word that was taken out, and whether one side alone had written it."""

    word: str
    is_news: bool


def words_of(text: str) -> list[str]:
    """The words of a text, its line ends, and what is between them: together all of it."""
    return _TOKENS.findall(text)


def news_in(put: Sequence[Sequence[str]], taken: Sequence[Sequence[Taken]]) -> list[frozenset[int]]:
    """Which words of each line that was put in are news, by their numbers."""
    found: list[frozenset[int]] = [frozenset() for _ in put]
    for number, other in _pairs(put, [[item.word for item in line] for line in taken]):
        found[number] = frozenset(_news(put[number], taken[other]))
    return found


def _pairs(put: Sequence[Sequence[str]], taken: Sequence[Sequence[str]]) -> Iterator[tuple[int, int]]:
    """Lines that are one line, each once: those that are the same, then those that have the most in common."""
    same: defaultdict[tuple[str, ...], deque[int]] = defaultdict(deque)
    for number, line in enumerate(taken):
        if line:
            same[tuple(line)].append(number)
    rest: list[int] = []
    for number, line in enumerate(put):
        equal = same[tuple(line)] if line else None
        if equal:
            yield number, equal.popleft()
        elif line:
            rest.append(number)
    others = [number for numbers in same.values() for number in numbers]
    if len(rest) * len(others) > _MAX_COMPARED:
        return
    counted = {number: _counted(taken[number]) for number in others}
    alike: list[tuple[int, int, int]] = []
    for number in rest:
        words = _counted(put[number])
        for other in others:
            shared = sum(len(word) * count for word, count in (words & counted[other]).items())
            if shared:
                alike.append((-shared, number, other))
    done: set[int] = set()
    done_others: set[int] = set()
    for _, number, other in sorted(alike):
        if number not in done and other not in done_others:
            done.add(number)
            done_others.add(other)
            yield number, other


def _counted(line: Sequence[str]) -> Counter[str]:
    return Counter(word for word in line if not word.isspace())


def _news(put: Sequence[str], taken: Sequence[Taken]) -> Iterator[int]:
    at = to = 0
    for change in differences(put, [item.word for item in taken]):
        yield from (at + row for row in range(change.old_start - at) if taken[to + row].is_news)
        at, to = change.old_stop, change.new_stop
    yield from (at + row for row in range(len(put) - at) if taken[to + row].is_news)
