"""A device that has a place of its own for its folders: what is missing there is made, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from yp2p.config import Config
from yp2p.device.device import Device
from yp2p.errors import FolderError
from yp2p.identity import Identity
from yp2p.store.database import open_database


async def test_what_is_missing_there_is_made_for_nobody_else(tmp_path: Path) -> None:
    async with open_database(tmp_path / "store", make_room=False) as database:
        device = Device(Config(), Identity(b"s" * 32), database, [tmp_path / "state/yp2p"])
        home, own = device.home, tmp_path / "state/folders"
        with pytest.raises(FolderError, match="does not exist"):
            home.check(str(own / "notes"))
        home.own_folders = own
        assert home.check(str(own / "notes")) == own / "notes"
        assert (own / "notes").stat().st_mode & 0o777 == 0o700
        for elsewhere in (own / "notes/below", tmp_path / "other", own.parent / "beside"):
            with pytest.raises(FolderError, match="does not exist"):
                home.check(str(elsewhere))
        (tmp_path / "link").symlink_to(tmp_path / "state")
        home.own_folders = tmp_path / "link/folders"  # as systemd has a link at the place of a state directory
        assert home.check(str(tmp_path / "link/folders/more")) == own / "more"
