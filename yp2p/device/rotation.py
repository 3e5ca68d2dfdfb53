"""Another key for this device: for when somebody may have a copy of the one that it has, or its disk was cloned.

Theory of operation
    A device is its key: the ID is computed from it, and statements name it. So a device with another key is another
    device, which takes over the store, the directories and the place of the former one (decision 0026):

    1. A new key is made and kept beside the old one. In each folder the old one lets it in, in its own role.
    2. In each folder that others have, one of them at least has to have heard of that: else nobody would know the new
       key, and it could tell nobody. Up to here the device goes on as it was, and all can be done again.
    3. The old key leaves every folder, and the store becomes the new key's, in one commit. The daemon starts anew.
    4. The new key, where it is an administrator, removes the old one as well, and takes its place on the disk.

    The leaving (3) and the removal (4) are both needed. Say a copy of the old key removes the new one at the same time,
    and nobody else has heard of either. Against a removal by the new key that of the copy would stand, as the old key
    was let in earlier; against the leaving it does not. The leaving alone is not enough either: another leaving, which
    the copy signs on a longer branch, beats it, and changes of a device that left by itself are not doubted, as those
    of a copy have to be (`folder/uncounted.py`). Whoever has heard of the removal takes nothing more from a copy.

    A crash before the commit leaves the old device, with a second key that is a member already; after it the store says
    whose it is, and the start goes on with step 4.

What it cannot do
    Where this device may let nobody in, an administrator has to do steps 1 and 3 there (`device remove --replaced-by`).
    What a copy did before the rotation, as removing this device or letting in others, stands: `device list` shows it.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import structlog
import trio

from yp2p.errors import FolderError, UsageError
from yp2p.folder.folder import Folder
from yp2p.folder.members import Membership, Outcome, Removal
from yp2p.folder.own_statements import OwnStatements
from yp2p.identity import DeviceID, FolderID, Identity, format_device_id, format_public
from yp2p.machine import reason
from yp2p.peers.peers import Peers
from yp2p.store import tables
from yp2p.store.database import Database
from yp2p.trust.keyfile import make_next, take_next
from yp2p.trust.statements import Role

# A device that is connected answers in milliseconds, and one that has just started links within seconds.
_HEARD_LIMIT_S = 10.0
# One that does not answer takes no more than half of that from the others.
_ASK_LIMIT_S, _ASK_AGAIN_S = 5.0, 0.05

log = structlog.get_logger()


class Rotation:
    """Changes the key of this device.

    Args:
        key: the file of the key; None where it comes from outside.
        place: where the key is, for people.
        former: the key that this device had when it was stopped in between.

    Attributes:
        done: is set when the daemon has to start anew, with the new key.
    """

    def __init__(
        self,
        identity: Identity,
        folders: Mapping[FolderID, Folder],
        peers: Peers,
        database: Database,
        *,
        key: Path | None,
        place: str = "",
        former: Identity | None = None,
    ) -> None:
        self._identity = identity
        self._folders = folders
        self._peers = peers
        self._database = database
        self._key = key
        self._place = place
        self._former = former
        self.done = trio.Event()

    async def run(self) -> dict[str, Any]:
        """Change the key. Raises UsageError, FolderError: this device goes on with the one that it has."""
        if self._key is None:
            raise UsageError(
                f"the key of this device comes from {self._place}, and cannot be changed from here: `yp2p identity new`"
                " makes another one, `yp2p device remove --replaced-by` gives that this one's place, and with another"
                " store (YP2P_HOME) it starts"
            )
        try:
            successor = await trio.to_thread.run_sync(make_next, self._key)
        except OSError as error:
            raise FolderError(f"the new key cannot be written beside {self._key}: {reason(error)}") from error
        labels = [folder.label for folder in self._own_folders()]
        await self._let_in(successor)
        await self._be_heard(successor)
        await self._leave(successor)
        log.info("device_key_changed", former=format_device_id(self._identity.device_id)[:7])
        return {
            "device": format_device_id(successor.device_id),
            "key": format_public(successor.public),
            "folders": labels,
        }

    async def finish(self) -> None:
        """After the start with a new key: remove the old one, in the folders and from the disk.

        What does not work is no reason not to start: the old key has left, and the next start tries the rest again.
        """
        if self._former is None or self._key is None:
            return
        former, own = self._former.public, self._identity.device_id
        for folder in self._own_folders():
            removals = folder.membership.evaluation.removals.get(former.device_id, ())
            if not folder.membership.may(Role.ADMINISTRATOR) or any(one.issuer_id == own for one in removals):
                continue
            try:
                await OwnStatements(folder.membership).confirm_removal(former)
            except FolderError as error:
                log.warning("old_key_remains", folder=folder.label, reason=str(error))
            folder.state.touch()
        try:
            await trio.to_thread.run_sync(take_next, self._key)
        except OSError as error:
            log.warning("old_key_remains", reason=reason(error))

    def _own_folders(self) -> list[Folder]:
        return [folder for folder in self._folders.values() if self._identity.device_id in folder.membership.members]

    async def _let_in(self, successor: Identity) -> None:
        """Raises FolderError: only others can, in some folder."""
        own, device = self._identity.device_id, successor.device_id
        missing: list[str] = []
        for folder in self._own_folders():
            membership = folder.membership
            member, found = membership.members[own], membership.members.get(device)
            if found is not None and found.role >= member.role:
                continue
            if not membership.may(Role.ADMINISTRATOR):
                missing.append(folder.label)
                continue
            await OwnStatements(membership).grant(successor.public, member.role, member.name)
            folder.state.touch()
        if missing:
            raise FolderError(
                f"this device is no administrator of {', '.join(missing)}, and lets no key in there. An administrator"
                f" says `yp2p device remove {format_device_id(own)} --replaced-by {format_public(successor.public)}`,"
                " and then you say `yp2p device rotate` here again"
            )

    async def _be_heard(self, successor: Identity) -> None:
        """Wait until another device of each folder knows the new key. Raises FolderError: none does."""
        own = {self._identity.device_id, successor.device_id}
        shared = [folder for folder in self._own_folders() if folder.membership.devices.keys() - own]
        with trio.move_on_after(_HEARD_LIMIT_S):
            # A link may come, and administrators answer what was said.
            while shared := [folder for folder in shared if not await self._is_known(folder, own)]:  # noqa: ASYNC110
                await trio.sleep(_ASK_AGAIN_S)
        if shared:
            raise FolderError(
                f"no other device that has {', '.join(folder.label for folder in shared)} is connected: none would know"
                " this one by its new key. It goes on with the old one; say this again when another device is there"
            )

    async def _is_known(self, folder: Folder, own: set[DeviceID]) -> bool:
        for device in folder.membership.devices.keys() - own:
            session = self._peers.session(device, folder.id)
            if session is None:
                continue
            with trio.move_on_after(_ASK_LIMIT_S):
                if await session.agreement.knows_members():
                    return True
        return False

    async def _leave(self, successor: Identity) -> None:
        async with AsyncExitStack() as alone:
            leaving: list[tuple[Membership, Outcome]] = []
            for folder in self._own_folders():
                await alone.enter_async_context(folder.membership.alone)
                try:
                    leaving.append((folder.membership, await OwnStatements(folder.membership).departure()))
                except FolderError as error:  # the new key removes it afterwards
                    log.info("device_stays_member", folder=folder.label, reason=str(error))
            # no await until all is submitted: the statements and the owner are one commit
            with self._database.as_one():
                for membership, outcome in leaving:
                    membership.on_removed = _told_by_who_did_it
                    membership.take(outcome)
                self._database.submit([tables.owner.replace(successor.device_id)])
        with trio.CancelScope(shield=True):  # whoever asked may be gone, but the store is another device's by now
            await self._database.pending().wait()
        self.done.set()


def _told_by_who_did_it(removal: Removal) -> None:
    """Nobody removed this device: whoever types the command is told what became of it."""
