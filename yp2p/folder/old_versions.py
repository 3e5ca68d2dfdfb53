"""Earlier versions of a file: recognising one, and taking back what a save removed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from yp2p.documents.diff import Hunk, extent, hunks
from yp2p.documents.save_evidence import looks_made_of
from yp2p.documents.text import MAX_HUNKS, TextReplica
from yp2p.files.inspect import Finding
from yp2p.folder.authors import stored_authors
from yp2p.folder.client_ids import fresh_client_id
from yp2p.folder.folder import Folder
from yp2p.folder.records import FileRecord, kept_base, kept_bases
from yp2p.protocol.ysync import deleted_ranges

# Versions of a document that a file is compared with at a start, the newest ones.
_VERSIONS_LOOKED_AT = 2000
# Each takes a diff; the kernel writes back after half a minute at most.
_VERSIONS_COMPARED = 200
# All of them together, so that large files do not hold up the loop.
_CHARS_COMPARED = 1_000_000


def older_version(
    folder: Folder, record: FileRecord, content: bytes, size: int, *, until: int | None = None
) -> FileRecord | None:
    """The base of a file that holds an earlier version of its document; None when it does not.

    Args:
        content, size: SHA-256 and number of the bytes of the file.
        until: the last row of the log that matters; None: all do.
    """
    state = kept_base(folder.database, folder.id, record, content)
    if state is not None:
        return replace(record, base_state=state, content=content)
    rows = folder.texts.rows(record.document, until, singly=_VERSIONS_LOOKED_AT)
    seq = _row_with([row for row in rows if until is None or row[0] <= until], content, size)
    return replace(record, base_seq=seq, base_state=None, content=content) if seq is not None else None


def version_found(folder: Folder, record: FileRecord, finding: Finding, *, may_be_older: bool) -> FileRecord | None:
    """The version of its document that a file holds which changed while nobody looked, if that is no edit.

    After a stop in order a former version is an edit: somebody put it back. After a power cut it is what the disk came
    back with (`may_be_older`). And a version that is newer than what the store knew the file to hold has been rendered:
    the store was brought back from a backup, and has learned of that version from the other devices again.
    """
    live = folder.texts.open(record.document)
    if not may_be_older and live.last_seq <= record.base_seq:
        return None
    old = older_version(folder, record, finding.content, finding.stamp.size)
    return old if old is not None and (may_be_older or old.base_seq > record.base_seq) else None


def _row_with(rows: Sequence[tuple[int, bytes]], content: bytes, size: int) -> int | None:
    replica = TextReplica(1)
    found = None
    for number, (seq, data) in enumerate(rows):
        replica.load([data])
        if len(rows) - number <= _VERSIONS_LOOKED_AT and replica.size() == size and replica.content() == content:
            found = seq
    return found


def nearest_version(folder: Folder, record: FileRecord, unread: FileRecord, text: str) -> FileRecord:
    """The version of its file that a text was made of: the one that it is nearest to, the newest of equals.

    For after a power cut: the disk can have gone back to any version, and somebody may have gone on from there. That
    can be a version of the document, or what the file held while the document was ahead of it.

    A line that was written where another device's line had just come is nearest to a change of that line, which its
    writer may never have seen. So where a version explains the text that lacks what would be taken out of others' text,
    it is that version: nothing is lost.

    Args:
        unread: the base before, where nobody has read what was rendered since; else `record`.
    """
    versions = list(_versions(folder, record, unread, limit=_CHARS_COMPARED // max(1, len(text))))
    changes = [hunks(old, text) for _, old in versions]
    order = sorted(range(len(versions)), key=lambda number: (extent(changes[number]), -number))
    if not order:
        return record
    nearest, newer = versions[order[0]]
    removed = _removed_of_others(folder, nearest, changes[order[0]])
    if removed:
        for number in order[1:]:
            version, old = versions[number]
            if looks_made_of(old, newer, text) and not _has_any(folder, version, removed):
                return version
    return nearest


def _removed_of_others(folder: Folder, version: FileRecord, changes: Sequence[Hunk]) -> dict[int, int]:
    """What changes of a version take out that this device has not written: client IDs, and where it begins in each."""
    if len(changes) > MAX_HUNKS or not any(hunk.stop > hunk.start for hunk in changes):
        return {}
    update = folder.texts.fork_at_base(version, fresh_client_id()).edit(changes)
    removed: dict[int, int] = {}
    for client, first, _ in deleted_ranges(update) if update is not None else ():
        removed[client] = min(first, removed.get(client, first))
    authors = stored_authors(folder, version.document, removed)
    return {client: first for client, first in removed.items() if authors[client] != folder.clients.device}


def _has_any(folder: Folder, version: FileRecord, removed: Mapping[int, int]) -> bool:
    clocks = folder.texts.fork_at_base(version, fresh_client_id()).clocks()
    return any(clocks.get(client, 0) > first for client, first in removed.items())


def _versions(folder: Folder, record: FileRecord, unread: FileRecord, limit: int) -> Iterator[tuple[FileRecord, str]]:
    """Versions of a file with their texts, roughly the oldest first, not many more than `limit`."""
    limit = max(1, min(_VERSIONS_COMPARED, limit))
    aside = kept_bases(folder.database, folder.id, record, limit)[::-1]
    if unread.document == record.document:
        aside.append(unread)
    for version in aside:
        if version.base_state is not None:
            yield version, TextReplica.from_updates(1, [version.base_state]).text()
    rows = [
        row for row in folder.texts.rows(record.document, record.base_seq, singly=limit) if row[0] <= record.base_seq
    ]
    replica = TextReplica(1)
    for number, (seq, data) in enumerate(rows):
        replica.load([data])
        if len(rows) - number <= limit:
            yield replace(record, base_seq=seq, base_state=None), replica.text()
    if record.base_state is not None:
        yield record, TextReplica.from_updates(1, [record.base_state]).text()
