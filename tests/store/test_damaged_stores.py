"""A store of which one thing is damaged: what cannot be read is set aside and told, and everything else works."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import trio
import trio.testing
from bridge import PEER, open_bridge, replica_like, settle
from effort import EFFORT

from yp2p.documents.diff import Hunk, hunks
from yp2p.documents.synced import PeerState
from yp2p.folder.notices import NoticeKind, Undo
from yp2p.folder.records import Values, file_of
from yp2p.identity import DocumentID, FolderID, Identity
from yp2p.store import schema, tables
from yp2p.store.examine import reader
from yp2p.store.salvage import first_gap
from yp2p.store.schema import SCHEMA_VERSION
from yp2p.store.soundness import TIMES, set_damaged_aside
from yp2p.trust.statements import Role, Signer

FILES = {"a.txt": "one\ntwo\nthree\n", "d/b.txt": "other\n" * 40, "c.md": "# title\n"}
_BLOB = os.urandom(300_000)
# What stands in the place of a value of each type.
_GARBAGE = {
    "BLOB": ("x''", "x'ff'", "randomblob(33)", "randomblob(length({0}))", "zeroblob(100000)"),
    "INTEGER": ("-7", "0", "9223372036854775807", "-9223372036854775808"),
    "TEXT": ("''", "CAST(x'ff00ff' AS TEXT)", "'../../x'"),
    "REAL": ("-1e300", "1e300", "0"),
}


def _run(test: object, *arguments: object) -> None:
    trio.run(test, *arguments, clock=trio.testing.MockClock(autojump_threshold=0.01))  # type: ignore[arg-type]


async def _fill(base: Path) -> None:
    """A store with a row or more in each table."""
    directory = base / "dir"
    for name, text in FILES.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text)
    (directory / "blob").write_bytes(_BLOB)
    (directory / "link").symlink_to("a.txt")
    (directory / "empty").mkdir()
    async with open_bridge(base) as bridge:
        await settle(bridge)
        peer = replica_like(bridge, "a.txt", 77)
        update = peer.edit(hunks(peer.text(), "one\nTWO\nthree\n"))
        assert update is not None
        await bridge.document("a.txt").receive(update, PEER, PeerState(peer.clocks(), is_answer=False))
        await settle(bridge)
        folder, database = bridge.folder, bridge.folder.database
        entry = next(iter(folder.catalogue.entries))
        undo = Undo.of(DocumentID(bytes(16)), 1, [Hunk(0, 1, "x")])
        folder.notices.add(NoticeKind.REMOVED_OTHERS_TEXT, "a.txt", "a text", entry, undo)
        founder = Identity(bytes(32))
        statement = Signer(founder, folder.id).grant((), founder.public, Role.ADMINISTRATOR, "name")
        state = bridge.document("a.txt").replica.state()
        document = bridge.document("a.txt").id
        await database.submit(
            [
                tables.owner.insert(founder.device_id),
                tables.folder.insert(folder.id, "label", "/nowhere", founder.device_id, 0.0, adopted=True),
                tables.statement.insert(folder.id, statement.encode()),
                tables.device.save(founder.device_id, "name", "10.0.0.1", 4711, 0.0),
                tables.start.insert(5, 6, 0.0),
                tables.last_run.save("boot", clean=False),
                tables.day.insert("2026-01-01", 1),
                tables.rules.save_agreed(folder.id, "*.log\n"),
                tables.served.insert(folder.id, b"a.txt", document),
                tables.base.save(folder.id, entry, 1e10, document, state, bytes(32)),
            ]
        ).wait()


@pytest.fixture(scope="module")
def filled() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as base:
        (Path(base) / "dir").mkdir()
        _run(_fill, Path(base))
        yield Path(base)


def _damages() -> list[tuple[str, str, str]]:
    """Table, column, and what is put into it."""
    connection = sqlite3.connect(":memory:")
    connection.executescript((Path(tables.__file__).parent.parent / "schema.sql").read_text())
    found = [
        (table, column, garbage.format(column))
        for table in tables.__all__
        for _, column, kind, *_ in connection.execute(f"PRAGMA table_info({table})")
        for garbage in _GARBAGE[kind]
        if table != "aside"
    ]
    return found if EFFORT != "fast" else random.Random(1).sample(found, 40)


@pytest.mark.parametrize(("table", "column", "garbage"), _damages())
def test_one_damaged_row_stops_nothing(filled: Path, table: str, column: str, garbage: str) -> None:
    async def run(base: Path) -> None:
        with closing(sqlite3.connect(base / "store")) as store, store:
            largest = f"SELECT max({column}) FROM {table}"
            store.execute(f"UPDATE OR IGNORE {table} SET {column} = {garbage} WHERE {column} = ({largest})")
        async with open_bridge(base) as bridge:
            await settle(bridge)
            (base / "dir" / "c.md").write_text("# title\nand more\n")
            (base / "dir" / "new.txt").write_text("new\n")
            await bridge.look()
            await settle(bridge)
            for name, text in {**FILES, "a.txt": "one\nTWO\nthree\n", "c.md": "# title\nand more\n"}.items():
                assert (base / "dir" / name).read_text() == text, name
            assert (base / "dir" / "blob").read_bytes() == _BLOB
            for found in bridge.folder.database.aside:
                assert found.table == table, "nothing else is set aside"
                told = [notice for notice in bridge.folder.notices if notice.kind is NoticeKind.SET_ASIDE]
                assert len(told) == (1 if found.folder == bridge.folder.id else 0)
        async with open_bridge(base) as bridge:
            assert bridge.folder.database.aside == [], "it is set aside once"

    with tempfile.TemporaryDirectory(dir=filled.parent) as base:
        shutil.copytree(filled, base, dirs_exist_ok=True, symlinks=True)
        _run(run, Path(base))


def _times() -> list[tuple[str, str]]:
    """The columns that hold moments, or for how long something waited."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript((Path(tables.__file__).parent.parent / "schema.sql").read_text())
        return [
            (table, column)
            for table in tables.__all__
            for _, column, kind, *_ in connection.execute(f"PRAGMA table_info({table})")
            if kind == "REAL"
        ]


def test_a_moment_that_no_calendar_has_is_none_and_its_row_is_used(filled: Path) -> None:
    """Whoever showed it would fail: `yp2p status`, where it is that of the last time a device was seen."""
    assert {column for _, column in _times()} == TIMES
    with tempfile.TemporaryDirectory(dir=filled.parent) as base:
        shutil.copytree(filled, base, dirs_exist_ok=True, symlinks=True)
        with closing(schema.connect(Path(base) / "store")) as store:
            for garbage in ("-1e300", "1e300", "-5", "9e999"):
                before = {}
                for table, column in _times():
                    largest = f"SELECT max({column}) FROM {table}"
                    store.execute(f"UPDATE OR IGNORE {table} SET {column} = {garbage} WHERE {column} = ({largest})")
                    before[table] = store.execute(f"SELECT count(*) FROM {table}").fetchone()
                assert set_damaged_aside(store) == []
                for table, column in _times():
                    assert store.execute(f"SELECT count(*) FROM {table}").fetchone() == before[table]
                    found = store.execute(f"SELECT min({column}), max({column}) FROM {table}").fetchone()
                    assert found == (None, None) or (found[0] >= 0 and found[1] < 1e12), (table, column, garbage)


@pytest.mark.parametrize("garbage", ["kind = 9", "inode = -1", "content = x'00'", "path = x'2e2e'"])
def test_who_reads_a_store_without_a_daemon_finds_what_a_start_would(filled: Path, garbage: str) -> None:
    with tempfile.TemporaryDirectory(dir=filled.parent) as base:
        shutil.copytree(filled, base, dirs_exist_ok=True, symlinks=True)
        with closing(schema.connect(Path(base) / "store")) as store:
            (every,) = store.execute("SELECT count(*) FROM file").fetchone()
            store.execute(f"UPDATE file SET {garbage} WHERE path = (SELECT max(path) FROM file)")
        with reader(Path(base) / "store") as read:
            ((folder,),) = read("SELECT DISTINCT folder FROM file", ())
            found = [file_of(row, Values()) for row in tables.file.read_all(read, FolderID(folder))]
        with closing(schema.connect(Path(base) / "store")) as store:
            unsound = sum(one.count for one in set_damaged_aside(store))
        assert len(found) == every - unsound


def test_an_honest_store_has_nothing_to_set_aside(filled: Path) -> None:
    async def run(base: Path) -> None:
        async with open_bridge(base) as bridge:
            assert bridge.folder.database.aside == []
            assert bridge.folder.database.rows("PRAGMA user_version") == [(SCHEMA_VERSION,)]

    with tempfile.TemporaryDirectory(dir=filled.parent) as base:
        shutil.copytree(filled, base, dirs_exist_ok=True, symlinks=True)
        _run(run, Path(base))


def test_of_a_log_without_gaps_nothing_is_set_aside(tmp_path: Path) -> None:
    """Neither of texts nor of the list of entries, whose updates are no texts."""

    async def test() -> None:
        await _fill(tmp_path)
        async with open_bridge(tmp_path) as bridge:
            with bridge.folder.database.reader() as read:
                found = tables.log.documents(read)
                assert any(document.startswith(tables.log.MANIFEST_PREFIX) for _, document in found)
                assert [first_gap(read, folder, document) for folder, document in found] == [None] * len(found)

    (tmp_path / "dir").mkdir()
    _run(test)
