"""Keeps room in the write-ahead log: a table is made and dropped again, and the log keeps the size that this took."""

from __future__ import annotations


def filled(size: int) -> str:
    """The script that writes as many bytes into the log, and leaves nothing in the store."""
    return (
        "DROP TABLE IF EXISTS room; CREATE TABLE room (bytes BLOB) STRICT;"
        f"INSERT INTO room VALUES (zeroblob({size})); DROP TABLE room;"
    )
