"""Stores that former versions wrote, one of each schema (`schemas/`, made by `old_store.py`): migrated and used."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from lab import Device, eventually, tree, unexpected_lines
from store.old_store import ROOT_NAME, before, change

from yp2p.store import schema, upgrade
from yp2p.store.database import open_database
from yp2p.store.schema import SCHEMA_VERSION

_SCHEMAS = Path(__file__).with_name("schemas")
VERSIONS = range(1, SCHEMA_VERSION)
# Who takes part is said in another way since then: such a folder keeps its files and its history here, says that its
# members are lost, and has to be shared anew.
_MEMBERS_SINCE = 14


def _head(version: int) -> dict[str, str]:
    lines = (_SCHEMAS / f"{version}.sql").read_text().splitlines()
    return dict(line.removeprefix("-- ").split(": ", 1) for line in lines if line.startswith("-- "))


def _make(version: int, store: Path, root: Path) -> None:
    script = (_SCHEMAS / f"{version}.sql").read_text().replace(ROOT_NAME, str(root))
    with closing(sqlite3.connect(store)) as connection:
        connection.executescript(script)
        assert upgrade.version_of(connection) == version


def _rows(store: Path) -> dict[str, int]:
    with closing(sqlite3.connect(store)) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        return {name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in names}


def _shape(store: Path) -> list[tuple[object, ...]]:
    """Of each table its columns, and the indexes."""
    with closing(sqlite3.connect(store)) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema ORDER BY name")]
        return [(name, *connection.execute(f"PRAGMA table_info({name})").fetchall()) for name in names]


def test_there_is_one_of_each_schema() -> None:
    there = {int(path.stem) for path in _SCHEMAS.glob("*.sql")}
    assert there >= set(VERSIONS), "make it of a checkout that has that schema: tests/store/old_store.py says how"


@pytest.mark.parametrize("version", VERSIONS)
async def test_it_is_migrated_with_all_its_rows(tmp_path: Path, version: int) -> None:
    path = tmp_path / "store.db"
    _make(version, path, tmp_path)
    rows = _rows(path)
    assert rows["log"] > 5
    async with open_database(path) as database:
        assert database.salvaged is None
        assert not database.aside
    after = _rows(path)
    assert {name: after.get(name) for name in rows} == rows
    with closing(sqlite3.connect(tmp_path / "new.db")) as new:
        new.executescript(schema.make_schema())
    assert _shape(path) == _shape(tmp_path / "new.db")
    assert [kept.name for kept in upgrade.copies(path)] == [f"store.db.schema-{version}"]


@contextmanager
def _device(base: Path, version: int) -> Iterator[Device]:
    """A home and a folder as they were, and the daemon of this version on them."""
    device = Device(base, f"schema{version}", YP2P_DISCOVERY__MDNS="false")
    device.dir.rmdir()
    before(device.dir)
    change(device.dir)
    head = _head(version)
    (device.dir / ".yp2p").mkdir(0o700)
    (device.dir / ".yp2p/marker").write_text(head["marker"] + "\n")
    device.home.mkdir(0o700)
    (device.home / "device.key").write_text(head["key"].replace(" ", "\n") + "\n")
    (device.home / "device.key").chmod(0o600)
    _make(version, device.home / "store.db", device.dir)
    try:
        yield device.start()
    finally:
        device.kill()
    assert unexpected_lines(device, *(["statement_left_out"] if version < _MEMBERS_SINCE else [])) == []


@pytest.mark.long
@pytest.mark.parametrize("version", VERSIONS)
def test_a_daemon_goes_on_with_it(tmp_path: Path, version: int) -> None:
    """The files stay as they are, their history is there, and an edit is one."""
    with _device(tmp_path, version) as device:
        was = tree(device.dir)
        file = device.dir / "list.txt"

        def texts() -> list[str]:
            found = device.call("POST", "/v1/history/log", {"path": str(file)})["versions"]
            return [device.cli("show", f"{file}@{one['version']}") for one in found]

        eventually(lambda: device.status()["folders"][0]["state"] == "idle")
        lost = "the store has lost the members of this folder"
        assert (lost in device.status()["folders"][0]["problem"]) is (version < _MEMBERS_SINCE)
        assert tree(device.dir) == was
        assert {"apples", "apples\npears"} <= set(texts())
        file.write_text("apples\npears\nplums\n")
        eventually(lambda: "apples\npears\nplums" in texts())
        assert "gone.txt" in device.cli("log", "--deleted")
        assert device.stop() == 0
