"""The paths of a folder whose files are on the disk of this device; none: it has all (`folder/choice.py`)."""

from __future__ import annotations

from collections.abc import Iterable

from yp2p.identity import FolderID
from yp2p.store.sql import Read, Statement

# What every row is that this version wrote (`store/soundness.py`).
SOUND = "length(folder) = 16 AND length(mark) = 16"


def replace(folder: FolderID, paths: Iterable[bytes], mark: bytes) -> list[Statement]:
    """These paths, and no others; an empty one stands for everything."""
    rows: list[Statement] = [("INSERT INTO chosen VALUES (?, ?, ?)", (folder, path, mark)) for path in paths]
    return [("DELETE FROM chosen WHERE folder = ?", (folder,)), *rows]


def read_all(read: Read, folder: FolderID) -> list[tuple[bytes, bytes]]:
    """Paths, each with the mark of the choice."""
    return [(path, mark) for path, mark in read("SELECT path, mark FROM chosen WHERE folder = ?", (folder,))]
