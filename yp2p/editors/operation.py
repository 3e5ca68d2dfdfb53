"""Changes of a text as values: applied, put one behind the other, and carried over one another.

Theory of operation
    An operation walks over a text from its beginning: it keeps so many characters, removes so many, or puts in a text.
    What is behind its last part stays. Two operations on the same text are made operations one behind the other by
    `transform`: text that one puts in stays wherever the other one removed what was around it, and where both put in
    text at one place the second one's comes first. What both remove is removed once.

Invariants
    * For operations A and B on one text, with (A', B') = transform(A, B): A and then B' gives what B and then A' gives.
    * compose(A, B) gives what A and then B gives.
    * In an operation no two neighbouring parts are of one kind, and what is put in stands before what is removed there.

Lengths count code points. An operation takes room by its parts and not by the length of the text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from yp2p.documents.diff import Hunk


@dataclass(frozen=True, slots=True)
class Operation:
    """Keep (a number above 0), remove (below 0), put in (a text), in the order of the text."""

    parts: tuple[int | str, ...] = ()

    @classmethod
    def of(cls, hunks: Iterable[Hunk]) -> Operation:
        """Of replacements in one text, in order and without overlap."""
        made, at = _Builder(), 0
        for hunk in hunks:
            made.add(hunk.start - at)
            made.add(hunk.text)
            made.add(hunk.start - hunk.stop)
            at = hunk.stop
        return made.operation()

    @classmethod
    def between(cls, old: str, new: str) -> Operation:
        """One replacement that makes a text another one; what both begin and end with stays."""
        return cls() if old == new else cls.of([_trimmed(old, Hunk(0, len(old), new))])

    def __bool__(self) -> bool:
        """Whether it changes anything."""
        return bool(self.parts)

    def hunks(self) -> list[Hunk]:
        """As replacements of the text that it is an operation on: in order, no two of them side by side."""
        found: list[Hunk] = []
        at = start = 0
        text: list[str] = []
        is_open = False
        for part in (*self.parts, 1):
            if isinstance(part, int) and part > 0:
                if is_open:
                    found.append(Hunk(start, at, "".join(text)))
                at += part
                start, text, is_open = at, [], False
            elif isinstance(part, int):
                at, is_open = at - part, True
            else:
                text.append(part)
                is_open = True
        return found

    def changes_in(self, text: str) -> list[Hunk]:
        """The same without what is removed and put in again: on a text, what changes in it."""
        return [hunk for hunk in map(partial(_trimmed, text), self.hunks()) if hunk.text or hunk.start < hunk.stop]

    def apply(self, text: str) -> str:
        """What a text becomes. Raises ValueError: it is too short."""
        pieces: list[str] = []
        at = 0
        for part in self.parts:
            if isinstance(part, str):
                pieces.append(part)
                continue
            if part > 0:
                pieces.append(text[at : at + part])
            at += abs(part)
        if at > len(text):
            raise ValueError(f"an operation on {at} characters and more, and a text of {len(text)}")
        return "".join((*pieces, text[at:]))

    def makes(self, old: str, new: str) -> bool:
        """Whether it makes a text another one."""
        try:
            return self.apply(old) == new
        except ValueError:
            return False


def compose(first: Operation, second: Operation) -> Operation:
    """Both, one behind the other, as one."""
    if not first or not second:
        return first or second
    made, reader = _Builder(), _Reader(first.parts)
    for part in second.parts:
        if isinstance(part, str):
            made.add(part)
            continue
        left = abs(part)
        while left:
            piece = reader.take(left)
            if isinstance(piece, int) and piece < 0:
                made.add(piece)
                continue
            size = len(piece) if isinstance(piece, str) else piece
            left -= size
            if part > 0:
                made.add(piece)
            elif isinstance(piece, int):
                made.add(-size)
    for rest in reader.rest():
        made.add(rest)
    return made.operation()


def compose_all(operations: Iterable[Operation]) -> Operation:
    """All, one behind the other, as one: pairs first, so that a long row takes little more than its parts."""
    row = list(operations)
    while len(row) > 1:
        row = [compose(*row[at : at + 2]) if at + 1 < len(row) else row[at] for at in range(0, len(row), 2)]
    return row[0] if row else Operation()


def transform(first: Operation, second: Operation) -> tuple[Operation, Operation]:
    """Two operations on one text: the first as it is behind the second, and the second as it is behind the first."""
    if not first or not second:
        return first, second
    readers = _Reader(first.parts), _Reader(second.parts)
    made = _Builder(), _Builder()
    while not all(reader.is_at_end for reader in readers):
        if isinstance(text := readers[1].head, str):
            made[0].add(len(text))
            made[1].add(readers[1].take(len(text)))
        elif isinstance(text := readers[0].head, str):
            made[0].add(readers[0].take(len(text)))
            made[1].add(len(text))
        else:
            size = min(reader.size for reader in readers if not reader.is_at_end)
            one, other = (reader.take(size) for reader in readers)
            assert isinstance(one, int)
            assert isinstance(other, int)
            if other > 0:
                made[0].add(one)
            if one > 0:
                made[1].add(other)
    return made[0].operation(), made[1].operation()


def _trimmed(text: str, hunk: Hunk) -> Hunk:
    """Without what its beginning and then its end leave as it is: lines that are put in begin where a line does."""
    old, new = text[hunk.start : hunk.stop], hunk.text
    start = _common(old, new)
    most = min(len(old), len(new)) - start
    end = _common(old[len(old) - most :][::-1], new[len(new) - most :][::-1]) if most else 0
    return Hunk(hunk.start + start, hunk.stop - end, new[start : len(new) - end])


def _common(one: str, other: str) -> int:
    """With how many equal characters two texts begin."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


class _Builder:
    """Puts parts together, in the one form that is told in the invariants."""

    def __init__(self) -> None:
        self._parts: list[int | str] = []

    def add(self, part: int | str) -> None:
        if not part:
            return
        parts = self._parts
        if isinstance(part, str):
            at = len(parts)
            if at and isinstance(last := parts[at - 1], int) and last < 0:
                at -= 1  # what is removed there stands behind
            if at and isinstance(before := parts[at - 1], str):
                parts[at - 1] = before + part
            else:
                parts.insert(at, part)
        elif parts and isinstance(last := parts[-1], int) and (last > 0) == (part > 0):
            parts[-1] = last + part
        else:
            parts.append(part)

    def operation(self) -> Operation:
        if self._parts and isinstance(last := self._parts[-1], int) and last > 0:
            self._parts.pop()
        return Operation(tuple(self._parts))


class _Reader:
    """Reads the parts of an operation in pieces; behind them everything is kept."""

    def __init__(self, parts: Sequence[int | str]) -> None:
        self._parts = parts
        self._at = self._used = 0

    @property
    def is_at_end(self) -> bool:
        return self._at >= len(self._parts)

    @property
    def head(self) -> int | str | None:
        """What is left of the part that is read next."""
        if self.is_at_end:
            return None
        part = self._parts[self._at]
        if isinstance(part, str):
            return part[self._used :]
        return part - self._used if part > 0 else part + self._used

    @property
    def size(self) -> int:
        head = self.head
        return len(head) if isinstance(head, str) else abs(head or 0)

    def take(self, most: int) -> int | str:
        """The next piece, of at most so many characters."""
        head = self.head
        if head is None:
            return most
        size = min(most, self.size)
        self._used += size
        if not self.size:
            self._at, self._used = self._at + 1, 0
        if isinstance(head, str):
            return head[:size]
        return size if head > 0 else -size

    def rest(self) -> Iterable[int | str]:
        while not self.is_at_end:
            yield self.take(self.size)
