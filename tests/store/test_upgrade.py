"""A store of an older version: the copy from before, room for it, how long it stays; a newer one is not touched."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from yp2p.errors import NewerStore, YpError
from yp2p.store import upgrade
from yp2p.store.database import open_database
from yp2p.store.schema import SCHEMA_VERSION

_DAY = 86400
_SCHEMAS = Path(__file__).with_name("schemas")


def _older_store(path: Path) -> None:
    """A store of the schema before this one, with a row of ours."""
    with closing(sqlite3.connect(path)) as store:
        store.executescript((_SCHEMAS / f"{SCHEMA_VERSION - 1}.sql").read_text())
        store.execute("PRAGMA journal_mode = WAL")
        store.execute("DELETE FROM start")
        store.execute("DELETE FROM day")
        store.execute("INSERT INTO start VALUES (7, 0, 0)")
        store.commit()


def _version(path: Path) -> int:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as store:
        return upgrade.version_of(store)


def _contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


async def test_a_copy_is_kept_before_a_store_is_migrated(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    _older_store(path)
    async with open_database(path) as database:
        assert database.rows("SELECT client FROM start") == [(7,)]
    (kept,) = upgrade.copies(path)
    assert kept.name == f"store.db.schema-{SCHEMA_VERSION - 1}"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert (_version(path), _version(kept)) == (SCHEMA_VERSION, SCHEMA_VERSION - 1)
    with closing(sqlite3.connect(kept)) as copy:
        assert copy.execute("SELECT client FROM start").fetchall() == [(7,)]
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    path.unlink()
    kept.rename(path)
    async with open_database(path) as database:
        assert database.rows("SELECT client FROM start") == [(7,)], "the copy is a store"


async def test_what_is_in_the_write_ahead_log_is_in_the_copy(tmp_path: Path) -> None:
    path, crashed = tmp_path / "store.db", tmp_path / "crashed"
    _older_store(path)
    crashed.mkdir()
    with closing(sqlite3.connect(path)) as store, store:
        store.execute("INSERT INTO start VALUES (8, 0, 0)")
        store.commit()
        for suffix in ("", "-wal"):
            (crashed / f"store.db{suffix}").write_bytes(path.with_name(f"store.db{suffix}").read_bytes())
    async with open_database(crashed / "store.db"):
        pass
    with closing(sqlite3.connect(*upgrade.copies(crashed / "store.db"))) as copy:
        assert copy.execute("SELECT client FROM start ORDER BY client").fetchall() == [(7,), (8,)]


async def test_no_copy_is_made_of_a_store_of_this_version(tmp_path: Path) -> None:
    for _ in range(2):
        async with open_database(tmp_path / "store.db"):
            pass
    assert upgrade.copies(tmp_path / "store.db") == []


async def test_without_room_for_the_copy_nothing_is_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "store.db"
    _older_store(path)
    before = _contents(tmp_path)
    real = os.statvfs(tmp_path)

    def full(_: Path) -> os.statvfs_result:
        fields = list(real)
        fields[4] = (20 << 20) // real.f_frsize  # f_bavail
        return os.statvfs_result(fields)

    with monkeypatch.context() as patched:
        patched.setattr("yp2p.store.upgrade._SPARE_BYTES", 64 << 20)
        patched.setattr("yp2p.store.upgrade.os.statvfs", full)
        with pytest.raises(
            YpError, match=r"needs \d+ MiB on its disk, and 20 MiB are free. Make room and start again"
        ) as refused:
            async with open_database(path):
                pass
    assert refused.value.exit_code == 1, "a service tries again"
    assert {name: _contents(tmp_path)[name] for name in before} == before
    assert upgrade.copies(path) == []
    async with open_database(path):
        assert len(upgrade.copies(path)) == 1


async def test_a_copy_that_cannot_be_written_leaves_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "store.db"
    _older_store(path)

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("yp2p.store.upgrade._sync", refuse)
        with pytest.raises(YpError, match="make room"):
            async with open_database(path):
                pass
    assert _version(path) == SCHEMA_VERSION - 1
    assert list(tmp_path.glob("*.schema-*")) == []  # noqa: ASYNC240


async def test_a_copy_goes_after_thirty_days_on_which_it_ran(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    _older_store(path)
    async with open_database(path) as database:
        (kept,) = upgrade.copies(path)
        os.utime(kept, (0, 10.5 * _DAY))
        days = [f"1970-02-{day:02}" for day in range(1, upgrade.KEPT_DAYS - 1)]
        await database.submit([("INSERT INTO day VALUES (?, 0)", (day,)) for day in ["1970-01-02", *days]]).wait()
    for last, stays in (("1971-01-01", True), ("1971-01-02", False)):
        async with open_database(path) as database:
            assert upgrade.copies(path) == [kept]
            await database.submit([("INSERT INTO day VALUES (?, 0)", (last,))]).wait()
        async with open_database(path):
            assert (upgrade.copies(path) == [kept]) is stays, last


@pytest.mark.parametrize("crashed", [False, True])
async def test_a_newer_store_is_refused_untouched(tmp_path: Path, crashed: bool) -> None:
    path = tmp_path / "home/store.db"
    path.parent.mkdir()
    async with open_database(path) as database:
        await database.submit([("INSERT INTO start VALUES (?, 0, 0)", (7,))]).wait()
    with closing(sqlite3.connect(path, isolation_level=None)) as store:
        store.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
        store.execute("CREATE TABLE of_the_future (x)")
        if crashed:  # it is in the write-ahead log alone
            path = tmp_path / "crashed/store.db"
            path.parent.mkdir()
            for suffix in ("", "-wal"):
                copied = (tmp_path / f"home/store.db{suffix}").read_bytes()
                path.with_name(f"store.db{suffix}").write_bytes(copied)
            assert path.read_bytes()[60:64] == SCHEMA_VERSION.to_bytes(4)
    before = _contents(path.parent)
    with pytest.raises(NewerStore, match=f"schema {SCHEMA_VERSION + 1}, this one knows {SCHEMA_VERSION}") as refused:
        async with open_database(path):
            pass
    assert refused.value.exit_code == 10
    after = _contents(path.parent)
    after.pop("store.db-shm", None)  # an index of the log, which every reader makes
    if not crashed:
        assert after.pop("store.db-wal", b"") == b"", "a reader makes an empty one"
    assert after == before


async def test_who_goes_back_is_told_of_the_copy(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    async with open_database(path):
        pass
    copy = path.with_name(f"store.db.schema-{SCHEMA_VERSION}")
    copy.write_bytes(path.read_bytes())
    with closing(sqlite3.connect(path, isolation_level=None)) as store:
        store.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    with pytest.raises(NewerStore, match=f"or put back {copy}"):
        async with open_database(path):
            pass
