"""What a person had removed from the past."""

from __future__ import annotations

from typing import Any

from yp2p.identity import DeviceID, FolderID
from yp2p.store.sql import Read, Statement

# What every row is that this version wrote (`store/soundness.py`).
SOUND = (
    "length(folder) = 16 AND length(request) = 16 AND length(issuer) = 32 AND is_path(path) "
    "AND length(entries) % 16 = 0 AND is_erased IN (0, 1)"
)


def insert(
    folder: FolderID, request: bytes, issuer: DeviceID, at: float, path: bytes, entries: bytes
) -> Statement:  # fmt: skip
    """Args: `at` in seconds since 1970; `entries` one ID after the other. What was removed is not erased yet."""
    return ("INSERT INTO purge VALUES (?, ?, ?, ?, ?, ?, 0)", (folder, request, issuer, at, path, entries))


# Of all that was removed by now nothing is in the file any more.
ALL_ERASED: Statement = ("UPDATE purge SET is_erased = 1 WHERE is_erased = 0", ())


def is_any_unerased(read: Read) -> bool:
    """Whether something may still be in the file that was removed."""
    return bool(read("SELECT 1 FROM purge WHERE is_erased = 0 LIMIT 1", ()))


def read_all(read: Read, folder: FolderID) -> list[tuple[Any, ...]]:
    """Request, issuer, time, path, entries and whether it is erased, the oldest first."""
    query = "SELECT request, issuer, at, path, entries, is_erased FROM purge WHERE folder = ? ORDER BY at"
    return read(query, (folder,))
