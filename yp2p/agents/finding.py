"""Finding files of a folder by their names, and lines of texts by what is in them.

Names are matched as a shell does it, `**` standing for any number of directories; what has no slash is the name of a
file anywhere. That is done in a thread, of the paths as they were when it was asked: ten thousand of them take a tenth
of a second. Lines are looked for in the files as they are on this disk, in a thread, for a limited time: what is looked
for is a text and no expression, whose cost nobody could tell beforehand.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import trio

from yp2p.errors import FolderError, UsageError
from yp2p.files.inspect import MAX_TEXT_BYTES, decode, read_whole
from yp2p.files.root import Root
from yp2p.folder.folder import Folder
from yp2p.identity import EntryID
from yp2p.machine import reason as reason_of
from yp2p.protocol.entries import Kind

MAX_FOUND = 10_000
_LONGEST_GLOB = 500
_LIMIT_S = 10.0
_SHOWN_CHARS = 400
# Of so many entries it is asked what they are before others have a turn: less than a millisecond.
_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Place:
    """Which files are meant: those beneath a path of a folder whose path in it matches a pattern; empty: all."""

    folder: Folder
    beneath: str = ""
    glob: str = ""

    async def files(self, limit: int | None = None) -> list[tuple[str, Kind, int | None]]:
        """Path, kind and size on this disk (None where the file is not there) of each, in the order of their paths.

        Raises:
            UsageError: the pattern is too long.
        """
        if len(self.glob) > _LONGEST_GLOB:
            raise UsageError(f"the pattern has {len(self.glob)} characters; it can have {_LONGEST_GLOB}")
        places = list(self.folder.catalogue.layout().entry_at.items())
        found: list[tuple[str, Kind, int | None]] = []
        for number, (path, entry) in enumerate(await trio.to_thread.run_sync(self._meant, places)):
            if number % _AT_ONCE == 0:
                await trio.lowlevel.checkpoint()
            now = self.folder.catalogue.entries.get(entry)
            if limit is not None and len(found) >= limit:
                break
            if now is not None and now.kind is not Kind.DIRECTORY:
                record = self.folder.files.get(entry)
                found.append((path, now.kind, record.stamp.size if record is not None else None))
        return found

    def _meant(self, places: Iterable[tuple[str, EntryID]]) -> list[tuple[str, EntryID]]:
        above = f"{self.beneath}/" if self.beneath else ""
        return sorted(
            (path, entry)
            for path, entry in places
            if (path == self.beneath or path.startswith(above)) and (not self.glob or matches(path, self.glob))
        )


def matches(path: str, glob: str) -> bool:
    """Whether a pattern means a path."""
    if "/" not in glob:
        return fnmatchcase(path.rpartition("/")[2], glob)
    wanted = [part for part in glob.split("/") if part]
    reached = _passed({0}, wanted)  # how many parts of the pattern can be done with
    for part in path.split("/"):
        stays = {at for at in reached if at < len(wanted) and wanted[at] == "**"}
        goes_on = {at + 1 for at in reached - stays if at < len(wanted) and fnmatchcase(part, wanted[at])}
        reached = _passed(stays | goes_on, wanted)
    return len(wanted) in reached


def _passed(reached: set[int], wanted: Sequence[str]) -> set[int]:
    """With those that are reached as `**` also stands for nothing."""
    found = set(reached)
    for at in reached:
        while at < len(wanted) and wanted[at] == "**":
            at += 1
            found.add(at)
    return found


def check_limit(limit: int) -> None:
    """Raises UsageError."""
    if not 1 <= limit <= MAX_FOUND:
        raise UsageError(f"the limit is {limit}; it can be 1 to {MAX_FOUND:,}")


async def listed(place: Place, limit: int) -> dict[str, Any]:
    """The files that are meant. Raises UsageError."""
    check_limit(limit)
    found = [
        {"path": path, "kind": kind.name.lower(), "bytes": size} for path, kind, size in await place.files(limit + 1)
    ]
    return {"folder": place.folder.label, "root": str(place.folder.path), "files": found[:limit],
            "more": len(found) > limit}  # fmt: skip


async def search(place: Place, text: str, limit: int, *, ignore_case: bool) -> dict[str, Any]:
    """The lines with a text in them. Raises UsageError; FolderError: the directory is not there."""
    check_limit(limit)
    if not text.strip() or "\n" in text:
        raise UsageError("look for a part of one line; a line end or nothing but blanks cannot be looked for")
    paths = [path for path, kind, size in await place.files() if kind is Kind.TEXT and size is not None]
    try:
        found = await trio.to_thread.run_sync(_search, place.folder, paths, text, limit, ignore_case)
    except OSError as error:
        raise FolderError(f"{place.folder.path} cannot be looked through: {reason_of(error)}") from error
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
