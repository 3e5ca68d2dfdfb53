"""What the store keeps beside documents and files: packs, undo steps, notices, statements, lists of chunks, the blob
index. What refers to something else has to find it there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import trio

from yp2p.check.findings import Finding, Kind
from yp2p.errors import DamagedError, MessageFault
from yp2p.files.root import Root
from yp2p.folder.folder import Folder
from yp2p.folder.notices import OWN_PART, Notice
from yp2p.folder.packs import Stored, stored_rows, unpacked
from yp2p.folder.records import FileRecord
from yp2p.identity import ID_BYTES, DocumentID, EntryID, FolderID
from yp2p.protocol.blobs import HASH_BYTES, blob_hash, chunk_count
from yp2p.protocol.entries import Kind as EntryKind
from yp2p.store import tables
from yp2p.store.database import Database
from yp2p.store.sql import Read
from yp2p.store.tables.log import ALL
from yp2p.trust.statements import read_statement

_NO_ENTRY = EntryID(bytes(ID_BYTES))
_CHUNK_LISTS_AT_ONCE = 256


# --- of plain values ----------------------------------------------------------------------------------------------


def of_packs(
    folder: str, paths: Mapping[DocumentID, str], packs: Iterable[tuple[DocumentID, Stored]]
) -> Iterator[Finding]:
    """Packs that cannot be unpacked, or hold other rows than they say."""
    for document, stored in packs:
        try:
            rows = unpacked(stored)
            why = "" if rows and (rows[0].seq, rows[-1].seq) == (stored.first, stored.seq) else "it holds other rows"
        except DamagedError as error:
            why = str(error)
        if why:
            text = f"a pack of its keystrokes cannot be read: {why}"
            subject = stored.seq.to_bytes(8, "big") + stored.first.to_bytes(8, "big") + document
            yield Finding(Kind.DAMAGED_PACK, folder, paths.get(document, ""), text, subject)


def of_steps(folder: str, paths: Mapping[DocumentID, str], stray: Iterable[Sequence[Any]]) -> Iterator[Finding]:
    """Steps whose rows are gone."""
    for seq, document in stray:
        text = f"an undo step names row {seq} of the log, and there is none"
        yield Finding(Kind.STRAY_STEP, folder, paths.get(DocumentID(document), ""), text, seq.to_bytes(8, "big"))


def of_notices(folder: str, entries: Mapping[EntryID, Any], notices: Iterable[Notice]) -> Iterator[Finding]:
    """Notices about what there is not."""
    for notice in notices:
        if notice.entry not in entries and notice.entry not in (_NO_ENTRY, OWN_PART):
            text = f"notice {notice.id} names a file that the folder does not know"
            yield Finding(Kind.STRAY_NOTICE, folder, notice.path, text, notice.id.to_bytes(8, "big"))


def of_statements(folder: str, folder_id: FolderID, bodies: Iterable[bytes]) -> Iterator[Finding]:
    """Statements of the membership that nobody signed."""
    for body in bodies:
        try:
            read_statement(body, folder_id)
        except MessageFault as fault:
            text = f"a statement on who takes part cannot be used: {fault}"
            yield Finding(Kind.BAD_STATEMENT, folder, "", text, body)


def of_chunks(rows: Iterable[Sequence[Any]]) -> Iterator[bytes]:
    """The blobs whose list of chunks is not that of the blob."""
    for blob, size, packed in rows:
        hashes = [packed[at : at + HASH_BYTES] for at in range(0, len(packed), HASH_BYTES)]
        if len(hashes) != chunk_count(size) or blob_hash(size, hashes) != blob:
            yield blob


def of_blob_index(
    folder: str, listed: Iterable[tuple[bytes, EntryID]], files: Mapping[EntryID, FileRecord]
) -> Iterator[Finding]:
    """Blobs that are listed as here, and files that are not listed."""
    known = set(listed)
    for blob, entry in known:
        record = files.get(entry)
        if record is None or record.kind is not EntryKind.BLOB or record.content != blob:
            path = record.path if record is not None else ""
            yield Finding(Kind.LOST_BLOB, folder, path, "a blob is listed as here, and no file holds it", entry + blob)
    for entry, record in files.items():
        if record.kind is EntryKind.BLOB and (record.content, entry) not in known:
            text = "its blob is here, and is not listed: no other device would get it"
            yield Finding(Kind.LOST_BLOB, folder, record.path, text, entry + record.content)


# --- read from a folder -------------------------------------------------------------------------------------------


async def of_folder(folder: Folder) -> list[Finding]:
    """All of the above for one folder."""
    await folder.database.pending().wait()
    packs, stray, bodies = await trio.to_thread.run_sync(_stored_of, folder)
    path_of, entries = folder.catalogue.layout().path_of, folder.catalogue.entries
    paths = {document: path_of.get(entry, "") for document, entry in folder.catalogue.entry_of.items()}
    label, listed, known = folder.label, folder.files.blobs.listed(), dict(folder.files.items())
    blobs = await trio.to_thread.run_sync(lambda: list(of_blob_index(label, listed, known)))
    return [
        *of_packs(label, paths, packs),
        *of_steps(label, paths, stray),
        *of_notices(label, entries, folder.notices),
        *of_statements(label, folder.id, bodies),
        *blobs,
    ]


_Stored = tuple[list[tuple[DocumentID, Stored]], list[tuple[Any, ...]], list[bytes]]


def _stored_of(folder: Folder) -> _Stored:
    """Blocks."""
    with folder.database.reader(of_one_moment=True) as read:
        return stored(read, folder.id)


def stored(read: Read, folder: FolderID) -> _Stored:
    """Packs, stray steps and statements. Blocks."""
    packs = [
        (document, row)
        for document in tables.pack.documents(read, folder)
        for row in stored_rows(read, folder, document, ALL)
        if row.is_pack
    ]
    return packs, tables.step.stray(read, folder), tables.statement.read_all(read, folder)


async def downloads(folder: Folder, root: Root) -> list[Finding]:
    """Blobs that are complete in `.yp2p/tmp`, and are not there."""

    def missing(known: Mapping[bytes, str]) -> list[bytes]:
        return [blob for blob, name in known.items() if root.lstat(name) is None]

    gone = await trio.to_thread.run_sync(missing, dict(folder.files.blobs.downloaded))
    text = "a blob that was fetched is gone before it was put in place"
    return [Finding(Kind.LOST_BLOB, folder.label, "", text, _NO_ENTRY + blob) for blob in gone]


async def wrong_chunks(database: Database, paths: Mapping[bytes, str]) -> list[Finding]:
    """Lists of chunks of the whole device that are not those of their blobs.

    Args:
        paths: the path of a file that holds a blob, by its hash.
    """
    await database.pending().wait()

    def work() -> list[bytes]:
        with database.reader() as read:
            return blobs_with_wrong_chunks(read)

    return list(of_wrong_chunks(await trio.to_thread.run_sync(work), paths))


def of_wrong_chunks(blobs: Iterable[bytes], paths: Mapping[bytes, str]) -> Iterator[Finding]:
    """Args: `paths` as for `wrong_chunks`."""
    text = "the list of its chunks is not that of its content: other devices could not fetch it"
    for blob in blobs:
        yield Finding(Kind.WRONG_CHUNKS, "", paths.get(blob, ""), text, blob)


def blobs_with_wrong_chunks(read: Read) -> list[bytes]:
    """Blocks."""
    found: list[bytes] = []
    rows = tables.chunks.read_some(read, b"", _CHUNK_LISTS_AT_ONCE)
    while rows:
        found += of_chunks(rows)
        rows = tables.chunks.read_some(read, rows[-1][0], _CHUNK_LISTS_AT_ONCE)
    return found
