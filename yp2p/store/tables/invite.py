"""The invites that this device made."""

from __future__ import annotations

from yp2p.store.sql import Read, Statement

# What every row is that this version wrote (`store/soundness.py`).
SOUND = (
    "length(secret) = 20 AND length(folder) = 16 AND role BETWEEN 1 AND 3 AND typeof(uses) = 'integer' AND uses >= 0"
    " AND typeof(expires_at) = 'real'"
)


def save(secret: bytes, folder: bytes, role: int, uses: int, expires_at: float) -> Statement:
    """Args: `uses` are those that are left; `expires_at` in seconds since 1970; below 0: it was taken back."""
    return ("INSERT OR REPLACE INTO invite VALUES (?, ?, ?, ?, ?)", (secret, folder, role, uses, expires_at))


def delete(secret: bytes) -> Statement:
    return ("DELETE FROM invite WHERE secret = ?", (secret,))


def read_all(read: Read) -> list[tuple[bytes, bytes, int, int, float]]:
    """The columns of all rows."""
    return [tuple(row) for row in read("SELECT secret, folder, role, uses, expires_at FROM invite", ())]
