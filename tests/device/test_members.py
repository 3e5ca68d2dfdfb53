"""The list of devices: who is in, who is out and why, and who can be let in again."""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import trio
from bridge import open_bridge

from yp2p.device.members import Members
from yp2p.errors import FolderError, UsageError
from yp2p.folder.members import Membership
from yp2p.folder.own_statements import OwnStatements
from yp2p.identity import FolderID, Identity
from yp2p.trust.ancestry import Ancestry
from yp2p.trust.statements import Role, Signer, read_statement

OWN, THIEF, FRIEND, STRANGER = (Identity(bytes([number]) * 32) for number in (1, 2, 3, 9))
PEERS = cast(
    Any, SimpleNamespace(devices=SimpleNamespace(contacts={}), is_linked=lambda device: False, session=lambda *_: None)
)


async def _revoke(folders: object) -> int:
    return 3


def test_whom_a_removed_device_let_in_is_listed_and_let_in_by_one_command() -> None:
    async def run() -> None:
        with tempfile.TemporaryDirectory() as base:
            async with open_bridge(Path(base)) as bridge:
                folder = bridge.folder
                membership = folder.membership = Membership(folder.id, OWN.device_id, folder.database, OWN)
                root = Signer(OWN, folder.id).grant((), OWN.public, Role.ADMINISTRATOR, "own")
                await membership.receive([root.encode()])
                await OwnStatements(membership).grant(THIEF.public, Role.ADMINISTRATOR, "thief")
                heads = Ancestry(read_statement(body, folder.id) for body in membership.statements()).heads()
                await OwnStatements(membership).remove(THIEF.device_id)
                late = Signer(THIEF, folder.id).grant(heads, FRIEND.public, Role.MEMBER, "friend")
                await membership.receive([late.encode()])
                members = Members(OWN.device_id, lambda: "own", {folder.id: folder}, PEERS, _revoke)
                shown = {one["name"]: one["folders"][0] for one in members.shown()}
                assert shown["own"]["role"] == "admin"
                assert (shown["thief"]["role"], shown["thief"]["removed_by"]) == ("removed", ["own"])
                assert (shown["friend"]["role"], shown["friend"]["let_in_by"]) == ("void", "thief")
                with pytest.raises(UsageError, match="'nobody'"):
                    await members.readmit("nobody", None)
                assert (await members.readmit("friend", None))["folders"] == [folder.label]
                assert membership.members[FRIEND.device_id].role is Role.MEMBER

    trio.run(run)


def test_whom_a_removed_device_let_in_is_let_into_each_folder_by_one_command() -> None:
    def folder(number: int, label: str) -> Any:
        return SimpleNamespace(
            id=FolderID(bytes([number]) * 16), label=label, state=SimpleNamespace(touch=lambda: None)
        )

    async def run() -> None:
        with tempfile.TemporaryDirectory() as base:
            async with open_bridge(Path(base)) as bridge:
                folders = {}
                for one in (folder(1, "notes"), folder(2, "photos"), folder(3, "without it")):
                    own, thief = Signer(OWN, one.id), Signer(THIEF, one.id)
                    said = [own.grant((), OWN.public, Role.ADMINISTRATOR, "own")]
                    said.append(own.grant([said[0].hash], THIEF.public, Role.ADMINISTRATOR, "thief"))
                    late = thief.grant([said[1].hash], FRIEND.public, Role.READER, "friend")
                    said += [own.remove([said[1].hash], THIEF.public, Role.REMOVED)]
                    one.membership = Membership(one.id, OWN.device_id, bridge.folder.database, OWN)
                    said += [late] if one.label != "without it" else []
                    await one.membership.receive([statement.encode() for statement in said])
                    folders[one.id] = one
                members = Members(OWN.device_id, lambda: "own", folders, PEERS, _revoke)
                assert (await members.readmit("friend", None))["folders"] == ["notes", "photos"]
                roles = [one.membership.members.get(FRIEND.device_id) for one in folders.values()]
                assert [found and found.role for found in roles] == [Role.READER, Role.READER, None]
                with pytest.raises(UsageError, match="'friend' is in already"):
                    await members.readmit("friend", None)

    trio.run(run)


def test_where_this_device_may_let_nobody_in_does_not_keep_a_device_out_of_the_other_folders() -> None:
    async def run() -> None:
        with tempfile.TemporaryDirectory() as base:
            async with open_bridge(Path(base)) as bridge:
                folders: dict[FolderID, Any] = {}
                for number, founder, label in ((1, STRANGER, "of others"), (2, OWN, "own"), (3, STRANGER, "last")):
                    folder: Any = SimpleNamespace(
                        id=FolderID(bytes([number]) * 16), label=label, state=SimpleNamespace(touch=lambda: None)
                    )
                    first, thief = Signer(founder, folder.id), Signer(THIEF, folder.id)
                    said = [first.grant((), founder.public, Role.ADMINISTRATOR, "founder")]
                    if founder is not OWN:
                        said.append(first.grant([said[-1].hash], OWN.public, Role.MEMBER, "own"))
                    said.append(first.grant([said[-1].hash], THIEF.public, Role.ADMINISTRATOR, "thief"))
                    before = [said[-1].hash]
                    said.append(first.remove(before, THIEF.public, Role.REMOVED))
                    said.append(thief.grant(before, FRIEND.public, Role.MEMBER, "friend"))
                    folder.membership = Membership(folder.id, founder.device_id, bridge.folder.database, OWN)
                    await folder.membership.receive([one.encode() for one in said])
                    folders[folder.id] = folder
                members = Members(OWN.device_id, lambda: "own", folders, PEERS, _revoke)
                answer = await members.readmit("friend", None)
                assert answer["folders"] == ["own"]
                assert [one["folder"] for one in answer["failed"]] == ["of others", "last"]
                with pytest.raises(FolderError, match=r"not let into 'of others': .*not let into 'last': "):
                    await members.readmit("friend", None)

    trio.run(run)


@pytest.mark.parametrize(
    ("steps", "by"),
    [
        ("grant leave", []),
        ("grant remove", ["own"]),
        ("grant remove grant leave", []),
        ("grant demote leave", []),
        ("grant demote grant leave", []),
        ("grant leave grant remove", ["own"]),
    ],
)
def test_who_removed_a_device_is_told_and_that_it_left_by_itself(steps: str, by: list[str]) -> None:
    async def run() -> None:
        with tempfile.TemporaryDirectory() as base:
            async with open_bridge(Path(base)) as bridge:
                folder = bridge.folder
                own, thief = Signer(OWN, folder.id), Signer(THIEF, folder.id)
                said = [own.grant((), OWN.public, Role.ADMINISTRATOR, "own")]
                for step in steps.split():
                    before, public = [said[-1].hash], THIEF.public
                    if step == "grant":
                        said.append(own.grant(before, public, Role.ADMINISTRATOR, "thief"))
                    elif step == "leave":
                        said.append(thief.remove(before, public, Role.REMOVED))
                    else:
                        said.append(own.remove(before, public, Role.READER if step == "demote" else Role.REMOVED))
                membership = folder.membership = Membership(folder.id, OWN.device_id, folder.database, OWN)
                await membership.receive([one.encode() for one in said])
                members = Members(OWN.device_id, lambda: "own", {folder.id: folder}, PEERS, _revoke)
                shown = {one["name"]: one["folders"][0] for one in members.shown()}
                assert (shown["thief"]["role"], shown["thief"]["removed_by"]) == ("removed", by)
                assert "removed_by" not in shown["own"]

    trio.run(run)


def test_who_was_let_in_by_the_removed_device_alone_is_listed_and_removed_on_demand() -> None:
    async def run() -> None:
        with tempfile.TemporaryDirectory() as base:
            async with open_bridge(Path(base)) as bridge:
                folder = bridge.folder
                membership = folder.membership = Membership(folder.id, OWN.device_id, folder.database, OWN)
                own, thief, friend = (Signer(one, folder.id) for one in (OWN, THIEF, FRIEND))
                of_friend, shared = (Identity(bytes([number]) * 32) for number in (4, 5))
                said = [own.grant((), OWN.public, Role.ADMINISTRATOR, "own")]
                for signer, subject, name in (
                    (own, THIEF, "thief"), (thief, FRIEND, "friend"), (friend, of_friend, "of friend"),
                    (thief, shared, "shared"), (own, shared, "shared"),
                ):  # fmt: skip
                    said.append(signer.grant([said[-1].hash], subject.public, Role.ADMINISTRATOR, name))
                await membership.receive([one.encode() for one in said])
                members = Members(OWN.device_id, lambda: "own", {folder.id: folder}, PEERS, _revoke)
                answer = await members.remove("thief", None)
                assert [one["name"] for one in answer["let_in"]] == ["friend", "of friend"]
                assert (answer["let_in_removed"], answer["invites_revoked"]) == (False, 3)
                assert len(membership.members) == 4
                with pytest.raises(FolderError, match=r"'thief' was removed already"):
                    await members.remove("thief", None)
                await OwnStatements(membership).grant(THIEF.public, Role.ADMINISTRATOR, "thief")
                answer = await members.remove("thief", None, with_let_in=True)
                assert answer["let_in_removed"]
                assert {one.name for one in membership.members.values()} == {"own", "shared"}

    trio.run(run)


def test_nobody_is_let_in_by_a_name_or_a_role_that_a_removed_device_chose() -> None:
    async def run() -> None:
        with tempfile.TemporaryDirectory() as base:
            async with open_bridge(Path(base)) as bridge:
                folder = bridge.folder
                membership = folder.membership = Membership(folder.id, OWN.device_id, folder.database, OWN)
                own, thief, friend = (Signer(one, folder.id) for one in (OWN, THIEF, FRIEND))
                former = Identity(bytes([4]) * 32)
                said = [own.grant((), OWN.public, Role.ADMINISTRATOR, "own")]
                for subject, name in ((THIEF, "thief"), (former, "former")):
                    said.append(own.grant([said[-1].hash], subject.public, Role.ADMINISTRATOR, name))
                said.append(own.remove([said[-1].hash], former.public, Role.REMOVED))
                heads = [said[-1].hash]
                said.append(own.remove(heads, THIEF.public, Role.REMOVED))
                said.append(thief.grant(heads, FRIEND.public, Role.ADMINISTRATOR, "phone"))
                late = [said[-1].hash, said[-2].hash]
                said.append(friend.grant(late, THIEF.public, Role.ADMINISTRATOR, "wife's phone"))
                said.append(thief.grant(heads, former.public, Role.ADMINISTRATOR, "former"))
                await membership.receive([one.encode() for one in said])
                members = Members(OWN.device_id, lambda: "own", {folder.id: folder}, PEERS, _revoke)
                roles = {one["name"]: one["folders"][0]["role"] for one in members.shown()}
                assert roles == {"own": "admin", "phone": "void", "thief": "removed", "former": "removed"}
                for wanted in ("wife's phone", "thief", "former"):
                    with pytest.raises(UsageError, match="no single device"):
                        await members.readmit(wanted, None)
                assert (await members.readmit("phone", None))["name"] == "phone"
                assert set(membership.members) == {OWN.device_id, FRIEND.device_id}

    trio.run(run)


def test_a_device_is_removed_wherever_that_may_be_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lost device is in a folder of others too, in which this one is only a member."""

    async def run() -> None:
        with tempfile.TemporaryDirectory() as base:
            async with open_bridge(Path(base)) as bridge:
                folders: dict[FolderID, Any] = {}
                for number, founder, label in ((1, STRANGER, "of others"), (2, OWN, "own"), (3, OWN, "own too")):
                    folder: Any = SimpleNamespace(
                        id=FolderID(bytes([number]) * 16),
                        label=label,
                        path=Path("/x", label),
                        state=SimpleNamespace(touch=lambda: None),
                    )
                    first = Signer(founder, folder.id)
                    said = [first.grant((), founder.public, Role.ADMINISTRATOR, "founder")]
                    if founder is not OWN:
                        said.append(first.grant([said[-1].hash], OWN.public, Role.MEMBER, "own"))
                    said.append(first.grant([said[-1].hash], THIEF.public, Role.MEMBER, "lost"))
                    folder.membership = Membership(folder.id, founder.device_id, bridge.folder.database, OWN)
                    await folder.membership.receive([one.encode() for one in said])
                    folders[folder.id] = folder
                revoked: list[Any] = []

                async def revoke(wanted: Any) -> int:
                    revoked.append(wanted)
                    return len(wanted)

                async def nowhere(*_: object) -> None:
                    return None

                monkeypatch.setattr("yp2p.device.members.nowhere_but_there", nowhere)
                members = Members(OWN.device_id, lambda: "own", folders, PEERS, revoke, len)
                with pytest.raises(FolderError, match=r"not from 'of others': only an administrator .*'founder'"):
                    await members.remove("lost", "of others")
                plan = await members.preview_removal("lost", None)
                assert (plan["folders"], plan["invites"], plan["let_in"]) == (["own", "own too"], 2, [])
                assert [one["folder"] for one in plan["failed"]] == ["of others"]
                answer = await members.remove("lost", None)
                assert answer["folders"] == ["own", "own too"]
                ((folder_, reason),) = ((one["folder"], one["reason"]) for one in answer["failed"])
                assert (folder_, "only an administrator" in reason) == ("of others", True)
                assert revoked == [{FolderID(bytes([2]) * 16), FolderID(bytes([3]) * 16)}]
                with pytest.raises(FolderError, match=r"'lost' was removed already, from own\. To let .*`yp2p share`"):
                    await members.set_role("lost", "own", "reader")

    trio.run(run)


def test_of_a_device_that_left_it_is_said_how_it_comes_back() -> None:
    async def run() -> None:
        with tempfile.TemporaryDirectory() as base:
            async with open_bridge(Path(base)) as bridge:
                folder = bridge.folder
                own, thief = Signer(OWN, folder.id), Signer(THIEF, folder.id)
                said = [own.grant((), OWN.public, Role.ADMINISTRATOR, "own")]
                said.append(own.grant([said[-1].hash], THIEF.public, Role.ADMINISTRATOR, "pi"))
                said.append(thief.remove([said[-1].hash], THIEF.public, Role.REMOVED))
                membership = folder.membership = Membership(folder.id, OWN.device_id, folder.database, OWN)
                await membership.receive([one.encode() for one in said])
                members = Members(OWN.device_id, lambda: "own", {folder.id: folder}, PEERS, _revoke)
                for doing in (members.remove("pi", None), members.set_role("pi", None, "reader")):
                    with pytest.raises(
                        FolderError, match=r"'pi' left .* by itself\. .*`yp2p share`.*`yp2p folder offer`"
                    ):
                        await doing

    trio.run(run)


def test_whom_this_device_let_in_is_no_question_when_it_goes_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        with tempfile.TemporaryDirectory() as base:
            async with open_bridge(Path(base)) as bridge:
                folder = bridge.folder
                own = Signer(OWN, folder.id)
                said = [own.grant((), OWN.public, Role.ADMINISTRATOR, "own")]
                said.append(own.grant([said[-1].hash], FRIEND.public, Role.ADMINISTRATOR, "friend"))
                membership = folder.membership = Membership(folder.id, OWN.device_id, folder.database, OWN)
                await membership.receive([one.encode() for one in said])
                members = Members(OWN.device_id, lambda: "own", {folder.id: folder}, PEERS, _revoke)
                with pytest.raises(UsageError, match="remove those by name first"):
                    await members.remove("own", None, with_let_in=True)
                answer = await members.remove("own", None)
                assert (answer["is_this_device"], answer["let_in"], answer["last_seen"]) == (True, [], None)

    trio.run(run)
