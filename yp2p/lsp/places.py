"""Places in a text as the Language Server Protocol counts them: lines, and units of an encoding in a line.

A line ends with LF, CRLF or CR (LSP 3.17, "Text Documents"). What is beyond the end of a line or of the text is its
end; what is inside a character is its beginning: an editor that counts otherwise changes whole characters all the same.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from yp2p.documents.diff import Hunk

UTF8, UTF16, UTF32 = "utf-8", "utf-16", "utf-32"
_END = re.compile(r"\r\n|\n|\r")


@dataclass(frozen=True, slots=True)
class Place:
    """A line and the units before it there, both from 0."""

    line: int
    character: int


@dataclass(frozen=True, slots=True)
class Change:
    """What an editor says of a change: all of the text, where there is no place."""

    text: str
    start: Place | None = None
    stop: Place | None = None


class Lines:
    """The lines of a text, for one encoding of places."""

    def __init__(self, text: str, encoding: str) -> None:
        self._text = text
        self._encoding = encoding
        self._starts = [0, *(found.end() for found in _END.finditer(text))]

    def index(self, place: Place) -> int:
        """The code point at a place."""
        if place.line >= len(self._starts):
            return len(self._text)
        start = self._starts[place.line]
        line = self._line(place.line)
        if self._encoding == UTF32 or line.isascii():
            return start + min(place.character, len(line))
        units = 0
        for number, character in enumerate(line):
            size = self._units(character)
            if units + size > place.character:
                return start + number
            units += size
        return start + len(line)

    def place(self, index: int) -> Place:
        """Where a code point is."""
        line = bisect_right(self._starts, index) - 1
        return Place(line, self._units(self._text[self._starts[line] : index]))

    def end_of(self, line: int) -> Place:
        """The end of a line, or of the text."""
        line = min(line, len(self._starts) - 1)
        return Place(line, self._units(self._line(line)))

    def _line(self, number: int) -> str:
        stop = self._starts[number + 1] if number + 1 < len(self._starts) else len(self._text)
        return self._text[self._starts[number] : stop].rstrip("\r\n")

    def _units(self, text: str) -> int:
        if self._encoding == UTF8:
            return len(text.encode("utf-8", "surrogatepass"))
        return len(text) if self._encoding == UTF32 else len(text.encode("utf-16-le", "surrogatepass")) // 2


def changed(text: str, changes: Iterable[Change], encoding: str) -> str:
    """What a text becomes by changes, each in what the ones before made of it."""
    for change in changes:
        if change.start is None or change.stop is None:
            text = change.text
        else:
            lines = Lines(text, encoding)
            start, stop = lines.index(change.start), lines.index(change.stop)
            text = text[:start] + change.text + text[max(start, stop) :]
    return text


def placed(text: str, hunks: Sequence[Hunk], encoding: str) -> list[Change]:
    """Replacements in a text, with their places in it as it is."""
    lines = Lines(text, encoding)
    return [
        Change(hunk.text, lines.place(hunk.start), lines.place(hunk.stop)) for hunk in _before_last_end(text, hunks)
    ]


def _before_last_end(text: str, hunks: Sequence[Hunk]) -> list[Hunk]:
    """The same replacements, the last one in front of the end of the last line where that stays.

    Behind it is a line that there is not, and editors differ in what they make of that.
    """
    found = list(hunks)
    while found and found[-1].stop == len(text) and text.endswith("\n") and (found[-1].text or "\n").endswith("\n"):
        last = found.pop()
        if last.start < len(text):  # the end is replaced by one
            if last.text:
                return [*found, Hunk(last.start, last.stop - 1, last.text[:-1])]
            if text[last.start - 1 : last.start] != "\n":
                return [*found, last]
        if not found or found[-1].stop < last.start:
            return [*found, Hunk(last.start - 1, last.stop - 1, f"\n{last.text[:-1]}" if last.text else "")]
        before = found.pop()
        found.append(Hunk(before.start, last.stop, before.text + last.text))
    return found
