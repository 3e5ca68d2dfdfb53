"""Thinning a log: of old versions some stay, and what came between two of them becomes one row.

Theory of operation
    A document is the sum of its rows, and each row is the end of a version. When a version is not to be kept any more,
    its row is joined with those after it, up to the row of one that is kept: the rows of such a run are replaced by one
    update, what the document at the end of the run has more than at its beginning. It comes from a document that lets
    go of deleted content, so what was written and removed within the run costs a few bytes. What was there at the end
    of the run is there with its content, so whatever later rows removed can be brought back.

    The operations stay the same, with their client IDs and clocks: a device that thins holds the same document as one
    that does not, and both go on merging. Who wrote a line can still be told.

    Without any past (`without_past`) the whole log is one row: the document as it is now, which knows of what was
    deleted how long it was, and nothing else.

Invariants
    * The sum of the rows up to a kept one is the same document as before: text or registers, state vector, delete set.
      This is computed again from the new rows before they are used.
      So is whether something waits for a row that is missing: such a log is left as it is.
    * A row that stands alone stays as it is, to the byte.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence, Set
from typing import Any

from pycrdt import Doc, Map, Snapshot, Text

from yp2p.documents.replica import raising_panics
from yp2p.errors import DamagedError
from yp2p.protocol.delete_sets import deleting_less, without
from yp2p.protocol.deleted_ranges import DeletedRange, snapshot_ranges
from yp2p.protocol.state_vectors import read_state_vector
from yp2p.protocol.update_merge import UpdateMerge, encode_update
from yp2p.protocol.versions import document_version
from yp2p.protocol.ysync import Shape, UpdateParser

LogRow = tuple[int, bytes]


class _Sum:
    """A document that grows row by row."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._doc: Doc[Any] = Doc(client_id=1)
        self._root: Any = self._doc.get(shape.value, type=Text if shape is Shape.TEXT else Map)
        self._reached: dict[int, int] = {}  # what all the rows that were taken have, by client

    def apply(self, update: bytes) -> None:
        self._doc.apply_update(update)

    def take(self, update: bytes) -> None:
        """Apply a row. Raises InvalidUpdate: it is no update of a document of this shape."""
        for client, (_, stop) in UpdateParser(update, self._shape).parse().sections.items():
            self._reached[client] = max(stop, self._reached.get(client, 0))
        self.apply(update)

    def check_complete(self) -> None:
        """Raises DamagedError: a row that was taken waits for one that is missing."""
        clocks = read_state_vector(self.clocks())
        if any(clocks.get(client, 0) != stop for client, stop in self._reached.items()):
            raise DamagedError("rows of a log wait for one that is not there; they were left as they are")

    def clocks(self) -> bytes:
        return self._doc.get_state()

    def since(self, clocks: bytes) -> bytes:
        return self._doc.get_update(clocks)

    def deleted(self) -> list[DeletedRange]:
        return snapshot_ranges(Snapshot.from_doc(self._doc).encode())

    def hash(self) -> bytes:
        """Equal exactly when everything about the documents is."""
        if self._shape is Shape.TEXT:
            content = str(self._root).encode()
        else:
            content = repr(sorted((key, bytes(self._root[key])) for key in self._root.keys())).encode()  # noqa: SIM118
        return document_version(Snapshot.from_doc(self._doc).encode()) + hashlib.sha256(content).digest()


def _small(update: bytes, shape: Shape, known: Sequence[DeletedRange]) -> bytes:
    """An update without the deletions that are known before it, and with as few blocks as it takes."""
    merge = UpdateMerge()
    if shape is not Shape.TEXT or not merge.add(update):
        return deleting_less(update, shape, known)
    return encode_update((block for blocks in merge.blocks.values() for block in blocks), without(merge.ranges, known))


def joined(rows: Sequence[LogRow], ends: Set[int], shape: Shape) -> list[LogRow]:
    """The rows that say the same with fewer versions.

    Args:
        rows: the whole log of a document: numbers and updates, in order.
        ends: the numbers of the rows whose versions stay. The last row always does.

    Returns:
        The rows with these numbers.

    Raises:
        DamagedError: the rows would not say the same.
        CrdtPanic: the library panicked.
        InvalidUpdate: a row is no update of a document of this shape.
    """
    found: list[LogRow] = []
    hashes: dict[int, bytes] = {}
    run: list[LogRow] = []
    with raising_panics():
        whole = _Sum(shape)
        clocks, deleted = whole.clocks(), whole.deleted()
        for number, row in enumerate(rows):
            whole.take(row[1])
            run.append(row)
            is_last = number == len(rows) - 1
            if row[0] in ends or is_last:
                if len(run) > 1:
                    found.append((row[0], _small(whole.since(clocks), shape, deleted)))
                else:
                    found.append(row)
                if len(run) > 1 or is_last:
                    hashes[row[0]] = whole.hash()
                run = []
                if rows[number + 1 : number + 2] and rows[number + 1][0] not in ends:
                    clocks, deleted = whole.clocks(), whole.deleted()
        whole.check_complete()
        again = _Sum(shape)
        for seq, update in found:
            again.apply(update)
            if seq in hashes and again.hash() != hashes[seq]:
                raise DamagedError("joining the rows of a log would make another document; they were left as they are")
    return found


def without_past(rows: Sequence[LogRow]) -> bytes:
    """All of a text as one update that has nothing of what was deleted but its length. Raises as `joined`."""
    shape = Shape.TEXT
    with raising_panics():
        whole, again = _Sum(shape), _Sum(shape)
        nothing = whole.clocks()
        for _, row in rows:
            whole.take(row)
        whole.check_complete()
        found = _small(whole.since(nothing), shape, ())
        again.apply(found)
        if again.hash() != whole.hash():
            raise DamagedError("a log without its past would make another document; it was left as it is")
    return found
