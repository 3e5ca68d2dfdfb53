"""What `yp2p doctor` finds on this machine: each fault is planted in a home, and named with what helps."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from yp2p.config import Paths
from yp2p.control.socket import lock_text
from yp2p.doctor.finding import Finding
from yp2p.doctor.home import check_folder, check_home, check_watches
from yp2p.identity import DeviceID, FolderID, Identity
from yp2p.store import schema, tables
from yp2p.store.look import StoredFolder, look
from yp2p.trust.keyfile import text_of

FOLDER = FolderID(b"f" * 16)
OLDER = Path(__file__).parents[1] / "store" / "schemas"


class Home:
    """A home with a key, a store and one folder, in which nothing is wrong."""

    def __init__(self, base: Path) -> None:
        state = base / "home"
        state.mkdir(mode=0o700)
        self.paths = Paths(state / "config.toml", state, state)
        self.paths.key.write_text(text_of(Identity(bytes(32))))
        self.paths.key.chmod(0o600)
        self.root = base / "notes"
        (self.root / ".yp2p" / "tmp").mkdir(parents=True)
        (self.root / ".yp2p" / "marker").write_text(FOLDER.hex() + "\n")
        with closing(schema.connect(self.paths.store)) as connection:
            schema.prepare(connection, self.paths.store)
            sql, values = tables.folder.insert(FOLDER, "notes", str(self.root), DeviceID(bytes(32)), 0.0, adopted=True)
            connection.execute(sql, values)
        self.watches = base / "max_user_watches"
        self.watches.write_text("8192\n")
        self.paths.lock.write_bytes(lock_text(self.paths.socket))
        self._lock = os.open(self.paths.lock, os.O_RDWR)
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def stop(self) -> None:
        """The daemon is gone."""
        fcntl.flock(self._lock, fcntl.LOCK_UN)

    def findings(self) -> list[Finding]:
        return list(check_home(self.paths, {"fs.inotify.max_user_watches": self.watches}))

    def problem(self) -> Finding:
        """The only problem there is."""
        (found,) = [finding for finding in self.findings() if finding.is_problem]
        return found

    def close(self) -> None:
        os.close(self._lock)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = Home(tmp_path)
    yield made
    made.close()


def test_a_home_in_which_nothing_is_wrong_has_no_problem(home: Home) -> None:
    before = sorted(path for path in home.paths.state.parent.rglob("*"))
    assert [finding for finding in home.findings() if finding.is_problem] == []
    assert {finding.check for finding in home.findings()} == {
        "settings", "key", "daemon", "store", "folder notes", "inotify"
    }  # fmt: skip
    assert sorted(path for path in home.paths.state.parent.rglob("*")) == before, "nothing is left behind"


def test_a_limit_of_fifty_watches_is_found(home: Home) -> None:
    home.watches.write_text("50\n")
    assert home.problem().check == "inotify"
    assert "sysctl fs.inotify.max_user_watches=65536" in home.problem().remedy


def test_more_directories_than_watches_are_found(home: Home) -> None:
    for number in range(100):
        (home.root / str(number)).mkdir()
    home.watches.write_text("120\n")
    assert home.problem().check == "inotify"


def test_of_the_limits_of_the_machine_and_of_a_container_the_smaller_one_counts(home: Home) -> None:
    limits = {"fs.inotify.max_user_watches": home.watches, "user.max_inotify_watches": home.watches.with_name("own")}
    (missing,) = check_watches([home.root], limits)
    limits["user.max_inotify_watches"].write_text("50\n")
    (found,) = check_watches([home.root], limits)
    assert not missing.is_problem
    assert found.remedy == "sudo sysctl user.max_inotify_watches=65536"


def test_a_read_only_root_is_found(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("yp2p.doctor.home.os.statvfs", lambda _: SimpleNamespace(f_flag=os.ST_RDONLY))
    assert "is read-only" in home.problem().text
    assert home.problem().remedy.startswith("mount -o remount,rw /")


def test_a_lost_marker_is_found(home: Home) -> None:
    (home.root / ".yp2p" / "marker").unlink()
    assert "marker is missing" in home.problem().text
    assert f"yp2p share {home.root}" in home.problem().remedy
    (home.root / ".yp2p" / "marker").write_text("0" * 32)
    assert "is that of another folder" in home.problem().text


def test_a_root_that_is_away_is_found(home: Home) -> None:
    home.root.rename(home.root.with_name("elsewhere"))
    assert home.problem().text == f"{home.root} is not there"
    assert "yp2p folder move notes DIR" in home.problem().remedy


def test_a_root_of_which_nobody_can_tell_whether_it_is_there_is_found(home: Home) -> None:
    (found,) = check_folder(StoredFolder(FolderID(bytes(16)), "notes", home.root / ("n" * 300)))
    assert "cannot be used: File name too long" in found.text
    assert "yp2p folder move notes DIR" in found.remedy


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o666])
def test_a_key_that_others_can_read_is_found(home: Home, mode: int) -> None:
    home.paths.key.chmod(mode)
    assert home.problem().check == "key"
    assert home.problem().remedy == f"chmod 600 {home.paths.key}"


def test_a_home_that_others_can_write_is_found(home: Home) -> None:
    home.paths.state.chmod(0o777)
    assert home.problem().remedy == f"chmod 700 {home.paths.state}"


def test_a_damaged_key_is_found(home: Home) -> None:
    home.paths.key.write_text("yp2p-device-seed-v1 xyz\n")
    assert "holds no key" in home.problem().text


def test_a_damaged_store_is_found(home: Home) -> None:
    data = bytearray(home.paths.store.read_bytes())
    data[4096:] = os.urandom(len(data) - 4096)
    home.paths.store.write_bytes(bytes(data))
    for beside in schema.BESIDE:
        home.paths.store.with_name(home.paths.store.name + beside).unlink(missing_ok=True)
    assert home.problem().check == "store"
    assert "damaged" in home.problem().text


def test_a_store_of_a_newer_version_is_found(home: Home) -> None:
    with closing(schema.connect(home.paths.store)) as connection:
        connection.execute(f"PRAGMA user_version = {schema.SCHEMA_VERSION + 1}")
    assert "a newer yp2p wrote it" in home.problem().text
    assert "install that version again" in home.problem().remedy


def test_the_copy_from_before_an_upgrade_is_told_of_and_is_no_problem(home: Home) -> None:
    copy = home.paths.store.with_name(home.paths.store.name + ".schema-1")
    with closing(schema.connect(home.paths.store)) as connection, closing(schema.connect(copy)) as older:
        connection.backup(older)
        older.execute("PRAGMA user_version = 1")
    told = [finding for finding in home.findings() if str(copy) in finding.text]
    assert [finding.remedy for finding in told] == [""]


def test_a_damaged_copy_from_before_an_upgrade_is_found(home: Home) -> None:
    copy = home.paths.store.with_name(home.paths.store.name + ".schema-1")
    copy.write_bytes(b"no store")
    assert f"{copy}, the store from before an upgrade: it is damaged" in home.problem().text
    assert home.problem().remedy == f"remove {copy}"


@pytest.mark.parametrize("number", range(1, schema.SCHEMA_VERSION))
def test_a_store_that_no_daemon_has_upgraded_yet_is_sound(number: int, tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    with closing(schema.connect(store)) as connection:
        connection.executescript(OLDER.joinpath(f"{number}.sql").read_text())
    assert look(store).problem == ""
    assert look(store).folders


def test_the_copy_of_a_damaged_store_is_found(home: Home) -> None:
    kept = home.paths.store.with_name(home.paths.store.name + ".damaged-1")
    kept.write_bytes(b"damaged")
    assert str(kept) in home.problem().text


def test_a_daemon_that_does_not_run_is_found_and_all_else_is_looked_at(home: Home) -> None:
    home.stop()
    assert home.problem().check == "daemon"
    assert "yp2p daemon" in home.problem().remedy


def test_settings_that_cannot_be_read_are_found(home: Home) -> None:
    home.paths.config.write_text("[listen]\nport = 'x'\n")
    assert home.problem().check == "settings"


def test_a_home_of_nobody_yet_is_looked_at(tmp_path: Path) -> None:
    paths = Paths(tmp_path / "config.toml", tmp_path / "none", tmp_path / "none")
    assert [finding.check for finding in check_home(paths) if finding.is_problem] == ["daemon"]
