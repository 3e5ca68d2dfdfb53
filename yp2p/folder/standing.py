"""What this device may do in a folder, and why it may not: out by whose word, or in which role."""

from __future__ import annotations

import shlex
from collections.abc import Callable

from yp2p.errors import FolderError
from yp2p.folder.members import Membership
from yp2p.identity import DeviceID, short_id
from yp2p.printable import called
from yp2p.trust.statements import Role, Signer

COMES_BACK = "`yp2p share` on another device, and `yp2p join` here"
_A_ROLE = {Role.MEMBER: "a member", Role.READER: "a reader"}


def why_out(membership: Membership, device: DeviceID, name_of: Callable[[DeviceID], str]) -> str:
    """Why a device is no member of a folder any more, for its people."""
    by = [called(name_of(one)) for one in membership.removed_by_others(device)]
    if by:
        return f"{', '.join(by)} removed it"
    if membership.has_left():
        return "it left by itself"
    if inviter := membership.inviter_of(device):
        return (
            f"{called(inviter)} let it in, and was removed (`yp2p device readmit` on an administrator's device lets"
            " it in again)"
        )
    return "whoever had let it in was removed"


def administrator(membership: Membership, deed: str) -> Signer:
    """Who signs what only an administrator may do.

    Args:
        deed: what that is, as in "only an administrator can ...".

    Raises:
        FolderError: this device is none; with why, and what helps.
    """
    signer = membership.signer
    if signer is None or not membership.may(Role.ADMINISTRATOR):
        raise FolderError(_why_not(membership, signer, deed))
    return signer


def _why_not(membership: Membership, signer: Signer | None, deed: str) -> str:
    own = membership.members.get(signer.device_id) if signer is not None else None
    administrators = {one for one, member in membership.members.items() if member.role is Role.ADMINISTRATOR}
    names = sorted(repr(membership.name_of(one)) for one in administrators & membership.devices.keys())
    said, helps = f"only an administrator of this folder can {deed}", list[str]()
    if own is not None:
        said += f", and this device is {_A_ROLE[own.role]}"
        helps += [f"one of them makes it one with `yp2p device role {shlex.quote(own.name)} admin`"] if names else []
    elif signer is not None:
        why = why_out(membership, signer.device_id, lambda one: membership.name_of(one) or short_id(one))
        said += f", and this device is no member of it any more: {why}"
        helps.append(f"what lets it in again: {COMES_BACK}")
    if administrators - membership.devices.keys():
        helps.append("a recovery key of this folder makes this device one, with `yp2p recovery use`")
    return "; ".join([said, f"administrators are {', '.join(names) or 'none any more'}", *helps])
