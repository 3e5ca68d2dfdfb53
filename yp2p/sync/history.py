"""Looking back: the versions that this device had of a file, who wrote what, and bringing a version back.

Theory of operation
    The store keeps every update of every document, so a version is the sum of the rows up to some row, and the number
    of that row is the name of the version. Each device shows the versions that *it* had: what others typed while it was
    away came to it as one. The time of a version is when its last row was stored here; the author is who claimed the
    client ID that wrote it (`manifest.Claim`), else the device that the row came from.

    A file that was deleted still has its entry in the manifest, and its document in the log. What the folder was at
    some moment is what the manifest's log says up to that moment.

    Bringing a version back is an edit of today that can be undone, never a rewind: the others get it as they get any
    edit, and whatever was there is in the history. What is no text is in the trash, as long as that keeps it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import trio

from yp2p.documents.diff import Hunk, hunks, unified
from yp2p.documents.history import Row, blame, versions
from yp2p.documents.manifest import Change, Entry, ManifestReplica
from yp2p.documents.text import MAX_HUNKS, TextReplica
from yp2p.errors import DocumentPoisoned, UsageError, YpError
from yp2p.identity import DeviceID, DocumentID, EntryID, format_device_id
from yp2p.protocol.entries import Kind
from yp2p.protocol.messages import MANIFEST_DOCUMENTS
from yp2p.sync.folder import Folder, manifest_document_id
from yp2p.sync.undo import Undone, settle

# Changes of one device with no more than this between them are one version, unless that gets longer than an hour.
_GAP_S = 120.0
_LONGEST_S = 3600.0
_SLICE = 64


@dataclass(frozen=True, slots=True)
class When:
    """Which version is meant: the one with this number, the one at this moment (seconds since 1970), or the newest."""

    version: int | None = None
    at: float | None = None

    def rows(self, rows: Sequence[Row[DeviceID]]) -> list[Row[DeviceID]]:
        """Those of all rows of a text that the version is made of. A clock that went back leaves none out."""
        if self.version is not None:
            return [row for row in rows if row.seq <= self.version]
        last = max((row.seq for row in rows if self.at is None or row.at <= self.at), default=0)
        return [row for row in rows if row.seq <= last]

    def describe(self) -> str:
        return f"version {self.version}" if self.version is not None else "that moment"


def find(folders: Iterable[Folder], path: str) -> tuple[Folder, str]:
    """The folder that an absolute path is in, and the path in it. Raises UsageError: it is in none."""
    if "\x00" in path:
        raise UsageError(f"{path!r} is no path: it has a byte 0 in it")
    for candidate in (path, os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))):
        for folder in folders:
            root = str(folder.path)
            if candidate == root or candidate.startswith(root.rstrip("/") + "/"):
                return folder, candidate[len(root.rstrip("/")) + 1 :]
    raise UsageError(f"{path} is in no folder of this device; `yp2p status` shows them")


def entry_at(folder: Folder, path: str) -> Entry:
    """The text that is at a path, or was there last. Raises UsageError: there never was one."""
    found = folder.manifest.entries.get(folder.layout().entry_at.get(path, EntryID(b"")))
    if found is None:
        dead = [
            entry for entry in folder.manifest.entries.values() if entry.path == path and not folder.is_alive(entry)
        ]
        found = max(dead, key=lambda entry: _last_row(folder, entry.document), default=None)
    if found is None:
        raise UsageError(f"there is no file {path!r} in {folder.path}, and there was none that this device knows of")
    if found.kind is not Kind.TEXT:
        raise UsageError(f"{path} is no text; of other files the trash has what was replaced: `yp2p trash list`")
    return found


def _last_row(folder: Folder, document: DocumentID) -> int:
    rows = folder.database.rows("SELECT max(seq) FROM log WHERE folder = ? AND document = ?", (folder.id, document))
    return int(rows[0][0] or 0)


def _rows(folder: Folder, document: DocumentID) -> list[Row[DeviceID]]:
    own = folder.clients.device
    query = "SELECT seq, received, origin, data FROM log WHERE folder = ? AND document = ? ORDER BY seq"
    return [
        Row(seq, received, DeviceID(origin) if origin else own, data)
        for seq, received, origin, data in folder.database.rows(query, (folder.id, document))
    ]


def _author_of(folder: Folder, client: int) -> DeviceID | None:
    claim = folder.manifest.claims.get(client)
    if claim is not None:
        return claim.device
    return folder.clients.device if client in folder.own_clients else None


def name_of(folder: Folder, device: DeviceID) -> str:
    member = folder.members.get(device)
    return member.name if member is not None else format_device_id(device)[:8]


async def _stored_rows(folder: Folder, entry: Entry, path: str) -> list[Row[DeviceID]]:
    await settle(folder)
    while not folder.database.pending().is_done:
        await folder.database.pending().wait()
    rows = _rows(folder, entry.document)
    if not rows and not folder.is_alive(entry):
        raise UsageError(f"{path} was deleted so long ago that its text is kept no longer")
    if not rows:
        raise UsageError(f"the text of {path} has not come to this device yet")
    return rows


async def log(folder: Folder, path: str) -> dict[str, Any]:
    """The versions of a text, the oldest first. Raises UsageError: there is no such text."""
    entry = entry_at(folder, path)
    rows = await _stored_rows(folder, entry, path)
    found = versions(rows, lambda client: _author_of(folder, client), _GAP_S, _LONGEST_S)
    return {
        "path": path,
        "deleted": not folder.is_alive(entry),
        # What this device did not see being written came to it at once, as its first version.
        "came_from": name_of(folder, rows[0].sender) if rows[0].sender != folder.clients.device else None,
        "versions": [
            {
                "version": version.seq, "at": version.at, "since": version.since, "added": version.added,
                "removed": version.removed, "devices": [name_of(folder, author) for author in version.authors],
            }
            for version in found
        ],
    }  # fmt: skip


def _text_of(rows: Sequence[Row[DeviceID]], when: When) -> str | None:
    """What a text was; None where there is no such version, or no longer."""
    if when.version is not None and all(row.seq != when.version for row in rows):
        return None
    covered = [row.data for row in when.rows(rows)]
    return TextReplica.from_updates(1, covered).text() if covered else None


async def show(folder: Folder, path: str, when: When) -> str:
    """A version of a text. Raises UsageError: there is no such text, or it was not here then."""
    rows = await _stored_rows(folder, entry_at(folder, path), path)
    text = _text_of(rows, when)
    if text is None:
        raise UsageError(f"this device has no {when.describe()} of {path}; `yp2p log {path}` shows those it has")
    return text


async def diff(folder: Folder, path: str, one: When, two: When) -> list[str]:
    """What became of a text between two versions, as a unified diff."""
    return unified(await show(folder, path, one), await show(folder, path, two))


async def blame_lines(folder: Folder, path: str, when: When) -> list[dict[str, Any]]:
    """Who touched each line of a version last, and when."""
    every = await _stored_rows(folder, entry_at(folder, path), path)
    rows = when.rows(every)
    text = _text_of(every, when)
    if text is None:
        raise UsageError(f"this device has no {when.describe()} of {path}; `yp2p log {path}` shows those it has")
    lines = blame(rows, text, lambda client: _author_of(folder, client))
    return [
        {"text": line.text, "device": name_of(folder, line.author), "at": line.at, "version": line.seq}
        for line in lines
    ]  # fmt: skip


async def restore(folder: Folder, path: str, when: When) -> Undone:
    """Make a text what it was, also one that was deleted. Raises UsageError."""
    entry = entry_at(folder, path)
    text = await show(folder, path, when)
    return await _set_text(folder, entry, path, text)


async def _set_text(folder: Folder, entry: Entry, path: str, text: str) -> Undone:
    live = folder.texts.open(entry.document)
    before = live.text.text()
    if not folder.is_alive(entry):
        change = Change(entry.id, path=path, revive=True)
        await folder.write_manifest([change]).wait()
        live = folder.texts.open(entry.document)
    try:
        with folder.reloading(live):
            update = live.text.edit(_whole(live.text.text(), text))
    except DocumentPoisoned as panic:
        raise YpError(
            f"{path} could not be restored: the CRDT library failed ({panic}); nothing was changed"
        ) from panic
    if update is not None:
        folder.steps_end(entry.document)
        commit = folder.record_text(live, update, None, undo_gap_s=0.0)
        folder.steps_end(entry.document)
        folder.to_render.add(entry.id)
        folder.disk_work.set()
        await commit.wait()
    return Undone(before, text, int(update is not None))


def _whole(before: str, after: str) -> list[Hunk]:
    return hunks(before, after, limit=MAX_HUNKS)


# --- the folder at a moment -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Past:
    """An entry as it was."""

    entry: Entry
    deleted: bool


async def _folder_at(folder: Folder, at: float | None) -> tuple[dict[EntryID, _Past], dict[EntryID, float]]:
    """What the manifest said at a moment, and when each entry was deleted last."""
    await folder.database.pending().wait()
    past: dict[EntryID, _Past] = {}
    deleted_at: dict[EntryID, float] = {}
    for index in range(MANIFEST_DOCUMENTS):
        replica = ManifestReplica(1)
        entries: dict[EntryID, Entry] = {}
        for number, (received, data) in enumerate(_manifest_rows(folder, index, at)):
            replica.apply(data)
            for entry in folder.manifest.read(replica, index):
                known = entries.get(entry.id)
                if entry.deletion is not None and (known is None or known.deletion != entry.deletion):
                    deleted_at[entry.id] = received
                entries[entry.id] = entry
            if number % _SLICE == 0:
                await trio.lowlevel.checkpoint()
        # A delete that an edit has beaten since did not last.
        past.update({found.id: _Past(found, not folder.is_alive(found)) for found in entries.values()})
    return past, deleted_at


def _manifest_rows(folder: Folder, index: int, at: float | None) -> Iterator[tuple[float, bytes]]:
    query = "SELECT received, data FROM log WHERE folder = ? AND document = ? ORDER BY seq"
    rows = folder.database.rows(query, (folder.id, manifest_document_id(index)))
    count = max((number for number, (received, _) in enumerate(rows, 1) if at is None or received <= at), default=0)
    yield from rows[:count]


async def deleted(folder: Folder) -> list[dict[str, Any]]:
    """The texts that were deleted, the last one first."""
    _, deleted_at = await _folder_at(folder, None)
    found = [
        {"path": entry.path, "at": deleted_at.get(entry.id, 0.0), "folder": folder.label}
        for entry in folder.manifest.entries.values()
        if entry.kind is Kind.TEXT
        and not folder.is_alive(entry)
        and entry.path not in folder.layout().entry_at
        and entry.document in folder.digests
    ]
    return sorted(found, key=lambda item: float(str(item["at"])), reverse=True)


async def restore_directory(folder: Folder, directory: str, at: float, *, dry_run: bool) -> list[dict[str, Any]]:
    """Make the texts beneath a directory what they were at a moment.

    What came since stays. Files that are no text are told and left alone: what was replaced of them is in the trash.

    Raises:
        UsageError: this device knew nothing of that directory then.
    """
    await settle(folder)
    past, _ = await _folder_at(folder, at)
    beneath = directory and f"{directory}/"
    wanted = [was for was in past.values() if was.entry.path.startswith(beneath) and not was.deleted]
    if not wanted:
        raise UsageError(f"this device knew nothing of {directory or folder.path} at that moment")
    done: list[dict[str, Any]] = []
    for was in sorted(wanted, key=lambda was: was.entry.path):
        path, now = was.entry.path, folder.manifest.entries.get(was.entry.id)
        if now is None or now.kind is not Kind.TEXT or was.entry.kind is not Kind.TEXT:
            is_same = now is not None and now.content.hash == was.entry.content.hash and folder.is_alive(now)
            if not is_same:
                done.append({"path": path, "action": "left alone", "reason": "it is no text; look in the trash"})
            continue
        await trio.lowlevel.checkpoint()
        rows = _rows(folder, was.entry.document)
        text = _text_of(rows, When(at=at))
        if text is None:
            done.append({"path": path, "action": "left alone", "reason": "its text came later to this device"})
            continue
        is_alive = folder.is_alive(now)
        digest = folder.digests.get(now.document)
        if is_alive and digest is not None and digest.content == hashlib.sha256(text.encode()).digest():
            continue
        done.append({"path": path, "action": "change" if is_alive else "bring back"})
        if not dry_run:
            await _set_text(folder, now, folder.layout().path_of.get(now.id, path), text)
    return done
