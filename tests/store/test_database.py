"""The store: order, group commits, damage, newer versions."""

from __future__ import annotations

import os
import sqlite3
import tempfile
import weakref
from array import array
from contextlib import closing
from importlib.resources import files
from pathlib import Path

import pytest
import trio
from effort import many
from hypothesis import given, settings
from hypothesis import strategies as st

from yp2p.errors import DamagedError, YpError
from yp2p.store import tables
from yp2p.store.database import open_database
from yp2p.store.schema import SCHEMA_VERSION

INSERT = "INSERT INTO start VALUES (?, 0, 0)"


async def test_what_is_waited_for_is_durable_and_in_order(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    async with open_database(path) as database:
        commits = [database.submit([(INSERT, (number,))]) for number in range(100)]
        await commits[-1].wait()
        assert all(commit.is_done for commit in commits)
        with closing(sqlite3.connect(path)) as other, other:
            assert other.execute("SELECT count(*) FROM start").fetchone() == (100,)
        assert database.pending().is_done
        seqs = [database.next_seq(), database.next_seq()]
        assert seqs == [1, 2]
        database.submit([("INSERT INTO log VALUES (2, zeroblob(16), zeroblob(16), x'', 0, x'', 0)", ())])
    async with open_database(path) as database:
        assert database.next_seq() == 3, "what was submitted last was committed on closing"
    assert path.stat().st_mode & 0o777 == 0o600


async def test_a_commit_that_is_done_does_not_keep_what_was_stored(tmp_path: Path) -> None:
    async with open_database(tmp_path / "store.db") as database:
        update = array("B", bytes(1000))  # bytes that a weak reference can be had of
        known = weakref.ref(update)
        commit = database.submit([("INSERT INTO log VALUES (1, x'', x'', x'', 0, ?, 0)", (update,))])
        del update
        assert known() is not None
        await commit.wait()
        with trio.fail_after(60):
            while known() is not None:  # the writer's thread still holds its batch until it gets the next
                await database.submit([]).wait()


async def test_a_group_is_all_or_nothing_and_a_fault_ends_the_daemon(tmp_path: Path) -> None:
    with pytest.RaisesGroup(pytest.RaisesExc(YpError, match="could not be written")):
        async with open_database(tmp_path / "store.db") as database:
            commit = database.submit([(INSERT, (1,)), (INSERT, (1,))])
            with pytest.raises(YpError, match="UNIQUE"):
                await commit.wait()
            assert database.rows("SELECT * FROM start") == []
            await trio.sleep_forever()


_KEYS = st.integers(0, 5)
_STATEMENTS = st.one_of(
    st.tuples(st.just("INSERT OR REPLACE INTO day VALUES (?, ?)"), st.tuples(_KEYS, _KEYS)),
    st.tuples(st.just("INSERT OR IGNORE INTO day VALUES (?, ?)"), st.tuples(_KEYS, _KEYS)),
    st.tuples(st.just("INSERT OR REPLACE INTO start VALUES (?, ?, ?)"), st.tuples(_KEYS, _KEYS, _KEYS)),
    st.tuples(st.just("DELETE FROM day WHERE day = ?"), st.tuples(_KEYS)),
    st.tuples(st.just("DELETE FROM start WHERE client IN (SELECT day FROM day)"), st.just(())),
    st.tuples(st.just("INSERT OR IGNORE INTO day VALUES (?, (SELECT count(*) FROM start))"), st.tuples(_KEYS)),
)


@settings(max_examples=many(100), deadline=None)
@given(st.lists(_STATEMENTS, max_size=30), st.integers(1, 70))
def test_statements_that_are_executed_together_do_what_they_do_one_by_one(
    statements: list[tuple[str, tuple[int, ...]]], times: int
) -> None:
    """Also where so many rows come that they are added many at a time."""
    statements = [statement for statement in statements for _ in range(times)]

    def contents(connection: sqlite3.Connection) -> list[list[tuple[int, ...]]]:
        return [connection.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall() for table in ("day", "start")]

    async def together() -> list[list[tuple[int, ...]]]:
        with tempfile.TemporaryDirectory() as base:
            async with open_database(Path(base) / "store.db", make_room=False) as database:
                await database.submit(statements).wait()
            with closing(sqlite3.connect(Path(base) / "store.db")) as connection:
                return contents(connection)

    with closing(sqlite3.connect(":memory:")) as alone:
        alone.executescript(files("yp2p.store").joinpath("schema.sql").read_text())
        for sql, parameters in statements:
            alone.execute(sql, parameters)
        assert trio.run(together) == contents(alone)


async def test_of_a_damaged_store_everything_is_used_that_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    async with open_database(path) as database:
        await database.submit([(INSERT, (number,)) for number in range(20_000)]).wait()
    with closing(sqlite3.connect(path)) as store:
        store.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    damaged = bytearray(path.read_bytes())
    full_leaves = [at for at in range(4096, len(damaged), 4096) if damaged[at] == 0x0D and damaged[at + 4096 - 1]]
    at = full_leaves[len(full_leaves) // 2]
    damaged[at : at + 4096] = b"\xff" * 4096
    path.write_bytes(damaged)
    async with open_database(path) as database:
        assert 19_000 < database.rows("SELECT count(*) FROM start")[0][0] < 20_000
        assert database.rows("SELECT min(client), max(client) FROM start") == [(0, 19_999)], "from both ends"
        assert database.salvaged is not None
        assert database.salvaged.lost == ("start",)
        kept = database.salvaged.kept
        assert kept.read_bytes() == damaged, "the damaged one is kept"
        await database.submit([(INSERT, (30_000,))]).wait()
    async with open_database(path) as database:
        assert database.salvaged is None, "it is done once"
        assert database.rows("SELECT max(client) FROM start") == [(30_000,)]


@pytest.mark.parametrize("part", [0.5, 0.9])
async def test_of_a_store_that_was_cut_off_what_is_left_is_used(tmp_path: Path, part: float) -> None:
    path = tmp_path / "store.db"
    async with open_database(path) as database:
        await database.submit([tables.day.insert("2026-01-01", 1)]).wait()
        await database.submit([(INSERT, (number,)) for number in range(1, 20_001)]).wait()
    os.truncate(path, int(path.stat().st_size * part))
    cut = path.read_bytes()
    async with open_database(path) as database:
        assert database.salvaged is not None
        assert database.salvaged.lost == ("start",)
        assert database.rows("SELECT count(*) FROM start")[0][0] > 0
        assert database.rows("SELECT * FROM day") == [("2026-01-01", 1)]
        assert database.salvaged.kept.read_bytes() == cut
    assert not list(tmp_path.glob("*.whole*"))  # noqa: ASYNC240


@pytest.mark.parametrize("broken", [b"no database at all", b"SQLite format 3\x00" + bytes(100), b"", bytes(8192)])
async def test_what_is_no_store_is_kept_and_an_empty_one_made(tmp_path: Path, broken: bytes) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(broken)
    async with open_database(path) as database:
        assert database.salvaged is not None
        assert "Share or join again" in str(database.salvaged)
        assert database.salvaged.kept.read_bytes() == broken
        await database.submit([(INSERT, (1,))]).wait()


@pytest.mark.parametrize(
    "sql", ["DROP TABLE day", "DROP INDEX log_document", "ALTER TABLE day ADD COLUMN x TEXT", "PRAGMA user_version = 3"]
)
async def test_a_store_with_another_schema_becomes_one_with_the_right_one(tmp_path: Path, sql: str) -> None:
    path = tmp_path / "store.db"
    async with open_database(path) as database:
        await database.submit([(INSERT, (1,))]).wait()
    with closing(sqlite3.connect(path)) as store, store:
        store.execute(sql)
    async with open_database(path) as database:
        assert database.salvaged is not None
        assert database.rows("SELECT client FROM start") == [(1,)]
        assert database.rows("SELECT * FROM day") == []
        assert database.rows("PRAGMA user_version") == [(SCHEMA_VERSION,)]


async def test_a_crash_while_a_store_is_salvaged_is_brought_to_its_end(tmp_path: Path) -> None:
    path, new = tmp_path / "store.db", tmp_path / "store.db.salvaged"
    async with open_database(path) as database:
        await database.submit([(INSERT, (1,))]).wait()
    path.rename(new)  # the damaged one was moved away, and the new one not yet put in its place
    (tmp_path / "store.db-wal").write_bytes(b"of the damaged one")
    async with open_database(path) as database:
        assert database.rows("SELECT client FROM start") == [(1,)]
    assert [kept.read_bytes() for kept in tmp_path.glob("*damaged*-wal")] == [b"of the damaged one"]  # noqa: ASYNC240


async def test_what_has_the_name_of_a_file_of_sqlite_and_is_none_makes_way(tmp_path: Path) -> None:
    for name in ("store.db-wal", "store.db-shm", "store.db-journal"):
        (tmp_path / name).mkdir()
    async with open_database(tmp_path / "store.db") as database:
        await database.submit([(INSERT, (1,))]).wait()


async def test_a_journal_of_nothing_is_no_journal(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    async with open_database(path) as database:
        await database.submit([(INSERT, (1,))]).wait()
    (tmp_path / "store.db-journal").write_bytes(bytes(range(256)) * 100)
    async with open_database(path) as database:
        assert database.rows("SELECT client FROM start") == [(1,)]


async def test_a_store_that_cannot_be_read_ends_the_daemon_whoever_reads(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with pytest.RaisesGroup(pytest.RaisesExc(YpError, match="could not be read: .*malformed")):
        async with open_database(path) as database:
            await database.submit([(INSERT, (number,)) for number in range(20_000)]).wait()
            with closing(sqlite3.connect(path)) as other:
                other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            data = path.read_bytes()
            path.write_bytes(data[:8192] + b"\xff" * (len(data) - 8192))
            with pytest.raises(YpError, match="could not be read"):
                database.rows("SELECT sum(fork) FROM start")
            await trio.sleep_forever()
    async with open_database(path) as database:
        assert database.salvaged is not None


def _is_open(path: Path) -> bool:
    return any(link.exists() and link.samefile(path) for link in Path("/proc/self/fd").iterdir())


async def test_a_store_that_is_refused_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("CREATE TABLE x (y)")
    # Whoever has the exception still has everything that its traceback leads to.
    with pytest.raises(DamagedError, match="not a store of yp2p") as raised:
        async with open_database(path):
            pass
    assert not _is_open(path)
    assert raised.value.__traceback__ is not None


async def test_another_programs_database_and_a_newer_one_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("CREATE TABLE x (y)")
    with pytest.raises(DamagedError, match="not a store of yp2p"):
        async with open_database(path):
            pass
    path.unlink()
    async with open_database(path):
        pass
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("PRAGMA user_version = 99")
    with pytest.raises(DamagedError, match="newer yp2p"):
        async with open_database(path):
            pass
