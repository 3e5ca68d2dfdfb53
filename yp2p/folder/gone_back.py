"""What a save was made of that was found after a power cut, where the file had gone back to no version of its log.

`documents/gone_back.py` tells which lines were lost, from three texts; here they are gathered. The base of such a save
is the version that it is nearest to, without the lines that were lost: in the file they were not, so the save does not
take them out, and whoever saves next neither. In the document they stay.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Set
from dataclasses import replace
from typing import TypeVar

import trio

from yp2p.documents.diff import Hunk, split_lines
from yp2p.documents.gone_back import GoneBack, base_between, lost_lines
from yp2p.documents.text import MAX_HUNKS, TextReplica
from yp2p.folder.client_ids import fresh_client_id
from yp2p.folder.folder import Folder
from yp2p.folder.records import FileRecord
from yp2p.folder.turns import Slice
from yp2p.protocol import delete_sets
from yp2p.protocol.deleted_ranges import DeletedRange
from yp2p.protocol.state_vectors import StateVector
from yp2p.protocol.wire import write_varint
from yp2p.protocol.ysync import deleted_ranges, parse_update
from yp2p.store import tables

# What was saved longer before the file was written last had reached the disk: the kernel writes back after half a
# minute, and what saves a laptop's battery after ten.
_WRITTEN_BACK_S = 600.0
# Of these the ones that were stored together, keystroke by keystroke, are looked at singly: the last ones.
_VERSIONS_LOOKED_AT = 200
# Comparing longer texts takes longer than a worker thread's round trip, and is noticed on the loop.
_THREAD_CHARS = 20_000

_T = TypeVar("_T")


async def gone_back(
    folder: Folder, record: FileRecord, nearest: FileRecord, save: str
) -> tuple[FileRecord, GoneBack | None]:
    """The version to take a save for a change of, and what was lost of the one that it is nearest to.

    Args:
        record: the version that the file is known to have held.
        nearest: the version that the save is nearest to.
    """
    fork = folder.texts.fork_at_base(nearest, fresh_client_id())
    known, written = fork.text(), _written_back(folder, record)
    rows = _rows_in(folder, record, fork.clocks())
    old = TextReplica.from_updates(1, [data for seq, data in rows if seq <= written])
    lost = await _compared(lost_lines, old.text(), known, save)
    if not lost:
        return nearest, None
    news = [data for seq, data in rows if seq > written]
    before = await _before(old, news, {known[one.start : one.stop] for one in lost})
    base = await _compared(base_between, before, known, save)
    operations = _operations(fork, lost)
    without = folder.texts.fork_at_base(nearest)
    without.apply(write_varint(0) + delete_sets.encode(operations))
    return replace(nearest, base_state=without.state()), GoneBack(base, operations)


async def _compared(compare: Callable[[str, str, str], _T], before: str, known: str, save: str) -> _T:
    """What comes of comparing these texts."""
    if max(map(len, (before, known, save))) > _THREAD_CHARS:
        return await trio.to_thread.run_sync(compare, before, known, save, abandon_on_cancel=True)
    return compare(before, known, save)


def _written_back(folder: Folder, record: FileRecord) -> int:
    """The last row of the log that had reached the disk for certain; 0 where none had."""
    read, document = folder.database.rows, record.document
    written_at = record.stamp.ctime_ns / 1e9 or tables.log.stored_at(read, folder.id, document, record.base_seq)
    return tables.log.last_before(read, folder.id, document, written_at - _WRITTEN_BACK_S)


def _rows_in(folder: Folder, record: FileRecord, clocks: StateVector) -> list[tuple[int, bytes]]:
    """The rows of the log that are in a version: what others wrote may be in the log before it is in the file."""
    rows = folder.texts.rows(record.document, record.base_seq, singly=_VERSIONS_LOOKED_AT)
    return [
        (seq, data) for seq, data in rows if seq <= record.base_seq
        and all(stop <= clocks.get(client, 0) for client, (_, stop) in parse_update(data).sections.items())
    ]  # fmt: skip


async def _before(replica: TextReplica, updates: Iterable[bytes], lost: Set[str]) -> str:
    """The last version before the first one that has any of these lines."""
    before, slice_ = replica.text(), Slice()
    for data in updates:
        replica.load([data])
        if not lost.isdisjoint(split_lines(replica.text())):
            break
        before = replica.text()
        await slice_.end_if_long()
    return before


def _operations(fork: TextReplica, lost: list[Hunk]) -> list[DeletedRange]:
    """The operations that some lines of a text are, which are taken out of it."""
    ranges: list[DeletedRange] = []
    while lost:
        some, lost = lost[-MAX_HUNKS:], lost[:-MAX_HUNKS]
        update = fork.edit(some)
        ranges += deleted_ranges(update) if update is not None else []
    return [one for one in ranges if one[0] != fork.client_id]
