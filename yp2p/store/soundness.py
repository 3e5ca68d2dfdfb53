"""Rows of the store that no version of yp2p would have written: they are set aside at the start, and all else is used.

Each table says what its rows are like (`SOUND` in `store/tables/`). A row that is not like that was damaged on the way
to the disk, or there, or was written by something else. It is moved to the table `aside`, as the statement that would
put it back, so nothing is lost; whoever reads the tables afterwards finds only what it can read.

A row of the log has a checksum, because damaged updates can end the process in the library (`documents/replica.py`).
Of a text the whole log is set aside with it: what follows builds on what is missing. Its file is then one that nothing
is known of, as in a directory that is joined, and other devices send the text. Of a document of the manifest what
follows is set aside, and other devices send that.

A moment that no calendar has is no reason to do without its row: it becomes the beginning of 1970, and all else of the
row is used. Shown as it is it would be an error wherever somebody looks.

This is about accidents. Who can write into the store can make it say anything.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from yp2p.errors import InvalidUpdate
from yp2p.protocol.state_vectors import read_state_vector
from yp2p.protocol.ysync import parse_update
from yp2p.store import tables
from yp2p.store.sql import Statement
from yp2p.store.tables.log import crc_of

_TABLES = [name for name in tables.__all__ if name != "aside"]
# The columns that hold seconds since 1970, or how many passed, whichever table they are of; and the year 10000.
TIMES = frozenset({
    "added", "at", "began", "ended", "expires_at", "made_at", "moved_at", "paused_until", "received", "received_at",
    "seen", "since", "started", "waited",
})  # fmt: skip
_NEVER = 253_402_300_800


@dataclass(frozen=True, slots=True)
class SetAside:
    """Rows of one table that were set aside; `folder` is the one they are of, empty where that is not known."""

    table: str
    folder: bytes
    count: int

    def __str__(self) -> str:
        rows = "a row" if self.count == 1 else f"{self.count} rows"
        return f"the store has {rows} of the table {self.table!r} that cannot be read; all else is used"


def set_damaged_aside(connection: sqlite3.Connection) -> list[SetAside]:
    """Move the rows that are not sound to `aside`, in one transaction; tells of which tables there were some."""
    _add_functions(connection)
    connection.execute("BEGIN IMMEDIATE")
    try:
        found = [aside for name in _TABLES for aside in _set_aside(connection, name)]
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
    return found


def _add_functions(connection: sqlite3.Connection) -> None:
    for name, function in _FUNCTIONS.items():
        connection.create_function(name, 1, function, deterministic=True)


def find_damaged(connection: sqlite3.Connection) -> list[SetAside]:
    """The rows that `set_damaged_aside` would move, of all tables but the log, whose documents tell more; changes
    nothing."""
    _add_functions(connection)
    found: list[SetAside] = []
    for table in _TABLES:
        if table != "log":
            damaged = _damaged(table, _columns(connection, table))
            sql = tables.aside.counts(table, _owner(connection, table), damaged)
            found += [SetAside(table, folder, count) for folder, count in connection.execute(sql)]
    return found


def show_sound_rows(connection: sqlite3.Connection) -> None:
    """Have a connection that only reads find the rows that are sound and no others, as after a start; but those of the
    log, whose documents tell more."""
    _add_functions(connection)
    connection.execute("PRAGMA query_only = OFF")
    for table in _TABLES:
        if table != "log":
            connection.execute(tables.aside.without(table, _damaged(table, _columns(connection, table))))
    connection.execute("PRAGMA query_only = ON")


def moves(table: str, columns: Sequence[str], condition: str = "") -> list[Statement]:
    """The statements that move rows of a table to `aside`, for a connection that has looked for damage before.

    Args:
        condition: which rows, in SQL; empty: those that are not sound.
    """
    if condition:
        return tables.aside.move(table, columns, condition, time.time())
    return [*_timely(table, columns), *tables.aside.move(table, columns, _damaged(table, columns), time.time())]


def _damaged(table: str, columns: Iterable[str]) -> str:
    sound = [getattr(tables, table).SOUND, *(f"NOT {_untimely(name)}" for name in columns if name in TIMES)]
    return f"NOT coalesce({' AND '.join(f'({one})' for one in sound)}, 0)"


def _untimely(column: str) -> str:
    return f"({column} < 0 OR {column} >= {_NEVER})"


def _timely(table: str, columns: Iterable[str]) -> list[Statement]:
    """Have the moments of a table be such; where another row has that place already the row stays what it is."""
    return [
        (f"UPDATE OR IGNORE {table} SET {name} = 0 WHERE {_untimely(name)}", ()) for name in columns if name in TIMES
    ]


def _columns(connection: sqlite3.Connection, table: str) -> list[str]:
    return [name for _, name, *_ in connection.execute(f"PRAGMA table_info({table})")]


def _owner(connection: sqlite3.Connection, table: str) -> str:
    """What says which folder a row is of."""
    return "folder" if "folder" in _columns(connection, table) else "id" if table == "folder" else "x''"


def _set_aside(connection: sqlite3.Connection, table: str) -> list[SetAside]:
    columns = _columns(connection, table)
    damaged = _damaged(table, columns)
    counted = tables.aside.counts(table, _owner(connection, table), damaged)
    if connection.execute(counted).fetchone() is None:
        return []
    for sql, parameters in _timely(table, columns):
        connection.execute(sql, parameters)
    counts = connection.execute(counted).fetchall()
    if not counts:
        return []
    condition = tables.log.follows_damaged(damaged) if table == "log" else damaged
    for sql, parameters in tables.aside.move(table, columns, condition, time.time()):
        connection.execute(sql, parameters)
    if table == "log":
        for name in tables.log.NEED_ROWS:
            connection.execute(tables.log.without_rows(name))
    return [SetAside(table, folder, count) for folder, count in counts]


def _is_text(value: Any) -> bool:
    """Args: `value` as bytes: what is no UTF-8 cannot be read as text at all."""
    try:
        return "\x00" not in _bytes(value).decode()
    except UnicodeDecodeError:
        return False


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def _is_path(value: Any) -> bool:
    """Whether it stays beneath the folder; `.yp2p` itself is no harm."""
    names = _bytes(value).split(b"/")
    return b"\x00" not in _bytes(value) and (names == [b""] or not any(name in (b"", b".", b"..") for name in names))


def _is_vector(value: Any) -> bool:
    try:
        read_state_vector(_bytes(value))
    except InvalidUpdate:
        return False
    return True


def _is_state(value: Any) -> bool:
    """Whether it is nothing, or an update of a text."""
    try:
        if value is not None:
            parse_update(_bytes(value))
    except InvalidUpdate:
        return False
    return True


_FUNCTIONS = {
    "crc_of": crc_of, "is_text": _is_text, "is_path": _is_path, "is_vector": _is_vector, "is_state": _is_state,
}  # fmt: skip
