"""Folders that this device takes part in."""

from __future__ import annotations

from typing import Any

from yp2p.identity import DeviceID, FolderID
from yp2p.store.sql import Read, Statement

# What every row is that this version wrote (`store/soundness.py`).
SOUND = (
    "length(id) = 16 AND length(founder) = 32 AND is_text(CAST(label AS BLOB)) "
    "AND is_text(CAST(root AS BLOB)) AND is_text(CAST(confirmation AS BLOB)) AND root LIKE '/%' "
    "AND adopted IN (0, 1) AND paused IN (0, 1) AND paused_until >= 0"
)


def insert(folder: FolderID, label: str, root: str, founder: DeviceID, added: float, *, adopted: bool) -> Statement:
    """Args: `added` in seconds since 1970."""
    return ("INSERT INTO folder VALUES (?, ?, ?, ?, ?, ?, '', 0, 0)", (folder, label, root, founder, adopted, added))


def read_all(read: Read) -> list[tuple[Any, ...]]:
    """ID, label, root, founder, whether it is adopted, why it waits for a person, whether one paused it, until when (0:
    until one says otherwise); by age."""
    return read(
        "SELECT id, label, root, founder, adopted, confirmation, paused, paused_until FROM folder ORDER BY added", ()
    )


def read_places(read: Read) -> list[tuple[Any, ...]]:
    """ID, label and root, by age; of every schema there was, as the daemon may not have upgraded the store yet."""
    return read("SELECT id, label, root FROM folder ORDER BY added", ())


def set_label(folder: FolderID, label: str) -> Statement:
    return ("UPDATE folder SET label = ? WHERE id = ?", (label, folder))


def set_root(folder: FolderID, root: str) -> Statement:
    return ("UPDATE folder SET root = ? WHERE id = ?", (root, folder))


def set_adopted(folder: FolderID) -> Statement:
    return ("UPDATE folder SET adopted = 1 WHERE id = ?", (folder,))


def set_confirmation_reason(folder: FolderID, reason: str) -> Statement:
    return ("UPDATE folder SET confirmation = ? WHERE id = ?", (reason, folder))


def set_paused(folder: FolderID, until: float, *, paused: bool) -> Statement:
    """Args: `until` in seconds since 1970; 0: until a person says otherwise."""
    return ("UPDATE folder SET paused = ?, paused_until = ? WHERE id = ?", (int(paused), until, folder))


def delete(folder: FolderID) -> Statement:
    return ("DELETE FROM folder WHERE id = ?", (folder,))
