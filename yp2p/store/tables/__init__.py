"""The SQL of the store, a module a table (`schema.sql` says what the columns are).

Functions that change something give statements, for `Database.submit`; those that read take a `Read` and give rows.
What the values mean is known to the callers; here they are IDs, numbers and bytes.
"""

from collections.abc import Sequence

from yp2p.identity import FolderID
from yp2p.store.sql import Statement
from yp2p.store.tables import (
    agreement,
    aside,
    bandwidth,
    base,
    chosen,
    chunks,
    damage,
    day,
    departed,
    device,
    digest,
    file,
    folder,
    former,
    intent,
    invite,
    judgement,
    known,
    last_run,
    local_rules,
    log,
    made_here,
    notice,
    offer_made,
    offer_received,
    owner,
    pack,
    purge,
    purge_answer,
    purge_request,
    rules,
    scrub,
    served,
    shown,
    start,
    statement,
    step,
    trashed,
    undone_by,
    unread,
    writer,
)  # fmt: skip

__all__ = [
    "agreement", "aside", "bandwidth", "base", "chosen", "chunks", "damage", "day", "departed", "device", "digest",
    "file", "folder", "former", "intent", "invite", "judgement", "known", "last_run", "local_rules", "log", "made_here",
    "notice", "offer_made", "offer_received", "owner", "pack", "purge", "purge_answer",
    "purge_request", "rules", "scrub", "served", "shown", "start", "statement", "step", "trashed", "undone_by",
    "unread", "writer",
]  # fmt: skip


# The tables whose rows are a folder's and go with it. The two that can be large come last.
OF_FOLDER = (
    "agreement", "base", "chosen", "damage", "digest", "file", "former", "intent", "invite", "judgement", "local_rules",
    "made_here", "notice", "offer_made", "offer_received", "purge", "purge_answer", "purge_request", "rules", "scrub",
    "served", "shown", "statement", "step", "trashed", "undone_by", "unread", "writer", "pack", "log",
)  # fmt: skip
LARGE = (pack, log)


def forget_folder(folder: FolderID, *, but: Sequence[str] = ()) -> list[Statement]:
    """Remove what there is of a folder from all tables, but those that are named, and its own row."""
    statements = [(f"DELETE FROM {table} WHERE folder = ?", (folder,)) for table in OF_FOLDER if table not in but]
    return [*statements, aside.forget(folder)]


def every_row(table: str, columns: Sequence[str], order: str) -> str:
    """Reads these columns of all rows of a table, in an order."""
    return f"SELECT {', '.join(columns)} FROM {table} ORDER BY {order}"


def row_of(table: str, columns: Sequence[str]) -> str:
    """Puts a row into a table unless it is there, with parameters for these columns, and the defaults of all others."""
    return f"INSERT OR IGNORE INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' for _ in columns)})"


INDEXES = "SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL"
