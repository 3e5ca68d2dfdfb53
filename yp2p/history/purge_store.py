"""What of the store goes with `yp2p purge`: logs become one row, whatever else it says of what is meant is forgotten.

Everything is submitted between two awaits, the rows of a log together with all that refers to them.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import takewhile

import trio

from yp2p.documents.former_bookmarks import without_names
from yp2p.documents.registers import Bookmark, index_of
from yp2p.documents.thinning import without_past
from yp2p.errors import CrdtPanic, DamagedError, FolderError, InvalidUpdate, MissingDependency
from yp2p.folder.catalogue import manifest_document_id
from yp2p.folder.folder import Folder
from yp2p.folder.notices import Notice
from yp2p.history.purge_scope import Scope, is_within
from yp2p.history.undo import all_stored
from yp2p.identity import DeviceID, DocumentID, EntryID, FolderID
from yp2p.protocol.entries import Kind
from yp2p.protocol.names import encode_path
from yp2p.protocol.state_vectors import StateVector
from yp2p.protocol.ysync import Shape, UpdateParser
from yp2p.store import tables
from yp2p.store.sql import Read, Statement

_FAULTS = (CrdtPanic, DamagedError, InvalidUpdate, MissingDependency)
_OF_ENTRY = (tables.base.forget_of, tables.unread.forget_of, tables.former.forget_of)


@dataclass(frozen=True, slots=True)
class TextLog:
    """The log of a text: its last row that is meant, how many are and how many packs, their bytes, what they are to be.

    Attributes:
        head: the last row of all.
        removed: how much was removed of the text by then, in UTF-16 units.
        made_here: whether any of those rows is this device's own.
    """

    document: DocumentID
    last: int
    head: int
    versions: int
    size: int
    present: bytes
    removed: int
    made_here: bool

    @property
    def has_past(self) -> bool:
        return self.versions > 1 or len(self.present) != self.size


async def read_logs(folder: Folder, scope: Scope, documents: Collection[DocumentID]) -> list[TextLog]:
    """The logs of those documents that are here and of which something is meant. Raises FolderError: one cannot be
    read."""

    def read_all() -> list[TextLog]:
        with folder.database.reader() as read:
            return [
                found for document in documents
                if (found := _log(read, folder.id, document, scope.seen.get(document))) is not None
            ]  # fmt: skip

    return await trio.to_thread.run_sync(read_all, abandon_on_cancel=True)


def _log(read: Read, folder: FolderID, document: DocumentID, seen: StateVector | None) -> TextLog | None:
    """Args: `seen` is the state vector up to which it is meant; None: as a whole."""
    every = tables.log.rows(read, folder, document)
    try:
        meant = every if seen is None else list(takewhile(lambda row: is_within(row[3], seen), every))
        if not meant:
            return None
        rows = [(seq, data) for seq, _, _, data in meant]
        present = without_past(rows)
        parser = UpdateParser(present, Shape.TEXT)
        parser.parse()
    except _FAULTS as error:
        raise FolderError(f"the history of a text cannot be read ({error}); it was left as it is") from error
    last, size = rows[-1][0], sum(len(data) for _, data in rows)
    removed = sum(length for _, _, length in parser.ranges)
    versions = len(rows) + tables.pack.count_until(read, folder, document, last)
    made_here = any(not origin for _, _, origin, _ in meant)
    return TextLog(document, last, every[-1][0], versions, size, present, removed, made_here)


def not_in_step(folder: Folder, entries: Collection[EntryID]) -> str:
    """The path of a file of these that does not hold what its document says; empty where all do, or are not here."""
    for entry in entries:
        found, record = folder.catalogue.entries.get(entry), folder.files.get(entry)
        if found is None or found.kind is not Kind.TEXT or found.document not in folder.texts.digests:
            continue
        if record is None and folder.files.is_left_alone(entry):
            continue
        digest = folder.texts.digests.get(found.document)
        if record is None or record.document != found.document or digest is None or record.content != digest.content:
            return folder.catalogue.layout().path_of.get(entry, found.path)
    return ""


def replace_log(folder: Folder, found: TextLog, *, stays: bool) -> bool:
    """Submit what replaces a log by its present, or by nothing; False where it is another one by now."""
    document, texts = found.document, folder.texts
    live = texts.in_memory(document)
    is_last = live is None or (live.last_seq == found.head and not live.untold_updates())
    entry = folder.catalogue.entry_of.get(document)
    if not stays:  # an editor that saves brings a deleted file back at any time
        return is_last and not _is_needed(folder, document) and texts.forget(document)
    if entry is None or not is_last or not_in_step(folder, [entry]):
        return False
    statements = [
        *tables.log.join(folder.id, document, 0, found.last, found.present, b""),
        tables.pack.forget_until(folder.id, document, found.last),
        tables.shown.forget(folder.id, document),
        tables.step.delete_groups_until(folder.id, document, found.last),
        *(forget(folder.id, entry) for forget in _OF_ENTRY),
    ]
    record = folder.files.get(entry)
    if record is not None:
        folder.files.set(based := replace(record, base_seq=found.head, base_state=None))
        statements.append(based.save(folder.id))
    folder.database.submit(statements)
    folder.edits.end_undo_group(document)
    texts.past_is_gone(document)
    return True


def _is_needed(folder: Folder, document: DocumentID) -> bool:
    """Whether a file that is there is of this document, or is to be."""
    owner = folder.catalogue.entry_of.get(document)
    entry = folder.catalogue.entries.get(owner) if owner is not None else None
    if entry is not None and entry.document == document and folder.catalogue.is_alive(entry):
        return True
    return any(record.document == document for record in folder.files.values())


def forget_rest(
    folder: Folder, scope: Scope, present: Mapping[bytes, int], now: float, issuer: DeviceID | None = None
) -> list[Statement]:
    """What has the store forget whatever else it says of what is meant, and know that it was purged.

    Args:
        present: the hashes of what files hold.
        now: seconds since 1970.
        issuer: who asked for it, where that is another device.
    """
    entries = sorted(scope.entries)
    names = {encode_path(name) for name in scope.names if name}
    request, own = secrets.token_bytes(16), folder.clients.device
    folder.notices.purged(entries, now)
    return [
        tables.purge.insert(folder.id, request, issuer or own, now, encode_path(scope.path), b"".join(entries)),
        *folder.notices.forget(partial(_is_meant, scope, _naming(scope))),
        *(tables.chunks.forget(content) for content in scope.contents.keys() - present.keys()),
        *(tables.former.forget_at(folder.id, name) for name in names),
        *(forget(folder.id, entry) for entry in scope.gone for forget in _OF_ENTRY),
        # A row that cannot be read has one of these in it.
        *(
            tables.aside.forget_about(folder.id, value)
            for value in {*entries, *scope.texts, *scope.forgotten, *names}
        ),
    ]  # fmt: skip


def _naming(scope: Scope) -> re.Pattern[str] | None:
    """Matches where a text names a file that is meant."""
    names = "|".join(map(re.escape, sorted(filter(None, scope.names))))
    return re.compile(rf"(?<![\w/.-])(?:{names})(?![\w/-])") if names else None


def _is_meant(scope: Scope, naming: re.Pattern[str] | None, notice: Notice) -> bool:
    document = notice.undo.document if notice.undo is not None else b""
    return (
        notice.entry in scope.entries
        or bool(notice.path and scope.has_name(notice.path))
        or document in scope.texts | scope.forgotten
        or (naming is not None and naming.search(notice.text) is not None)
    )


async def remove_bookmarks(folder: Folder, scope: Scope) -> None:
    """Remove the bookmarks of what was deleted, where this device may."""
    if folder.membership.is_reader:
        return
    known = folder.catalogue.manifest.bookmarks
    gone = [
        Bookmark(entry, bookmark.name, None)
        for entry in sorted(scope.gone)
        for bookmark in known.get(entry, {}).values()
        if bookmark.position is not None
    ]
    if gone:
        await folder.catalogue.write(gone).wait()


async def overwrite_bookmarks(folder: Folder, scope: Scope) -> None:
    """Have the manifest's log not have the names of bookmarks that are no more. `Texts.rewriting` is held."""
    await all_stored(folder)
    for index in {index_of(entry) for entry in scope.entries}:
        entries = [entry for entry in scope.entries if index_of(entry) == index]
        if not any(folder.catalogue.manifest.replicas[index].bookmark_values(entry) for entry in entries):
            continue
        rows = tables.log.updates(folder.database.rows, folder.id, manifest_document_id(index))
        changed = await trio.to_thread.run_sync(without_names, rows, entries)
        await folder.database.submit([tables.log.overwrite(seq, data) for seq, data in changed]).wait()
