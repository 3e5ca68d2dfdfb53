"""`yp2p check` where no daemon runs: it changes nothing, and looks at what the store and the files alone tell.

What changed on the disk since the daemon ended is no fault: its next start takes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from yp2p.check import documents, files, home, records, trash
from yp2p.check.facts import DocumentFacts
from yp2p.check.findings import Finding, Kind, Result, Told
from yp2p.check.gather import plain, read_log
from yp2p.config import Paths
from yp2p.errors import YpError
from yp2p.files.root import Root
from yp2p.files.verify import Held, Look, held
from yp2p.folder.catalogue import MANIFEST_INDEX
from yp2p.folder.lookup import not_one, words_of
from yp2p.folder.records import Digest, FileRecord, Values, file_of
from yp2p.identity import DocumentID, EntryID, FolderID
from yp2p.machine import reason as reason_of
from yp2p.protocol.entries import Kind as EntryKind
from yp2p.store import tables
from yp2p.store.examine import examine, reader
from yp2p.store.look import StoredFolder, look
from yp2p.store.sql import Read


def check_offline(paths: Paths, name: str | None, *, read: bool) -> dict[str, Any]:
    """Check one folder, or all; gives what the daemon would answer. Raises YpError: the store or the key is no such."""
    if not paths.store.exists():
        raise YpError(f"there is no store at {paths.store}: nothing is shared here; `yp2p up DIR` shares a directory")
    found = list(home.of_store(paths.store, examine(paths.store)))
    if paths.key.exists():
        found += home.of_key(paths.key, None)
    chosen: list[StoredFolder] = []
    checked: list[dict[str, Any]] = []
    if not any(one.kind is Kind.DAMAGED_STORE for one in found):
        chosen = _chosen(look(paths.store).folders, name)
        with reader(paths.store) as rows:
            found += records.of_wrong_chunks(records.blobs_with_wrong_chunks(rows), {})
            for folder in chosen:
                found += _of_folder(rows, folder, read_files=read)
                checked.append(_counted(rows, folder))
    told = [Told(one, Result.FOUND).as_dict() for one in found]
    return {"findings": told, "checked": checked, "restarts": False}


def _chosen(folders: tuple[StoredFolder, ...], name: str | None) -> list[StoredFolder]:
    """Raises UsageError."""
    if name is None:
        return list(folders)
    directory, word = words_of(name)
    found = [f for f in folders if str(f.root) == directory]
    found = found or [f for f in folders if f.label == word or f.id.hex().startswith(word)]
    if not found:
        raise not_one(word, folders)
    return found


def _counted(read: Read, folder: StoredFolder) -> dict[str, Any]:
    every = _records(read, folder.id)
    texts = sum(record.kind is EntryKind.TEXT for record in every)
    size = sum(record.stamp.size for record in every)
    return {"folder": folder.label, "files": len(every), "bytes": size, "texts": texts, "devices": 0}


def _records(read: Read, folder: FolderID) -> list[FileRecord]:
    values = Values()
    return [file_of(row, values) for row in tables.file.read_all(read, folder)]


def _of_folder(read: Read, folder: StoredFolder, *, read_files: bool) -> Iterator[Finding]:
    every = _records(read, folder.id)
    paths = {record.document: record.path for record in every}
    yield from _of_documents(read, folder, paths)
    packs, stray, bodies = records.stored(read, folder.id)
    yield from records.of_packs(folder.label, paths, packs)
    yield from records.of_steps(folder.label, paths, stray)
    yield from records.of_statements(folder.label, folder.id, bodies)
    try:
        root = Root(folder.root)
    except OSError as error:
        text = f"its directory cannot be opened: {reason_of(error)}"
        yield Finding(Kind.LOST_MARKER, folder.label, "", f"{folder.root}: {text}")
        return
    try:
        yield from _of_root(read, folder, root, every, read_files=read_files)
    finally:
        root.close()


def _of_documents(read: Read, folder: StoredFolder, paths: dict[DocumentID, str]) -> Iterator[Finding]:
    digests = {DocumentID(row[0]): row for row in tables.digest.read_all(read, folder.id)}
    for document, (_, last, version, content, clocks, seq) in digests.items():
        made = read_log(read, folder.id, document)
        known = plain(Digest(version, content, clocks)) if seq == last else None
        facts = DocumentFacts(
            document, paths.get(document, ""), made.rows, made.broken, made.gap, made.made, known,
            is_manifest=document in MANIFEST_INDEX,
        )  # fmt: skip
        yield from documents.of_document(folder.label, facts)


def _of_root(
    read: Read, folder: StoredFolder, root: Root, every: list[FileRecord], *, read_files: bool
) -> Iterator[Finding]:
    if root.marker() != folder.id:
        text = "its directory has lost its marker .yp2p/marker"
        yield Finding(Kind.LOST_MARKER, folder.label, "", f"{folder.root}: {text}")
        return
    known = {
        name.decode("utf-8", "surrogateescape"): content
        for name, content in tables.trashed.read_all(read, folder.id).items()
    }
    try:
        seen = trash.look(root)
        for some in trash.contents(root) if read_files else ():
            seen = replace(seen, contents={**seen.contents, **some})
        yield from trash.of_trash(folder.label, seen, known)
    except OSError as error:
        text = f"the trash cannot be read: {reason_of(error)}"
        yield Finding(Kind.UNREADABLE_TRASH, folder.label, "", text)
    if read_files:
        odd = [found for record in every if (found := _odd(root, record)) is not None]
        yield from files.of_contents(folder.label, odd, {record.content: record.path for record in every})


def _odd(root: Root, record: FileRecord) -> tuple[EntryID, str, FileRecord, Held] | None:
    if record.kind is EntryKind.DIRECTORY:
        return None
    now = held(root, record.path, record.stamp, record.kind)
    is_other = now.look is Look.READ and now.content != record.content
    return (record.entry, record.path, record, now) if is_other or now.look is Look.UNREADABLE else None
