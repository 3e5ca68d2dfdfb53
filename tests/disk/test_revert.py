"""What `yp2p folder revert` says where there is nothing that it could bring back."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, cast

import pytest
import trio
from bridge import open_bridge

from yp2p.disk.revert import revert
from yp2p.errors import FolderError, UsageError
from yp2p.folder.members import Membership
from yp2p.identity import Identity
from yp2p.trust.statements import Role, Signer

_FOUNDER, _OWN = (Identity(bytes([number]) * 32) for number in (1, 2))


async def _said(base: Path, role: Role, names: tuple[str, ...]) -> str:
    """What is said on a device that may do this, or is out."""
    async with open_bridge(base) as bridge:
        folder = bridge.folder
        founder = Signer(_FOUNDER, folder.id)
        first = founder.grant((), _FOUNDER.public, Role.ADMINISTRATOR, "founder")
        second = founder.grant([first.hash], _OWN.public, Role.MEMBER, "own")
        third = founder.remove([second.hash], _OWN.public, role)
        said = [first, second] if role is Role.MEMBER else [first, second, third]
        membership = Membership(folder.id, _FOUNDER.device_id, folder.database, _OWN)
        await membership.receive([one.encode() for one in said])
        folder.membership = membership
        with pytest.raises((FolderError, UsageError)) as caught:
            await revert(folder, cast(Any, None), names)
        return str(caught.value)


@pytest.mark.parametrize(
    ("role", "names", "said"),
    [
        (Role.MEMBER, (), "this device may change 'test'"),
        (Role.REMOVED, (), "this device is no member of 'test' any more"),
        (Role.READER, ("nowhere",), "nothing was changed here at 'nowhere'"),
    ],
)
def test_what_it_says_is_true(role: Role, names: tuple[str, ...], said: str) -> None:
    with tempfile.TemporaryDirectory() as base:
        (Path(base) / "dir").mkdir()
        assert trio.run(_said, Path(base), role, names).startswith(said)
