"""A disk that does not take what is stored: it is said, nobody hears that it is durable, and it goes on by itself."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import structlog
import trio
import trio.testing

from yp2p.errors import YpError
from yp2p.machine import floor_bytes, low_room
from yp2p.store import writability, writer
from yp2p.store.database import Database, open_database

INSERT = "INSERT INTO start VALUES (?, 0, 0)"


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "_RETRY_S", 0.01)
    monkeypatch.setattr(writer, "_LONGEST_RETRY_S", 0.02)
    monkeypatch.setattr(writability, "_LOOK_AGAIN_S", 0.01)


async def _until(database: Database, *, writable: bool) -> None:
    with trio.fail_after(60):
        while bool(database.writability.problem) == writable:
            await database.writability.changed.wait()


@contextmanager
def _full(database: Database) -> Iterator[None]:
    """The file may not grow: SQLite says that the disk is full, as it does when the kernel says so."""
    (pages,) = database._write.execute("PRAGMA page_count").fetchone()
    database._write.execute(f"PRAGMA max_page_count = {pages}")
    try:
        yield
    finally:
        database._write.execute("PRAGMA max_page_count = 1000000000")


async def test_a_full_disk_is_waited_for(tmp_path: Path) -> None:
    with structlog.testing.capture_logs() as logs:
        async with open_database(tmp_path / "store.db", make_room=False) as database:
            await database.submit([(INSERT, (1,))]).wait()
            heard: list[str] = []
            database.writability.when_changed(lambda: heard.append(database.writability.problem))
            with _full(database):
                large = database.submit([(INSERT, (number,)) for number in range(2, 20_000)])
                behind = database.submit([(INSERT, (100_000,))])
                await _until(database, writable=False)
                assert "database or disk is full" in database.writability.problem
                assert "make room" in database.writability.problem
                assert not large.is_done
                assert not behind.is_done, "nothing overtakes it"
                assert database.rows("SELECT count(*) FROM start") == [(1,)], "reading goes on"
                waiting: list[str] = []

                async def receive() -> None:
                    await database.writability.wait()
                    waiting.append("came in")

                async with trio.open_nursery() as nursery:
                    nursery.start_soon(receive)
                    await trio.testing.wait_all_tasks_blocked()
                    assert waiting == []
                    database._write.execute("PRAGMA max_page_count = 1000000000")
            await large.wait()
            await behind.wait()
            assert waiting == ["came in"]
            assert database.writability.problem == ""
            assert database.rows("SELECT count(*) FROM start") == [(20_000,)]
            assert [bool(problem) for problem in heard] == [True, False]
    assert [line["event"] for line in logs] == ["store_waits", "store_goes_on"]


@pytest.mark.parametrize(
    "code",
    [
        sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_BUSY,
    ],
)  # fmt: skip
async def test_what_the_machine_does_not_allow_passes(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_database(tmp_path / "store.db", make_room=False) as database:
        real, tries = database.writer._execute, [0]

        def refuse(statements: Any) -> None:
            tries[0] += 1
            if tries[0] < 4:
                error = sqlite3.OperationalError("the machine says no")
                error.sqlite_errorcode = code
                raise error
            real(statements)

        monkeypatch.setattr(database.writer, "_execute", refuse)
        commit = database.submit([(INSERT, (1,))])
        await _until(database, writable=False)
        with trio.fail_after(60):
            await commit.wait()
        assert tries == [4]
        assert database.rows("SELECT client FROM start") == [(1,)]


@pytest.mark.parametrize("code", [sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_READONLY_DBMOVED, sqlite3.SQLITE_CONSTRAINT])
async def test_a_fault_of_the_store_itself_ends_the_daemon(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Any) -> None:
        error = sqlite3.OperationalError("a fault")
        error.sqlite_errorcode = code
        raise error

    with pytest.RaisesGroup(pytest.RaisesExc(YpError, match="a fault")):
        async with open_database(tmp_path / "store.db", make_room=False) as database:
            monkeypatch.setattr(database.writer, "_execute", refuse)
            database.submit([(INSERT, (1,))])
            await trio.sleep_forever()


async def test_a_stop_does_not_wait_for_a_full_disk(tmp_path: Path) -> None:
    with trio.fail_after(60):
        async with open_database(tmp_path / "store.db", make_room=False) as database:
            await database.submit([(INSERT, (1,))]).wait()
            (pages,) = database._write.execute("PRAGMA page_count").fetchone()
            database._write.execute(f"PRAGMA max_page_count = {pages}")
            database.submit([(INSERT, (n,)) for n in range(2, 20_000)])
            await _until(database, writable=False)
    async with open_database(tmp_path / "store.db", make_room=False) as database:
        assert database.rows("SELECT client FROM start") == [(1,)], "whole, or not at all"


async def test_a_floor_of_free_space_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = [10_000]
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_bavail=free[0], f_blocks=1_000_000, f_frsize=4096))
    assert low_room(tmp_path) == ""
    assert low_room(tmp_path, 1), "less would be left than the floor"
    async with open_database(tmp_path / "store.db", make_room=False) as database:
        await database.submit([(INSERT, (1,))]).wait()
        assert database.writability.problem == ""
        free[0] -= 1
        await database.submit([(INSERT, (2,))]).wait()
        await _until(database, writable=False)
        assert "No space left on device" in database.writability.problem
        await database.submit([(INSERT, (3,))]).wait()  # what is saved here is stored
        free[0] += 1
        await _until(database, writable=True)


def test_the_floor_is_a_hundredth_of_a_disk_and_never_much() -> None:
    small = SimpleNamespace(f_blocks=1000, f_frsize=4096)
    large = SimpleNamespace(f_blocks=1 << 30, f_frsize=4096)
    assert (floor_bytes(small), floor_bytes(large)) == (40_960, 256 << 20)  # type: ignore[arg-type]


def test_a_disk_that_cannot_be_asked_is_not_full(tmp_path: Path) -> None:
    assert low_room(tmp_path / "nowhere") == ""
