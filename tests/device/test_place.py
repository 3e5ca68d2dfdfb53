"""Where a directory for a folder would be: the whole path, and whether it is there; made once somebody says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from yp2p.config import Config
from yp2p.device.device import Device
from yp2p.errors import FolderError
from yp2p.identity import Identity
from yp2p.store.database import open_database


async def test_a_directory_is_made_only_where_a_folder_may_be_and_when_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    async with open_database(tmp_path / "store", make_room=False) as database:
        device = Device(Config(), Identity(b"s" * 32), database, [tmp_path / "state/yp2p"])
        place = device.changes.place
        wanted = tmp_path / "home/a/notes"
        assert place("~/a/notes", make=False) == (wanted, False)
        assert not wanted.exists()
        assert place("~/a/notes", make=True) == (wanted, True)
        assert wanted.is_dir()
        assert place(str(wanted), make=False) == (wanted, True)
        for relative in ("notes", "./notes", "~nobody-of-this-name/notes"):
            with pytest.raises(FolderError, match="is no whole path"):
                place(relative, make=True)
        for reserved in ("state/yp2p/below", "home/.git/below"):
            with pytest.raises(FolderError):
                place(str(tmp_path / reserved), make=True)
            assert not (tmp_path / reserved).exists()
        (tmp_path / "file").write_text("")
        with pytest.raises(FolderError, match="cannot be made"):
            place(str(tmp_path / "file/below"), make=True)


async def test_a_path_of_which_nobody_can_tell_what_is_there_is_refused_with_a_sentence(tmp_path: Path) -> None:
    """As one below a directory that may not be entered: there `Path.exists` raises."""
    unknown = tmp_path / ("n" * 300)
    async with open_database(tmp_path / "store", make_room=False) as database:
        device = Device(Config(), Identity(b"s" * 32), database, [tmp_path / "state/yp2p"])
        for make in (False, True):
            with pytest.raises(FolderError, match="cannot be used: File name too long"):
                device.changes.place(str(unknown), make=make)
        with pytest.raises(FolderError, match="cannot be used: File name too long"):
            device.home.check(str(unknown))


async def test_only_a_whole_path_is_a_directory_to_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes").mkdir()
    async with open_database(tmp_path / "store", make_room=False) as database:
        device = Device(Config(), Identity(b"s" * 32), database, [tmp_path / "state/yp2p"])
        with pytest.raises(FolderError, match="is no whole path"):
            device.home.check("notes")
