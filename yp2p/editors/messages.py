"""What is said between an editor and `yp2p client`: requests, notifications, and how places are told."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import pairwise
from typing import Any
from urllib.parse import unquote_to_bytes

import msgspec

from yp2p.documents.diff import Hunk
from yp2p.editors.lines import Lines
from yp2p.editors.operation import Operation
from yp2p.errors import UsageError

_SCHEME = "file://"
# What an editor cannot mean, and a text cannot have.
_MOST_LINES = 1 << 31


class Place(msgspec.Struct, frozen=True):
    """Lines and characters count from 0; a character is a code point."""

    line: int
    character: int


class Range(msgspec.Struct, frozen=True):
    """In cursors `end` is where the cursor is; it may be before `start`."""

    start: Place
    end: Place

    def indices(self, lines: Lines) -> tuple[int, int]:
        """Of start and end. Raises UsageError: the text has no such place."""
        return _index(self.start, lines), _index(self.end, lines)


class Replacement(msgspec.Struct, frozen=True):
    """Of one range by a text."""

    range: Range
    replacement: str


class Open(msgspec.Struct, frozen=True):
    """The editor has a file open, with this content."""

    uri: str
    content: str


class Close(msgspec.Struct, frozen=True):
    """It has it open no longer."""

    uri: str


class Edit(msgspec.Struct, frozen=True):
    """It has made a change of what it had after so many edits of ours; places are all of the text before."""

    uri: str
    revision: int
    delta: list[Replacement]


class Cursor(msgspec.Struct, frozen=True):
    """Where its cursors are."""

    uri: str
    ranges: list[Range]


_KINDS: dict[str, type[Open | Close | Edit | Cursor]] = {"open": Open, "close": Close, "edit": Edit, "cursor": Cursor}


def read(message: dict[str, Any]) -> Open | Close | Edit | Cursor:
    """What a request or notification says. Raises UsageError."""
    method = message.get("method")
    kind = _KINDS.get(method) if isinstance(method, str) else None
    if kind is None:
        raise UsageError(f"{method!r:.50} is no method: there are {', '.join(_KINDS)}")
    try:
        return msgspec.convert(message.get("params"), kind)
    except msgspec.ValidationError as error:
        raise UsageError(f"{method}: {error}") from None


def path_of(uri: str) -> str:
    """The path that a URI names. Raises UsageError: it names none."""
    if not uri.startswith(_SCHEME):
        raise UsageError(f"{uri!r:.200} is no file: its URI begins with {_SCHEME}/")
    host, slash, path = uri.removeprefix(_SCHEME).partition("/")
    found = os.fsdecode(unquote_to_bytes(slash + path))
    if host not in ("", "localhost") or not slash or "\0" in found:
        raise UsageError(f"{uri!r:.200} names no file of this machine")
    return os.path.normpath(found)


def operation_of(delta: Sequence[Replacement], lines: Lines, line_end: str) -> Operation:
    """An editor's delta as an operation on its text. Raises UsageError: it has no such places, or one of them twice."""
    found: list[Hunk] = []
    for one in delta:
        start, stop = sorted(one.range.indices(lines))
        text = one.replacement.replace(line_end, "\n") if line_end != "\n" else one.replacement
        found.append(Hunk(start, stop, text))
    found.sort(key=lambda hunk: (hunk.start, hunk.stop))
    if any(before.stop > after.start for before, after in pairwise(found)):
        raise UsageError("two ranges of one delta overlap")
    return Operation.of(found)


def delta_of(hunks: Sequence[Hunk], lines: Lines, line_end: str) -> list[dict[str, Any]]:
    """Replacements in an editor's text, as it is told of them."""
    return [
        {"range": range_of(lines, hunk.start, hunk.stop), "replacement": hunk.text.replace("\n", line_end)}
        for hunk in hunks
    ]


def range_of(lines: Lines, start: int, end: int) -> dict[str, Any]:
    """A range of a text."""
    return {
        name: dict(zip(("line", "character"), lines.place(index), strict=True))
        for name, index in (("start", start), ("end", end))
    }


def _index(place: Place, lines: Lines) -> int:
    if place.line < 0 or place.character < 0 or place.line > _MOST_LINES:
        raise UsageError(f"line {place.line}, character {place.character} is no place of a text")
    return lines.index(place.line, place.character)
