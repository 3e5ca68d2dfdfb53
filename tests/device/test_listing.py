"""What is in a folder, a part at a time."""

from __future__ import annotations

import gc
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from yp2p.config import Config
from yp2p.device import listing
from yp2p.device.device import Device
from yp2p.errors import UsageError
from yp2p.identity import Identity
from yp2p.store.database import open_database

_NAMES = sorted([f"notes/{number:02}.md" for number in range(20)] + ["Été.md", "z/a.bin"])


@asynccontextmanager
async def _device(tmp_path: Path) -> AsyncIterator[Device]:
    root = tmp_path / "dir"
    for name in _NAMES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(bytes(1000) if name.endswith(".bin") else b"12345")
    (root / "empty").mkdir()
    (root / "link").symlink_to("Été.md")
    async with open_database(tmp_path / "store.db", make_room=False) as database, trio.open_nursery() as nursery:
        device = Device(Config(), Identity(b"i" * 32), database, ())
        await nursery.start(device.run)
        await device.share(str(root), None)
        (folder,) = device.home.by_id.values()
        with trio.fail_after(20):
            while len(folder.catalogue.layout().path_of) < len(_NAMES) + 2 or not folder.state.settled:
                await folder.state.changed.wait()
        yield device
        nursery.cancel_scope.cancel()


async def _paths(device: Device, **wanted: Any) -> tuple[int, list[str]]:
    found = await device.choosing.files(None, **{"search": "", "beneath": "", "offset": 0, "limit": 1000} | wanted)
    return found["total"], [entry.path for entry in found["entries"]]


async def test_files_come_in_the_order_of_their_paths_a_part_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = sorted([*_NAMES, "empty", "link"])
    async with _device(tmp_path) as device:
        for size in (1, 3, 7, 1000):
            monkeypatch.setattr(listing, "_SLICE", size)
            assert await _paths(device) == (24, every)
            assert await _paths(device, offset=10, limit=5) == (24, every[10:15])
            assert await _paths(device, offset=22, limit=5) == (24, every[22:])
            assert await _paths(device, offset=1 << 40) == (24, [])
        assert await _paths(device, search="ÉTÉ") == (1, ["Été.md"])
        assert await _paths(device, search="0", beneath="notes", limit=3) == (11, [f"notes/0{n}.md" for n in range(3)])
        assert await _paths(device, beneath="notes/") == (20, [one for one in every if one.startswith("notes/")])
        assert await _paths(device, beneath="note") == (0, [])
        for wrong in ({"offset": -1}, {"limit": 0}, {"limit": 1001}):
            with pytest.raises(UsageError):
                await _paths(device, **wrong)


async def test_of_each_is_told_what_it_is(tmp_path: Path) -> None:
    async with _device(tmp_path) as device:
        found = (await device.choosing.files(None, search="", beneath="", offset=0, limit=1000))["entries"]
        by_path = {entry.path: entry for entry in found}
        assert {path: by_path[path].type for path in ("empty", "link", "Été.md", "z/a.bin")} == {
            "empty": "directory", "link": "symlink", "Été.md": "text", "z/a.bin": "file",
        }  # fmt: skip
        assert (by_path["z/a.bin"].bytes, by_path["Été.md"].bytes) == (1000, 5)
        assert by_path["Été.md"].changed_at == pytest.approx((tmp_path / "dir/Été.md").stat().st_mtime)
        assert all(entry.here and not entry.conflict and not entry.reason for entry in found)
        (folder,) = device.home.by_id.values()
        folder.files.waiting.entries[folder.catalogue.layout().entry_at["z/a.bin"]] = "its disk is full"
        (waiting,) = (await device.choosing.files(None, search="bin", beneath="", offset=0, limit=9))["entries"]
        assert waiting.reason == "its disk is full"


async def test_what_is_no_utf_8_is_written_out_where_it_is_looked_at(tmp_path: Path) -> None:
    """And not when all of it is sent, in one step, string by string."""
    name = b"no \xff utf8"
    async with _device(tmp_path) as device:
        (tmp_path / "dir" / os.fsdecode(name)).write_text("text\n")
        (folder,) = device.home.by_id.values()
        with trio.fail_after(20):
            while os.fsdecode(name) not in folder.catalogue.layout().entry_at:
                await folder.state.changed.wait()
        found = await device.choosing.files(None, search="utf8", beneath="", offset=0, limit=9)
        assert json.loads(msgspec.json.encode(found))["entries"][0]["path"] == "no \\udcff utf8"
        assert not any(map(gc.is_tracked, found["entries"]))
