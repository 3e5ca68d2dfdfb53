"""What people say on this device about who takes part in a folder: let in, removed, given another role.

Each is said when it is durable here. Where there are many statements it takes a moment, which others do not wait for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from yp2p.errors import FolderError
from yp2p.folder.acknowledgements import Statements
from yp2p.folder.members import Membership, Outcome
from yp2p.folder.standing import administrator
from yp2p.identity import DeviceID, Identity, PublicIdentity, short_id
from yp2p.trust import recovery
from yp2p.trust.ancestry import Ancestry
from yp2p.trust.limits import heads_within, kept
from yp2p.trust.membership import Member
from yp2p.trust.statements import Role, Signer, Statement, StatementHash

Heads = Sequence[StatementHash]


class OwnStatements:
    """Makes the statements of this device in a folder. All raise FolderError where it may not."""

    def __init__(self, membership: Membership) -> None:
        self._membership = membership

    async def grant(
        self, subject: PublicIdentity, role: Role, name: str, is_wanted: Callable[[], bool] = lambda: True
    ) -> None:
        """Let a device in, or give it a higher role.

        Args:
            is_wanted: whether it still is to be, asked when nothing can be said or heard between.
        """
        await self._say(lambda: self._granted(subject, role, name, is_wanted))

    def _granted(
        self, subject: PublicIdentity, role: Role, name: str, is_wanted: Callable[[], bool]
    ) -> tuple[Signer, _Made]:
        if not is_wanted():
            raise FolderError("that was taken back meanwhile")
        signer = self._as_administrator()
        return signer, lambda heads: [signer.grant(heads, subject, role, name)]

    async def restore_right(self, key: Identity, name: str) -> None:
        """Make this device an administrator in the name of a recovery key."""
        await self._say(lambda: self._restored(key, name))

    def _restored(self, key: Identity, name: str) -> tuple[Signer, _Made]:
        found, identity = self._membership.members.get(key.device_id), self._membership.identity
        if identity is None or found is None or found.role is not Role.ADMINISTRATOR:
            name = recovery.shown_name(recovery.NAME, key.device_id)
            raise FolderError(f"{name!r} is none of this folder's administrators; was it removed?")
        signer = self._membership.signer_of(key)
        return signer, lambda heads: [signer.grant(heads, identity.public, Role.ADMINISTRATOR, name)]

    async def remove(self, device: DeviceID, role: Role = Role.REMOVED) -> None:
        """Take away what a member may do beyond a role. A device may remove itself."""
        await self._say(lambda: self._removed(device, role))

    def _removed(self, device: DeviceID, role: Role) -> tuple[Signer, _Made]:
        member, signer = self.check_can_remove(device, role)
        return signer, lambda heads: [signer.remove(heads, member.identity, role)]

    async def departure(self) -> Outcome:
        """What becomes of the statements when this device leaves. `membership.alone` is held until that is taken."""
        identity = self._membership.identity
        if identity is None:
            raise FolderError("who only reads cannot leave")
        return await self._worked_out(*self._removed(identity.device_id, Role.REMOVED))

    async def replace(self, device: DeviceID, by: PublicIdentity, name: str) -> None:
        """Give another device the role of a member, and remove that one: both or nothing.

        Args:
            name: what the other one is called, where it is no member yet.
        """
        await self._say(lambda: self._replaced(device, by, name))

    def _replaced(self, device: DeviceID, by: PublicIdentity, name: str) -> tuple[Signer, _Made]:
        members = self._membership.members
        signer, member, newer = self._as_administrator(), members.get(device), members.get(by.device_id)
        if member is None:
            raise FolderError(f"{short_id(device)} is no member of this folder")

        def make(heads: Heads) -> list[Statement]:
            made: list[Statement] = []
            if newer is None or newer.role < member.role:
                made.append(signer.grant(heads, by, member.role, newer.name if newer is not None else name))
                heads = [made[-1].hash]
            return [*made, signer.remove(heads, member.identity, Role.REMOVED)]

        return signer, make

    async def confirm_removal(self, former: PublicIdentity) -> None:
        """Say as well that a device is out, which may have said so itself: what it does since is doubted then."""
        await self._say(lambda: self._confirmed(former))

    def _confirmed(self, former: PublicIdentity) -> tuple[Signer, _Made]:
        signer = self._as_administrator()
        return signer, lambda heads: [signer.remove(heads, former, Role.REMOVED)]

    def check_can_remove(self, device: DeviceID, role: Role = Role.REMOVED) -> tuple[Member, Signer]:
        """The member, and who may say so. A folder that has members keeps an administrator."""
        membership = self._membership
        member, own = membership.members.get(device), membership.signer
        if member is None:
            raise FolderError(f"{short_id(device)} is no member of this folder")
        signer = own if own is not None and device == own.device_id else self._as_administrator()
        others = [one for one in membership.members.values() if one is not member and one.role is Role.ADMINISTRATOR]
        is_left = len(membership.members) > 1 or role is not Role.REMOVED
        if member.role is Role.ADMINISTRATOR and not others and is_left:
            raise FolderError(
                f"{member.name!r} is the only administrator of this folder: make another device one first,"
                " with `yp2p device role`"
            )
        return member, signer

    def check_administrator(self) -> None:
        """Whether this device may let devices in, or remove them."""
        self._as_administrator()

    def _as_administrator(self) -> Signer:
        return administrator(self._membership, "let devices in, remove them or change what they may do")

    async def _say(self, check: Callable[[], tuple[Signer, _Made]]) -> None:
        membership = self._membership
        async with membership.alone:
            outcome = await self._worked_out(*check())
            commit = membership.take(outcome)
        await commit.wait()

    async def _worked_out(self, signer: Signer, make: _Made) -> Outcome:
        return await self._membership.work_out(lambda before: self._said(before, signer, make))

    def _said(self, before: Statements, signer: Signer, make: _Made) -> Outcome:
        """What becomes of the statements with ours, which follow all that we have. Changes nothing."""
        founder, ancestry = self._membership.founder, Ancestry(before.values())
        more, heads = signer.gather(heads_within(ancestry, signer.device_id, ancestry.everything))
        said = [*more, *make(heads)]
        found = kept(founder, [*before.values(), *said])
        if said[-1].hash not in found:
            raise FolderError("this device has made as many statements about this folder as there may be")
        return self._membership.outcome_of(found)


_Made = Callable[[Heads], Sequence[Statement]]
"""The statements behind some heads."""
