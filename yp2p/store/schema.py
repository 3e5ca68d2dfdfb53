"""The file of the store: connections, the check before it is used, and the schema that it is brought to."""

from __future__ import annotations

import sqlite3
from importlib.resources import files
from pathlib import Path

from yp2p.errors import DamagedError
from yp2p.store.tables import room

# Pages that each connection keeps; what is read again comes from the kernel's cache.
_CACHE_KIB = 256
APPLICATION_ID = 0x79703270  # "yp2p"
SCHEMA_VERSION = 12
# Version n of the schema becomes n + 1 by the script at index n - 1; schema.sql is always the newest.
MIGRATIONS = tuple(f"migrate_{number}_to_{number + 1}.sql" for number in range(1, SCHEMA_VERSION))

# SQLite checkpoints the write-ahead log at 1,000 pages of 4 KiB.
_WAL_BYTES = 4_200_000


def check(path: Path) -> None:
    """Raise sqlite3.DatabaseError when an existing store is damaged."""
    if not path.exists():
        return
    if path.stat().st_size == 0:
        raise sqlite3.DatabaseError("it is empty")
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
    try:
        for (line,) in connection.execute("PRAGMA quick_check(1)"):
            if line != "ok":
                raise sqlite3.DatabaseError(line)
    finally:
        connection.close()


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """A connection, for any thread, one at a time."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5)
    connection.text_factory = lambda data: data.decode("utf-8", "replace")  # a row that is no text must not hide others
    try:
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        if read_only:
            connection.execute("PRAGMA query_only = ON")
    except BaseException:
        connection.close()
        raise
    return connection


def prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the file to the schema of this version.

    Raises:
        DamagedError: it is no store, or a newer yp2p wrote it.
    """
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    is_new = not connection.execute("PRAGMA schema_version").fetchone()[0]
    if not is_new and application != APPLICATION_ID:
        raise DamagedError(f"{path} is not a store of yp2p; it was left as it is")
    if version > SCHEMA_VERSION:
        raise DamagedError(
            f"{path} was written by a newer yp2p (schema {version}, this one knows {SCHEMA_VERSION}); "
            "install that version again"
        )
    if is_new:  # what the log had and has not any more is given back
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    if version != SCHEMA_VERSION:
        for script in MIGRATIONS[version - 1 :] if version else ("schema.sql",):
            number = SCHEMA_VERSION if not version else int(script.rpartition("_")[2].removesuffix(".sql"))
            connection.executescript(f"BEGIN; {_script(script)}; PRAGMA user_version = {number}; COMMIT")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")


def fill_log(connection: sqlite3.Connection) -> None:
    """Let the write-ahead log have its full length from the start.

    A commit into a log that grows also has to commit the file system's journal, which takes a quarter longer and
    holds up whoever makes or renames a file meanwhile. SQLite writes over a log that has been checkpointed.
    """
    connection.executescript(room.filled(_WAL_BYTES) + "PRAGMA wal_checkpoint(RESTART)")


def _script(name: str) -> str:
    return files("yp2p.store").joinpath(name).read_text()
