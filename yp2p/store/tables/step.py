"""What can be undone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from yp2p.identity import DocumentID, FolderID
from yp2p.store.sql import LAST, Read, Statement

UNDO, REDO, SPENT = 0, 1, 2

# What every row is that this version wrote (`store/soundness.py`).
SOUND = f"seq BETWEEN 1 AND {LAST} AND length(folder) = 16 AND length(document) = 16 AND stack IN (0, 1, 2)"


def insert(seq: int, folder: FolderID, document: DocumentID, group: int, at: float, stack: int) -> Statement:
    """Args: `at` in seconds since 1970; `stack` is `UNDO`, `REDO` or `SPENT`."""
    return ("INSERT INTO step VALUES (?, ?, ?, ?, ?, ?)", (seq, folder, document, group, at, stack))


def spend(folder: FolderID, seq: int) -> Statement:
    """It was undone, or redone."""
    return ("UPDATE step SET stack = ? WHERE folder = ? AND seq = ?", (SPENT, folder, seq))


def spend_redo(folder: FolderID, document: DocumentID) -> Statement:
    """What was undone before cannot be redone any more."""
    return ("UPDATE step SET stack = 2 WHERE folder = ? AND document = ? AND stack = 1", (folder, document))


def delete_between(folder: FolderID, document: DocumentID, first: int, last: int, but: Sequence[int]) -> Statement:
    """Those of rows that become one, but for some, and for those of files that came or went."""
    return (
        "DELETE FROM step WHERE folder = ? AND document = ? AND seq >= ? AND seq <= ? AND grp > 0"
        f" AND seq NOT IN ({', '.join('?' * len(but))})",
        (folder, document, first, last, *but),
    )


def delete_groups_until(folder: FolderID, document: DocumentID, seq: int) -> Statement:
    """The groups of which a step is that row or an earlier one."""
    where = (folder, document)
    return (
        "DELETE FROM step WHERE folder = ? AND document = ? AND grp IN (SELECT grp FROM step"
        " WHERE folder = ? AND document = ? AND seq <= ?)",
        (*where, *where, seq),
    )


def delete_groups_from(folder: FolderID, document: DocumentID, seq: int) -> Statement:
    """The groups of which a step is that row or a later one."""
    where = (folder, document)
    return (
        "DELETE FROM step WHERE folder = ? AND document = ? AND grp IN (SELECT grp FROM step"
        " WHERE folder = ? AND document = ? AND seq >= ?)",
        (*where, *where, seq),
    )


def forget(folder: FolderID, document: DocumentID) -> Statement:
    return ("DELETE FROM step WHERE folder = ? AND document = ?", (folder, document))


def last_group(read: Read, folder: FolderID, document: DocumentID, stack: int) -> tuple[int, set[int]]:
    """The number of the last group on a stack, and its rows; 0 and none where nothing is on it."""
    where = (folder, document, stack)
    rows = read(
        "SELECT grp, seq FROM step WHERE folder = ? AND document = ? AND stack = ? AND grp = (SELECT grp FROM step"
        " WHERE folder = ? AND document = ? AND stack = ? ORDER BY seq DESC LIMIT 1)",
        (*where, *where),
    )
    return (rows[0][0] if rows else 0), {seq for _, seq in rows}


def rows_from(read: Read, folder: FolderID, document: DocumentID, first: int) -> set[int]:
    query = "SELECT seq FROM step WHERE folder = ? AND document = ? AND seq >= ?"
    return {seq for (seq,) in read(query, (folder, document, first))}


def stray(read: Read, folder: FolderID) -> list[tuple[Any, ...]]:
    """Number and document of the steps that are to be undone or redone, and whose rows are in no log and no pack."""
    query = (
        "SELECT s.seq, s.document FROM step s WHERE s.folder = ? AND s.stack IN (0, 1) AND s.grp > 0"
        " AND NOT EXISTS (SELECT 1 FROM log l WHERE l.seq = s.seq AND l.document = s.document)"
        " AND NOT EXISTS (SELECT 1 FROM pack p WHERE p.folder = s.folder AND p.document = s.document"
        " AND p.first <= s.seq AND p.seq >= s.seq)"
    )
    return read(query, (folder,))
