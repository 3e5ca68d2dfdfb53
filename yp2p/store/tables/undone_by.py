"""What was taken back of all that somebody did by name."""

from __future__ import annotations

from yp2p.identity import DocumentID, FolderID
from yp2p.store.sql import LAST, Read, Statement
from yp2p.store.tables.step import UNDO

# What every row is that this version wrote (`store/soundness.py`).
SOUND = (
    "length(folder) = 16 AND length(document) = 16 AND length(name) BETWEEN 1 AND 100"
    f" AND until BETWEEN 1 AND {LAST} AND seq BETWEEN 1 AND {LAST}"
)


def insert(folder: FolderID, document: DocumentID, name: str, until: int, seq: int) -> Statement:
    return ("INSERT OR REPLACE INTO undone_by VALUES (?, ?, ?, ?, ?)", (folder, document, name, until, seq))


def forget(folder: FolderID, document: DocumentID) -> Statement:
    return ("DELETE FROM undone_by WHERE folder = ? AND document = ?", (folder, document))


def until(read: Read, folder: FolderID, document: DocumentID, name: str) -> int:
    """The last row that was taken back, and not brought back since by undoing that; 0 where there is none."""
    rows = read(
        "SELECT coalesce(max(u.until), 0) FROM undone_by u WHERE u.folder = ? AND u.document = ? AND u.name = ?"
        " AND NOT EXISTS (SELECT 1 FROM step s WHERE s.folder = u.folder AND s.seq = u.seq AND s.stack <> ?)",
        (folder, document, name, UNDO),
    )
    return int(rows[0][0])
