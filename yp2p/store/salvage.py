"""A store that SQLite cannot read as a whole: what can be read of it goes into a new one, and the daemon starts.

Theory of operation
    A damaged page takes the rows on it, an index the way to them, a page of the schema whole tables. Each table is read
    from both ends as far as that goes, and the rows go into a new store (`.salvaged`). Of a file that ends too early
    SQLite reads nothing at all, so a copy (`.whole`) is read, with nothing where the rest was. When the new one is
    durable, the damaged store is renamed (`.damaged-` and the time) with what belongs to it, and the new one takes its
    place. The damaged one is kept until a person removes it; `status` says so as long as it is there.

    Of a text with rows that are missing the whole log is set aside, as in `store/soundness.py`: what follows builds on
    what is missing, and what its file is known to hold is more than the log has. Of a document of the manifest the rows
    from the first gap on are. Other devices send both; without one, what is on the disk is imported again.

Invariants
    * Nothing of a damaged store is changed or removed.
    * A crash at any moment leaves the damaged store in its place, or a new one that is complete.
"""

from __future__ import annotations

import os
import sqlite3
import struct
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yp2p.errors import HistoriesDiffer, MissingDependency, PeerFault
from yp2p.identity import DocumentID, FolderID
from yp2p.protocol.dependencies import check_dependencies
from yp2p.protocol.ysync import Shape, UpdateParser
from yp2p.store import tables
from yp2p.store.schema import BESIDE, columns_of, make_schema
from yp2p.store.sql import Read

_NEW, _WHOLE, _KEPT = ".salvaged", ".whole", ".damaged-"
# Of the header of a file of SQLite (its "Database File Format"): the size of a page, 1 for the largest, and the number.
_HEADER, _LARGEST_PAGE, _MOST_TIMES = struct.Struct(">16xH10xI"), 65536, 1000
_AT_ONCE = 1 << 20


@dataclass(frozen=True, slots=True)
class Salvaged:
    """A store was damaged. `lost` are the tables that could not be read as a whole, `kept` is the damaged store."""

    reason: str
    lost: tuple[str, ...]
    kept: Path

    def __str__(self) -> str:
        what = f"of {', '.join(self.lost)} only that" if self.lost else "all of it"
        folders = " Share or join again the folders that are missing." if "folder" in self.lost else ""
        return (
            f"the store was damaged ({self.reason}): what could be read of it is used ({what}), other devices send "
            f"the rest, and your files are as they were.{folders} The damaged store is kept as {self.kept}"
        )

    def in_short(self) -> str:
        """The same for a list of notices."""
        return "the store was damaged: what could be read of it is used, and other devices send the rest"


def kept_stores(path: Path) -> list[Path]:
    """The damaged stores that are kept beside a store."""
    names = (name for name in path.parent.glob(f"{path.name}{_KEPT}*") if not name.name.endswith(BESIDE))
    return sorted(names)


def finish(path: Path) -> None:
    """Bring to its end what a crash interrupted. Raises OSError."""
    new = path.with_name(path.name + _NEW)
    if os.path.lexists(path) or not new.exists():
        return
    _keep_damaged(path, _kept_name(path))
    new.rename(path)


def salvage(path: Path, reason: str) -> Salvaged:
    """Put a new store in the place of a damaged one. Raises OSError, sqlite3.Error: it cannot be done now."""
    new = path.with_name(path.name + _NEW)
    for suffix in ("", *BESIDE):
        new.with_name(new.name + suffix).unlink(missing_ok=True)
    lost = _copy(path, new)
    kept = _kept_name(path)
    path.rename(kept)
    _keep_damaged(path, kept)
    new.rename(path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
    return Salvaged(reason, lost, kept)


def _kept_name(path: Path) -> Path:
    return path.with_name(f"{path.name}{_KEPT}{time.strftime('%Y%m%d-%H%M%S')}-{time.time_ns() % 10**6:06}")


def _keep_damaged(path: Path, kept: Path) -> None:
    for suffix in BESIDE:
        with suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(kept.with_name(kept.name + suffix))


def _copy(path: Path, new: Path) -> tuple[str, ...]:
    """Write what can be read of a store into a new one, durably; gives the tables that could not be read as a whole."""
    with closing(sqlite3.connect(new, isolation_level=None)) as target:
        os.chmod(new, 0o600)
        target.execute("PRAGMA auto_vacuum = INCREMENTAL")
        target.execute("PRAGMA synchronous = FULL")
        target.executescript(make_schema())
        target.execute("BEGIN")
        lost = tuple(_copy_all(path, target))
        if "log" in lost:
            _set_gaps_aside(target)
        target.execute("COMMIT")
    return lost


def _copy_all(path: Path, target: sqlite3.Connection) -> Iterator[str]:
    if not (path.is_file() and path.stat().st_size):
        yield from tables.__all__
        return
    with (
        _as_long_as_it_was(path) as whole,
        closing(sqlite3.connect(f"{whole.absolute().as_uri()}?mode=ro", uri=True)) as source,
    ):
        source.text_factory = lambda data: data.decode("utf-8", "replace")
        for table in tables.__all__:
            if not _copy_table(source, target, table):
                yield table


@contextmanager
def _as_long_as_it_was(path: Path) -> Iterator[Path]:
    """A store, or while it is read a copy of one that was cut off. Raises OSError: there is no room for it."""
    size = _size_by_header(path)
    if size <= path.stat().st_size:
        yield path
        return
    copy = path.with_name(path.name + _WHOLE)
    try:
        for suffix in ("", *BESIDE):
            copy.with_name(copy.name + suffix).unlink(missing_ok=True)
            with suppress(FileNotFoundError):
                _copy_file(
                    path.with_name(path.name + suffix), copy.with_name(copy.name + suffix), 0 if suffix else size
                )
        yield copy
    finally:
        for suffix in ("", *BESIDE):
            copy.with_name(copy.name + suffix).unlink(missing_ok=True)


def _copy_file(path: Path, copy: Path, least: int) -> None:
    """Copy a file; what it is shorter than `least` by is zeros in the copy."""
    with path.open("rb") as source:
        target = os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            at = 0
            while data := source.read(_AT_ONCE):
                while data:
                    written = os.pwrite(target, data, at)
                    at, data = at + written, data[written:]
            if at < least:
                os.pwrite(target, b"\0", least - 1)
        finally:
            os.close(target)


def _size_by_header(path: Path) -> int:
    """How long a store is, as it says; 0 where it does not, or what is there is a small part of it."""
    with path.open("rb") as file:
        header = file.read(_HEADER.size)
        if len(header) < _HEADER.size or not header.startswith(b"SQLite format 3\0"):
            return 0
        page, pages = _HEADER.unpack(header)
        size = (_LARGEST_PAGE if page == 1 else page) * pages
        return size if size <= _MOST_TIMES * os.fstat(file.fileno()).st_size else 0


def _copy_table(source: sqlite3.Connection, target: sqlite3.Connection, table: str) -> bool:
    """Copy the rows of a table that can be read; tells whether those are all."""
    info = list(target.execute(f"PRAGMA table_info({table})"))
    key = [name for _, name, _, _, _, place in sorted(info, key=lambda column: column[5]) if place]
    try:
        there = columns_of(source, table)
    except sqlite3.Error:
        return False
    columns = [name for _, name, *_ in info if name in there]
    needed = {name for _, name, _, not_null, default, is_key in info if is_key or (not_null and default is None)}
    if not needed <= set(columns):
        return False
    for order in ("ASC", "DESC"):
        if _copy_rows(source, target, table, columns, ", ".join(f"{name} {order}" for name in key)):
            return order == "ASC"
    return False


def _copy_rows(
    source: sqlite3.Connection, target: sqlite3.Connection, table: str, columns: Sequence[str], order: str
) -> bool:
    """Tells whether the end was reached."""
    insert = tables.row_of(table, columns)
    try:
        for row in source.execute(tables.every_row(table, columns, order)):
            with suppress(sqlite3.IntegrityError):  # no row of this table ever
                target.execute(insert, row)
    except (sqlite3.DatabaseError, OverflowError):
        return False
    return True


def _set_gaps_aside(connection: sqlite3.Connection) -> None:
    """Set aside the rows of documents of which others are missing."""

    def read(query: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        return connection.execute(query, parameters).fetchall()

    columns = columns_of(connection, "log")
    for folder, document in tables.log.documents(read):
        first = first_gap(read, folder, document)
        if first is not None:
            first = first if document.startswith(tables.log.MANIFEST_PREFIX) else 0
            condition = tables.log.rows_from(folder, document, first)
            for sql, parameters in tables.aside.move("log", columns, condition, time.time()):
                connection.execute(sql, parameters)
    for name in tables.log.NEED_ROWS:
        connection.execute(tables.log.without_rows(name))


def first_gap(read: Read, folder: FolderID, document: DocumentID) -> int | None:
    """The first row that cannot be used for want of others; None: nothing is missing, as far as can be told."""
    shape = Shape.MANIFEST if document.startswith(tables.log.MANIFEST_PREFIX) else Shape.TEXT
    clocks: dict[int, int] = {}
    seq = 0
    for seq, data in tables.log.updates(read, folder, document):
        try:
            parsed = UpdateParser(data, shape).parse()
            check_dependencies(parsed, clocks)
        except (MissingDependency, PeerFault):
            return seq
        except HistoriesDiffer:
            pass  # of what is missing it says nothing
        for client, (_, stop) in parsed.sections.items():
            clocks[client] = max(clocks.get(client, 0), stop)
    return seq if tables.log.last_named(read, folder, document) > seq else None
