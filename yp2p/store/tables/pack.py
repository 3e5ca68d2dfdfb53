"""Packs: the rows that rows of the log are the sums of."""

from __future__ import annotations

from yp2p.identity import DocumentID, FolderID
from yp2p.store.sql import LAST, Read, Statement

# What every row is that this version wrote (`store/soundness.py`).
SOUND = (
    f"length(folder) = 16 AND length(document) = 16 AND seq <= {LAST} AND first BETWEEN 1 AND seq AND alike IN (0, 1)"
)


def insert(
    seq: int, folder: FolderID, document: DocumentID, first: int, since: float, removers: bytes, rows: bytes,
    *, alike: bool,
) -> Statement:  # fmt: skip
    """Nothing where the log has no such row any more: the document may be forgotten by now."""
    return (
        "INSERT INTO pack SELECT ?, ?, ?, ?, ?, ?, ?, ? WHERE EXISTS (SELECT 1 FROM log WHERE seq = ?)",
        (seq, folder, document, first, since, alike, removers, rows, seq),
    )


def delete(seq: int) -> Statement:
    return ("DELETE FROM pack WHERE seq = ?", (seq,))


def forget(folder: FolderID, document: DocumentID) -> Statement:
    return ("DELETE FROM pack WHERE folder = ? AND document = ?", (folder, document))


def has_any(read: Read, folder: FolderID) -> bool:
    """Whether there are packs of a folder."""
    return bool(read("SELECT 1 FROM pack WHERE folder = ? LIMIT 1", (folder,)))


def forget_some(folder: FolderID, count: int) -> Statement:
    """Remove so many packs of a folder."""
    return ("DELETE FROM pack WHERE seq IN (SELECT seq FROM pack WHERE folder = ? LIMIT ?)", (folder, count))


def forget_until(folder: FolderID, document: DocumentID, seq: int) -> Statement:
    """Those of rows up to that one."""
    return ("DELETE FROM pack WHERE folder = ? AND document = ? AND seq <= ?", (folder, document, seq))


def count_until(read: Read, folder: FolderID, document: DocumentID, seq: int) -> int:
    """How many packs a document has up to that row."""
    query = "SELECT count(*) FROM pack WHERE folder = ? AND document = ? AND seq <= ?"
    return int(read(query, (folder, document, seq))[0][0])


def rows_of(read: Read, seq: int) -> bytes | None:
    found = read("SELECT rows FROM pack WHERE seq = ?", (seq,))
    return found[0][0] if found else None


def documents(read: Read, folder: FolderID) -> list[DocumentID]:
    """The documents of a folder that have some."""
    found = read("SELECT DISTINCT document FROM pack WHERE folder = ?", (folder,))
    return [DocumentID(document) for (document,) in found]


def total_bytes(read: Read, folder: FolderID) -> int:
    return int(read("SELECT coalesce(sum(length(rows)), 0) FROM pack WHERE folder = ?", (folder,))[0][0])
