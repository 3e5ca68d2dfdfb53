"""Whom the settings name is let in once, where this device may, and never again after a person's word."""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio
from room import identity

from yp2p.config import KnownDevice
from yp2p.device.introductions import Introductions
from yp2p.errors import ConfigError
from yp2p.folder.members import Membership
from yp2p.folder.own_statements import OwnStatements
from yp2p.identity import FolderID, format_public
from yp2p.pairing.standing import token_of
from yp2p.store.database import open_database
from yp2p.trust import recovery
from yp2p.trust.statements import Role, Signer

OWN, PI, OTHER = identity("own"), identity("pi"), identity("other")


class Home:
    """The folders of a device that founded the first one and is a member of the second, and what it honours."""

    def __init__(self, memberships: dict[str, Membership]) -> None:
        self.peers = SimpleNamespace(members_changed=trio.Event())
        self.by_id = {
            FolderID(label.encode() * 16): SimpleNamespace(
                id=FolderID(label.encode() * 16), label=label, path=Path("/folders", label), membership=membership,
                state=SimpleNamespace(touch=lambda: None),
            )
            for label, membership in memberships.items()
        }  # fmt: skip
        self.standing: list[Any] = []

    def stand(self, invites: list[Any]) -> None:
        self.standing = invites

    async def carry_out(self, *settings: KnownDevice) -> dict[str, str]:
        """As at a start; gives what could not be done."""
        home: Any = self
        introductions = Introductions(settings, OWN, home, home)
        await introductions._let_in_all()
        return introductions.problems


def _run(test: Callable[[Home, Membership, Membership], Awaitable[None]]) -> None:
    async def run() -> None:
        with tempfile.TemporaryDirectory() as base:
            async with open_database(Path(base) / "store", make_room=False) as database:
                ours = Membership(FolderID(b"a" * 16), OWN.device_id, database, OWN)
                await ours.receive(
                    [Signer(OWN, FolderID(b"a" * 16)).grant((), OWN.public, Role.ADMINISTRATOR, "own").encode()]
                )
                theirs = Membership(FolderID(b"b" * 16), OTHER.device_id, database, OWN)
                founder = Signer(OTHER, FolderID(b"b" * 16))
                first = founder.grant((), OTHER.public, Role.ADMINISTRATOR, "other")
                await theirs.receive(
                    [first.encode(), founder.grant([first.hash], OWN.public, Role.MEMBER, "own").encode()]
                )
                await test(Home({"a": ours, "b": theirs}), ours, theirs)

    trio.run(run)


def _pi(*folders: str, role: str = "member") -> KnownDevice:
    return KnownDevice("pi", format_public(PI.public), role, list(folders))


def _role(membership: Membership) -> Role | None:
    member = membership.members.get(PI.device_id)
    return member.role if member is not None else None


def test_a_device_is_let_in_once_with_its_role_and_name() -> None:
    async def test(home: Home, ours: Membership, theirs: Membership) -> None:
        assert await home.carry_out(_pi("a", role="reader")) == {}
        assert (_role(ours), ours.members[PI.device_id].name) == (Role.READER, "pi")
        assert [one.token for one in home.standing] == [token_of(PI, OWN.public, "a"), token_of(PI, OWN.public, "")]
        said = ours.statements()
        assert await home.carry_out(_pi("/folders/a", role="admin")) == {}
        assert ours.statements() == said, "the settings change nothing of who is in"
        assert await home.carry_out() == {}
        assert (ours.statements(), home.standing) == (said, [])

    _run(test)


def test_what_cannot_be_done_is_told() -> None:
    async def test(home: Home, ours: Membership, theirs: Membership) -> None:
        problems = await home.carry_out(_pi("a", "b", "c"))
        assert problems.keys() == {"[[devices]] pi in b", "[[devices]] pi in c"}
        assert "only an administrator of 'b'" in problems["[[devices]] pi in b"]
        assert "no folder is called 'c'" in problems["[[devices]] pi in c"]
        assert (_role(ours), _role(theirs)) == (Role.MEMBER, None)
        assert {one.token for one in home.standing} == {token_of(PI, OWN.public, "a"), token_of(PI, OWN.public, "b")}

    _run(test)


def test_a_removal_beats_the_settings() -> None:
    async def test(home: Home, ours: Membership, theirs: Membership) -> None:
        await OwnStatements(ours).grant(PI.public, Role.MEMBER, "pi")
        await OwnStatements(ours).remove(PI.device_id)
        said = ours.statements()
        assert "was removed from 'a'" in (await home.carry_out(_pi("a")))["[[devices]] pi in a"]
        assert ours.statements() == said
        await OwnStatements(ours).grant(PI.public, Role.MEMBER, "pi")  # a person did
        assert await home.carry_out(_pi("a")) == {}
        assert _role(ours) is Role.MEMBER

    _run(test)


def test_this_device_is_passed_over_and_changes_are_followed() -> None:
    async def test(home: Home, ours: Membership, theirs: Membership) -> None:
        own = KnownDevice("own", format_public(OWN.public), "reader", ["a"])
        device: Any = home
        introductions = Introductions([own, _pi("b")], OWN, device, device)
        assert introductions.keys_of("own") is None
        assert introductions.keys_of("pi") == PI.public
        async with trio.open_nursery() as nursery:
            nursery.start_soon(introductions.run)
            with trio.fail_after(60):
                while not introductions.problems:
                    await trio.sleep(0.01)
            founder = Signer(OTHER, FolderID(b"b" * 16))
            heads = [statement.hash for statement in theirs._statements.values()]
            await theirs.receive([founder.grant(sorted(heads), OWN.public, Role.ADMINISTRATOR, "own").encode()])
            changed, home.peers.members_changed = home.peers.members_changed, trio.Event()
            changed.set()
            with trio.fail_after(60):
                while introductions.problems:
                    await trio.sleep(0.01)
            nursery.cancel_scope.cancel()
        assert _role(theirs) is Role.MEMBER
        assert ours.members[OWN.device_id].role is Role.ADMINISTRATOR

    _run(test)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        (KnownDevice("pi", "yp2pk-x"), "no public key"),
        (KnownDevice("pi", format_public(PI.public), "king"), "no role"),
        (KnownDevice(recovery.NAME, format_public(PI.public)), "recovery key"),
    ],
)
def test_a_setting_that_means_nothing_ends_the_start(setting: KnownDevice, words: str) -> None:
    nobody: Any = None
    with pytest.raises(ConfigError, match=words):
        Introductions([setting], OWN, nobody, nobody)
