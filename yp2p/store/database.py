"""The store: one SQLite file, one batching writer.

Theory of operation
    Everything that must survive is handed to `submit` as statements and becomes durable together, in the order of
    submission: one writer task drains the queue and commits whatever has gathered (a group commit), in a worker
    thread, with synchronous=FULL. `submit` gives the `Commit` that these statements will be part of; whoever
    must not go on before they are durable awaits it. Many documents share one fsync that way.

    Reads go through a connection of their own and see what is committed. A caller that wants to read back what it
    submitted awaits the commit first.

    The sequence numbers of the log are given out here, in memory, so that a base can name the row it ends
    at before that row is committed.

Invariants
    * Statements become durable in the order in which they were submitted, and never in part.
    * A fault of the store ends the daemon (invariant 15): the writer raises, and so does every waiting commit.
    * A store that cannot be read is reported and left exactly as it is.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import trio

from yp2p.errors import DamagedError, YpError

APPLICATION_ID = 0x79703270  # "yp2p"
SCHEMA_VERSION = 1
# Version n of the schema becomes n + 1 by the script at index n - 1; schema.sql is always the newest.
MIGRATIONS: tuple[str, ...] = ()

Statement = tuple[str, Sequence[Any]]


class Commit:
    """Statements that become durable together."""

    def __init__(self) -> None:
        self.statements: list[Statement] = []
        self._done = trio.Event()
        self._error: BaseException | None = None

    @property
    def is_done(self) -> bool:
        """Whether the statements are durable."""
        return self._done.is_set() and self._error is None

    async def wait(self) -> None:
        """Return when the statements are durable. Raises YpError when they never will be."""
        await self._done.wait()
        if self._error is not None:
            raise YpError(f"the store could not be written: {self._error}") from self._error

    def finish(self, error: BaseException | None = None) -> None:
        self._error = error
        self._done.set()


class Database:
    """An open store. Use `open_database`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._write = _connect(path)
        self._prepare()
        self._read = _connect(path)
        self._read.execute("PRAGMA query_only = ON")
        self._next_seq = int(self._read.execute("SELECT coalesce(max(seq), 0) FROM log").fetchone()[0]) + 1
        self._open = Commit()
        self._in_flight = Commit()
        self._in_flight.finish()
        self._waiting = trio.Event()

    def _prepare(self) -> None:
        version = self._write.execute("PRAGMA user_version").fetchone()[0]
        application = self._write.execute("PRAGMA application_id").fetchone()[0]
        tables = self._write.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
        if tables and application != APPLICATION_ID:
            raise DamagedError(f"{self.path} is not a store of yp2p; it was left as it is")
        if version > SCHEMA_VERSION:
            raise DamagedError(
                f"{self.path} was written by a newer yp2p (schema {version}, this one knows {SCHEMA_VERSION}); "
                "install that version again"
            )
        self._write.execute("PRAGMA journal_mode = WAL")
        self._write.execute("PRAGMA synchronous = FULL")
        if version == SCHEMA_VERSION:
            return
        scripts = MIGRATIONS[version - 1 :] if version else (_schema(),)
        for script in scripts:
            self._write.executescript(f"BEGIN; {script}; PRAGMA user_version = {SCHEMA_VERSION}; COMMIT")
        self._write.execute(f"PRAGMA application_id = {APPLICATION_ID}")

    def next_seq(self) -> int:
        """The number of the next row of the log."""
        seq = self._next_seq
        self._next_seq += 1
        return seq

    @property
    def last_seq(self) -> int:
        return self._next_seq - 1

    def submit(self, statements: Iterable[Statement]) -> Commit:
        """Queue statements for the next group commit."""
        self._open.statements.extend(statements)
        self._waiting.set()
        return self._open

    def pending(self) -> Commit:
        """The commit that covers everything submitted so far; already done when nothing waits."""
        return self._open if self._open.statements else self._in_flight

    def rows(self, query: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Read what is committed."""
        return self._read.execute(query, parameters).fetchall()

    async def run_writer(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Commit what is submitted until cancelled; then commit what is left."""
        task_status.started()
        try:
            while True:
                await self._waiting.wait()
                await self._commit()
        finally:
            with trio.CancelScope(shield=True):
                await self._commit()

    async def _commit(self) -> None:
        # no await: what is submitted from now on belongs to the next commit
        self._waiting = trio.Event()
        if not self._open.statements:
            return
        commit, self._open = self._open, Commit()
        self._in_flight = commit
        try:
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(self._execute, commit.statements)
        except Exception as error:
            commit.finish(error)
            raise
        commit.finish()

    def _execute(self, statements: list[Statement]) -> None:
        self._write.execute("BEGIN IMMEDIATE")
        try:
            for sql, parameters in statements:
                self._write.execute(sql, parameters)
        except BaseException:
            self._write.execute("ROLLBACK")
            raise
        self._write.execute("COMMIT")

    def close(self) -> None:
        self._read.close()
        self._write.close()


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5)


def _schema() -> str:
    return files("yp2p.store").joinpath("schema.sql").read_text()


def _check(path: Path) -> None:
    """Raise sqlite3.DatabaseError when an existing store is damaged; make a new one with mode 0600."""
    if not path.exists():
        path.touch(0o600)
        return
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
    try:
        for (line,) in connection.execute("PRAGMA quick_check(1)"):
            if line != "ok":
                raise sqlite3.DatabaseError(line)
    finally:
        connection.close()


@asynccontextmanager
async def open_database(path: Path) -> AsyncIterator[Database]:
    """Open or create the store, with its writer running.

    Raises:
        DamagedError: the file is no store, is damaged, or was written by a newer yp2p.
    """
    try:
        await trio.to_thread.run_sync(_check, path)
        database = Database(path)
    except sqlite3.Error as error:
        raise DamagedError(
            f"the store {path} is damaged ({error}). It was left as it is; your files are not touched. Move it "
            "away and share or join your folders again"
        ) from error
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(database.run_writer)
            yield database
            nursery.cancel_scope.cancel()
    finally:
        database.close()
