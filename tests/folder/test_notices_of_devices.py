"""What is told of devices is about no file, and is there after a restart."""

from __future__ import annotations

from pathlib import Path

import trio
from room import Peer, evaluated

from yp2p.folder.members import Removal
from yp2p.folder.notices import NoticeKind, Notices
from yp2p.identity import DeviceID, FolderID
from yp2p.store.database import open_database
from yp2p.trust.membership import Member

FOLDER, OWN = FolderID(b"f" * 16), DeviceID(b"o" * 32)


def _let_in(name: str) -> tuple[Peer, Member]:
    """Who lets a device in, and that device."""
    founder, member = Peer.founder("founder"), Peer(name)
    founder.grant(member)
    return founder, evaluated(founder, founder.known).members[member.identity.device_id]


def test_what_is_told_of_devices_is_there_after_a_restart(tmp_path: Path) -> None:
    _, joined = _let_in("member")

    async def run() -> None:
        async with open_database(tmp_path / "store", make_room=False) as database:
            notices = Notices(database, FOLDER, OWN, lambda device: "name")
            notices.tell_removal(Removal(DeviceID(b"r" * 32), "lost", None))
            notices.tell_admission(joined)
            notices.tell_wrong_code("10.0.0.1", 1)
            await database.pending().wait()
        async with open_database(tmp_path / "store", make_room=False) as database:
            assert database.aside == []
            notices = Notices(database, FOLDER, OWN, lambda device: "name")
            notices.load()
            kinds = [notice.kind for notice in notices]
        assert kinds == [NoticeKind.DEVICE_REMOVED, NoticeKind.DEVICE_ADDED, NoticeKind.WRONG_CODE]

    trio.run(run)


def test_who_left_by_itself_was_removed_by_nobody(tmp_path: Path) -> None:
    async def run() -> None:
        async with open_database(tmp_path / "store", make_room=False) as database:
            notices = Notices(database, FOLDER, OWN, lambda device: "1A2B3C4-")
            gone = DeviceID(b"r" * 32)
            notices.tell_removal(Removal(gone, "pi", gone))
            (notice,) = notices
            assert notice.text.startswith("'pi' (")
            assert "left the folder" in notice.text
            assert "removed" not in notice.text
            assert "1A2B3C4-" not in notice.text

    trio.run(run)


def test_a_device_is_called_what_it_is_called_by_now(tmp_path: Path) -> None:
    founder, joined = _let_in("vm")
    device = joined.identity.device_id

    async def run() -> None:
        async with open_database(tmp_path / "store", make_room=False) as database:
            notices = Notices(database, FOLDER, OWN, lambda device: "name")
            notices.called = {device: "attic"}.get  # type: ignore[assignment]
            notices.tell_raised(joined)
            notices.tell_removal(Removal(device, "vm", founder.identity.device_id))
            notices.tell_removal(Removal(DeviceID(b"r" * 32), "lost", None))
            raised, removed, unknown = (notice.text for notice in notices)
        assert "made 'attic' (" in raised
        assert "removed 'attic' (" in removed
        assert "'lost' (" in unknown

    trio.run(run)
