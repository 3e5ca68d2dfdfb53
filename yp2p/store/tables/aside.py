"""Rows that could not be read, out of everybody's way (`store/soundness.py`)."""

from __future__ import annotations

from collections.abc import Sequence

from yp2p.identity import FolderID
from yp2p.store.sql import Read, Statement

SOUND = "1"


def counts(table: str, owner: str, condition: str) -> str:
    """Reads the folders that the rows of a table which fulfil a condition are of, as far as they say, and how many."""
    folder = f"CASE WHEN length({owner}) = 16 THEN {owner} ELSE x'' END"
    return f"SELECT {folder} AS f, count(*) FROM {table} WHERE {condition} GROUP BY f"


def move(table: str, columns: Sequence[str], condition: str, at: float) -> list[Statement]:
    """Move the rows of a table that fulfil a condition, as the statements that would put them back; `at` in seconds
    since 1970."""
    values = " || ', ' || ".join(f"quote({_readable(name)})" for name in columns)
    return [
        (f"INSERT INTO aside (at, row) SELECT ?, '{table}(' || {values} || ')' FROM {table} WHERE {condition}", (at,)),
        (f"DELETE FROM {table} WHERE {condition}", ()),
    ]


def without(table: str, condition: str) -> str:
    """Has a connection read a table without the rows that fulfil a condition."""
    return f"CREATE TEMP VIEW {table} AS SELECT * FROM main.{table} WHERE NOT {condition}"


def forget(folder: FolderID) -> Statement:
    """Remove the rows that were a folder's."""
    return ("DELETE FROM aside WHERE instr(row, ?)", (f"X'{folder.hex().upper()}'",))


def forget_about(folder: FolderID, value: bytes) -> Statement:
    """Remove the rows that were a folder's and have a value in a column, or within one."""
    return (
        "DELETE FROM aside WHERE instr(row, ?) AND instr(row, ?)",
        (f"X'{folder.hex().upper()}'", value.hex().upper()),
    )


def count(read: Read, folder: FolderID) -> int:
    """How many rows were a folder's."""
    query = "SELECT count(*) FROM aside WHERE instr(row, ?)"
    return int(read(query, (f"X'{folder.hex().upper()}'",))[0][0])


def _readable(column: str) -> str:
    """A text that is no UTF-8 could not be read here either."""
    return f"CASE typeof({column}) WHEN 'text' THEN CAST({column} AS BLOB) ELSE {column} END"
