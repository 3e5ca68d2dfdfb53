"""Finding files of a folder by their names, and lines of texts by what is in them.

Names are matched as a shell does it, `**` standing for any number of directories; what has no slash is the name of a
file anywhere. Lines are looked for in the files as they are on this disk, in a thread, for a limited time: what is
looked for is a text and no expression, whose cost nobody could tell beforehand.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

import trio

from yp2p.errors import FolderError, UsageError
from yp2p.files.inspect import MAX_TEXT_BYTES, decode, read_whole
from yp2p.files.root import Root
from yp2p.folder.folder import Folder
from yp2p.protocol.entries import Kind

MAX_FOUND = 10_000
_LONGEST_GLOB = 500
_LIMIT_S = 10.0
_SHOWN_CHARS = 400


@dataclass(frozen=True, slots=True)
class Place:
    """Which files are meant: those beneath a path of a folder whose path in it matches a pattern; empty: all."""

    folder: Folder
    beneath: str = ""
    glob: str = ""

    def files(self) -> Iterator[tuple[str, Kind, int | None]]:
        """Path, kind and size on this disk (None where the file is not there) of each, in the order of their paths."""
        folder, above = self.folder, f"{self.beneath}/" if self.beneath else ""
        if len(self.glob) > _LONGEST_GLOB:
            raise UsageError(f"the pattern has {len(self.glob)} characters; it can have {_LONGEST_GLOB}")
        for path, entry in sorted(folder.catalogue.layout().entry_at.items()):
            kind = folder.catalogue.entries[entry].kind
            is_meant = path == self.beneath or path.startswith(above)
            if is_meant and kind is not Kind.DIRECTORY and (not self.glob or matches(path, self.glob)):
                record = folder.files.get(entry)
                yield path, kind, record.stamp.size if record is not None else None


def matches(path: str, glob: str) -> bool:
    """Whether a pattern means a path."""
    if "/" not in glob:
        return fnmatchcase(path.rpartition("/")[2], glob)
    parts, wanted = tuple(path.split("/")), tuple(part for part in glob.split("/") if part)

    @cache
    def match(at: int, number: int) -> bool:
        if number == len(wanted):
            return at == len(parts)
        if wanted[number] == "**":
            return match(at, number + 1) or (at < len(parts) and match(at + 1, number))
        return at < len(parts) and fnmatchcase(parts[at], wanted[number]) and match(at + 1, number + 1)

    return match(0, 0)


def check_limit(limit: int) -> None:
    """Raises UsageError."""
    if not 1 <= limit <= MAX_FOUND:
        raise UsageError(f"the limit is {limit}; it can be 1 to {MAX_FOUND:,}")


def listed(place: Place, limit: int) -> dict[str, Any]:
    """The files that are meant. Raises UsageError."""
    check_limit(limit)
    found = [
        {"path": path, "kind": kind.name.lower(), "bytes": size}
        for (path, kind, size), _ in zip(place.files(), range(limit + 1), strict=False)
    ]
    return {"folder": place.folder.label, "root": str(place.folder.path), "files": found[:limit],
            "more": len(found) > limit}  # fmt: skip


async def search(place: Place, text: str, limit: int, *, ignore_case: bool) -> dict[str, Any]:
    """The lines with a text in them. Raises UsageError; FolderError: the directory is not there."""
    check_limit(limit)
    if not text.strip() or "\n" in text:
        raise UsageError("look for a part of one line; a line end or nothing but blanks cannot be looked for")
    paths = [path for path, kind, size in place.files() if kind is Kind.TEXT and size is not None]
    try:
        found = await trio.to_thread.run_sync(_search, place.folder, paths, text, limit, ignore_case)
    except OSError as error:
        raise FolderError(f"{place.folder.path} cannot be looked through: {error.strerror or error}") from error
    return {"folder": place.folder.label, "root": str(place.folder.path), **found}


def _search(folder: Folder, paths: Iterable[str], text: str, limit: int, ignore_case: bool) -> dict[str, Any]:
    wanted = text.casefold() if ignore_case else text
    deadline = time.monotonic() + _LIMIT_S
    found: list[dict[str, Any]] = []
    root = Root(folder.path)
    try:
        for path in paths:
            if len(found) > limit or time.monotonic() > deadline:
                return {"lines": found[:limit], "more": True}
            for number, line in enumerate(_text_of(root, path).split("\n"), 1):
                if wanted in (line.casefold() if ignore_case else line) and len(found) <= limit:
                    found.append({"path": path, "line": number, "text": line[:_SHOWN_CHARS].rstrip("\r")})
    finally:
        root.close()
    return {"lines": found[:limit], "more": len(found) > limit}


def _text_of(root: Root, path: str) -> str:
    """The text of a file; empty where it cannot be read, or is none by now."""
    with suppress(OSError):
        descriptor = root.open_file(path)
        try:
            size = os.fstat(descriptor).st_size
            return decode(read_whole(descriptor, size)) or "" if size <= MAX_TEXT_BYTES else ""
        finally:
            os.close(descriptor)
    return ""
