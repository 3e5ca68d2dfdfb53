"""The entries that count as chosen because a person here made them where nothing is chosen (`folder/choice.py`)."""

from __future__ import annotations

from yp2p.identity import EntryID, FolderID
from yp2p.store.sql import Read, Statement

# What every row is that this version wrote (`store/soundness.py`).
SOUND = "length(folder) = 16 AND length(entry) = 16"


def add(folder: FolderID, entry: EntryID) -> Statement:
    return ("INSERT OR IGNORE INTO made_here VALUES (?, ?)", (folder, entry))


def forget_all(folder: FolderID) -> Statement:
    return ("DELETE FROM made_here WHERE folder = ?", (folder,))


def read_all(read: Read, folder: FolderID) -> list[bytes]:
    return [entry for (entry,) in read("SELECT entry FROM made_here WHERE folder = ?", (folder,))]
