"""The devices that the settings name: an administrator's device lets them in without a code (`pairing/standing.py`).

A device gets a grant only if it never had one: a device that was removed is not let in again, and a role that people
changed since stays. What cannot be done now is tried again whenever members or folders change.

One settings file can serve all devices: an entry with this device's own key is passed over.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import structlog

from yp2p.config import KnownDevice, expanded
from yp2p.device.folders import Folders
from yp2p.device.members import role_of
from yp2p.errors import ConfigError, UsageError
from yp2p.folder.folder import Folder
from yp2p.folder.lookup import choose
from yp2p.folder.own_statements import OwnStatements
from yp2p.identity import Identity, PublicIdentity, parse_public
from yp2p.pairing.invites import InviteHost, Standing
from yp2p.pairing.standing import token_for
from yp2p.trust import recovery
from yp2p.trust.statements import Role

log = structlog.get_logger()


class Introductions:
    """Lets in whom the settings name. `run` does the work.

    Attributes:
        problems: by setting, why it could not be carried out.

    Raises:
        ConfigError: a key or a role is none.
    """

    def __init__(
        self, settings: Sequence[KnownDevice], identity: Identity, folders: Folders, invites: InviteHost
    ) -> None:
        self._identity = identity
        self._folders = folders
        self._invites = invites
        self._known = self.check(settings)
        self.problems: dict[str, str] = {}

    @staticmethod
    def check(settings: Sequence[KnownDevice]) -> list[tuple[KnownDevice, PublicIdentity, Role]]:
        """What the settings mean. Raises ConfigError: a key or a role is none."""
        return [(setting, *_read(setting)) for setting in settings]

    def use(self, settings: Sequence[KnownDevice]) -> None:
        """Let in these from now on; who is in stays in."""
        self._known = self.check(settings)
        if self._folders.peers is not None:
            self._folders.peers.membership_changed()  # which has `run` look at them

    def keys_of(self, name: str) -> PublicIdentity | None:
        """The public keys of a device that the settings name; None: it is this one."""
        keys = next(keys for setting, keys, _ in self._known if setting.name == name)
        return keys if keys != self._identity.public else None

    async def run(self) -> None:
        """Let in, at once and whenever something has changed; runs until cancelled."""
        peers = self._folders.peers
        assert peers is not None
        while True:
            changed = peers.members_changed
            await self._let_in_all()
            await changed.wait()

    async def _let_in_all(self) -> None:
        standing: list[Standing] = []
        problems: dict[str, str] = {}
        for setting, keys, role in self._known:
            if keys == self._identity.public:
                continue
            folders: dict[str, Folder] = {}
            for wanted in setting.folders:
                try:
                    folder = choose(self._folders.by_id.values(), _name(wanted))
                except UsageError as error:
                    problems[_title(setting, wanted)] = str(error)
                    continue
                folders[folder.label] = folder
                if problem := await self._let_in(folder, keys, role, setting.name):
                    problems[_title(setting, wanted)] = problem
            standing += self._standing(keys, folders, is_only=len(setting.folders) == 1)
        self._invites.stand(standing)
        for title, problem in problems.items():
            if self.problems.get(title) != problem:
                log.warning("setting_waits", setting=title, reason=problem)
        self.problems = problems

    async def _let_in(self, folder: Folder, keys: PublicIdentity, role: Role, name: str) -> str:
        """Make a device a member; gives why it is none, if it is none afterwards."""
        membership, device = folder.membership, keys.device_id
        if device in membership.members:
            return ""
        if membership.was_removed(device):
            return (
                f"{name} was removed from {folder.label!r}, which the settings do not take back; take it out of them,"
                " or let it in again with a code (`yp2p share`)"
            )
        if not membership.may(Role.ADMINISTRATOR):
            return f"only an administrator of {folder.label!r} can let {name} in, and this device is none"
        await OwnStatements(membership).grant(keys, role, name)
        folder.state.touch()
        log.info("device_introduced", name=name, folder=folder.label)
        return ""

    def _standing(self, keys: PublicIdentity, folders: dict[str, Folder], *, is_only: bool) -> list[Standing]:
        """What a device may fetch: folders by their labels; the only one also without."""
        named = list(folders.items())
        if is_only:
            named += [("", folder) for folder in folders.values()]
        return [Standing(token_for(self._identity, keys, label), keys, folder.id) for label, folder in named]


def _read(setting: KnownDevice) -> tuple[PublicIdentity, Role]:
    where = f"[[devices]] {setting.name}"
    if recovery.is_called_so(setting.name):
        raise ConfigError(f"{where}: that is what a recovery key is called; choose another name")
    try:
        return parse_public(setting.key), role_of(setting.role)
    except UsageError as error:
        raise ConfigError(f"{where}: {error}") from None


def _name(wanted: str) -> str:
    """A label, or a path, of the settings."""
    path = expanded(wanted)
    return os.fspath(path) if path.is_absolute() else wanted


def _title(setting: KnownDevice, wanted: str) -> str:
    return f"[[devices]] {setting.name} in {wanted}"
