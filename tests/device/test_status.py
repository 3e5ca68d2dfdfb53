"""What it costs to say how everything is: nothing that grows with a folder."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Any

import pytest
import trio

from yp2p.config import Config
from yp2p.device.device import Device
from yp2p.documents.layout import Layout
from yp2p.folder.members import Removal
from yp2p.folder.notices import OWN_PART, NoticeKind, Notices
from yp2p.folder.own_statements import OwnStatements
from yp2p.identity import DeviceID, FolderID, Identity
from yp2p.printable import clock_text
from yp2p.store import tables
from yp2p.store.database import open_database
from yp2p.trust.ancestry import Ancestry
from yp2p.trust.statements import Role, Signer, read_statement


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


async def test_who_removed_this_device_and_when_is_said_before_that_a_person_paused_the_folder(tmp_path: Path) -> None:
    root = tmp_path / "dir"
    root.mkdir()
    async with open_database(tmp_path / "store.db", make_room=False) as database, trio.open_nursery() as nursery:
        device = Device(Config(), Identity(b"i" * 32), database, ())
        await nursery.start(device.run)
        await device.share(str(root), None)
        (folder,) = device.home.by_id.values()
        own, desktop, membership = Identity(b"i" * 32), Identity(b"d" * 32), folder.membership
        await OwnStatements(membership).grant(desktop.public, Role.ADMINISTRATOR, "desktop")
        assert (device.status()["folders"][0]["removed"], device.status()["folders"][0]["problem"]) == (False, "")
        heads = Ancestry(read_statement(body, folder.id) for body in membership.statements()).heads()
        removal = Signer(desktop, folder.id).remove(sorted(heads), own.public, Role.REMOVED)
        before = time.time()
        await membership.receive([removal.encode()])
        assert folder.notices.removed_at is not None
        assert before <= folder.notices.removed_at
        await database.pending().wait()
        again = Notices(database, folder.id, own.device_id, lambda one: "")
        again.load()
        assert again.removed_at == folder.notices.removed_at, "also after a restart"
        heard = f"desktop removed it, as it heard at {clock_text(folder.notices.removed_at)}"
        for paused in (False, True):
            if paused:
                await device.changes.pause(str(root))
            (found,) = device.status()["folders"]
            assert (found["removed"], found["paused"]) == (True, paused)
            assert found["problem"].startswith(f"this device is no member of the folder any more: {heard}.")
            assert f"`yp2p join {root}` here" in found["problem"]
            assert f"`yp2p folder leave {root}`" in found["problem"]
            assert found["summary"] == found["problem"]
        nursery.cancel_scope.cancel()


def test_what_says_since_when_this_device_is_out_is_kept_for_longer_than_other_notices(tmp_path: Path) -> None:
    async def run() -> None:
        folder, own, other = FolderID(b"f" * 16), DeviceID(b"o" * 32), DeviceID(b"r" * 32)
        async with open_database(tmp_path / "store.db", make_room=False) as database:
            notices = Notices(database, folder, own, lambda one: "desktop")
            for _ in range(60):  # a flood of others
                notices.tell_removal(Removal(other, "other", other))
            long_ago = time.time() - 30 * 86_400
            notices.add(NoticeKind.DEVICE_REMOVED, "", "this device was removed", OWN_PART, at=long_ago)
            await database.pending().wait()
            again = Notices(database, folder, own, lambda one: "desktop")
            again.load()
            await database.pending().wait()
            assert again.removed_at == long_ago
            assert tables.notice.last_about(database.rows, folder, OWN_PART) == long_ago
            again.tell_removal(Removal(own, "own", other))
            assert again.removed_at is not None
            assert again.removed_at > long_ago, "it is told however many others were"

    trio.run(run)
