"""What a check looks at of one folder, read as plain values: on the loop in slices, from the store and the disk in
threads."""

from __future__ import annotations

import stat
import time
from collections.abc import AsyncIterator, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import TypeVar

import trio

from yp2p.check.facts import DocumentFacts, FileFacts, OnDisk
from yp2p.disk.damaged_files import is_odd, read_in_steps
from yp2p.disk.open_root import OpenRoot
from yp2p.documents.manifest_replica import ManifestReplica
from yp2p.documents.registers import Entry
from yp2p.documents.text import TextReplica
from yp2p.errors import CrdtPanic, InvalidUpdate, MissingDependency, PeerFault
from yp2p.files.inspect import Stamp
from yp2p.files.root import Root, is_ours
from yp2p.files.verify import Held
from yp2p.folder.catalogue import MANIFEST_INDEX
from yp2p.folder.folder import Folder
from yp2p.folder.records import Digest, FileRecord, Values, file_of
from yp2p.identity import DocumentID, EntryID, FolderID
from yp2p.protocol.entries import Kind
from yp2p.protocol.state_vectors import read_state_vector
from yp2p.store import tables
from yp2p.store.salvage import first_gap
from yp2p.store.sql import Read

_FILES_AT_ONCE, _DOCUMENTS_AT_ONCE = 512, 64
_NOTHING = Digest(b"", b"", b"")
_BYTES_AT_ONCE = 4 << 20
# What was changed so shortly ago may wait for its turn, or for a program to close it.
RECENT_S = 10.0

_Item = TypeVar("_Item")


def in_slices(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    """The items, so many at a time."""
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some


# --- files --------------------------------------------------------------------------------------------------------


async def files(folder: Folder, root: Root) -> AsyncIterator[list[FileFacts]]:
    """Every entry with its file, and every row of the index and of the store, some at a time."""
    await folder.database.pending().wait()
    stored = await trio.to_thread.run_sync(_stored_files, folder)
    known = set(folder.catalogue.entries)
    for some in in_slices([*known, *((folder.files.keys() | stored.keys()) - known)], _FILES_AT_ONCE):
        facts = [_facts(folder, entry, stored.get(entry)) for entry in some]
        places = [one.record.path if one.record is not None else one.place for one in facts]
        there = await trio.to_thread.run_sync(_on_disk, root, places)
        yield [await _sure_of_row(folder, replace(one, there=found)) for one, found in zip(facts, there, strict=True)]


async def _sure_of_row(folder: Folder, facts: FileFacts) -> FileFacts:
    """The same; where the store has another row, looked at when nothing is on its way there."""
    if facts.stored == facts.record or not await folder.database.is_at_rest():
        return replace(facts, stored=facts.record)
    # no await: both are of this moment
    row, record = tables.file.read_one(folder.database.rows, folder.id, facts.entry), folder.files.get(facts.entry)
    try:
        return replace(facts, stored=file_of(row, Values()) if row is not None else None, record=record)
    except (ValueError, TypeError):
        return replace(facts, stored=None, record=record)


def _stored_files(folder: Folder) -> dict[EntryID, FileRecord]:
    """The rows of the store that can be read. Blocks."""
    values, found = Values(), dict[EntryID, FileRecord]()
    with folder.database.reader() as read:
        for row in tables.file.read_all(read, folder.id):
            with suppress(ValueError, TypeError):
                record = file_of(row, values)
                found[record.entry] = record
    return found


def _facts(folder: Folder, entry: EntryID, stored: FileRecord | None) -> FileFacts:
    found, record = folder.catalogue.entries.get(entry), folder.files.get(entry)
    place = folder.catalogue.layout().path_of.get(entry)
    path = folder.shown_path(record) if record is not None else place or (stored.path if stored is not None else "")
    return FileFacts(
        entry, path, record, stored, place,
        is_known=found is not None,
        is_waiting=_is_waiting(folder, entry, record),
        is_here=found is not None and _is_here(folder, found),
        kind=found.kind if found is not None else None,
        document=found.document if found is not None else None,
    )  # fmt: skip


def _is_waiting(folder: Folder, entry: EntryID, record: FileRecord | None) -> bool:
    files = folder.files
    is_parked = record is not None and (is_ours(record.path) or files.local.keeps(record.path))
    is_wanted = entry in folder.render_queue or entry in files.waiting.entries or entry in files.blobs.wanted
    return is_parked or is_wanted or files.is_left_alone(entry) or entry in files.choice.unchosen


def _is_here(folder: Folder, found: Entry) -> bool:
    """Whether what a file is to hold is on this device."""
    if found.kind is Kind.TEXT:
        return found.document in folder.texts.digests
    blobs = folder.files.blobs
    is_blob = found.kind is Kind.BLOB
    return not is_blob or blobs.file_with(found.content.hash) is not None or found.content.hash in blobs.downloaded


def _on_disk(root: Root, places: Sequence[str | None]) -> list[OnDisk | None]:
    """Blocks."""
    found: list[OnDisk | None] = []
    for place in places:
        status = None
        with suppress(OSError):
            status = root.lstat(place) if place is not None else None
        is_directory = status is not None and stat.S_ISDIR(status.st_mode)
        is_recent = status is not None and abs(time.time() - status.st_ctime) < RECENT_S
        found.append(OnDisk(Stamp.of(status), is_directory, status.st_nlink, is_recent) if status is not None else None)
    return found


async def unknown_files(folder: Folder, at: OpenRoot) -> list[str]:
    """The files that are there, and that nobody knows of."""
    present = await trio.to_thread.run_sync(at.watcher.scan)
    files = folder.files
    new = [path for path in present if path not in files.at and path not in files.waiting.skipped]
    paths = [path for path in new if path not in files.local.paths]
    found = await trio.to_thread.run_sync(_on_disk, at.root, paths)
    return [
        path
        for path, there in zip(paths, found, strict=True)
        if there is not None and not there.is_directory and not there.is_recent
    ]


async def contents(
    folder: Folder, at: OpenRoot, only: Container[bytes] | None = None
) -> list[tuple[EntryID, str, FileRecord, Held]]:
    """The files that hold something else than they are known to, or cannot be read: all are read, or those of some
    entries; twice where it matters."""
    odd: list[FileRecord] = []
    wanted = [r for r in folder.files.values() if r.kind is not Kind.DIRECTORY and (only is None or r.entry in only)]
    for some in in_slices(wanted, _FILES_AT_ONCE):
        batch: list[FileRecord] = []
        size = 0
        for record in some:
            batch.append(record)
            size += record.stamp.size
            if size >= _BYTES_AT_ONCE:
                odd += [one for one, now in await read_in_steps(at, batch) if is_odd(one, now)]
                batch, size = [], 0
        odd += [one for one, now in await read_in_steps(at, batch) if is_odd(one, now)]
    unproven = at.ingest.deferred.read_open()
    again = await read_in_steps(at, [r for r in odd if folder.files.get(r.entry) == r and r.path not in unproven])
    return [(one.entry, folder.shown_path(one), one, now) for one, now in again if is_odd(one, now)]


# --- documents ----------------------------------------------------------------------------------------------------


async def documents(folder: Folder) -> AsyncIterator[list[DocumentFacts]]:
    """Every document, of the manifest and of texts, some at a time."""
    await folder.database.pending().wait()
    entries, path_of = folder.catalogue.entries, folder.catalogue.layout().path_of
    named = {e.document: (path_of[e.id], True) for e in entries.values() if e.kind is Kind.TEXT and e.id in path_of}
    here = dict.fromkeys(folder.texts.digests.documents(), ("", False))
    everything: Mapping[DocumentID, tuple[str, bool]] = {**dict.fromkeys(MANIFEST_INDEX, ("", True)), **here, **named}
    for some in in_slices(everything, _DOCUMENTS_AT_ONCE):
        made = await trio.to_thread.run_sync(_read_logs, folder, some)
        yield [await _sure_of_log(folder, _document(folder, one, *everything[one.document])) for one in made]


async def _sure_of_log(folder: Folder, facts: DocumentFacts) -> DocumentFacts:
    """The same; where log and memory do not fit together, looked at when nothing is on its way to the store."""
    await trio.lowlevel.checkpoint()
    if facts.made == facts.known or facts.broken or facts.gap:
        return facts
    if facts.known is None or not await folder.database.is_at_rest():
        return facts if facts.known is None else replace(facts, known=None, rows=max(1, facts.rows), made=_NOTHING)
    # no await: both are of this moment
    made = read_log(folder.database.rows, folder.id, facts.document)
    return _document(folder, made, facts.path, facts.is_named)


def _document(folder: Folder, made: DocumentFacts, path: str, is_named: bool) -> DocumentFacts:
    index = MANIFEST_INDEX.get(made.document)
    if index is not None:
        version = folder.catalogue.manifest.replicas[index].version()
        known: Digest | None = (
            Digest(version, b"", b"") if made.rows or folder.catalogue.documents[index].last_seq else None
        )
    else:
        digest = folder.texts.digests.at_hand(made.document)
        known = plain(digest) if digest is not None else None
    is_manifest = index is not None
    if not path and not is_manifest:
        entry = folder.catalogue.entries.get(folder.catalogue.entry_of.get(made.document, EntryID(b"")))
        path = entry.path if entry is not None else ""
    return DocumentFacts(
        made.document, path, made.rows, made.broken, made.gap, made.made, known,
        is_named=is_named, is_manifest=is_manifest,
    )  # fmt: skip


def plain(digest: Digest) -> Digest:
    """The same with clocks that compare: in which order they are written says nothing."""
    clocks = sorted(read_state_vector(digest.clocks).items())
    return Digest(digest.version, digest.content, repr(clocks).encode())


def _read_logs(folder: Folder, some: Sequence[DocumentID]) -> list[DocumentFacts]:
    """Blocks."""
    with folder.database.reader(of_one_moment=True) as read:
        return [read_log(read, folder.id, document) for document in some]


def read_log(read: Read, folder: FolderID, document: DocumentID) -> DocumentFacts:
    """What the log of a document is, and amounts to. Blocks."""
    broken = tables.log.first_broken(read, folder, document)
    rows = tables.log.updates(read, folder, document)
    if broken or not rows:
        return DocumentFacts(document, "", len(rows), broken)
    try:
        gap = first_gap(read, folder, document) or 0
        made = None if gap else _made_of([data for _, data in rows], document)
    except (CrdtPanic, InvalidUpdate, MissingDependency, PeerFault):
        return DocumentFacts(document, "", len(rows))
    return DocumentFacts(document, "", len(rows), gap=gap, made=made)


def _made_of(rows: Sequence[bytes], document: DocumentID) -> Digest:
    """Raises CrdtPanic."""
    if document in MANIFEST_INDEX:
        replica = ManifestReplica(1)
        replica.load(rows)
        return Digest(replica.version(), b"", b"")
    text = TextReplica.from_updates(1, rows)
    return plain(Digest(text.version(), text.content(), text.state_vector()))
