"""Earlier versions of a file: recognising one, and taking back what a save removed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from yp2p.documents.diff import Hunk, extent, hunks
from yp2p.documents.save_evidence import looks_made_of
from yp2p.documents.text import TextReplica
from yp2p.files.inspect import Finding
from yp2p.folder.authors import stored_authors
from yp2p.folder.client_ids import fresh_client_id
from yp2p.folder.folder import Folder
from yp2p.folder.records import FileRecord, kept_base, kept_bases
from yp2p.protocol.clients import Writer
from yp2p.protocol.deleted_ranges import DeletedRange
from yp2p.protocol.ysync import StateVector, deleted_ranges, parse_update

# Versions of a document that a file is compared with at a start, the newest ones.
_VERSIONS_LOOKED_AT = 2000
# Each takes a diff; the kernel writes back after half a minute at most.
_VERSIONS_COMPARED = 200
# All of them together, so that large files do not hold up the loop.
_CHARS_COMPARED = 1_000_000
# Versions that lack what a text would take out are looked at in large files as well, where there are any.
_LEAST_COMPARED = 3


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
    the store was brought back from a backup, and has learned of that version from the other devices again; or a program
    that has the text open has saved what it shows.
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
    writer may never have seen. So where a version explains the text as well that lacks what would be taken out of what
    came to the file, it is that version: nothing is lost. Of several it is the one that lacks the most.

    Args:
        unread: the base before, where nobody has read what was rendered since; else `record`.
    """
    versions = list(_versions(folder, record, unread, limit=_CHARS_COMPARED // max(1, len(text))))
    changes = [hunks(one.text, text) for one in versions]
    order = sorted(range(len(versions)), key=lambda number: (extent(changes[number]), -number))
    if not order:
        return record
    nearest = versions[order[0]]
    removed = _removed_of_others(folder, nearest.record, changes[order[0]])
    if not removed:
        return nearest.record
    others = [versions[number] for number in order[1:]]
    others += _before_it_came(folder, record, removed, max(_LEAST_COMPARED, _CHARS_COMPARED // max(1, len(text))))
    all_of_it = _size(removed)
    having = [_size(_in_version(removed, one.clocks)) for one in others]
    for number in sorted(range(len(others)), key=having.__getitem__):
        if having[number] < all_of_it and looks_made_of(others[number].text, nearest.text, text):
            return others[number].record
    return nearest.record


@dataclass(frozen=True, slots=True)
class _Version:
    record: FileRecord
    text: str
    clocks: StateVector

    @classmethod
    def of(cls, record: FileRecord, replica: TextReplica) -> _Version:
        return cls(record, replica.text(), replica.clocks())


def _size(ranges: Iterable[DeletedRange]) -> int:
    return sum(length for _, _, length in ranges)


def _in_version(ranges: Iterable[DeletedRange], clocks: StateVector) -> list[DeletedRange]:
    """The part of these operations that a version with this state vector has."""
    cut = ((client, start, min(length, clocks.get(client, 0) - start)) for client, start, length in ranges)
    return [one for one in cut if one[2] > 0]


def _removed_of_others(folder: Folder, version: FileRecord, changes: Sequence[Hunk]) -> list[DeletedRange]:
    """What changes of a version take out that was not saved into the file on this device.

    What programs type here comes to the file as what other devices write does; and what a repair puts in again is
    somebody's line, whoever made the repair.
    """
    if not any(hunk.stop > hunk.start for hunk in changes):
        return []
    update = folder.texts.fork_at_base(version, fresh_client_id()).edit(changes)
    removed = deleted_ranges(update) if update is not None else []
    saved = {client for client, _, _ in removed if Writer.of(client) is Writer.SAVED}
    authors = stored_authors(folder, version.document, saved)
    return [one for one in removed if one[0] not in saved or authors[one[0]] != folder.clients.device]


def _before_it_came(
    folder: Folder, record: FileRecord, removed: Sequence[DeletedRange], most: int
) -> Iterator[_Version]:
    """The versions of the document right before any of this came: of each stretch of rows that brought it, `most`
    stretches, the last ones. They may be further back than the versions that are compared: many keystrokes, or many
    changes of a large file."""
    rows = folder.texts.rows(record.document, record.base_seq, singly=_VERSIONS_LOOKED_AT)
    rows = [row for row in rows if row[0] <= record.base_seq]
    brings = [_brings_any(data, removed) for _, data in rows]
    starts = [row for row in range(1, len(rows)) if brings[row] and not brings[row - 1]]
    for row in starts[-most:]:
        replica = TextReplica.from_updates(1, [data for _, data in rows[:row]])
        yield _Version.of(replace(record, base_seq=rows[row - 1][0], base_state=None), replica)


def _brings_any(update: bytes, operations: Iterable[DeletedRange]) -> bool:
    sections = parse_update(update).sections
    return any(
        client in sections and start < sections[client][1] and sections[client][0] < start + length
        for client, start, length in operations
    )


def _versions(folder: Folder, record: FileRecord, unread: FileRecord, limit: int) -> Iterator[_Version]:
    """Versions of a file, roughly the oldest first, not many more than `limit`."""
    limit = max(1, min(_VERSIONS_COMPARED, limit))
    aside = kept_bases(folder.database, folder.id, record, limit)[::-1]
    if unread.document == record.document:
        aside.append(unread)
    for version in aside:
        if version.base_state is not None:
            yield _Version.of(version, TextReplica.from_updates(1, [version.base_state]))
    rows = [
        row for row in folder.texts.rows(record.document, record.base_seq, singly=limit) if row[0] <= record.base_seq
    ]
    replica = TextReplica(1)
    for number, (seq, data) in enumerate(rows):
        replica.load([data])
        if len(rows) - number <= limit:
            yield _Version.of(replace(record, base_seq=seq, base_state=None), replica)
    if record.base_state is not None:
        yield _Version.of(record, TextReplica.from_updates(1, [record.base_state]))
