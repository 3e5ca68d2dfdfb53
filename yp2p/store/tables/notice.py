"""What a person should know of and can look up."""

from __future__ import annotations

from typing import Any

from yp2p.identity import EntryID, FolderID
from yp2p.store.sql import LAST, Read, Statement

# What every row is that this version wrote (`store/soundness.py`).
SOUND = (
    f"id BETWEEN 1 AND {LAST} AND length(folder) = 16 AND length(entry) IN (0, 16) "
    "AND is_text(CAST(kind AS BLOB)) AND is_text(CAST(text AS BLOB)) AND is_path(path)"
)


def insert(
    number: int, folder: FolderID, at: float, kind: str, path: bytes, text: str, entry: EntryID, undo: bytes
) -> Statement:
    """Args: `at` in seconds since 1970; `undo` as JSON, or empty."""
    return ("INSERT INTO notice VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (number, folder, at, kind, path, text, entry, undo))


def set_undo(number: int, undo: bytes) -> Statement:
    return ("UPDATE notice SET undo = ? WHERE id = ?", (undo, number))


def delete(number: int) -> Statement:
    return ("DELETE FROM notice WHERE id = ?", (number,))


def forget_before(folder: FolderID, at: float, kept: EntryID) -> Statement:
    """Forget those that are older, but for those about `kept`."""
    return ("DELETE FROM notice WHERE folder = ? AND at < ? AND entry <> ?", (folder, at, kept))


def last_about(read: Read, folder: FolderID, entry: EntryID) -> float | None:
    """When the last one about an entry was made, in seconds since 1970."""
    at = read("SELECT max(at) FROM notice WHERE folder = ? AND entry = ?", (folder, entry))[0][0]
    return None if at is None else float(at)


def undo_of(read: Read, number: int) -> bytes:
    """What is stored for bringing something back, as JSON; empty where there is nothing."""
    rows = read("SELECT undo FROM notice WHERE id = ?", (number,))
    return bytes(rows[0][0]) if rows else b""


def last_number(read: Read) -> int:
    return int(read("SELECT coalesce(max(id), 0) FROM notice", ())[0][0])


def read_since(read: Read, folder: FolderID, at: float) -> list[tuple[Any, ...]]:
    """Number, time, kind, path, text, entry, undo."""
    query = "SELECT id, at, kind, path, text, entry, undo FROM notice WHERE folder = ? AND at >= ? ORDER BY id"
    return read(query, (folder, at))
