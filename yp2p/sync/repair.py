"""Repair: equal versions with different contents (invariant 9).

Two devices that hold the same operations hold the same text. If they do not, the same operation IDs were made twice
with different content: a cloned disk, a restored backup, a lying member, or a bug. No merging can heal that, because
each side believes that it has everything.

So the entry gets a new document, a *generation*: the content with the smaller hash is imported afresh, under IDs
computed from what both sides saw, and the other content becomes a file beside it. Whoever notices asks the other side
for its text and does all of it, and both sides compute the same: were each to make its own half, the one that comes too
late would leave a document that nobody ever makes.

It is done only when the same two leaves were seen twice, with the document untouched in between: while edits are on
their way, versions differ, and that is nothing to worry about.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

import structlog

from yp2p.documents.layout import conflict_path
from yp2p.documents.manifest import Change
from yp2p.documents.replica import client_id_from
from yp2p.documents.text import TextReplica, imported
from yp2p.identity import DocumentID, EntryID
from yp2p.protocol.reconcile import Leaf
from yp2p.store.database import Statement
from yp2p.sync.folder import Folder
from yp2p.sync.imports import document_id_for, entry_id_for
from yp2p.sync.notices import NoticeKind
from yp2p.sync.records import Digest, log_row

log = structlog.get_logger()


def has_diverged(ours: Leaf | None, theirs: Leaf | None) -> bool:
    """Whether two leaves cannot both be right."""
    return (
        ours is not None
        and theirs is not None
        and ours.document == theirs.document
        and ours.version == theirs.version
        and ours.content != theirs.content
    )


def next_generation(ours: Leaf, theirs: Leaf) -> DocumentID:
    """The document that replaces a diverged one: the same on both sides."""
    parts = (ours.document, ours.version, *sorted((ours.content, theirs.content)))
    return DocumentID(hashlib.sha256(b"yp2p generation v1" + b"".join(parts)).digest()[:16])


async def repair(folder: Folder, entry: EntryID, ours: Leaf, theirs: Leaf, their_text: str) -> None:
    """Start a new generation of a document that has diverged; neither text is lost.

    Args:
        their_text: what the other side has, by `theirs`.
    """
    found = folder.manifest.entries.get(entry)
    is_theirs = hashlib.sha256(their_text.encode()).digest() == theirs.content
    if found is None or found.document != ours.document or not is_theirs or folder.leaf(entry) != ours:
        return  # it moved on meanwhile
    path = folder.layout().path_of.get(entry, found.path)
    log.error("documents_diverged", folder=folder.label, document=ours.document.hex()[:8])
    folder.notices.add(
        NoticeKind.DIVERGED, path, "two devices had different texts with the same history; both were kept", entry
    )
    own_text = folder.open_text(ours.document).text.text()
    (content, text), (other, other_text) = sorted([(ours.content, own_text), (theirs.content, their_text)])
    document = next_generation(ours, theirs)
    statements: list[Statement] = []
    seq = _store(folder, document, text, statements)
    record = folder.files.get(entry)
    if record is not None and record.content == content:
        record = replace(record, document=document, base_seq=seq, base_state=None)
        folder.set_file(record)
        statements.append(record.save(folder.id))
    changes = [Change(entry, content=(found.kind, found.executable, document))]
    beside = entry_id_for(b"conflict", entry, other)
    if beside not in folder.manifest.entries:
        copy = document_id_for(beside)
        _store(folder, copy, other_text, statements)
        changes.append(Change(beside, conflict_path(found.path, beside), (found.kind, found.executable, copy)))
    await folder.told_manifest(folder.write_manifest(changes, statements))
    folder.unstored.clear()


def _store(folder: Folder, document: DocumentID, text: str, statements: list[Statement]) -> int:
    """A fresh import of a text; gives its row."""
    update = imported(text)
    seq = folder.database.next_seq()
    replica = TextReplica.from_updates(client_id_from(document), [update])
    digest = Digest(replica.version(), replica.content(), replica.state_vector())
    folder.learn_digest(document, digest)
    folder.unstored[document] = (seq, update)
    statements += [log_row(folder.id, document, seq, None, update), digest.save(folder.id, document, seq)]
    return seq
