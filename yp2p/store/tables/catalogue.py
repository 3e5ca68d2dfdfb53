"""SQLite's own catalogue: which tables the store has, and how long they are."""

from __future__ import annotations

import sqlite3

from yp2p.store.sql import Read


def reader(connection: sqlite3.Connection) -> Read:
    """Reads by a connection that is used for nothing else."""
    return lambda sql, parameters: connection.execute(sql, parameters).fetchall()


def version(rows: Read) -> int:
    """The schema that the store has."""
    return int(rows("PRAGMA user_version", ())[0][0])


def tables(rows: Read) -> list[str]:
    """The names of the tables, in order."""
    return [name for (name,) in rows("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name", ())]


def count(rows: Read, table: str) -> int:
    """How many rows one of `tables` has."""
    return int(rows(f'SELECT count(*) FROM "{table}"', ())[0][0])
