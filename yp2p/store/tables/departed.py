"""Folders that a person left here: where they were, and the last row of the log by then."""

from __future__ import annotations

from yp2p.identity import FolderID
from yp2p.store.sql import LAST, Read, Statement

# What every row is that this version wrote (`store/soundness.py`).
SOUND = f"length(folder) = 16 AND is_text(CAST(root AS BLOB)) AND root LIKE '/%' AND seq BETWEEN 0 AND {LAST}"


def insert(folder: FolderID, root: str, seq: int) -> Statement:
    """Args: `seq` is the last number that was given to a row of the log: none is given twice."""
    return ("INSERT OR REPLACE INTO departed VALUES (?, ?, ?)", (folder, root, seq))


def read_all(read: Read) -> list[tuple[FolderID, str]]:
    """Folder and root."""
    return [(FolderID(folder), root) for folder, root in read("SELECT folder, root FROM departed", ())]


def last_seq(read: Read) -> int:
    """The last row that the log had when a folder was left last; 0 where none was."""
    return int(read("SELECT coalesce(max(seq), 0) FROM departed", ())[0][0])
