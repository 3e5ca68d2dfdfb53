"""Repair: equal versions with different contents (invariant 9).

Two devices that hold the same operations hold the same text. If they do not, the same operation IDs were made twice
with different content: a cloned disk, a restored backup, a lying member, or a bug. No merging can heal that, because
each side believes that it has everything.

So the entry gets a new document, a *generation*: the content with the smaller hash is imported afresh, under IDs
computed from what both sides saw, and the other content becomes a file beside it. Whoever notices asks the other side
for its text and does all of it, and both sides compute the same: were each to make its own half, the one that comes too
late would leave a document that nobody ever makes.

What is compared are digests, which each side keeps in its store. Where ours is not of our text, the store was damaged:
it is computed again, and nothing has diverged.

It is done only when the same two leaves were seen twice, with the document untouched in between: while edits are on
their way, versions differ, and that is nothing to worry about.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

import structlog

from yp2p.documents.layout import conflict_path
from yp2p.documents.registers import Change
from yp2p.folder.folder import Folder
from yp2p.folder.new_texts import document_id_for, entry_id_for, store_first_import
from yp2p.folder.notices import NoticeKind
from yp2p.identity import DocumentID, EntryID
from yp2p.protocol.entries import Content, Kind
from yp2p.protocol.reconcile import Leaf
from yp2p.store.sql import Statement

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


def digest_again(folder: Folder, document: DocumentID) -> None:
    """Compute anew what a text amounts to: what the store said of it was damaged."""
    entry = folder.catalogue.entry_of.get(document)
    folder.texts.digests.document_changed(document)
    folder.texts.digests.get(document)
    folder.texts.digests.save()
    if entry is not None:
        folder.leaves.set(entry)
        folder.render_queue.want(entry)
        folder.observers.entry_changed(entry)
    folder.state.touch()


async def repair(folder: Folder, entry: EntryID, ours: Leaf, theirs: Leaf, their_text: str) -> None:
    """Start a new generation of a document that has diverged; neither text is lost.

    Args:
        their_text: what the other side has, by `theirs`.
    """
    found = folder.catalogue.entries.get(entry)
    is_theirs = hashlib.sha256(their_text.encode()).digest() == theirs.content
    if found is None or found.kind is not Kind.TEXT or found.document != ours.document or not is_theirs:
        return
    if folder.leaf(entry) != ours:
        return  # it moved on meanwhile
    own_text = folder.texts.open(ours.document).text.text()
    if hashlib.sha256(own_text.encode()).digest() != ours.content:
        log.info("digest_made_again", folder=folder.label, document=ours.document.hex()[:8])
        digest_again(folder, ours.document)
        return
    path = folder.catalogue.layout().path_of.get(entry, found.path)
    log.error("documents_diverged", folder=folder.label, document=ours.document.hex()[:8])
    folder.notices.add(
        NoticeKind.DIVERGED, path, "two devices had different texts with the same history; both were kept", entry
    )
    (content, text), (other, other_text) = sorted([(ours.content, own_text), (theirs.content, their_text)])
    document = next_generation(ours, theirs)
    statements: list[Statement] = []
    seq = store_first_import(folder, document, text, statements)
    record = folder.files.get(entry)
    if record is not None and record.kind is Kind.TEXT and record.content == content:
        record = replace(record, document=document, base_seq=seq, base_state=None)
        folder.files.set(record)
        statements.append(record.save(folder.id))
    made = Content.text(document, found.mode).after(content, ()).after(other, (content[:16],))
    changes = [Change(entry, content=made)]
    beside = entry_id_for(b"conflict", entry, other)
    if beside not in folder.catalogue.entries:
        copy = document_id_for(beside)
        store_first_import(folder, copy, other_text, statements)
        changes.append(Change(beside, conflict_path(found.path, beside), Content.text(copy, found.mode)))
    await folder.catalogue.write(changes, statements).wait()
