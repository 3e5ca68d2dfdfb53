"""What became of the entries of a folder: names, contents of what is no text, deletions; from the manifest's log.

Theory of operation
    The log of a manifest document is gone through once, row by row, and what each row made of an entry is compared with
    what the entry was. Only the documents that can have the entries are gone through, of 64. A row that brings what
    others did while this device was away is one change of each entry, of the moment at which it came.

    Where only the newest changes are wanted, the document that changed last is gone through first, and none whose last
    row is older than what is wanted anyway: of a folder of 10,000 files that is nine tenths of the work.

    Who did it is who wrote with the client IDs in that row (`folder/authors.py`), where that is one device; else the
    device that sent the row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from yp2p.documents.manifest import Manifest
from yp2p.documents.manifest_replica import ManifestReplica
from yp2p.documents.registers import Entry, index_of
from yp2p.folder.authors import author_of
from yp2p.folder.catalogue import manifest_document_id
from yp2p.folder.folder import Folder
from yp2p.folder.turns import Slice
from yp2p.identity import DeviceID, DocumentID, EntryID
from yp2p.protocol.entries import Kind
from yp2p.protocol.messages import MANIFEST_DOCUMENTS
from yp2p.protocol.ysync import Shape, UpdateParser
from yp2p.store import tables

# So much is done until others have their turn: with one more row as long as what the loop does at a time anyway.
_SLICE_S = 0.0003


class ChangeKind(StrEnum):
    """What a change did to an entry."""

    ADDED = "added"
    CHANGED = "changed"
    RENAMED = "renamed"
    PERMISSIONS = "permissions"
    DELETED = "deleted"
    BROUGHT_BACK = "brought back"


@dataclass(frozen=True, slots=True)
class EntryChange:
    """One change of one entry: `seq` is the row of the log that brought it, `at` in seconds since 1970."""

    seq: int
    at: float
    device: DeviceID
    kind: ChangeKind
    entry: Entry
    before: Entry | None


async def changes_of(folder: Folder, entries: Iterable[EntryID]) -> list[EntryChange]:
    """What became of these entries, the oldest change first."""
    wanted = set(entries)
    indexes = {index_of(entry) for entry in wanted}
    return await _changes(folder, sorted(indexes), lambda entry: entry.id in wanted)


async def all_changes(folder: Folder, is_wanted: Callable[[Entry], bool]) -> list[EntryChange]:
    """What became of all entries of which `is_wanted` says so before or after the change, the oldest first."""
    return await _changes(folder, range(MANIFEST_DOCUMENTS), is_wanted)


async def newest_changes(
    folder: Folder,
    last_rows: Mapping[DocumentID, int],
    is_wanted: Callable[[Entry], bool],
    is_told: Callable[[ChangeKind, Entry], bool],
    most: int,
    first: int,
) -> list[EntryChange]:
    """The same, but only changes of which `is_told` says so, and of these the newest: at least `most`, if there are.

    Args:
        last_rows: the last row of each document.
        first: no row before this one is wanted; some may come all the same.
    """
    last = {index: last_rows.get(manifest_document_id(index), 0) for index in range(MANIFEST_DOCUMENTS)}
    newest_first = sorted((index for index in last if last[index]), key=last.__getitem__, reverse=True)
    found: list[EntryChange] = []
    for index in newest_first:
        if len(found) >= most:
            first = max(first, found[-most].seq)
        if last[index] < first:
            break
        found = sorted([*found, *await _changes(folder, [index], is_wanted, is_told)], key=_seq)
        # What is kept only to be cut off in the end is what the garbage collector goes through meanwhile.
        del found[: -2 * most]
    return found


async def until_stored(folder: Folder) -> None:
    """Wait until all that was submitted is in the store."""
    while not folder.database.pending().is_done:
        await folder.database.pending().wait()


async def _changes(
    folder: Folder,
    indexes: Iterable[int],
    is_wanted: Callable[[Entry], bool],
    is_told: Callable[[ChangeKind, Entry], bool] = lambda kind, entry: True,
) -> list[EntryChange]:
    await until_stored(folder)
    found: list[EntryChange] = []
    part = Slice(_SLICE_S)
    for index in indexes:
        known: dict[EntryID, Entry] = {}
        replica = ManifestReplica(1)
        rows = tables.log.rows(folder.database.rows, folder.id, manifest_document_id(index))
        await part.end_if_long()
        for seq, at, origin, data in rows:
            replica.apply(data)
            await part.end_if_long()
            entries = Manifest.read(replica, index)
            await part.end_if_long()
            device: DeviceID | None = None
            for entry in entries:  # of one row there can be all: a first scan is one
                await part.end_if_long()
                before = known.get(entry.id)
                known[entry.id] = entry
                if not is_wanted(entry) and (before is None or not is_wanted(before)):
                    continue
                for kind in _kinds(before, entry):
                    if is_told(kind, entry):
                        device = device or _author(folder, origin, data)
                        found.append(EntryChange(seq, at, device, kind, entry, before))
            await part.end_if_long()
    return sorted(found, key=_seq)


def _seq(change: EntryChange) -> int:
    return change.seq


def _author(folder: Folder, origin: bytes, data: bytes) -> DeviceID:
    authors = {author_of(folder, client) for client in UpdateParser(data, Shape.MANIFEST).parse().sections}
    (author,) = authors if len(authors) == 1 else (None,)
    return author or (DeviceID(origin) if origin else folder.clients.device)


def _kinds(before: Entry | None, after: Entry) -> Iterator[ChangeKind]:
    """What happened to an entry; that a deletion saw more than it did says nothing."""
    if before is None:
        yield ChangeKind.ADDED
        if after.deletion is not None:
            yield ChangeKind.DELETED
        return
    if before.path != after.path:
        yield ChangeKind.RENAMED
    if before.deletion is not None and after.deletion is None:
        yield ChangeKind.BROUGHT_BACK
    if _is_other_content(before, after):
        yield ChangeKind.CHANGED
    elif before.mode != after.mode:
        yield ChangeKind.PERMISSIONS
    if after.deletion is not None and after.deletion != before.deletion:
        yield ChangeKind.DELETED


def _is_other_content(before: Entry, after: Entry) -> bool:
    """Whether an entry is something else than it was. What is written into a text is in the log of its document."""
    if before.kind is not after.kind:
        return True
    return after.kind is not Kind.TEXT and before.content.hash != after.content.hash
