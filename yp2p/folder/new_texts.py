"""Texts that come into a folder: IDs and first update are computed, so that equal files are one (invariant 5)."""

from __future__ import annotations

import hashlib

from yp2p.documents.text import first_import
from yp2p.files.inspect import Finding
from yp2p.folder.folder import Folder
from yp2p.folder.records import Digest, FileRecord, log_row
from yp2p.identity import DocumentID, EntryID
from yp2p.store.sql import Statement


def entry_id_for(*parts: bytes) -> EntryID:
    """Entry ID of a first import: equal on every device that imports the same content at the same path."""
    return EntryID(hashlib.sha256(b"yp2p entry v1" + b"\x00".join(parts)).digest()[:16])


def next_entry_id(entry: EntryID) -> EntryID:
    """The ID to take where `entry` was used before: equal on every device, so that what comes again is one entry."""
    return entry_id_for(b"again", entry)


def document_id_for(*parts: bytes) -> DocumentID:
    """Document ID of a first import: equal on every device that imports the same text as the same entry."""
    return DocumentID(hashlib.sha256(b"yp2p document v1" + b"".join(parts)).digest()[:16])


def new_text(
    folder: Folder,
    entry: EntryID,
    document: DocumentID,
    finding: Finding,
    statements: list[Statement],
    *,
    is_own: bool = False,
) -> FileRecord:
    """Import a text as a new document; gives the base of its file. `statements` store the document.

    Where the document is here already, the text came back to what it once was: it gets a document of its own.
    """
    while document in folder.texts.digests:
        document = document_id_for(b"again", document)
    seq = store_first_import(folder, document, finding.text, statements)
    return FileRecord(
        entry, finding.path, document, seq, None, finding.content, finding.mode, finding.stamp, is_own=is_own
    )


def store_first_import(folder: Folder, document: DocumentID, text: str, statements: list[Statement]) -> int:
    """A new document with this text; gives its row."""
    made = first_import(text)
    seq = folder.database.next_seq()
    digest = Digest(made.version, hashlib.sha256(text.encode()).digest(), made.state_vector)
    folder.texts.digests.learn(document, digest)
    folder.texts.submitted(document, seq, made.update)
    statements += [log_row(folder.id, document, seq, None, made.update), digest.save(folder.id, document, seq)]
    return seq
