"""A look at a store that changes nothing, also while a daemon uses it: whether it is sound, and what folders it has."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from yp2p.identity import FolderID
from yp2p.store import tables
from yp2p.store.schema import APPLICATION_ID, SCHEMA_VERSION, connect


@dataclass(frozen=True, slots=True)
class StoredFolder:
    """A folder as the store has it."""

    id: FolderID
    label: str
    root: Path


@dataclass(frozen=True, slots=True)
class Stored:
    """What was seen.

    Attributes:
        problem: why it cannot be used; empty where it can, or where there is none.
        is_newer: a newer yp2p wrote it, and that is the problem.
    """

    exists: bool
    problem: str = ""
    is_newer: bool = False
    folders: tuple[StoredFolder, ...] = ()


def look(path: Path) -> Stored:
    """Look at the store at a path. Blocks for as long as it takes to read it."""
    if not path.exists():
        return Stored(exists=False)
    try:
        with closing(connect(path, read_only=True)) as connection:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            application = connection.execute("PRAGMA application_id").fetchone()[0]
            if application != APPLICATION_ID:
                return Stored(exists=True, problem="it is no store of yp2p")
            if version > SCHEMA_VERSION:
                return Stored(exists=True, problem=f"a newer yp2p wrote it (schema {version})", is_newer=True)
            for (line,) in connection.execute("PRAGMA quick_check(1)"):
                if line != "ok":
                    return Stored(exists=True, problem=f"it is damaged: {' '.join(line.split())}")
            rows = tables.folder.read_places(lambda sql, values: connection.execute(sql, values).fetchall())
    except sqlite3.Error as error:
        return Stored(exists=True, problem=f"it is damaged, or cannot be read: {error}")
    return Stored(exists=True, folders=tuple(StoredFolder(FolderID(row[0]), row[1], Path(row[2])) for row in rows))
