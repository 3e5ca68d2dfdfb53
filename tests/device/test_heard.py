"""What is said of members and nobody has heard yet is told, by every command that says such a thing."""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Awaitable, Callable
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
from yp2p.identity import DeviceID, Identity, format_public, short_id
from yp2p.trust import recovery
from yp2p.trust.ancestry import Ancestry
from yp2p.trust.statements import Role, Signer, StatementHash, read_statement

OWN, OTHER, LOST, FRIEND, NEW, KEY = (Identity(bytes([number]) * 32) for number in (1, 2, 3, 4, 5, 6))
WORDS = recovery.words_of(KEY.seed)

Deed = Callable[[Members], Awaitable[dict[str, Any]]]
# By the method that does it; each is one of what people say about members.
DEEDS: dict[str, Deed] = {
    "remove": lambda members: members.remove("lost", None),
    "replace": lambda members: members.replace("lost", format_public(NEW.public), None),
    "set_role": lambda members: members.set_role("lost", None, "reader"),
    "readmit": lambda members: members.readmit("friend", None),
    "make_recovery_key": lambda members: members.make_recovery_key(None),
    "use_recovery_key": lambda members: members.use_recovery_key(WORDS, None),
}


def _run(test: Callable[[Members, set[DeviceID]], Awaitable[None]], *, with_other: bool = True) -> None:
    """With a folder of this device, another one and one that was lost, and who is linked.

    `friend` was let in by `thief`, who was removed.
    """

    async def run() -> None:
        with tempfile.TemporaryDirectory() as base:
            async with open_bridge(Path(base)) as bridge:
                folder, linked = bridge.folder, set[DeviceID]()
                membership = folder.membership = Membership(folder.id, OWN.device_id, folder.database, OWN)
                thief = Identity(b"t" * 32)
                first = Signer(OWN, folder.id).grant((), OWN.public, Role.ADMINISTRATOR, "own")
                await membership.receive([first.encode()])
                say = OwnStatements(membership)
                let_in = [(LOST, "lost"), (thief, "thief"), (KEY, recovery.NAME), *([(OTHER, "other")] * with_other)]
                for identity, name in let_in:
                    await say.grant(identity.public, Role.ADMINISTRATOR, name)
                heads = _heads(membership)
                await say.remove(thief.device_id)
                if with_other:  # it has heard of that before it hears of the friend
                    await membership.receive([Signer(OTHER, folder.id).acknowledge(_heads(membership)).encode()])
                late = Signer(thief, folder.id).grant(heads, FRIEND.public, Role.MEMBER, "friend")
                await membership.receive([late.encode()])
                peers = SimpleNamespace(
                    devices=SimpleNamespace(contacts={}), is_linked=linked.__contains__, session=lambda *_: None
                )
                await test(Members(OWN.device_id, lambda: "own", {folder.id: folder}, cast(Any, peers), _none), linked)

    trio.run(run)


def _heads(membership: Membership) -> tuple[StatementHash, ...]:
    return Ancestry(read_statement(body, membership._folder) for body in membership.statements()).heads()


async def _none(folders: object) -> int:
    return 0


def test_all_that_people_say_of_members_is_in_the_table() -> None:
    methods = inspect.getmembers(Members, inspect.iscoroutinefunction)
    said = {name for name, method in methods if not name.startswith("_") and "OwnStatements" in _sources(method)}
    assert said - {"preview_removal"} == DEEDS.keys()


def _sources(method: Any) -> str:
    """Of a method, and of those that it calls by a name of this class."""
    source = inspect.getsource(method)
    called = [one for name, one in inspect.getmembers(Members, inspect.isfunction) if f"self.{name}(" in source]
    return source + "".join(inspect.getsource(one) for one in called if one is not method)


@pytest.mark.parametrize("deed", DEEDS)
def test_what_nobody_has_heard_yet_is_told_and_what_somebody_hears_is_not(deed: str) -> None:
    async def alone(members: Members, linked: set[DeviceID]) -> None:
        (folder,) = members.folders.values()
        if deed in ("remove", "replace"):
            linked.add(LOST.device_id)  # that it hears of it is of no help to the others
        assert (await DEEDS[deed](members))["unheard"] == [folder.label]

    async def heard(members: Members, linked: set[DeviceID]) -> None:
        linked.add(OTHER.device_id)
        assert (await DEEDS[deed](members))["unheard"] == []

    _run(alone)
    _run(heard)


@pytest.mark.parametrize("deed", ["remove", "replace"])
def test_where_nobody_is_left_who_could_hear_it_nothing_is_told(deed: str) -> None:
    async def test(members: Members, linked: set[DeviceID]) -> None:
        assert (await DEEDS[deed](members))["unheard"] == []

    _run(test, with_other=False)


def test_each_recovery_key_has_a_name_and_is_revoked_by_it() -> None:
    async def test(members: Members, linked: set[DeviceID]) -> None:
        (folder,) = members.folders.values()
        first, made = f"recovery key {short_id(KEY.device_id)}", await members.make_recovery_key(None)
        assert recovery.identity_of(made["words"]).device_id != KEY.device_id
        assert made["name"] != first
        shown = {one["name"]: one for one in members.shown()}
        assert [name for name, one in shown.items() if one["is_recovery_key"]] == sorted({first, made["name"]})
        with pytest.raises(UsageError, match="2 devices are called 'recovery key'; name one of them by its whole ID"):
            await members.remove("recovery key", None)
        used = await members.use_recovery_key(WORDS, None)
        assert (used["name"], members.name_of(KEY.device_id)) == (first, first)
        await members.remove(first, None)
        assert recovery.identity_of(made["words"]).device_id in folder.membership.members
        assert KEY.device_id not in folder.membership.members
        assert {one["name"] for one in members.shown() if one["is_recovery_key"]} == {first, made["name"]}
        with pytest.raises(FolderError, match=f"'{first}' was removed already, .*`yp2p recovery make` makes another"):
            await members.remove(first, None)
        with pytest.raises(FolderError, match=f"'{first}' is none of this folder's administrators"):
            await members.use_recovery_key(WORDS, None)
        await members.remove("recovery key", None)  # there is only one
        assert recovery.identity_of(made["words"]).device_id not in folder.membership.members

    _run(test)


def test_a_recovery_key_takes_no_place_and_gives_none() -> None:
    async def test(members: Members, linked: set[DeviceID]) -> None:
        for device, by in (("recovery key", format_public(NEW.public)), ("lost", "recovery key")):
            with pytest.raises(UsageError, match="a recovery key takes no place"):
                await members.replace(device, by, None)

    _run(test)


@pytest.mark.parametrize(
    ("role", "why", "helps"),
    [
        (Role.MEMBER, "and this device is a member", "`yp2p device role own admin`"),
        (Role.READER, "and this device is a reader", "`yp2p device role own admin`"),
        (Role.REMOVED, "no member of it any more: other removed it", "`yp2p share` on another device"),
    ],
)
def test_a_device_that_may_not_is_told_why_and_what_helps_whatever_it_tries(role: Role, why: str, helps: str) -> None:
    async def test(members: Members, linked: set[DeviceID]) -> None:
        (folder,) = members.folders.values()
        membership = folder.membership
        taken = Signer(OTHER, folder.id).remove(_heads(membership), OWN.public, role)
        await membership.receive([taken.encode()])
        before = membership.statements()
        other = members.set_role("other", None, "admin")  # which it is already
        deeds = [deed(members) for name, deed in DEEDS.items() if name != "use_recovery_key"]
        for doing in (other, members.remove("other", None), *deeds):
            with pytest.raises(FolderError) as refused:
                await doing
            for part in (why, helps, "administrators are 'lost', 'other'", "`yp2p recovery use`"):
                assert part in str(refused.value)
        assert membership.statements() == before
        if role is Role.REMOVED:
            with pytest.raises(FolderError, match=r"'own' is this device; it was removed already.*`yp2p join` here"):
                await members.remove("own", None)
        assert (await members.use_recovery_key(WORDS, None))["unheard"] == [folder.label]
        assert membership.may(Role.ADMINISTRATOR)

    _run(test)
