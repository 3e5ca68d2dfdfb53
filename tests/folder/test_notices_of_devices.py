"""What is told of devices is about no file, and is there after a restart."""

from __future__ import annotations

from pathlib import Path

import trio
from room import Peer, evaluated

from yp2p.folder.members import Removal
from yp2p.folder.notices import NoticeKind, Notices
from yp2p.identity import DeviceID, FolderID
from yp2p.store.database import open_database

FOLDER, OWN = FolderID(b"f" * 16), DeviceID(b"o" * 32)


def test_what_is_told_of_devices_is_there_after_a_restart(tmp_path: Path) -> None:
    founder, member = Peer.founder("founder"), Peer("member")
    founder.grant(member)
    joined = evaluated(founder, founder.known).members[member.identity.device_id]

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
    founder, member = Peer.founder("founder"), Peer("vm")
    founder.grant(member)
    joined = evaluated(founder, founder.known).members[member.identity.device_id]

    async def run() -> None:
        async with open_database(tmp_path / "store", make_room=False) as database:
            notices = Notices(database, FOLDER, OWN, lambda device: "name")
            notices.called = {member.identity.device_id: "attic"}.get  # type: ignore[assignment]
            notices.tell_raised(joined)
            notices.tell_removal(Removal(member.identity.device_id, "vm", founder.identity.device_id))
            notices.tell_removal(Removal(DeviceID(b"r" * 32), "lost", None))
            raised, removed, unknown = (notice.text for notice in notices)
        assert "made 'attic' (" in raised
        assert "removed 'attic' (" in removed
        assert "'lost' (" in unknown

    trio.run(run)
