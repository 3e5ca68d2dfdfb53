"""Earlier versions of a file: recognising one, and taking back what a save removed."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import trio

from yp2p.documents.diff import Hunk, extent, hunks
from yp2p.documents.save_evidence import looks_made_of
from yp2p.documents.text import TextReplica
from yp2p.files.inspect import Finding
from yp2p.folder.authors import stored_authors
from yp2p.folder.client_ids import fresh_client_id
from yp2p.folder.folder import Folder
from yp2p.folder.records import FileRecord, kept_base, kept_bases
from yp2p.folder.turns import Slice
from yp2p.protocol.clients import Writer
from yp2p.protocol.deleted_ranges import DeletedRange
from yp2p.protocol.state_vectors import StateVector
from yp2p.protocol.ysync import Shape, UpdateParser, deleted_ranges

# Versions of a document that a file is compared with at a start, the newest ones.
_VERSIONS_LOOKED_AT = 2000
# Each takes a diff, or some; the kernel writes back after half a minute at most. Of those that lack what a text would
# take out as many again.
_VERSIONS_COMPARED = 200
# All of them together: a large file is not to wait for minutes.
_CHARS_COMPARED = 1_000_000
# Versions that lack what a text would take out are looked at in large files as well, where there are any.
_LEAST_COMPARED = 3
# All texts of one comparison together: with fewer characters it takes less than a worker thread's round trip.
_THREAD_CHARS = 20_000

_T = TypeVar("_T")


async def older_version(
    folder: Folder, record: FileRecord, content: bytes, size: int, *, after: int = 0, until: int | None = None
) -> FileRecord | None:
    """The base of a file that holds an earlier version of its document; None when it does not.

    The log may be long: it is read in slices. What is written meanwhile is not looked at.

    Args:
        content, size: SHA-256 and number of the bytes of the file.
        after: rows of the log up to this one do not matter: they are not compared one by one.
        until: the last row of the log that matters; None: all do.
    """
    state = kept_base(folder.database, folder.id, record, content)
    if state is not None:
        return replace(record, base_state=state, content=content)
    rows = folder.texts.rows(record.document, until, singly=_VERSIONS_LOOKED_AT)
    seq = await _row_with([row for row in rows if until is None or row[0] <= until], content, size, after)
    return replace(record, base_seq=seq, base_state=None, content=content) if seq is not None else None


async def version_found(
    folder: Folder, record: FileRecord, finding: Finding, *, may_be_older: bool
) -> FileRecord | None:
    """The version of its document that a file holds which changed while nobody looked, if that is no edit.

    After a stop in order a former version is an edit: somebody put it back. After a power cut it is what the disk came
    back with (`may_be_older`). And a version that is newer than what the store knew the file to hold has been rendered:
    the store was brought back from a backup, and has learned of that version from the other devices again; or a program
    that has the text open has saved what it shows.
    """
    live = folder.texts.open(record.document)
    if not may_be_older and live.last_seq <= record.base_seq:
        return None
    after = 0 if may_be_older else record.base_seq
    old = await older_version(folder, record, finding.content, finding.stamp.size, after=after)
    return old if old is not None and (may_be_older or old.base_seq > record.base_seq) else None


async def _row_with(rows: Sequence[tuple[int, bytes]], content: bytes, size: int, after: int) -> int | None:
    """The last row behind `after` with which the document had this content."""
    compared = [row for row in rows if row[0] > after][-_VERSIONS_LOOKED_AT:]
    replica = TextReplica.from_updates(1, [data for _, data in rows[: len(rows) - len(compared)]])
    found, slice_ = None, Slice()
    for seq, data in compared:
        replica.load([data])
        if replica.size() == size and replica.content() == content:
            found = seq
        await slice_.end_if_long()
    return found


async def nearest_version(folder: Folder, record: FileRecord, unread: FileRecord, text: str) -> FileRecord:
    """The version of its file that a text was made of: the one that it is nearest to, the newest of equals.

    For after a power cut: the disk can have gone back to any version, and somebody may have gone on from there. That
    can be a version of the document, or what the file held while the document was ahead of it.

    A line that was written where another device's line had just come is nearest to a change of that line, which its
    writer may never have seen. So where a version explains the text as well that lacks what would be taken out of what
    came to the file, it is that version: nothing is lost. Of several it is the one that lacks the most.

    The log may be long: it is read in slices, and texts are compared in a worker thread.

    Args:
        unread: the base before, where nobody has read what was rendered since; else `record`.
    """
    affordable = _CHARS_COMPARED // max(1, len(text))
    versions = await _versions(folder, record, unread, max(1, min(_VERSIONS_COMPARED, affordable)))
    if not versions:
        return record
    changes = await _compared(
        [*(one.text for one in versions), text], lambda: [hunks(one.text, text) for one in versions]
    )
    order = sorted(range(len(versions)), key=lambda number: (extent(changes[number]), -number))
    nearest = versions[order[0]]
    removed = _removed_of_others(folder, nearest.record, changes[order[0]])
    if not removed:
        return nearest.record
    others = [versions[number] for number in order[1:]]
    most = max(_LEAST_COMPARED, min(_VERSIONS_COMPARED, affordable))
    others += await _before_it_came(folder, record, removed, most)
    lacking = await _lacking(others, removed)
    texts = [one.text for one in lacking]
    made_of = await _compared([*texts, nearest.text, text], lambda: _first_made_of(texts, nearest.text, text))
    return lacking[made_of].record if made_of is not None else nearest.record


async def _compared(texts: Iterable[str], work: Callable[[], _T]) -> _T:
    """What comes of comparing these texts."""
    if sum(map(len, texts)) > _THREAD_CHARS:
        return await trio.to_thread.run_sync(work, abandon_on_cancel=True)
    return work()


def _first_made_of(texts: Sequence[str], newer: str, save: str) -> int | None:
    """The first of these older texts that a save looks like a change of."""
    return next((number for number, text in enumerate(texts) if looks_made_of(text, newer, save)), None)


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


async def _lacking(versions: Iterable[_Version], ranges: Sequence[DeletedRange]) -> list[_Version]:
    """Those of these versions that lack some of these operations: the one that has the fewest first."""
    slice_, all_of_it = Slice(), _size(ranges)
    having: list[tuple[int, _Version]] = []
    for one in versions:
        having.append((_size(_in_version(ranges, one.clocks)), one))
        await slice_.end_if_long()
    return [one for size, one in sorted(having, key=lambda pair: pair[0]) if size < all_of_it]


def _removed_of_others(folder: Folder, version: FileRecord, changes: Sequence[Hunk]) -> list[DeletedRange]:
    """What changes of a version take out that was not saved into the file on this device.

    What programs type here comes to the file as what other devices write does; and what a repair puts in again is
    somebody's line, whoever made the repair.
    """
    if not any(hunk.stop > hunk.start for hunk in changes):
        return []
    fork = folder.texts.fork_at_base(version, fresh_client_id())
    update = fork.edit(changes)
    removed = deleted_ranges(update) if update is not None else []
    removed = [one for one in removed if one[0] != fork.client_id]  # its mark
    saved = {client for client, _, _ in removed if Writer.of(client) is Writer.SAVED}
    authors = stored_authors(folder, version.document, saved)
    return [one for one in removed if one[0] not in saved or authors[one[0]] != folder.clients.device]


async def _before_it_came(
    folder: Folder, record: FileRecord, removed: Sequence[DeletedRange], most: int
) -> list[_Version]:
    """The versions of the document right before any of this came: of each stretch of rows that brought it, `most`
    stretches, the last ones. They may be further back than the versions that are compared: many keystrokes, or many
    changes of a large file."""
    rows = folder.texts.rows(record.document, record.base_seq, singly=_VERSIONS_LOOKED_AT)
    rows = [row for row in rows if row[0] <= record.base_seq]
    brings = await _bringing([data for _, data in rows], removed)
    starts = [row for row in range(1, len(rows)) if brings[row] and not brings[row - 1]]
    return await _at_rows(record, rows, {row - 1 for row in starts[-most:]})


async def _at_rows(record: FileRecord, rows: Sequence[tuple[int, bytes]], wanted: Container[int]) -> list[_Version]:
    """The document after each of these of its rows, made by one replica that goes over them once."""
    replica, slice_ = TextReplica(1), Slice()
    found: list[_Version] = []
    for number, (seq, data) in enumerate(rows):
        replica.load([data])
        if number in wanted:
            found.append(_Version.of(replace(record, base_seq=seq, base_state=None), replica))
        await slice_.end_if_long()
    return found


async def _bringing(updates: Iterable[bytes], operations: Iterable[DeletedRange]) -> list[bool]:
    """Which of these updates bring any of these operations."""
    places: dict[int, list[tuple[int, int]]] = {}
    for client, start, length in sorted(operations):
        places.setdefault(client, []).append((start, start + length))
    slice_ = Slice()
    found: list[bool] = []
    for update in updates:
        parser = UpdateParser(update, Shape.TEXT)
        for _ in parser.steps():
            await slice_.end_if_long()
        found.append(
            any(
                _meets(places[client], start, stop)
                for client, (start, stop) in parser.parsed.sections.items()
                if client in places
            )
        )
        await slice_.end_if_long()
    return found


def _meets(places: Sequence[tuple[int, int]], start: int, stop: int) -> bool:
    """Whether one of these ranges, which are in order and apart, has a part of `start:stop`."""
    before = bisect_left(places, (stop,))
    return before > 0 and places[before - 1][1] > start


async def _versions(folder: Folder, record: FileRecord, unread: FileRecord, limit: int) -> list[_Version]:
    """Versions of a file, roughly the oldest first, not many more than `limit`."""
    aside = kept_bases(folder.database, folder.id, record, limit)[::-1]
    if unread.document == record.document:
        aside.append(unread)
    slice_ = Slice()
    found: list[_Version] = []
    for version in aside:
        if version.base_state is not None:
            found.append(_Version.of(version, TextReplica.from_updates(1, [version.base_state])))
            await slice_.end_if_long()
    rows = [
        row for row in folder.texts.rows(record.document, record.base_seq, singly=limit) if row[0] <= record.base_seq
    ]
    found += await _at_rows(record, rows, range(len(rows) - limit, len(rows)))
    if record.base_state is not None:
        found.append(_Version.of(record, TextReplica.from_updates(1, [record.base_state])))
    return found
