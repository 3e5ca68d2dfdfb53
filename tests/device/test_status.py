"""What it costs to say how everything is: nothing that grows with a folder."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import trio

from yp2p.config import Config
from yp2p.device.device import Device
from yp2p.documents.layout import Layout
from yp2p.identity import Identity
from yp2p.store.database import open_database


class _OnlyAsked(dict[Any, Any]):
    """Can be asked for one, and how many there are."""

    def _refuse(self, *_arguments: Any) -> Any:
        raise AssertionError("all entries are looked at")

    __iter__ = keys = values = items = __and__ = __sub__ = _refuse


async def test_a_status_looks_at_no_entry_that_is_as_it_should_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "dir"
    root.mkdir()
    for name in ("a.md", "b.md", "c.conflict-11223344.md"):
        (root / name).write_text(name)
    async with open_database(tmp_path / "store.db", make_room=False) as database, trio.open_nursery() as nursery:
        device = Device(Config(), Identity(b"i" * 32), database, ())
        await nursery.start(device.run)
        await device.share(str(root), None)
        (folder,) = device.home.by_id.values()
        with trio.fail_after(20):
            while len(folder.catalogue.layout().path_of) < 3 or not folder.state.settled:
                await folder.state.changed.wait()
        catalogue, files, layout = folder.catalogue, folder.files, folder.catalogue.layout()
        only_asked = dataclasses.replace(
            layout, path_of=_OnlyAsked(layout.path_of), entry_at=_OnlyAsked(layout.entry_at)
        )
        monkeypatch.setattr(type(catalogue), "layout", lambda _self: only_asked)
        for what in ("__iter__", "keys", "values", "items"):
            monkeypatch.setattr(type(files), what, _OnlyAsked._refuse)
        (found,) = device.status()["folders"]
        assert isinstance(only_asked, Layout)
        entries = found["entries"]
        assert [entries[name] for name in ("total", "here", "conflicts", "not_here", "leaving")] == [3, 3, 1, 0, 0]
        assert (found["conflicts"], found["progress"]["files_to_go"]) == (["c.conflict-11223344.md"], 0)
        nursery.cancel_scope.cancel()
