"""The store: one SQLite file, one batching writer thread.

Theory of operation
    Everything that must survive is handed to `submit` as statements and becomes durable in the order of submission. One
    thread of our own drains the queue and commits whatever has gathered (a group commit) with synchronous=FULL, so
    many documents share one fsync. It is a thread and not a task because it then begins at once, while the loop
    goes on with the work that made the statements. `submit` gives a `Commit`; whoever must not go on before its
    statements are durable awaits it.

    Reads go through a connection of their own and see what is committed. A caller that wants to read back what it
    submitted awaits the commit first.

    While the disk does not take what is written (full, read-only, a limit), the writer tries the same commit again and
    again, less and less often: nobody hears that it is durable, nothing overtakes it, and `problem` says why. Peers are
    not read meanwhile (`wait_until_writable`), so what waits does not grow. They are not read either while the disk has
    less room than its floor (`machine.py`): what is saved here needs some.

    The sequence numbers of the log are given out here, in memory, so that a base can name the row it ends
    at before that row is committed.

Invariants
    * Statements become durable in the order in which they were submitted, and those of one commit never in part.
    * A fault of the store ends the daemon (invariant 15): `watch_writer` raises, and so does every waiting commit. What
      the machine does not allow now is none (invariant 20).
    * A store that cannot be read is reported and left exactly as it is.
"""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager, suppress
from functools import cache
from importlib.resources import files
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import structlog
import trio

from yp2p.errors import DamagedError, YpError
from yp2p.machine import Patience, low_room
from yp2p.store import tables
from yp2p.store.soundness import set_damaged_aside
from yp2p.store.sql import Read, Statement
from yp2p.store.tables import room

log = structlog.get_logger()

# Pages that each connection keeps; what is read again comes from the kernel's cache.
_CACHE_KIB = 256
APPLICATION_ID = 0x79703270  # "yp2p"
SCHEMA_VERSION = 12
# Version n of the schema becomes n + 1 by the script at index n - 1; schema.sql is always the newest.
MIGRATIONS = tuple(f"migrate_{number}_to_{number + 1}.sql" for number in range(1, SCHEMA_VERSION))

# SQLite checkpoints the write-ahead log at 1,000 pages of 4 KiB.
_WAL_BYTES = 4_200_000

# Each step of SQLite gives the interpreter's lock away and has to get it back from a loop that is busy.
_ROWS_AT_ONCE = 50
_ADDS_ROW = re.compile(r"INSERT (?:OR \w+ )?INTO (\w+) VALUES \(\?(?:, \?)*\)")

# How long to wait before a commit is tried again that the disk did not take.
_RETRY_S, _LONGEST_RETRY_S = 0.25, 5.0
# Whether there is room again is seen at a glance.
_LOOK_AGAIN_S = 2.0

# Let the file be a MiB smaller, after much was deleted. More at once would hold up everybody's commits.
GIVE_BACK_ROOM: Statement = ("PRAGMA incremental_vacuum(256)", ())


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


class Commit:
    """Statements that become durable together."""

    def __init__(self, statements: Iterable[Statement] = ()) -> None:
        self.statements = list(statements)
        self._is_over = False
        self._over: trio.Event | None = None  # for those who wait
        self._calls: list[Callable[[], None]] = []
        self._error: BaseException | None = None

    @property
    def is_done(self) -> bool:
        """Whether the statements are durable."""
        return self._is_over and self._error is None

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


class Database:
    """An open store. Use `open_database`."""

    def __init__(self, path: Path, *, make_room: bool = True) -> None:
        self.path = path
        with ExitStack() as refused:  # closes what was opened of a store that cannot be used
            self._write = refused.enter_context(closing(_connect(path)))
            self._prepare()
            self.aside = set_damaged_aside(self._write)
            for found in self.aside:
                log.warning("stored_rows_set_aside", table=found.table, rows=found.count, advice=str(found))
            if make_room:
                self._make_room()
            self._read = refused.enter_context(closing(_connect(path)))
            self._read.execute("PRAGMA query_only = ON")
            self._next_seq = tables.log.last_seq(self.rows) + 1
            self._next_notice = tables.notice.last_number(self.rows)
            refused.pop_all()
        self._queue: SimpleQueue[Commit | None] = SimpleQueue()
        self._open: Commit | None = None  # what is submitted as one
        self._last = Commit()
        self._last.finish()
        self._failed = trio.Event()
        self._closing = threading.Event()
        self._refusal = ""  # why the disk does not take the commit that is tried
        self._shortage = ""  # that the disk has less room than its floor
        self._changed = trio.Event()  # of `problem`
        self._tell: list[Callable[[], None]] = []
        self._error: BaseException | None = None
        self._token = trio.lowlevel.current_trio_token()
        self._start_writer()

    def _start_writer(self) -> None:
        self._thread = threading.Thread(target=self._run, name="store writer", daemon=True)
        self._thread.start()

    def _prepare(self) -> None:
        version = self._write.execute("PRAGMA user_version").fetchone()[0]
        application = self._write.execute("PRAGMA application_id").fetchone()[0]
        is_new = not self._write.execute("PRAGMA schema_version").fetchone()[0]
        if not is_new and application != APPLICATION_ID:
            raise DamagedError(f"{self.path} is not a store of yp2p; it was left as it is")
        if version > SCHEMA_VERSION:
            raise DamagedError(
                f"{self.path} was written by a newer yp2p (schema {version}, this one knows {SCHEMA_VERSION}); "
                "install that version again"
            )
        if is_new:  # what the log had and has not any more is given back
            self._write.execute("PRAGMA auto_vacuum = INCREMENTAL")
        self._write.execute("PRAGMA journal_mode = WAL")
        self._write.execute("PRAGMA synchronous = FULL")
        if version != SCHEMA_VERSION:
            for script in MIGRATIONS[version - 1 :] if version else ("schema.sql",):
                number = SCHEMA_VERSION if not version else int(script.rpartition("_")[2].removesuffix(".sql"))
                self._write.executescript(f"BEGIN; {_script(script)}; PRAGMA user_version = {number}; COMMIT")
            self._write.execute(f"PRAGMA application_id = {APPLICATION_ID}")

    def _make_room(self) -> None:
        """Let the write-ahead log have its full length from the start.

        A commit into a log that grows also has to commit the file system's journal, which takes a quarter longer and
        holds up whoever makes or renames a file meanwhile. SQLite writes over a log that has been checkpointed.
        """
        self._write.executescript(room.filled(_WAL_BYTES) + "PRAGMA wal_checkpoint(RESTART)")

    def check_owner(self, device: bytes, key: Path) -> None:
        """Raise DamagedError when the store was written with another device key."""
        owner = tables.owner.read_owner(self.rows)
        if owner is None:
            self._write.execute(*tables.owner.insert(device))
        elif owner != device:
            raise DamagedError(
                f"the device key {key} is not the one that the store {self.path} was made with. Both were left as they "
                "are. Put the right key back, or move the store away to start as a new device"
            )

    def next_seq(self) -> int:
        """The number of the next row of the log."""
        seq = self._next_seq
        self._next_seq += 1
        return seq

    def next_notice(self) -> int:
        """The number of the next notice."""
        self._next_notice += 1
        return self._next_notice

    @property
    def last_seq(self) -> int:
        return self._next_seq - 1

    def submit(self, statements: Iterable[Statement]) -> Commit:
        """Queue statements for the next group commit."""
        if self._open is not None:
            self._open.statements += statements
            return self._open
        self._last = Commit(statements)
        self._queue.put(self._last)
        return self._last

    @contextmanager
    def as_one(self) -> Iterator[None]:
        """What is submitted until this ends becomes durable together, or not at all. No await in here."""
        commit = self._open = self._last = Commit()
        try:
            yield
        finally:
            self._open = None
            self._queue.put(commit)

    def pending(self) -> Commit:
        """The commit of what was submitted last: when it is done, everything submitted so far is durable."""
        return self._last

    # --- whether it can be written ------------------------------------------------------------------------------

    @property
    def problem(self) -> str:
        """Why nothing more may come in from others now, and what helps; empty when all is well."""
        return self._refusal or self._shortage

    def when_problem_changes(self, call: Callable[[], None]) -> None:
        """Have something called whenever `problem` is another one."""
        self._tell.append(call)

    async def wait_until_writable(self) -> None:
        """Return when there is no problem: who takes from others what is to be stored waits here."""
        while self.problem:
            await self._changed.wait()

    async def watch_room(self) -> None:
        """Once there is too little room, look whether there is enough again; runs until cancelled."""
        while True:
            while not self._shortage:
                await self._changed.wait()
            await trio.sleep(_LOOK_AGAIN_S)
            self._note(self._refusal, self._look_for_room())

    def _look_for_room(self) -> str:
        shortage = low_room(self.path.parent)
        return f"nothing comes in that needs the store {self.path}: {shortage}" if shortage else ""

    def _refused(self, reason: str) -> None:
        """The disk does not take a commit."""
        self._note(reason, self._shortage)

    def _note(self, refusal: str, shortage: str) -> None:
        had, has = bool(self.problem), bool(refusal or shortage)
        self._refusal, self._shortage = refusal, shortage
        if had == has:
            return
        if has:
            log.warning("store_waits", reason=self.problem)
        else:
            log.info("store_goes_on")
        changed, self._changed = self._changed, trio.Event()
        changed.set()
        for call in self._tell:
            call()

    # --- reading ------------------------------------------------------------------------------------------------

    def rows(self, query: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Read what is committed."""
        return self._read.execute(query, parameters).fetchall()

    @contextmanager
    def reader(self) -> Iterator[Read]:
        """`rows` for a thread beside the loop, which has a connection of its own. Raises YpError: it cannot be read."""
        try:
            connection = _connect(self.path)
            try:
                connection.execute("PRAGMA query_only = ON")
                yield lambda query, parameters: connection.execute(query, parameters).fetchall()
            finally:
                connection.close()
        except sqlite3.Error as error:
            raise YpError(f"the store {self.path} could not be read: {error}") from error

    def free_pages(self) -> int:
        """The pages of 4 KiB in the file that hold nothing."""
        return int(self._read.execute("PRAGMA freelist_count").fetchone()[0])

    def trim(self) -> None:
        """Let go of the pages that were read."""
        self._read.execute("PRAGMA shrink_memory")

    async def watch_writer(self) -> None:
        """Raise YpError when the store cannot be written; the daemon must not go on then."""
        await self._failed.wait()
        raise YpError(f"the store {self.path} could not be written: {self._error}") from self._error

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

    def _store(self, batch: list[Commit]) -> bool:
        """One group commit, tried until the disk takes it; tells whether it did not at first."""
        statements = [statement for commit in batch for statement in commit.statements]
        patience, was_refused = Patience(_RETRY_S, _LONGEST_RETRY_S), False
        while self._error is None:
            try:
                self._execute(statements)
            except Exception as error:
                if _may_pass(error) and not self._closing.is_set():
                    was_refused = True
                    self._soon(self._refused, f"the store {self.path} cannot be written now: {error}; {_REMEDY}")
                    self._closing.wait(patience.next_s())
                else:
                    self._error = error  # whatever it is, nothing more can be promised
            else:
                break
        return was_refused

    def _commit(self, batch: list[Commit]) -> None:
        was_refused = self._store(batch)
        self._soon(self._finish, batch)
        shortage = self._look_for_room()
        if self._error is None and (was_refused or shortage != self._shortage):
            self._soon(self._note, "", shortage)

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
        self._write.execute("BEGIN IMMEDIATE")
        try:
            for sql, rows in _together(statements):
                if sql is not GIVE_BACK_ROOM[0]:
                    self._execute_all(sql, rows)
            self._write.execute("COMMIT")
        except BaseException:
            if self._write.in_transaction:  # a disk that is full or fails has ended it already
                self._write.execute("ROLLBACK")
            raise
        if GIVE_BACK_ROOM in statements:
            with suppress(
                sqlite3.OperationalError
            ):  # what was asked for is durable; a full disk can have no room for this
                self._write.executescript(GIVE_BACK_ROOM[0])  # `execute` would give back one page

    def _execute_all(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """Execute one statement for each of the rows, many rows at a time where it adds rows."""
        at_once = len(rows) - len(rows) % _ROWS_AT_ONCE if _table_of(sql) is not None else 0
        if at_once:
            head, values = sql.split(" VALUES ")
            many = f"{head} VALUES {', '.join([values] * _ROWS_AT_ONCE)}"
            for start in range(0, at_once, _ROWS_AT_ONCE):
                self._write.execute(many, [value for row in rows[start : start + _ROWS_AT_ONCE] for value in row])
        for row in rows[at_once:]:
            self._write.execute(sql, row)

    def close(self) -> None:
        """Commit what is left, and close. Blocks. What the disk does not take then is tried once more, and lost."""
        self._closing.set()
        self._queue.put(None)
        self._thread.join()
        self._read.close()
        self._write.close()


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5)
    connection.text_factory = lambda data: data.decode("utf-8", "replace")  # a row that is no text must not hide others
    try:
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    except BaseException:
        connection.close()
        raise
    return connection


def _script(name: str) -> str:
    return files("yp2p.store").joinpath(name).read_text()


def _check(path: Path) -> None:
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


# What the machine does not allow now; nothing is wrong with the store.
_PASSING = (
    sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL,
)  # fmt: skip
_REMEDY = "make room on its disk or make it writable, and it goes on by itself"


def _may_pass(error: BaseException) -> bool:
    """Whether the machine is what is wrong, and not the store."""
    code = getattr(error, "sqlite_errorcode", 0)
    if code == sqlite3.SQLITE_READONLY_DBMOVED:  # somebody removed the file: nothing that is written is found again
        return False
    return isinstance(error, sqlite3.Error) and code & 0xFF in _PASSING  # the last byte is the kind


@asynccontextmanager
async def open_database(path: Path, *, make_room: bool = True) -> AsyncIterator[Database]:
    """Open or create the store, with its writer running; leaving commits what is left.

    Args:
        make_room: whether to make commits faster at the price of a slower start.

    Raises:
        DamagedError: the file is no store, is damaged, or was written by a newer yp2p.
        YpError: it cannot be written now: the disk is full or read-only.
    """
    try:
        await trio.to_thread.run_sync(_check, path)
        database = Database(path, make_room=make_room)
        await trio.to_thread.run_sync(path.chmod, 0o600)
    except sqlite3.Error as error:
        if _may_pass(error):
            raise YpError(
                f"the store {path} cannot be written: {error}. Nothing is lost; make room on its disk, or make it "
                "writable, and start again"
            ) from error
        raise DamagedError(
            f"the store {path} is damaged ({error}). It was left as it is; your files are not touched. Move it "
            "away and share or join your folders again"
        ) from error
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(database.watch_writer)
            nursery.start_soon(database.watch_room)
            yield database
            nursery.cancel_scope.cancel()
    finally:
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(database.close)
