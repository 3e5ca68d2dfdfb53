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
from yp2p.errors import UsageError
from yp2p.folder.members import Membership
from yp2p.identity import Identity
from yp2p.trust.ancestry import Ancestry
from yp2p.trust.statements import Role, Signer, read_statement

OWN, THIEF, FRIEND = (Identity(bytes([number]) * 32) for number in (1, 2, 3))
PEERS = cast(Any, SimpleNamespace(devices=SimpleNamespace(contacts={}), is_linked=lambda device: False))


def test_whom_a_removed_device_let_in_is_listed_and_let_in_by_one_command() -> None:
    async def run() -> None:
        with tempfile.TemporaryDirectory() as base:
            async with open_bridge(Path(base)) as bridge:
                folder = bridge.folder
                membership = folder.membership = Membership(folder.id, OWN.device_id, folder.database, OWN)
                root = Signer(OWN, folder.id).grant((), OWN.public, Role.ADMINISTRATOR, "own")
                membership.add([root.encode()])
                membership.grant(THIEF.public, Role.ADMINISTRATOR, "thief")
                heads = Ancestry(read_statement(body, folder.id) for body in membership.statements()).heads()
                membership.remove(THIEF.device_id)
                late = Signer(THIEF, folder.id).grant(heads, FRIEND.public, Role.MEMBER, "friend")
                membership.add([late.encode()])
                members = Members(OWN.device_id, "own", {folder.id: folder}, PEERS)
                shown = {one["name"]: one["folders"][0] for one in members.shown()}
                assert shown["own"]["role"] == "admin"
                assert (shown["thief"]["role"], shown["thief"]["removed_by"]) == ("removed", ["own"])
                assert (shown["friend"]["role"], shown["friend"]["let_in_by"]) == ("void", "thief")
                with pytest.raises(UsageError, match="'nobody'"):
                    await members.readmit("nobody", None)
                await members.readmit("friend", None)
                assert membership.members[FRIEND.device_id].role is Role.MEMBER

    trio.run(run)
