"""How much room a folder takes, as it is on the disk and in the store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio

from yp2p.config import Config
from yp2p.device.device import Device
from yp2p.errors import UsageError
from yp2p.files.trash import new_place
from yp2p.identity import Identity
from yp2p.store.database import open_database


async def _settled(device: Device) -> None:
    (folder,) = device.home.by_id.values()
    with trio.fail_after(60):
        while len(folder.catalogue.layout().path_of) < 4 or not folder.state.settled:
            await folder.state.changed.wait()


async def test_what_is_counted(tmp_path: Path) -> None:
    root = tmp_path / "dir"
    root.mkdir()
    (root / "a.txt").write_text("12345")
    (root / "b.bin").write_bytes(bytes(1000))
    (root / "link").symlink_to("a.txt")
    (root / "empty").mkdir()
    async with open_database(tmp_path / "store.db", make_room=False) as database, trio.open_nursery() as nursery:
        device = Device(Config(), Identity(b"i" * 32), database, ())
        await nursery.start(device.run)
        await device.share(str(root), None)
        await _settled(device)
        before = await device.usage.show("dir")
        (folder,) = before["folders"]
        assert folder["entries"] == {"texts": 1, "other_files": 1, "symlinks": 1, "empty_directories": 1}
        assert folder["file_bytes"] == 1005
        assert folder["trash"] == {"files": 0, "bytes": 0, "problem": ""}
        assert folder["history"]["changes"] > 0
        (root / new_place() / "x").mkdir(parents=True)
        (next((root / ".yp2p" / "trash").iterdir()) / "x" / "old.txt").write_text("123")
        (root / "a.txt").write_text("12345" * 10_000)
        with trio.fail_after(60):
            while True:
                changed = next(iter(device.folders)).state.changed  # before it is counted, which takes a while
                if (after := await _of(device))["file_bytes"] != 1005:
                    break
                await changed.wait()
        await database.pending().wait()  # the history is counted in the store
        after = await _of(device)
        assert after["file_bytes"] == 51_000
        assert after["trash"] == {"files": 1, "bytes": 3, "problem": ""}
        assert after["history"]["bytes"] > folder["history"]["bytes"] + 5
        before = (await device.usage.show(None))["store"]["bytes"]
        assert before >= (tmp_path / "store.db").stat().st_size > 0
        (tmp_path / "store.db.schema-1").write_bytes(bytes(5000))
        assert (await device.usage.show(None))["store"]["bytes"] == before + 5000, (
            "with the copy from before an upgrade"
        )
        root.rename(tmp_path / "away")
        assert (await _of(device))["trash"]["files"] is None
        with pytest.raises(UsageError, match="no folder is called"):
            await device.usage.show("other")
        nursery.cancel_scope.cancel()


async def _of(device: Device) -> dict[str, Any]:
    (folder,) = (await device.usage.show(None))["folders"]
    return dict(folder)
