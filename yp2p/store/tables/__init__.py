"""The SQL of the store, a module a table (`schema.sql` says what the columns are).

Functions that change something give statements, for `Database.submit`; those that read take a `Read` and give rows.
What the values mean is known to the callers; here they are IDs, numbers and bytes.
"""

from yp2p.store.tables import (
    aside,
    base,
    chunks,
    day,
    device,
    digest,
    file,
    folder,
    former,
    intent,
    last_run,
    log,
    notice,
    owner,
    pack,
    rules,
    served,
    start,
    statement,
    step,
    unread,
)  # fmt: skip

__all__ = [
    "aside", "base", "chunks", "day", "device", "digest", "file", "folder", "former", "intent", "last_run", "log",
    "notice", "owner", "pack", "rules", "served", "start", "statement", "step", "unread",
]  # fmt: skip
