"""A look at the whole file of a store, page by page and row by row, which changes nothing. Blocks."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from yp2p.errors import YpError
from yp2p.store.schema import connect
from yp2p.store.soundness import SetAside, find_damaged, show_sound_rows
from yp2p.store.sql import Read

_MOST_LINES = 3


@dataclass(frozen=True, slots=True)
class Examined:
    """What was seen: `problem` says what SQLite finds wrong, empty where nothing; `unsound` are rows that no version
    would have written."""

    problem: str
    unsound: tuple[SetAside, ...] = ()


@contextmanager
def reader(path: Path) -> Iterator[Read]:
    """Reads what can be used of a store that no daemon of this process has open. Raises YpError: it cannot be read."""
    try:
        with closing(connect(path, read_only=True)) as connection:
            show_sound_rows(connection)
            yield lambda query, parameters: connection.execute(query, parameters).fetchall()
    except sqlite3.Error as error:
        raise YpError(f"the store {path} could not be read: {error}") from error


def examine(path: Path, *, rows: bool = True) -> Examined:
    """Look at the store at a path.

    Args:
        rows: whether it is a store of this version, whose rows are looked at as well.
    """
    try:
        with closing(connect(path, read_only=True)) as connection:
            lines = [line for (line,) in connection.execute(f"PRAGMA quick_check({_MOST_LINES})") if line != "ok"]
            if lines:
                return Examined("; ".join(lines))
            return Examined("", tuple(find_damaged(connection)) if rows else ())
    except sqlite3.Error as error:
        return Examined(str(error))
