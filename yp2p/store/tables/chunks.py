"""The hashes of the chunks of blobs."""

from __future__ import annotations

from typing import Any

from yp2p.store.sql import Read, Statement

# What every row is that this version wrote (`store/soundness.py`).
SOUND = "length(hash) = 32 AND size >= 0 AND length(hashes) % 32 = 0"


def save(blob: bytes, size: int, hashes: bytes) -> Statement:
    """Args: `blob` is its hash; `hashes` one after the other, 32 bytes each."""
    return ("INSERT OR REPLACE INTO chunks VALUES (?, ?, ?)", (blob, size, hashes))


# Those of blobs that no file holds. Of one on its way they are asked for again.
FORGET_UNUSED: Statement = ("DELETE FROM chunks WHERE hash NOT IN (SELECT content FROM file)", ())


def forget(blob: bytes) -> Statement:
    return ("DELETE FROM chunks WHERE hash = ?", (blob,))


def hashes_of(read: Read, blob: bytes) -> bytes:
    """One after the other, 32 bytes each; empty where they are not known."""
    rows = read("SELECT hashes FROM chunks WHERE hash = ?", (blob,))
    return rows[0][0] if rows else b""


def read_some(read: Read, after: bytes, limit: int) -> list[tuple[Any, ...]]:
    """Hash, size and hashes of the chunks of some blobs behind one, in the order of their hashes."""
    return read("SELECT hash, size, hashes FROM chunks WHERE hash > ? ORDER BY hash LIMIT ?", (after, limit))
