"""How the daemon ended."""

from __future__ import annotations

from yp2p.store.sql import Read, Statement

# What every row is that this version wrote (`store/soundness.py`).
SOUND = "is_text(CAST(boot AS BLOB)) AND clean IN (0, 1)"


def save(boot: str, *, clean: bool) -> Statement:
    """Args: `boot` is the kernel's boot ID."""
    return ("INSERT OR REPLACE INTO last_run VALUES (1, ?, ?)", (boot, int(clean)))


def set_boot(boot: str) -> Statement:
    return ("UPDATE last_run SET boot = ?", (boot,))


def read_last(read: Read) -> tuple[str, bool] | None:
    """The boot ID, and whether it was a clean stop."""
    rows = read("SELECT boot, clean FROM last_run", ())
    return (rows[0][0], bool(rows[0][1])) if rows else None
