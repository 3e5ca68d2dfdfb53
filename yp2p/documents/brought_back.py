"""What a save brings back of what others had removed.

A save has no operations of its own for text that its writer never saw removed: it puts in what looks the same. So the
text before the save is taken together with what others had removed from it, where that stood, and compared with the
text after the save: what of the removed is kept by that, and not by the text before, is back.

White space is never back, nor is a line of which less than half of the letters are: who writes anew where something
was removed uses some of its words.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from yp2p.documents.diff import Hunk, hunks
from yp2p.documents.ordered_blocks import in_order, with_text
from yp2p.documents.shared_past import Ranges
from yp2p.protocol.deleted_ranges import DeletedRange
from yp2p.protocol.ysync import deleted_ranges

_BACK = 0.5


@dataclass(frozen=True, slots=True)
class Back:
    """Characters of the text after a save, from `start` to `stop`, that others had removed."""

    start: int
    stop: int


def brought_back(updates: Iterable[bytes], removed: Iterable[DeletedRange], after: str) -> list[Back]:
    """What of these operations is back.

    Takes long of a long history; belongs in a worker thread.

    Args:
        updates: all before the save, with the content of what was deleted as far as it is there.
        removed: what others removed.
        after: the text after the save.

    Raises:
        CrdtPanic: the library panicked.
    """
    had = _Had.of(list(updates), removed)
    if had is None or not any(had.is_removed):
        return []
    before = "".join(char for char, gone in zip(had.text, had.is_removed, strict=True) if not gone)
    still = set(had.kept(hunks(had.text, before)))
    kept = {place: to for place, to in had.kept(hunks(had.text, after)).items() if place not in still}
    found: list[Back] = []
    for line in had.lines_of_removed():
        letters = [place for place in line if had.text[place].isalnum()]
        weighed = letters or [place for place in line if not had.text[place].isspace()]
        if not weighed or sum(place in kept for place in weighed) < _BACK * len(weighed):
            continue
        for place in line:
            if place not in kept:
                continue
            at = kept[place]
            if found and found[-1].stop == at:
                found[-1] = Back(found[-1].start, at + 1)
            else:
                found.append(Back(at, at + 1))
    return found


def taking_back(changes: Sequence[Hunk], back: Sequence[Back], *, has_removed: bool) -> list[Hunk]:
    """The replacements in the text after a save that take back what it removed and what it brought back.

    Args:
        changes: the replacements that make the text before of it. Of these what was removed comes again, behind what
            replaced it; what the save wrote anew stays.
        has_removed: whether it removed what others wrote.
    """
    found: list[Hunk] = []
    for hunk in changes:
        places = [(max(hunk.start, one.start), min(hunk.stop, one.stop)) for one in back]
        cut = [Hunk(start, stop, "") for start, stop in places if start < stop]
        found += cut
        if hunk.text and (has_removed or cut):
            found.append(Hunk(hunk.stop, hunk.stop, hunk.text))
    return found


@dataclass(frozen=True, slots=True)
class _Had:
    """The text before the save with what others had removed, where it stood."""

    text: str
    is_removed: list[bool]

    @classmethod
    def of(cls, updates: Sequence[bytes], removed: Iterable[DeletedRange]) -> _Had | None:
        blocks = in_order(updates)
        if blocks is None:
            return None
        wanted = Ranges(removed)
        gone = Ranges(one for update in updates for one in deleted_ranges(update))
        text: list[str] = []
        is_removed: list[bool] = []
        for block in with_text(blocks, updates):
            clock = block.clock
            for char in block.text or "":
                is_gone = gone.has(block.client, clock)
                if not is_gone or wanted.has(block.client, clock):
                    text.append(char)
                    is_removed.append(is_gone)
                clock += 1 if char < "\U00010000" else 2
        return cls("".join(text), is_removed)

    def kept(self, changes: Sequence[Hunk]) -> dict[int, int]:
        """Which of what was removed these replacements leave alone, and where it is then."""
        places: dict[int, int] = {}
        at = moved = 0
        for hunk in [*changes, Hunk(len(self.text), len(self.text), "")]:
            places.update((place, place + moved) for place in range(at, hunk.start) if self.is_removed[place])
            at, moved = hunk.stop, moved + len(hunk.text) - (hunk.stop - hunk.start)
        return places

    def lines_of_removed(self) -> Iterator[list[int]]:
        """The places of what was removed, line by line, and what stood together."""
        runs = groupby(range(len(self.text)), key=lambda place: self.is_removed[place])
        for is_removed, places in runs:
            line: list[int] = []
            for place in places if is_removed else ():
                line.append(place)
                if self.text[place] == "\n":
                    yield line
                    line = []
            if line:
                yield line
