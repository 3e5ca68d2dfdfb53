"""The patterns that a person here has ignored on this device only, a row a folder."""

from __future__ import annotations

from collections.abc import Sequence

from yp2p.identity import FolderID
from yp2p.store.sql import Read, Statement

# What every row is that this version wrote (`store/soundness.py`).
SOUND = "length(folder) = 16 AND is_text(CAST(patterns AS BLOB))"


def save(folder: FolderID, patterns: Sequence[str]) -> Statement:
    return ("INSERT OR REPLACE INTO local_rules VALUES (?, ?)", (folder, "\n".join(patterns)))


def read_patterns(read: Read, folder: FolderID) -> list[str]:
    """In the order in which they were given."""
    rows = read("SELECT patterns FROM local_rules WHERE folder = ?", (folder,))
    return rows[0][0].splitlines() if rows else []
