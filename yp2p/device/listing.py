"""What there is in a folder, a part at a time, for who looks at it: ten thousand files are no answer to one request."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import msgspec
import trio

from yp2p.device.events import shown_name
from yp2p.documents.layout import is_conflict_name
from yp2p.errors import UsageError
from yp2p.folder.folder import Folder
from yp2p.folder.lookup import choose
from yp2p.identity import EntryID
from yp2p.protocol.entries import Kind

MOST = 1000
# So many are looked at, or put in order, until others have their turn: a quarter of a millisecond.
_SLICE = 250
_SHOWN_SLICE = 50
_TYPES = {Kind.TEXT: "text", Kind.BLOB: "file", Kind.DIRECTORY: "directory", Kind.SYMLINK: "symlink"}


class Listed(msgspec.Struct, gc=False):
    """An entry, as the local API tells it: hundreds of them are nothing for the collector to look at."""

    path: str
    type: str
    bytes: int | None
    changed_at: float | None
    here: bool
    conflict: bool
    reason: str


async def list_files(
    folders: Iterable[Folder], name: str | None, *, search: str, beneath: str, offset: int, limit: int
) -> dict[str, Any]:
    """The entries of a folder in the order of their paths: those from `offset` on, `limit` of them.

    Args:
        search: a part of the path, in capital letters or small ones; empty: any.
        beneath: the directory that they are in, at any depth; empty: all of the folder.

    Raises:
        UsageError: there is no such folder, or the numbers mean nothing.
    """
    if offset < 0 or not 1 <= limit <= MOST:
        raise UsageError(f"offset is {offset} and limit {limit}; they can be 0 or more, and from 1 to {MOST}")
    folder = choose(folders, name)
    entry_at = folder.catalogue.layout().entry_at
    sought, above = search.casefold(), f"{beneath.rstrip('/')}/" if beneath else ""
    parts: list[list[str]] = []
    paths = iter(list(entry_at))
    while some := list(islice(paths, _SLICE)):
        parts.append(sorted(path for path in some if path.startswith(above) and sought in path.casefold()))
        await trio.lowlevel.checkpoint()
    merged, to_skip = heapq.merge(*parts), offset
    while to_skip and (skipped := sum(1 for _ in islice(merged, min(to_skip, _SLICE)))):
        to_skip -= skipped
        await trio.lowlevel.checkpoint()
    entries: list[Listed] = []
    page = islice(merged, limit)
    while some := list(islice(page, _SHOWN_SLICE)):
        await trio.lowlevel.checkpoint()
        entries += _shown(folder, entry_at, some)
    await trio.lowlevel.checkpoint()  # to send 500 of them takes as long as to look at some
    return {"total": sum(map(len, parts)), "entries": entries}


def _shown(folder: Folder, entry_at: dict[str, EntryID], paths: Iterable[str]) -> Iterator[Listed]:
    """Each of these as it is known here; what has gone meanwhile is left out."""
    for path in paths:
        at = entry_at.get(path)
        entry = folder.catalogue.entries.get(at) if at is not None else None
        if entry is None:
            continue
        record = folder.files.get(entry.id)
        known_size = entry.content.size if entry.kind is Kind.BLOB else None
        yield Listed(
            path=shown_name(path),
            type=_TYPES[entry.kind],
            bytes=record.stamp.size if record is not None else known_size,
            changed_at=record.stamp.mtime_ns / 1e9 if record is not None else None,
            here=record is not None,
            conflict=is_conflict_name(path),
            reason=shown_name(_reason(folder, entry.id, path)),
        )


def _reason(folder: Folder, entry: EntryID, path: str) -> str:
    """Why it is not here as it is to be; nothing where it is."""
    files = folder.files
    if reason := files.waiting.entries.get(entry, "") or files.waiting.skipped.get(path, ""):
        return str(reason)
    if entry in files.choice.unchosen:
        return "not chosen for this device"
    if entry in files.ignored:
        return "ignored on this device"
    return ""
