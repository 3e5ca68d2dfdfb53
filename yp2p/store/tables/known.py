"""What a person here chose about a device, and since when it is known."""

from __future__ import annotations

from typing import Any

from yp2p.identity import DeviceID
from yp2p.store.sql import Read, Statement

# What every row is that this version wrote (`store/soundness.py`).
SOUND = "length(id) = 32 AND is_text(CAST(name AS BLOB)) AND paused IN (0, 1) AND paused_until >= 0"


def save(device: DeviceID, name: str, *, paused: bool, since: float, paused_until: float) -> Statement:
    """Times are seconds since 1970.

    Args:
        name: is given here; empty: none.
        since: 0: from before it was noted.
        paused_until: 0: until a person says otherwise.
    """
    return ("INSERT OR REPLACE INTO known VALUES (?, ?, ?, ?, ?)", (device, name, int(paused), since, paused_until))


def name_of(read: Read, device: DeviceID) -> str:
    """The name that a person gave a device here; empty: none."""
    rows = read("SELECT name FROM known WHERE id = ?", (device,))
    return str(rows[0][0]) if rows else ""


def read_all(read: Read) -> list[tuple[Any, ...]]:
    """ID, name, whether it is paused, since when it is known, until when it is paused."""
    return read("SELECT id, name, paused, since, paused_until FROM known", ())
