"""The file of the store: connections, the check before it is used, and the schema that it is brought to."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote

import structlog

from yp2p.machine import put_aside
from yp2p.store import tables, upgrade
from yp2p.store.tables import room

log = structlog.get_logger()

# Pages that each connection keeps; what is read again comes from the kernel's cache.
_CACHE_KIB = 256
APPLICATION_ID = 0x79703270  # "yp2p"
# With a new one goes a store of the one before, for the tests (tests/store/old_store.py).
SCHEMA_VERSION = 31
# Version n of the schema becomes n + 1 by the script at index n - 1; schema.sql is always the newest.
MIGRATIONS = tuple(f"migrate_{number}_to_{number + 1}.sql" for number in range(1, SCHEMA_VERSION))

# What SQLite keeps beside a database.
BESIDE = ("-wal", "-shm", "-journal")
# The head of a database (SQLite file format, 1.3).
_MAGIC, _HEAD_BYTES, _VERSION_AT, _APPLICATION_AT = b"SQLite format 3\x00", 100, 60, 68

# SQLite checkpoints the write-ahead log at 1,000 pages of 4 KiB.
_WAL_BYTES = 4_200_000


def check(path: Path) -> None:
    """Look at an existing store before it is opened, and change nothing.

    Raises:
        DamagedError: it is no store of yp2p. NewerStore: a newer yp2p wrote it.
        sqlite3.DatabaseError: it is damaged. OSError: it cannot be looked at.
    """
    for suffix in BESIDE:
        moved = put_aside(path.with_name(path.name + suffix), stat.S_ISREG)
        if moved is not None:
            log.warning("put_aside", name=str(moved), advice="it had the name of a file of the store, and was none")
    if not path.exists():
        return
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise sqlite3.DatabaseError("it is no file")
    if status.st_size == 0:
        raise sqlite3.DatabaseError("it is empty")
    # A journal can be of a store that was just being made: what is in it has to be taken back first.
    mode = "rw" if path.with_name(f"{path.name}-journal").exists() else "ro"
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True)) as connection:
        for (line,) in connection.execute("PRAGMA quick_check(1)"):
            if line != "ok":
                raise sqlite3.DatabaseError(line)
        upgrade.refuse_unknown(connection, path, newest=SCHEMA_VERSION, application=APPLICATION_ID)


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """A connection, for any thread, one at a time. With `read_only` a file that is not there is not made."""
    uri = f"file:{quote(os.fsencode(path))}?mode={'rw' if read_only else 'rwc'}"  # to read a log, its index is written
    connection = sqlite3.connect(uri, isolation_level=None, check_same_thread=False, timeout=5, uri=True)
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
    """Bring the file to the schema of this version. A copy of what an older one wrote is kept (`upgrade.py`).

    Raises:
        DamagedError: it is no store. NewerStore: a newer yp2p wrote it.
        YpError: there is no room to upgrade it.
        sqlite3.DatabaseError: it is damaged: its tables are not those of its version.
    """
    upgrade.refuse_unknown(connection, path, newest=SCHEMA_VERSION, application=APPLICATION_ID)
    version = upgrade.version_of(connection)
    is_new = not connection.execute("PRAGMA schema_version").fetchone()[0]
    if not is_new and version < SCHEMA_VERSION:
        kept = upgrade.keep_copy(connection, path)
        log.info("store_upgrade_begins", before=version, after=SCHEMA_VERSION, kept=str(kept))
    if is_new:  # what the log had and has not any more is given back
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    for script in migrations(version) if version else [make_schema()] if is_new else []:
        connection.executescript(script)
    differs = difference(connection)
    if differs:
        raise sqlite3.DatabaseError(differs)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def fill_log(connection: sqlite3.Connection) -> None:
    """Let the write-ahead log have its full length from the start.

    A commit into a log that grows also has to commit the file system's journal, which takes a quarter longer and
    holds up whoever makes or renames a file meanwhile. SQLite writes over a log that has been checkpointed.
    """
    connection.executescript(room.filled(_WAL_BYTES) + "PRAGMA wal_checkpoint(RESTART)")


def erase(connection: sqlite3.Connection, path: Path) -> None:
    """Have the file and its write-ahead log hold what there is, and nothing of what was removed.

    Raises sqlite3.Error: not now, as there is no room, or somebody reads for long.
    """
    log_file = path.with_name(path.name + BESIDE[0])
    is_filled = log_file.exists() and log_file.stat().st_size >= _WAL_BYTES
    connection.execute("VACUUM")
    if connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
        raise sqlite3.OperationalError("the write-ahead log is being read")
    if is_filled:
        fill_log(connection)


def make_schema() -> str:
    """What makes an empty database a store, as one SQL script."""
    return _transaction("schema.sql", SCHEMA_VERSION) + f"; PRAGMA application_id = {APPLICATION_ID}"


def migrations(version: int) -> Iterator[str]:
    """What makes a store of a version one of the next, and so on up to the newest, as SQL scripts."""
    for number, script in enumerate(MIGRATIONS[version - 1 :], version + 1):
        yield _transaction(script, number)


def _transaction(script: str, version: int) -> str:
    sql = files("yp2p.store").joinpath(script).read_text()
    return f"BEGIN; {sql}; PRAGMA user_version = {version}; COMMIT"


def columns_of(connection: sqlite3.Connection, table: str) -> list[str]:
    """The columns of a table; none where there is no such table."""
    return [name for _, name, *_ in connection.execute(f"PRAGMA table_info({table})")]


def difference(connection: sqlite3.Connection) -> str:
    """What the store lacks of the newest schema, or has other than that; empty where nothing is."""
    with closing(sqlite3.connect(":memory:")) as model:
        model.executescript(make_schema())
        for table in tables.__all__:
            if columns_of(connection, table) != columns_of(model, table):
                return f"the table {table} is missing or has other columns"
        for name in _indexes(model) - _indexes(connection):
            return f"the index {name} is missing"
    return ""


def is_foreign(path: Path) -> bool:
    """Whether the head of a file says that it is a database of another program, or of a newer yp2p. Raises OSError."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if len(head) < _HEAD_BYTES or not head.startswith(_MAGIC):
        return False
    version, application = (int.from_bytes(head[at : at + 4]) for at in (_VERSION_AT, _APPLICATION_AT))
    # A store that was just made may have its head in the write-ahead log alone.
    return application not in (0, APPLICATION_ID) or version > SCHEMA_VERSION


def _indexes(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute(tables.INDEXES)}
