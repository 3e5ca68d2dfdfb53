"""The store: one SQLite file, one batching writer thread.

Theory of operation
    Everything that must survive is handed to `submit` as statements and becomes durable in the order of submission,
    what has gathered in one commit (`writer`). `submit` gives a `Commit`; whoever must not go on before its statements
    are durable awaits it.

    Reads go through a connection of their own and see what is committed. A caller that wants to read back what it
    submitted awaits the commit first.

    A disk that does not take what is written is waited for (`writability`).

    The sequence numbers of the log are given out here, in memory, so that a base can name the row it ends
    at before that row is committed.

Invariants
    * Statements become durable in the order in which they were submitted, and those of one commit never in part.
    * A fault of the store ends the daemon (invariant 15): `Writer.watch` raises, and so does every waiting commit, and
      who reads. It is no fault of a peer, a program or a folder.
      A state of the machine that passes, as a full disk, is no such fault (invariant 20).
    * A store of another program, of a newer version or of another device is reported and left exactly as it is. Of one
      that is damaged a new one is made, and it is kept (`salvage.py`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any

import structlog
import trio

from yp2p.errors import DamagedError, YpError
from yp2p.machine import reason
from yp2p.store import salvage, schema, soundness, tables, upgrade
from yp2p.store.salvage import Salvaged
from yp2p.store.soundness import set_damaged_aside
from yp2p.store.sql import Read, Statement
from yp2p.store.writability import Writability, may_pass
from yp2p.store.writer import Commit, Writer

# How often somebody else may have submitted something meanwhile.
_TRIES = 50

log = structlog.get_logger()


class Database:
    """An open store. Use `open_database`.

    Args:
        salvaged: that it is what could be read of a damaged one.
    """

    def __init__(
        self, path: Path, *, make_room: bool = True, writer: type[Writer] = Writer, salvaged: Salvaged | None = None
    ) -> None:
        self.path = path
        self.salvaged = salvaged
        self.writability = Writability(path)
        with ExitStack() as refused:  # closes what was opened of a store that cannot be used
            self._write = refused.enter_context(closing(schema.connect(path)))
            schema.prepare(self._write, path)
            self.aside = set_damaged_aside(self._write)
            for found in self.aside:
                log.warning("stored_rows_set_aside", table=found.table, rows=found.count, advice=str(found))
            if make_room:
                schema.fill_log(self._write)
            self._read = refused.enter_context(closing(schema.connect(path, read_only=True)))
            self.last_seq = max(tables.log.last_seq(self._read_rows), tables.departed.last_seq(self._read_rows))
            self._last_notice = tables.notice.last_number(self._read_rows)
            self._last_purge = tables.purge_request.last_number(self._read_rows)
            for dropped in upgrade.drop_old_copies(path, tables.day.days(self._read_rows)):
                log.info("store_copy_removed", name=str(dropped))
            self._columns = {table: schema.columns_of(self._read, table) for table in tables.__all__}
            refused.pop_all()
        self._open: Commit | None = None  # what is submitted as one
        self._last = Commit()
        self._last.finish()
        self.writer = writer(path, self._write, self.writability)
        self.writer.start()

    def owner(self) -> bytes | None:
        """The device that the store is of; None before its first start."""
        return tables.owner.read_owner(self.rows)

    def check_owner(self, device: bytes, key: str) -> None:
        """Raise DamagedError when the store was written with another device key; `key` says where this one is."""
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
        self.last_seq += 1
        return self.last_seq

    def next_notice(self) -> int:
        """The number of the next notice."""
        self._last_notice += 1
        return self._last_notice

    def next_purge(self) -> int:
        """The number of the next request to remove the past of files."""
        self._last_purge += 1
        return self._last_purge

    def submit(self, statements: Iterable[Statement]) -> Commit:
        """Queue statements for the next group commit."""
        if self._open is not None:
            self._open.statements += statements
            return self._open
        self._last = Commit(statements)
        self.writer.put(self._last)
        return self._last

    @contextmanager
    def as_one(self) -> Iterator[None]:
        """What is submitted until this ends becomes durable together, or not at all. No await in here.

        Within another one it is a part of that.
        """
        if self._open is not None:
            yield
            return
        commit = self._open = self._last = Commit()
        try:
            yield
        finally:
            self._open = None
            self.writer.put(commit)

    def set_aside(self, table: str, condition: str) -> Commit:
        """Move the rows of a table that fulfil an SQL condition to the table `aside`; those that are not sound without
        one."""
        return self.submit(soundness.moves(table, self._columns[table], condition))

    def pending(self) -> Commit:
        """The commit of what was submitted last: when it is done, everything submitted so far is durable."""
        return self._last

    async def is_at_rest(self) -> bool:
        """Wait until everything is durable and nothing new was submitted: up to the next await the store has what is in
        memory. False: it never was, for a while."""
        for _ in range(_TRIES):
            commit = self._last
            await commit.wait()
            if self._last is commit:
                return True
        return False

    # --- reading ------------------------------------------------------------------------------------------------

    def rows(self, query: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Read what is committed. Raises YpError where the store cannot be read, and then the daemon ends."""
        try:
            return self._read_rows(query, parameters)
        except sqlite3.Error as error:
            fault = YpError(
                f"the store {self.path} could not be read: {error}. Start again: what can be read of it is used then"
            )
            self.writer.fail(fault)
            raise fault from error

    def _read_rows(self, query: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self._read.execute(query, parameters).fetchall()

    @contextmanager
    def reader(self, *, of_one_moment: bool = False) -> Iterator[Read]:
        """`rows` for a thread beside the loop, which has a connection of its own. Raises YpError: it cannot be read.

        Args:
            of_one_moment: whether all that is read is to be of one; the write-ahead log grows meanwhile.
        """
        try:
            with closing(schema.connect(self.path, read_only=True)) as connection:
                if of_one_moment:
                    connection.execute("BEGIN")
                yield lambda query, parameters: connection.execute(query, parameters).fetchall()
        except sqlite3.Error as error:
            raise YpError(f"the store {self.path} could not be read: {error}") from error

    def free_pages(self) -> int:
        """The pages of 4 KiB in the file that hold nothing."""
        return int(self._read.execute("PRAGMA freelist_count").fetchone()[0])

    def trim(self) -> None:
        """Let go of the pages that were read."""
        self._read.execute("PRAGMA shrink_memory")

    def close(self) -> None:
        """Commit what is left, and close. Blocks. What the disk does not take then is tried once more, and lost."""
        self.writer.close()
        self._read.close()
        self._write.close()


async def _open(path: Path, *, make_room: bool) -> Database:
    """Open a store, or what can be read of a damaged one. Raises DamagedError, sqlite3.Error, OSError."""
    try:
        await trio.to_thread.run_sync(salvage.finish, path)
        await trio.to_thread.run_sync(schema.check, path)
        return Database(path, make_room=make_room)
    except sqlite3.Error as error:
        if may_pass(error):
            raise
        salvaged = await trio.to_thread.run_sync(_salvage, path, str(error))
    return Database(path, make_room=make_room, salvaged=salvaged)


def _salvage(path: Path, why: str) -> Salvaged:
    if schema.is_foreign(path):
        raise DamagedError(f"{path} is not a store of this yp2p, and damaged ({why}); it was left as it is")
    salvaged = salvage.salvage(path, why)
    log.warning("store_salvaged", advice=str(salvaged))
    return salvaged


@asynccontextmanager
async def open_database(path: Path, *, make_room: bool = True) -> AsyncIterator[Database]:
    """Open or create the store, with its writer running; leaving commits what is left.

    Args:
        make_room: whether to make commits faster at the price of a slower start.

    Raises:
        DamagedError: the file is the store of something else. NewerStore: a newer yp2p wrote it.
        YpError: it cannot be written now: the disk is full or read-only.
    """
    try:
        database = await _open(path, make_room=make_room)
        await trio.to_thread.run_sync(path.chmod, 0o600)
    except OSError as error:
        raise YpError(f"the store {path} cannot be used now: {reason(error)}; then start again") from error
    except sqlite3.Error as error:
        if may_pass(error):
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
            nursery.start_soon(database.writer.watch)
            nursery.start_soon(database.writability.watch_room)
            yield database
            nursery.cancel_scope.cancel()
    finally:
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(database.close)
