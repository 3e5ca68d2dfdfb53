"""The days on which a daemon ran."""

from __future__ import annotations

from yp2p.store.sql import LAST, Read, Statement

# What every row is that this version wrote (`store/soundness.py`).
SOUND = (
    f"is_text(CAST(day AS BLOB)) AND day GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]' AND seq BETWEEN 0 AND {LAST}"
)


def insert(day: str, seq: int) -> Statement:
    """Args: `day` as YYYY-MM-DD; `seq` is the last row of the log when it began."""
    return ("INSERT OR IGNORE INTO day VALUES (?, ?)", (day, seq))


def days(read: Read) -> list[str]:
    return [day for (day,) in read("SELECT day FROM day", ())]


def last_rows(read: Read) -> list[int]:
    """The last row of the log when each of them began."""
    return [seq for (seq,) in read("SELECT seq FROM day", ())]
