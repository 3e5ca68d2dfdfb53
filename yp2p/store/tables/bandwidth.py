"""The limits of bandwidth that a person set while the daemon ran, a row a device; an empty ID is all together."""

from __future__ import annotations

from typing import Any

from yp2p.store.sql import Read, Statement

# What every row is that this version wrote (`store/soundness.py`).
SOUND = (
    "length(device) IN (0, 32) AND coalesce(upload, 0) BETWEEN 0 AND 1099511627776 "
    "AND coalesce(download, 0) BETWEEN 0 AND 1099511627776"
)


def save(device: bytes, upload: int | None, download: int | None) -> Statement:
    """Bytes a second; 0 is no limit, None is what the settings say."""
    if upload is None and download is None:
        return ("DELETE FROM bandwidth WHERE device = ?", (device,))
    return ("INSERT OR REPLACE INTO bandwidth VALUES (?, ?, ?)", (device, upload, download))


def read_all(read: Read) -> list[tuple[Any, ...]]:
    """Device, upload, download."""
    return read("SELECT device, upload, download FROM bandwidth", ())
