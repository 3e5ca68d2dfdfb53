"""Two entries with one path and one content become one: the entry that would be a conflict copy is deleted.

So does an entry that stands beside its path and the conflict copy that another device made of the same content.

The same change on two devices can come as two entries, where one device saw a rename and the other a deletion and a
new file (a checkout that moves files, on both at once). The layout would show one of them as a conflict copy that is
equal to the file. So the entry that does not get the path is deleted. Every device deletes the same one, never the one
with the smallest ID, and the delete names the text that was seen: whoever writes into it meanwhile revives it.

Two devices can also put the same file aside in two ways: one knew of the entry that has its path, and made a conflict
copy; the other one did not yet, and imported its file there. The layout shows the import beside the path as well, and
there would be two copies. The import goes: the copy has a path of its own, so no device takes it for the one that goes.

Invariant
    * An entry goes only while another one that has its path, or is the conflict copy beside it, holds the very same
      content, and nothing else was saved into its file here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import structlog

from yp2p.disk.ingest.conflict_copies import copies_beside
from yp2p.documents.registers import Change, Deletion, Entry
from yp2p.folder.folder import Folder
from yp2p.folder.records import FileRecord
from yp2p.identity import EntryID
from yp2p.protocol.entries import Kind
from yp2p.store.sql import Statement

_NO_CLOCKS = b"\x00"  # the state vector of what is no document

log = structlog.get_logger()


async def join_equal_entries(folder: Folder) -> None:
    """Let go of the entries that would be conflict copies equal to the file that they stand beside."""
    changes: list[Change] = []
    statements: list[Statement] = []
    # no await: what is compared is what is deleted
    for entry in folder.catalogue.layout().conflicts:
        found = folder.catalogue.entries[entry]
        winner = folder.catalogue.entries.get(folder.catalogue.layout().entry_at.get(found.path, EntryID(b"")))
        if winner is None or winner.path != found.path:
            continue
        kept = next((other for other in _at_or_beside(folder, winner, found) if _are_equal(folder, found, other)), None)
        record = folder.files.get(entry)
        if kept is None or (record is not None and record.content != _content(folder, found)):
            continue
        statements += _hand_over(folder, record, found, kept)
        changes.append(Change(entry, deletion=Deletion(found.document, _clocks(folder, found))))
    if changes:
        await folder.catalogue.write(changes, statements).wait()
        log.info("equal_entries_joined", folder=folder.label, count=len(changes))


def _at_or_beside(folder: Folder, winner: Entry, found: Entry) -> Iterator[Entry]:
    """What may hold the same as an entry that lost its path: the one that has it, and conflict copies beside that."""
    yield winner
    content = _content(folder, found)
    if content is not None:
        yield from (copy for copy in copies_beside(folder, winner.id, content) if copy.id != found.id)


def _are_equal(folder: Folder, one: Entry, other: Entry) -> bool:
    content = _content(folder, one)
    return one.kind is other.kind and content is not None and content == _content(folder, other)


def _content(folder: Folder, entry: Entry) -> bytes | None:
    """The hash of what an entry holds; None where that is not here yet."""
    if entry.kind is not Kind.TEXT:
        return entry.content.hash
    digest = folder.texts.digests.get(entry.document)
    return digest.content if digest is not None else None


def _clocks(folder: Folder, entry: Entry) -> bytes:
    digest = folder.texts.digests.get(entry.document) if entry.kind is Kind.TEXT else None
    return digest.clocks if digest is not None else _NO_CLOCKS


def _hand_over(folder: Folder, record: FileRecord | None, entry: Entry, winner: Entry) -> list[Statement]:
    """The file that stands at the path already is that of the entry which keeps it."""
    if record is None or record.path != winner.path or winner.id in folder.files:
        return []
    folder.files.drop(entry.id)
    if winner.kind is Kind.TEXT:
        seq, _ = folder.texts.head(winner.document)
        handed = replace(record, entry=winner.id, document=winner.document, base_seq=seq, base_state=None, is_own=False)
    else:
        handed = replace(record, entry=winner.id, document=winner.document, base_state=None, is_own=False)
    folder.files.set(handed)
    return [record.delete(folder.id), handed.save(folder.id)]
