"""The members of this device's folders, for people: listing them, removing one, changing what one may do."""

from __future__ import annotations

import secrets
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from yp2p.device.heard import unheard
from yp2p.device.keepers import nowhere_but_there
from yp2p.device.meant import Meant
from yp2p.errors import FolderError, UsageError
from yp2p.folder.folder import Folder
from yp2p.folder.lookup import choose
from yp2p.folder.own_statements import OwnStatements
from yp2p.identity import (
    PUBLIC_KEY_PREFIX,
    SEED_BYTES,
    DeviceID,
    FolderID,
    Identity,
    PublicIdentity,
    format_device_id,
    parse_public,
)
from yp2p.peers.peers import Peers
from yp2p.trust import recovery
from yp2p.trust.statements import Role, Statement

ROLE_NAMES = {"admin": Role.ADMINISTRATOR, "member": Role.MEMBER, "reader": Role.READER}
SHOWN_ROLES = {Role.ADMINISTRATOR: "admin", Role.MEMBER: "member", Role.READER: "reader", Role.REMOVED: "removed"}

log = structlog.get_logger()


def role_of(name: str) -> Role:
    """Raises UsageError: there is no such role."""
    if name not in ROLE_NAMES:
        raise UsageError(f"{name!r} is no role; there are {', '.join(ROLE_NAMES)}")
    return ROLE_NAMES[name]


@dataclass(frozen=True, slots=True)
class Members:
    """The members of all folders of this device.

    Attributes:
        revoke_invites: takes back our invites to folders; gives how many were still good.
        count_invites: how many that would be.
    """

    own: DeviceID
    own_name: Callable[[], str]
    folders: Mapping[FolderID, Folder]
    peers: Peers
    revoke_invites: Callable[[Collection[FolderID]], Awaitable[int]]
    count_invites: Callable[[Collection[FolderID]], int] = lambda folders: 0

    def shown(self) -> list[dict[str, Any]]:
        """All devices that have a folder with this one, or had one, by their names; this device first."""
        devices = {
            device
            for folder in self.folders.values()
            for device in (
                *folder.membership.members,
                *folder.membership.evaluation.removals,
                *(grant.subject_id for grant in folder.membership.evaluation.lost),
            )
        }
        found = [self._shown(device) for device in devices | {self.own}]
        return sorted(found, key=lambda one: (not one["is_this_device"], one["name"].casefold(), one["id"]))

    def _shown(self, device: DeviceID) -> dict[str, Any]:
        contact = self.peers.devices.contacts.get(device)
        seen = max(contact.addresses.values(), default=0.0) if contact is not None else 0.0
        is_linked = self.peers.is_linked(device)
        return {
            "id": format_device_id(device),
            "name": self.name_of(device),
            "is_this_device": device == self.own,
            "is_recovery_key": self._meant.is_recovery_key(device),
            "connected": is_linked,
            "last_seen": time.time() if is_linked else seen or None,
            "folders": [
                shown for folder in self.folders.values() if (shown := self._in_folder(folder, device)) is not None
            ],
        }

    def name_of(self, device: DeviceID) -> str:
        """What a device is called here: as a person here named it, or as it says or said itself."""
        if device == self.own:
            return self.own_name()
        contact = self.peers.devices.contacts.get(device)
        if contact is not None and (contact.choice.name or contact.name):
            return contact.choice.name or contact.name
        for folder in self.folders.values():
            if device in folder.membership.members:
                return folder.membership.name_of(device)
        names = (folder.membership.name_of(device) for folder in self.folders.values())
        return next(filter(None, names), "")

    @property
    def _meant(self) -> Meant:
        return Meant(self.own, self.folders, self.name_of)

    def _in_folder(self, folder: Folder, device: DeviceID) -> dict[str, Any] | None:
        membership = folder.membership
        member, removals = membership.members.get(device), membership.evaluation.removals.get(device, ())
        void = [grant for grant in membership.evaluation.lost if grant.subject_id == device]
        if member is None and not removals and void:
            inviter = self.name_of(void[0].issuer_id)
            return {"folder": folder.label, "id": folder.id.hex(), "role": "void", "let_in_by": inviter}
        if member is None and not removals:
            return None
        shown: dict[str, Any] = {"folder": folder.label, "id": folder.id.hex(), "role": "removed"}
        if member is not None:
            by = member.grant.issuer_id
            shown |= {"role": SHOWN_ROLES[member.role], "let_in_by": None if by == device else self.name_of(by)}
        else:
            shown["removed_by"] = [self.name_of(one) for one in membership.removed_by_others(device)]
        return shown

    def find(self, wanted: str) -> DeviceID:
        """The device that a person means. Raises UsageError, FolderError: there is none, or several (`meant.py`)."""
        return self._meant.find(wanted)

    async def preview_removal(self, wanted: str, folder: str | None) -> dict[str, Any]:
        """What follows from removing a device, and what nobody else who is connected has of the folders that it is in.

        Raises:
            UsageError, FolderError: there is no such device, or it is not in that folder.
        """
        device, found = self.find(wanted), list[dict[str, Any]]()
        let_in: set[str] = set()
        having = self._having(device, folder)
        may, failed = self._removable(device, having)
        for one in having:
            let_in |= {self.name_of(other) for other in self._let_in_by(device, one)}
            others = [
                session for other in sorted(one.membership.devices.keys() - {self.own, device})
                if (session := self.peers.session(other, one.id)) is not None
            ]  # fmt: skip
            missing = await nowhere_but_there(one, others)
            if missing is not None:
                found.append(missing)
        return {
            **self._standing(device),
            "connected": self.peers.is_linked(device),
            "folders": [one.label for one in may],
            "failed": failed,
            "nowhere_else": found,
            "let_in": sorted(let_in),
            "invites": self.count_invites({one.id for one in may}),
        }

    def _standing(self, device: DeviceID) -> dict[str, Any]:
        shown = self._shown(device)
        return {
            "device": shown["id"],
            "name": shown["name"],
            "is_this_device": shown["is_this_device"],
            "last_seen": None if shown["is_this_device"] else shown["last_seen"],
        }

    def _let_in_by(self, device: DeviceID, folder: Folder) -> list[DeviceID]:
        """Whom a device alone let in, that is to be removed; of this one, which goes by itself, that is no question."""
        return [] if device == self.own else folder.membership.let_in_only_by(device)

    async def remove(self, wanted: str, folder: str | None, *, with_let_in: bool = False) -> dict[str, Any]:
        """Take a device out of a folder, or of all that it is in, and take back our invites to these.

        What cannot be done in one folder keeps it in no other.

        Args:
            with_let_in: those as well that only it had let in.

        Raises:
            UsageError, FolderError: it is out of no folder.
        """
        device = self.find(wanted)
        if with_let_in and device == self.own:
            raise UsageError("once this device is out it can remove nobody; remove those by name first")
        standing = self._standing(device)
        chosen, failed = self._removable(device, self._having(device, folder))
        let_in = {one.id: self._let_in_by(device, one) for one in chosen}
        done: list[Folder] = []
        for one in chosen:
            reason = await self._remove_from(one, device, let_in[one.id] if with_let_in else [])
            failed += [{"folder": one.label, "reason": reason}] if reason else []
            done += [one] if device not in one.membership.members else []
        if not done:
            reasons = "; ".join(f"not from {one['folder']!r}: {one['reason']}" for one in failed)
            raise FolderError(f"{standing['name']!r} was removed from no folder: {reasons}")
        others = {other for one in done for other in let_in[one.id]}
        return {
            **standing,
            "folders": [one.label for one in done],
            "failed": failed,
            "let_in": sorted(({"device": format_device_id(one), "name": self.name_of(one)} for one in others),
                             key=lambda one: (one["name"].casefold(), one["device"])),
            "let_in_removed": with_let_in and bool(others),
            "invites_revoked": await self.revoke_invites({one.id for one in done}),
            "unheard": self._unheard(done, device, *(others if with_let_in else ())),
        }  # fmt: skip

    def _unheard(self, folders: Iterable[Folder], *subjects: DeviceID) -> list[str]:
        return unheard(folders, {self.own, *subjects}, self.peers)

    async def _remove_from(self, folder: Folder, device: DeviceID, let_in: Iterable[DeviceID]) -> str:
        """Take a device out of a folder, and others with it. Gives why that was not all done; empty where it was."""
        try:
            for gone in (device, *let_in):
                await OwnStatements(folder.membership).remove(gone)
                log.info("device_removed", folder=folder.label, name=self.name_of(gone))
        except FolderError as error:
            is_out = device not in folder.membership.members
            return f"it is out itself, but not all whom it had let in: {error}" if is_out else str(error)
        finally:
            folder.state.touch()
        return ""

    async def replace(self, wanted: str, by: str, folder: str | None) -> dict[str, Any]:
        """Let one device take the place of another: the role in each folder that this has, and then this is removed.

        Args:
            by: a member of any folder, or the public key of a device.

        Raises:
            UsageError: the devices are not known, or one. FolderError: it could be done in no folder.
        """
        device, keys = self.find(wanted), self._keys_of(by)
        if keys.device_id == device:
            raise UsageError(f"{by!r} cannot take the place of {wanted!r}: they are one device; name the new one")
        if any(map(self._meant.is_recovery_key, (device, keys.device_id))):
            raise UsageError("a recovery key takes no place, and no device takes its: revoke it, and make another one")
        name, done = self.name_of(device), list[Folder]()
        answer: dict[str, Any] = {
            "device": format_device_id(device), "name": name, "by": self.name_of(keys.device_id) or name,
            "let_in": [], "failed": [], "last_seen": self._shown(device)["last_seen"],
        }  # fmt: skip
        for one in self._having(device, folder):
            is_new = keys.device_id not in one.membership.members
            try:
                await OwnStatements(one.membership).replace(device, keys, answer["by"])
            except FolderError as error:
                answer["failed"].append({"folder": one.label, "reason": str(error)})
                continue
            one.state.touch()
            log.info("device_replaced", folder=one.label, name=name, by=answer["by"])
            done.append(one)
            if is_new:
                role = one.membership.members[keys.device_id].role
                answer["let_in"].append({"folder": one.label, "role": SHOWN_ROLES[role]})
        await self.revoke_invites({one.id for one in done})
        if not done:
            reasons = "; ".join(f"{one['folder']}: {one['reason']}" for one in answer["failed"])
            raise FolderError(f"{name!r} was replaced nowhere, and stays what it is ({reasons or 'it has no folder'})")
        return answer | {
            "folders": [one.label for one in done],
            "unheard": self._unheard(done, device, *([keys.device_id] if answer["let_in"] else [])),
        }

    def _keys_of(self, wanted: str) -> PublicIdentity:
        """Raises UsageError: it is neither a device of any folder nor a public key."""
        if wanted.strip().lower().startswith(PUBLIC_KEY_PREFIX):
            return parse_public(wanted)
        device = self.find(wanted)
        members = (folder.membership.members.get(device) for folder in self.folders.values())
        return next(member.identity for member in members if member is not None)

    async def set_role(self, wanted: str, folder: str | None, role: str) -> dict[str, Any]:
        """Say what a device may do in a folder. Raises UsageError, FolderError."""
        device, given = self.find(wanted), role_of(role)
        chosen = choose(self.folders.values(), folder)
        member = chosen.membership.members.get(device)
        if member is None:
            raise self._meant.no_part(device, chosen)
        say = OwnStatements(chosen.membership)
        if device != self.own:
            say.check_administrator()  # also where it has the role already: who may not is told so
        if member.role != given:
            if given > member.role:
                await say.grant(member.identity, given, member.name)
            else:
                await say.remove(device, given)
            chosen.state.touch()
            log.info("device_role_changed", folder=chosen.label, name=member.name, role=role)
        return {
            "device": format_device_id(device), "name": self.name_of(device), "folder": chosen.label, "role": role,
            "unheard": self._unheard([chosen]) if member.role != given else [],
        }  # fmt: skip

    async def readmit(self, wanted: str, folder: str | None) -> dict[str, Any]:
        """Let a device in that somebody let in who had been removed: into a folder, or each one of which that is so.

        Raises:
            UsageError, FolderError: it is in nowhere again.
        """
        grants = self._void(
            wanted, list(self.folders.values()) if folder is None else [choose(self.folders.values(), folder)]
        )
        found = {grant.subject_id for _, grant in grants}
        if not found and (members := self._meant.called(wanted)):
            raise UsageError(f"{self.name_of(members[0])!r} is in already; there is nothing to let in again")
        if len(found) != 1:
            how = f"{len(found)} are: name one by its ID" if found else "`yp2p device list` lists those that were"
            raise UsageError(f"no single device {wanted!r} was let in by a removed one; {how}")
        done: list[Folder] = []
        failed: list[dict[str, str]] = []
        for chosen, grant in grants:
            try:
                await OwnStatements(chosen.membership).grant(grant.subject, grant.role, grant.name)
            except FolderError as error:
                failed.append({"folder": chosen.label, "reason": str(error)})
                continue
            chosen.state.touch()
            log.info("device_readmitted", folder=chosen.label, name=grant.name)
            done.append(chosen)
        if not done:
            reasons = "; ".join(f"not let into {one['folder']!r}: {one['reason']}" for one in failed)
            raise FolderError(reasons)
        (device,) = found
        return {
            "device": format_device_id(device), "name": self.name_of(device),
            "folders": [one.label for one in done], "failed": failed, "unheard": self._unheard(done),
        }  # fmt: skip

    def _void(self, wanted: str, folders: Iterable[Folder]) -> list[tuple[Folder, Statement]]:
        """The grants of removed devices by which a device of this name or ID is not in; the last one of each folder.

        Whom somebody removed by name is out by that, whoever let it in afterwards.
        """
        bare = wanted.upper().replace(" ", "")
        return [
            (folder, grant)
            for folder in folders
            for grant in {one.subject_id: one for one in folder.membership.evaluation.lost}.values()
            if grant.subject_id not in folder.membership.members
            and grant.subject_id not in folder.membership.evaluation.unanswered
            and (
                folder.membership.name_of(grant.subject_id) == wanted
                or (bare and format_device_id(grant.subject_id).startswith(bare))
            )
        ]

    async def make_recovery_key(self, folder: str | None) -> dict[str, Any]:
        """Let a new recovery key into a folder; gives its words, which are kept nowhere. Raises FolderError."""
        chosen, key = choose(self.folders.values(), folder), Identity(secrets.token_bytes(SEED_BYTES))
        await OwnStatements(chosen.membership).grant(key.public, Role.ADMINISTRATOR, recovery.NAME)
        chosen.state.touch()
        return {"words": recovery.words_of(key.seed), **self._by_key(chosen, key)}

    async def use_recovery_key(self, words: str, folder: str | None) -> dict[str, Any]:
        """Make this device an administrator of a folder again. Raises UsageError, FolderError."""
        chosen, key = choose(self.folders.values(), folder), recovery.identity_of(words)
        await OwnStatements(chosen.membership).restore_right(key, self.own_name())
        chosen.state.touch()
        log.info("recovery_key_used", folder=chosen.label)
        return self._by_key(chosen, key)

    def _by_key(self, folder: Folder, key: Identity) -> dict[str, Any]:
        name = folder.membership.name_of(key.device_id)
        return {"folder": folder.label, "name": name, "unheard": self._unheard([folder])}

    @staticmethod
    def _removable(device: DeviceID, folders: Iterable[Folder]) -> tuple[list[Folder], list[dict[str, str]]]:
        """Those that this device may remove a device from, and why not from the others."""
        found: list[Folder] = []
        failed: list[dict[str, str]] = []
        for one in folders:
            try:
                OwnStatements(one.membership).check_can_remove(device)
                found.append(one)
            except FolderError as error:
                failed.append({"folder": one.label, "reason": str(error)})
        return found, failed

    def _having(self, device: DeviceID, folder: str | None) -> list[Folder]:
        """The folders, or the one that is named, in which a device has a part. Raises FolderError: not in that one."""
        if folder is None:
            return [one for one in self.folders.values() if device in one.membership.members]
        chosen = choose(self.folders.values(), folder)
        if device in chosen.membership.members:
            return [chosen]
        raise self._meant.no_part(device, chosen)
