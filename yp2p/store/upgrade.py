"""A store that an older yp2p wrote is copied before it is brought to the schema of this one.

The copy is `store.db.schema-N` beside the store, where N is the schema that it has. It is whole and durable before the
first migration begins, so at every moment one of both can be opened: the store by this yp2p, the copy by the one from
before, once it has the store's name again (docs/install.md). There has to be room for the copy and for what the
migrations write; else the start is refused, and nothing was changed.

It stays until yp2p has run on `KEPT_DAYS` days after it was made, and goes at the next start after that. Days on which
nothing ran do not count, nor does a clock that jumps.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterable
from contextlib import closing, suppress
from pathlib import Path

from yp2p.errors import DamagedError, NewerStore, YpError

KEPT_DAYS = 30
_KEPT, _PART = ".schema-", ".part"
# What SQLite needs besides: the write-ahead log of a new store and its index.
_SPARE_BYTES = 16 << 20
_MIB = 1 << 20


def refuse_unknown(connection: sqlite3.Connection, path: Path, *, newest: int, application: int) -> None:
    """Look whose store it is, and change nothing.

    Raises:
        DamagedError: it is no store of yp2p.
        NewerStore: a newer yp2p wrote it.
    """
    if not connection.execute("PRAGMA schema_version").fetchone()[0]:
        return  # nothing was written yet
    if connection.execute("PRAGMA application_id").fetchone()[0] != application:
        raise DamagedError(f"{path} is not a store of yp2p; it was left as it is")
    version = version_of(connection)
    if version > newest:
        copy = _copy_name(path, newest)
        back = f", or put back {copy}, which is the store from before the upgrade" if copy.exists() else ""
        raise NewerStore(
            f"{path} was written by a newer yp2p (schema {version}, this one knows {newest}), and left as it is; "
            f"install that version again{back}"
        )


def version_of(connection: sqlite3.Connection) -> int:
    """The schema that a store has."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def keep_copy(connection: sqlite3.Connection, path: Path) -> Path:
    """Copy a store, durably, before it is migrated; gives the copy. `connection` is one to it.

    Raises:
        YpError: there is no room for the copy and the migration. Nothing was changed.
        OSError, sqlite3.Error: it cannot be written now.
    """
    _check_room(path)
    kept = _copy_name(path, version_of(connection))
    part = kept.with_name(kept.name + _PART)
    part.unlink(missing_ok=True)
    try:
        part.touch(0o600)
        with closing(sqlite3.connect(part)) as copy:
            # Until it is synced and has its name it is nothing.
            copy.execute("PRAGMA journal_mode = OFF")
            copy.execute("PRAGMA synchronous = OFF")
            connection.backup(copy)
        _sync(part, os.O_RDWR)
        part.rename(kept)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    _sync(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    return kept


def copies(path: Path) -> list[Path]:
    """The copies from before upgrades that are kept beside a store."""
    return sorted(kept for kept in path.parent.glob(f"{path.name}{_KEPT}*") if kept.name.rpartition("-")[2].isdecimal())


def drop_old_copies(path: Path, days: Iterable[str]) -> list[Path]:
    """Remove the copies that were kept long enough; gives them. `days` are those on which a daemon ran, YYYY-MM-DD."""
    dropped = []
    for kept in copies(path):
        with suppress(OSError):  # it goes another time
            made = time.strftime("%Y-%m-%d", time.localtime(kept.stat().st_mtime))
            if sum(day > made for day in days) >= KEPT_DAYS:
                kept.unlink()
                dropped.append(kept)
    return dropped


def _copy_name(path: Path, version: int) -> Path:
    return path.with_name(f"{path.name}{_KEPT}{version}")


def _check_room(path: Path) -> None:
    """The copy takes as much as the store, and a migration at most as much again."""
    size = sum(part.stat().st_size for part in (path, path.with_name(f"{path.name}-wal")) if part.exists())
    needed = 2 * size + _SPARE_BYTES
    status = os.statvfs(path.parent)
    free = status.f_bavail * status.f_frsize
    if free < needed:
        raise YpError(
            f"the store {path} is of an older yp2p. Before it is upgraded a copy of it is kept; that needs "
            f"{needed // _MIB} MiB on its disk, and {free // _MIB} MiB are free. Make room and start again; the store "
            "was left as it is"
        )


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
