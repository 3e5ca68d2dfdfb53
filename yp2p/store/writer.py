"""The writer of the store: a thread that commits what is submitted, in groups and in order.

One thread of our own drains the queue and commits whatever has gathered (a group commit) with synchronous=FULL, so
many documents share one fsync. It is a thread and not a task because it then begins at once, while the loop goes on
with the work that made the statements. What the disk does not take now is tried again, less and less often
(`writability`); any other error ends the daemon (`watch`), and so does every waiting commit.
"""

from __future__ import annotations

import re
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import structlog
import trio

from yp2p.errors import YpError
from yp2p.histogram import Histogram
from yp2p.machine import Patience
from yp2p.store.schema import erase
from yp2p.store.sql import Statement
from yp2p.store.writability import Writability, may_pass

log = structlog.get_logger()

# Each step of SQLite gives the interpreter's lock away and has to get it back from a loop that is busy.
_ROWS_AT_ONCE = 50
_ADDS_ROW = re.compile(r"INSERT (?:OR \w+ )?INTO (\w+) VALUES \(\?(?:, \?)*\)")

# How long to wait before a commit is tried again that the disk did not take.
_RETRY_S, _LONGEST_RETRY_S = 0.25, 5.0

# Let the file be a MiB smaller, after much was deleted. More at once would hold up everybody's commits.
GIVE_BACK_ROOM: Statement = ("PRAGMA incremental_vacuum(256)", ())


# What this commit removes is nowhere in the file afterwards, nor what was removed before (`Writer.unerased` says where
# that fails). Everybody's commits wait until the file is written anew.
ERASE: Statement = ("PRAGMA secure_delete", ())
_NOT_STATEMENTS = (GIVE_BACK_ROOM[0], ERASE[0])
# How often to try, where somebody reads the store meanwhile: SQLite waits for five seconds each time.
_ERASE_TRIES = 3


class Commit:
    """Statements that become durable together."""

    def __init__(self, statements: Iterable[Statement] = ()) -> None:
        self.statements = list(statements)
        self.is_done = False  # whether the statements are durable
        self._is_over = False
        self._over: trio.Event | None = None  # for those who wait
        self._calls: list[Callable[[], None]] = []
        self._error: BaseException | None = None

    async def wait(self) -> None:
        """Return when the statements are durable. Raises YpError when they never will be."""
        if self._is_over:
            await trio.lowlevel.checkpoint()
        else:
            if self._over is None:
                self._over = trio.Event()
            await self._over.wait()
        if self._error is not None:
            raise YpError(f"the store could not be written: {self._error}") from self._error

    def then(self, call: Callable[[], None]) -> None:
        """Have something called as soon as the statements are durable, before whoever waits goes on; or now."""
        if self.is_done:
            call()
        else:
            self._calls.append(call)

    def finish(self, error: BaseException | None = None) -> None:
        self._error = error
        self._is_over = True
        self.is_done = error is None
        self.statements = []  # whoever keeps the commit need not keep its texts
        if self._over is not None:
            self._over.set()
        calls, self._calls = self._calls, []
        for call in calls if error is None else ():
            try:
                call()
            except Exception:
                # What is stored is stored, and others wait for it.
                log.exception("listener_failed")


class Writer:
    """Commits what is put into its queue. `start` begins, `close` ends it.

    Args:
        path: of the store, for messages.
        connection: used by the thread alone from `start` until `close`.

    Attributes:
        unerased: why what was to be erased last may still be in the file; empty where it is not.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, writability: Writability) -> None:
        self._path = path
        self._connection = connection
        self._writability = writability
        self._queue: SimpleQueue[Commit | None] = SimpleQueue()
        self.unerased = ""
        self.took = Histogram()  # how long group commits took
        self._failed = trio.Event()
        self._error: BaseException | None = None
        self._unreadable: YpError | None = None
        self._closing = threading.Event()
        self._token = trio.lowlevel.current_trio_token()
        self._thread = threading.Thread(target=self._run, name="store writer", daemon=True)

    def start(self) -> None:
        """Begin to commit."""
        self._thread.start()

    @property
    def waiting(self) -> int:
        """How many commits wait for the thread."""
        return self._queue.qsize()

    def put(self, commit: Commit) -> None:
        """Commit this, after all that was put before."""
        self._queue.put(commit)

    async def watch(self) -> None:
        """Raise YpError when the store cannot be written or read; the daemon must not go on then."""
        await self._failed.wait()
        if self._unreadable is not None:
            raise self._unreadable
        raise YpError(f"the store {self._path} could not be written: {self._error}") from self._error

    def fail(self, unreadable: YpError) -> None:
        """Have the daemon end: what is stored cannot be read."""
        self._unreadable = unreadable
        self._failed.set()

    def close(self) -> None:
        """Commit what is left. Blocks. What the disk does not take then is tried once more, and lost."""
        self._closing.set()
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        """The writer thread."""
        ending = False
        while not ending:
            batch: list[Commit] = []
            item = self._queue.get()
            while item is not None:
                batch.append(item)
                if self._queue.empty():
                    break
                item = self._queue.get()
            ending = item is None
            if batch:
                self._commit(batch)

    def _commit(self, batch: list[Commit]) -> None:
        began = time.monotonic()
        was_refused = self._store(batch)
        self.took.observe(time.monotonic() - began)
        self._soon(self._finish, batch)
        shortage = self._writability.shortage_now()
        if self._error is None and (was_refused or shortage != self._writability.shortage):
            self._soon(self._writability.accepted, shortage)

    def _store(self, batch: list[Commit]) -> bool:
        """One group commit, tried until the disk takes it; tells whether it did not at first."""
        statements = [statement for commit in batch for statement in commit.statements]
        patience: Patience | None = None
        while self._error is None:
            try:
                self._execute(statements)
            except Exception as error:
                if may_pass(error) and not self._closing.is_set():
                    patience = patience or Patience(_RETRY_S, _LONGEST_RETRY_S)
                    self._soon(self._writability.refused, error)
                    self._closing.wait(patience.next_s())
                else:
                    self._error = error  # whatever it is, nothing more can be promised
            else:
                break
        return patience is not None

    def _soon(self, call: Callable[..., object], *arguments: object) -> None:
        """Have something called by the loop, if it still runs."""
        try:
            self._token.run_sync_soon(call, *arguments)
        except trio.RunFinishedError:
            pass

    def _finish(self, batch: list[Commit]) -> None:
        for commit in batch:
            commit.finish(self._error)
        if self._error is not None:
            self._failed.set()

    def _execute(self, statements: list[Statement]) -> None:
        if not statements:
            return
        if ERASE in statements:
            self._connection.execute("PRAGMA secure_delete = ON")
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            for sql, rows in _together(statements):
                if sql not in _NOT_STATEMENTS:
                    self._execute_all(sql, rows)
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:  # a disk that is full or fails has ended it already
                self._connection.execute("ROLLBACK")
            raise
        if GIVE_BACK_ROOM in statements:
            with suppress(sqlite3.OperationalError):  # what was asked for is durable; a full disk can have no room
                self._connection.executescript(GIVE_BACK_ROOM[0])  # `execute` would give back one page
        if ERASE in statements:
            self._erase()

    def _erase(self) -> None:
        """Write the file anew. What was asked for is durable already, so that it does not work ends nothing."""
        for _ in range(_ERASE_TRIES):
            try:
                erase(self._connection, self._path)
            except sqlite3.OperationalError as error:
                self.unerased = str(error)
            else:
                self.unerased = ""
                return

    def _execute_all(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """Execute one statement for each of the rows, many rows at a time where it adds rows."""
        at_once = len(rows) - len(rows) % _ROWS_AT_ONCE if _table_of(sql) is not None else 0
        if at_once:
            head, values = sql.split(" VALUES ")
            many = f"{head} VALUES {', '.join([values] * _ROWS_AT_ONCE)}"
            for start in range(0, at_once, _ROWS_AT_ONCE):
                self._connection.execute(many, [value for row in rows[start : start + _ROWS_AT_ONCE] for value in row])
        for row in rows[at_once:]:
            self._connection.execute(sql, row)


@cache
def _table_of(sql: str) -> str | None:
    """To which table a statement adds one row of parameters; None for any other statement."""
    found = _ADDS_ROW.fullmatch(sql)
    return found[1] if found is not None else None


def _together(statements: Iterable[Statement]) -> Iterator[tuple[str, list[Sequence[Any]]]]:
    """Equal statements with the parameters of all of them, for `executemany`; the result is the same as one by one.

    Rows that are added to several tables do not depend on each other, so those of one table come together. Anything
    else stays where it is. There are no triggers and no foreign keys.
    """
    rows: dict[str, list[Sequence[Any]]] = {}
    statement_of: dict[str, str] = {}  # by table
    for sql, parameters in statements:
        table = _table_of(sql)
        if table is None or statement_of.get(table, sql) != sql:
            yield from rows.items()
            rows, statement_of = {}, {}
        if table is None:
            yield sql, [parameters]
        else:
            statement_of[table] = sql
            rows.setdefault(sql, []).append(parameters)
    yield from rows.items()
