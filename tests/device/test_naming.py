"""Which device a person means, and what is said where it cannot be removed."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from room import FOLDER, Peer, device_id, evaluated, identity

from yp2p.device.members import Members
from yp2p.errors import FolderError, UsageError
from yp2p.identity import FolderID, format_device_id, short_id
from yp2p.trust.statements import Role, Signer


def _members(*names: str, refused: str = "") -> Members:
    """The devices that `names` are the keys and names of, in two folders; `refused` is the one that says so."""
    founder = Peer.founder("founder")
    for name in names:
        founder.grant(Peer(name))

    def folder(label: str) -> Any:
        members, own = dict(evaluated(founder, founder.known).members), device_id("founder")
        if label == refused:
            members[own] = replace(members[own], role=Role.MEMBER)
        none = SimpleNamespace(removals={}, lost=())
        membership = SimpleNamespace(
            members=members,
            devices=members,
            signer=Signer(identity("founder"), FOLDER),
            may=lambda role: members[own].role >= role,
            name_of=lambda device: members[device].name if device in members else "",
            evaluation=none,
        )
        return SimpleNamespace(label=label, path=label, id=FolderID(label.encode().ljust(16)), membership=membership)

    folders = {one.id: one for one in (folder("notes"), folder("work"))}
    peers: Any = SimpleNamespace(devices=SimpleNamespace(contacts={}), is_linked=lambda device: False)
    return Members(device_id("founder"), lambda: "founder", folders, peers, _revoke)


def test_a_name_or_the_beginning_of_an_id_names_a_device() -> None:
    members = _members("laptop", "phone")
    whole = format_device_id(device_id("laptop"))
    for wanted in ("laptop", whole, whole[:7], whole[:9].lower()):
        assert members.find(wanted) == device_id("laptop")
    with pytest.raises(UsageError, match=r"'nobody'; there are 'founder', 'laptop', 'phone'"):
        members.find("nobody")


def test_a_device_that_is_called_what_is_the_id_of_another_one_is_not_taken_for_it() -> None:
    first_group, whole = short_id(device_id("laptop")), format_device_id(device_id("laptop"))
    members = _members("laptop", first_group, whole)
    with pytest.raises(UsageError, match=f"2 devices are called '{first_group}'.*whole ID: .*{whole}"):
        members.find(first_group)
    assert members.find(whole) == device_id("laptop")


async def _revoke(folders: object) -> int:
    return 0


async def _remove(members: Members, *arguments: str | None) -> None:
    await members.remove(*arguments)  # type: ignore[arg-type]


def test_a_folder_that_refuses_is_named_where_it_is_the_only_one() -> None:
    import trio

    with pytest.raises(FolderError, match="from no folder: not from 'work': only an admin"):
        trio.run(_remove, _members("laptop", refused="work"), "laptop", "work")
