"""`yp2p log`: the versions of a file with the names it had, and what changed in a directory.

Theory of operation
    The versions of a text are in the log of its document (`versions.py`). What is no text has its versions in the
    manifest's log (`entry_changes.py`), which says what a file was, and the content itself is here only while it is the
    file's or in the trash. Former names are in the manifest's log as well.

    A directory's log is both together, the newest change first and no more than asked for. The newest N versions are of
    the N texts that changed last, so no more logs than these are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import trio

from yp2p.documents.history import Row, Version, versions
from yp2p.documents.registers import Entry
from yp2p.documents.text import TextReplica
from yp2p.errors import FolderError, UsageError
from yp2p.files import trash
from yp2p.files.inspect import MAX_TEXT_BYTES, inspect
from yp2p.files.root import TRASH, Root
from yp2p.folder.authors import Author, named_author_of, named_rows, rows_of
from yp2p.folder.folder import Folder
from yp2p.folder.turns import Slice
from yp2p.history.entry_changes import ChangeKind, EntryChange, all_changes, changes_of, newest_changes, until_stored
from yp2p.history.trash import on_root
from yp2p.history.undo import can_turn, settle
from yp2p.history.versions import stored_rows
from yp2p.identity import DeviceID, DocumentID, EntryID
from yp2p.protocol.entries import Kind
from yp2p.store import tables

# Changes of one device with no more than this between them are one version, unless that gets longer than an hour.
GAP_S = 120.0
LONGEST_S = 3600.0
# First changed lines are looked for in so many characters of all versions together, the newest first: a second.
_MOST_CHARS = 200_000_000
_SHOWN_CHARS = 200
# Changes of a directory that are given at most; each is some 200 bytes of JSON.
MAX_CHANGES = 10_000
# So much is done until others have their turn.
_SLICE_S = 0.0003


@dataclass(frozen=True, slots=True)
class ChangedLine:
    """The first line that a version changed: as it is there, or, where lines only went, the first one that went."""

    number: int
    text: str
    is_removed: bool

    def as_dict(self) -> dict[str, Any]:
        return {"number": self.number, "text": self.text, "removed": self.is_removed}


async def log(folder: Folder, path: str, limit: int) -> dict[str, Any]:
    """The versions of a file, the oldest first; or what changed in a directory, the newest first.

    Args:
        path: in the folder; empty for all of it.
        limit: of the changes of a directory.

    Raises:
        UsageError: there never was such a file.
    """
    if not 1 <= limit <= MAX_CHANGES:
        raise UsageError(f"{limit} is no number of changes; it is from 1 to {MAX_CHANGES:,}")
    await settle(folder)
    if _is_directory(folder, path):
        return await _log_of_directory(folder, path, limit)
    entry = await _entry_that_was_at(folder, path)
    changes = await changes_of(folder, [entry.id])
    now = folder.catalogue.layout().path_of.get(entry.id, entry.path)
    names = [
        {"path": change.before.path, "until": change.at, "device": folder.name_of(change.device)}
        for change in changes
        if change.kind is ChangeKind.RENAMED and change.before is not None
    ]
    about = {
        "path": now, "kind": entry.kind.name.lower(), "deleted": not folder.catalogue.is_alive(entry), "names": names
    }  # fmt: skip
    if entry.kind is Kind.TEXT:
        return about | await _versions_of_text(folder, entry, now)
    return about | {"came_from": None, "versions": await _versions_of_content(folder, entry, changes)}


def _is_directory(folder: Folder, path: str) -> bool:
    """Whether a directory is meant: one that is there, or where files were."""
    if not path:
        return True
    layout = folder.catalogue.layout()
    entry = folder.catalogue.entries.get(layout.entry_at.get(path, EntryID(b"")))
    if entry is not None:
        return entry.kind is Kind.DIRECTORY
    beneath = f"{path}/"
    was_file = any(one.path == path and one.kind is not Kind.DIRECTORY for one in folder.catalogue.entries.values())
    return not was_file and any(one.path.startswith(beneath) for one in folder.catalogue.entries.values())


async def name_now(folder: Folder, path: str) -> str:
    """What the file is called now that had this name last; the name itself, where a file has or had it at last."""
    has_it = path in folder.catalogue.layout().entry_at
    if has_it or any(entry.path == path for entry in folder.catalogue.entries.values()):
        return path
    try:
        entry = await _entry_that_was_at(folder, path)
    except UsageError:
        return path
    return folder.catalogue.layout().path_of.get(entry.id, entry.path)


async def _entry_that_was_at(folder: Folder, path: str) -> Entry:
    """The file that is at a path, or was there last, whatever it is called now."""
    found = folder.catalogue.entries.get(folder.catalogue.layout().entry_at.get(path, EntryID(b"")))
    if found is not None:
        return found
    changes = await all_changes(folder, lambda entry: entry.path == path)
    for change in reversed(changes):
        entry = folder.catalogue.entries.get(change.entry.id)
        if entry is not None and entry.kind is not Kind.DIRECTORY:
            return entry
    raise UsageError(f"there is no file {path!r} in {folder.path}, and there never was one of that name")


async def _versions_of_text(folder: Folder, entry: Entry, path: str) -> dict[str, Any]:
    rows = await stored_rows(folder, entry, path)
    found = versions(named_rows(rows), lambda client: named_author_of(folder, client), GAP_S, LONGEST_S)
    lines = await _changed_lines(rows, found)
    return {
        # What this device did not see being written came to it at once, as its first version.
        "came_from": folder.name_of(rows[0].sender) if rows[0].sender != folder.clients.device else None,
        **can_turn(folder, entry),
        "versions": [
            {
                "version": version.seq, "at": version.at, "since": version.since, "added": version.added,
                "removed": version.removed, **_told_authors(folder, version.authors),
                "line": line.as_dict() if line is not None else None,
            }
            for version, line in zip(found, lines, strict=True)
        ],
    }  # fmt: skip


def _told_authors(folder: Folder, authors: Sequence[Author]) -> dict[str, Any]:
    devices = dict.fromkeys(folder.name_of(author.device) for author in authors)
    return {"devices": list(devices), "writers": [author.name for author in authors if author.name]}


async def _changed_lines(
    rows: Sequence[Row[DeviceID]], found: Sequence[Version[Author]]
) -> list[ChangedLine | None]:  # fmt: skip
    """The first line that each version changed; None for the oldest ones of a long text with many versions."""
    size = len(TextReplica.from_updates(1, [row.data for row in rows]).text())
    first = max(0, len(found) - max(1, _MOST_CHARS // (size + 1)))
    replica, done = TextReplica(1), 0
    lines: list[ChangedLine | None] = []
    text = ""
    for number, version in enumerate(found):
        until = done
        while until < len(rows) and rows[until].seq <= version.seq:
            until += 1
        replica.load(row.data for row in rows[done:until])
        done = until
        before, text = text, replica.text() if number >= first - 1 else ""
        lines.append(changed_line(before, text) if number >= first else None)
        await trio.lowlevel.checkpoint()
    return lines


def changed_line(before: str, after: str) -> ChangedLine | None:
    """The first line in which two texts differ; None where they do not."""
    if before == after:
        return None
    at = _common_prefix(before, after)
    if 0 < at == len(before) and after[at] == "\n":
        at += 1  # a last line without an end was given one, and others behind it
    start = after.rfind("\n", 0, at) + 1
    number = after.count("\n", 0, start) + 1
    kept = _common_suffix(before, after, at)
    gone = before[at : len(before) - kept] if at + kept == len(after) else ""  # where nothing came
    old, new = _line_at(before, start), _line_at(after, start)
    is_removed = "\n" in gone and old != new
    return ChangedLine(number, old if is_removed else new, is_removed)


def _line_at(text: str, start: int) -> str:
    return text[start : start + _SHOWN_CHARS].partition("\n")[0].rstrip("\r")


def _common_prefix(one: str, two: str) -> int:
    """How many characters both begin with: halves are compared as a whole, which is fast in long texts."""
    low, high = 0, min(len(one), len(two))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == two[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _common_suffix(one: str, two: str, behind: int) -> int:
    """How many characters both end with, behind the first ones of both."""
    low, high = 0, max(0, min(len(one), len(two)) - behind)
    while low < high:
        middle = (low + high + 1) // 2
        if one[len(one) - middle : len(one) - low] == two[len(two) - middle : len(two) - low]:
            low = middle
        else:
            high = middle - 1
    return low


async def _versions_of_content(
    folder: Folder, entry: Entry, changes: Sequence[EntryChange]
) -> list[dict[str, Any]]:  # fmt: skip
    """What a file that is no text was, with where that still is."""
    found = [
        change for change in changes
        if change.entry.kind is not Kind.TEXT and change.kind in (ChangeKind.ADDED, ChangeKind.CHANGED)
    ]  # fmt: skip
    paths = {change.entry.path for change in changes} | {entry.path}
    sizes = {change.entry.content.hash: change.entry.content.size for change in found}
    in_trash = await _in_trash(folder, paths, sizes)
    here = entry.content.hash if folder.catalogue.is_alive(entry) and entry.id in folder.files else b""
    return [
        {
            "version": None, "at": change.at, "since": change.at, "devices": [folder.name_of(change.device)],
            "bytes": change.entry.content.size, "hash": change.entry.content.hash.hex(),
            "here": change.entry.content.hash == here, "trash": in_trash.get(change.entry.content.hash),
        }
        for change in found
    ]  # fmt: skip


async def _in_trash(folder: Folder, paths: set[str], sizes: dict[bytes, int]) -> dict[bytes, str]:
    """The items of the trash that hold one of these contents, of the files that had one of these names."""

    def work(root: Root) -> dict[bytes, str]:
        found: dict[bytes, str] = {}
        for item in trash.items(root):
            if item.path in paths and item.size in sizes.values():
                path = f"{TRASH}/{item.name}"
                held = inspect(root, path, None, MAX_TEXT_BYTES, trust_stamp=False, base=(Kind.BLOB, b""))
                found[held.content] = item.name
        return found

    try:
        answer: dict[bytes, str] = await on_root(folder, work)
    except FolderError:
        return {}  # the directory is not there now: nothing of it is
    return answer


async def _log_of_directory(folder: Folder, path: str, limit: int) -> dict[str, Any]:
    beneath = f"{path}/" if path else ""
    await until_stored(folder)
    last_rows = await trio.to_thread.run_sync(_last_rows, folder)  # the document that changed last comes first

    def is_told(kind: ChangeKind, entry: Entry) -> bool:
        """Not what the first version of a text says."""
        return not (kind is ChangeKind.ADDED and entry.kind is Kind.TEXT and entry.document in last_rows)

    newest: list[Entry] = []
    part = Slice(_SLICE_S)
    for document in last_rows:
        await part.end_if_long()
        entry = folder.catalogue.entries.get(folder.catalogue.entry_of.get(document, EntryID(b"")))
        if entry is not None and entry.document == document and entry.path.startswith(beneath):
            newest.append(entry)
            if len(newest) > limit:
                break
    found: list[tuple[int, dict[str, Any]]] = []
    for entry in newest[:limit]:
        found += _told_versions(folder, entry)
        await trio.lowlevel.checkpoint()
    found.sort(key=_seq, reverse=True)
    is_more = len(newest) > limit or len(found) > limit
    first = found[limit - 1][0] if is_more else 0  # nothing before that is told
    changes = await newest_changes(
        folder, last_rows, lambda entry: entry.path.startswith(beneath), is_told, limit + 1, first
    )
    for change in changes:
        await part.end_if_long()
        found.append((change.seq, _told_change(folder, change)))
    await trio.to_thread.run_sync(last_rows.clear)  # of 10,000 texts that takes as long as all that is left to do
    found.sort(key=_seq, reverse=True)
    return {
        "path": path, "kind": "directory", "deleted": False, "names": [], "came_from": None, "versions": [],
        "changes": [change for _, change in found[:limit]], "more": is_more or len(found) > limit,
    }  # fmt: skip


def _seq(change: tuple[int, dict[str, Any]]) -> int:
    return change[0]


def _last_rows(folder: Folder) -> dict[DocumentID, int]:
    """The last row of each document, the newest first. Blocks: it goes through all rows of the log."""
    with folder.database.reader() as read:
        return dict(tables.log.newest_documents(read, folder.id))


def _told_change(folder: Folder, change: EntryChange) -> dict[str, Any]:
    is_sized = change.entry.kind is Kind.BLOB and change.kind in (ChangeKind.ADDED, ChangeKind.CHANGED)
    was = change.before.path if change.kind is ChangeKind.RENAMED and change.before is not None else None
    return {
        "path": change.entry.path, "change": change.kind.value, "kind": change.entry.kind.name.lower(), "was": was,
        "at": change.at, "devices": [folder.name_of(change.device)], "writers": [], "version": None, "added": None,
        "removed": None,
        "bytes": change.entry.content.size if is_sized else None,
    }  # fmt: skip


def _told_versions(folder: Folder, entry: Entry) -> list[tuple[int, dict[str, Any]]]:
    path = folder.catalogue.layout().path_of.get(entry.id, entry.path)
    rows = named_rows(rows_of(folder, entry.document))
    found = versions(rows, lambda client: named_author_of(folder, client), GAP_S, LONGEST_S)
    return [
        (
            version.seq,
            {
                "path": path, "change": "changed" if number else "added", "kind": "text", "was": None,
                "at": version.at, **_told_authors(folder, version.authors),
                "version": version.seq, "added": version.added, "removed": version.removed, "bytes": None,
            },
        )
        for number, version in enumerate(found)
    ]  # fmt: skip
