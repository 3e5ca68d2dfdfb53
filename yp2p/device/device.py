"""This device: its folders, its peers, its pairing windows, and what the local API asks of them.

`run` and `run_peers` are two steps of one nesting, which is the order of a stop: the sessions with other devices end
first, while the local API still answers, and then the disk actors.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

import trio

from yp2p import __version__
from yp2p.config import Config
from yp2p.device.asked_purges import AskedPurges
from yp2p.device.checks import Checks
from yp2p.device.checkup import Checkup
from yp2p.device.choosing import Choosing
from yp2p.device.device_changes import DeviceChanges
from yp2p.device.discovery import Discoverer
from yp2p.device.events import Events
from yp2p.device.folder_changes import FolderChanges
from yp2p.device.folders import Folders
from yp2p.device.following import Following
from yp2p.device.in_sync import InSync, Whom
from yp2p.device.introductions import Introductions
from yp2p.device.kept import Kept
from yp2p.device.leaving import Leaving
from yp2p.device.limits import Limits
from yp2p.device.machine_state import MachineState
from yp2p.device.members import Members, role_of
from yp2p.device.metrics import Metrics
from yp2p.device.offers import Offers
from yp2p.device.presence import DevicePresence
from yp2p.device.provisioning import Provisioning
from yp2p.device.purging import Purging
from yp2p.device.settings import Part, Settings, of_section
from yp2p.device.sharing import Sharing
from yp2p.device.status import Status
from yp2p.device.status_line import StatusLine
from yp2p.device.usage import Usage
from yp2p.discovery.addresses import Address, parse_address
from yp2p.discovery.mdns import Mdns, Sighting
from yp2p.errors import ConfigError
from yp2p.files.boot import boot_id
from yp2p.files.ignore import IgnoreRules
from yp2p.folder.folder import Folder
from yp2p.folder.lookup import choose
from yp2p.folder.merger import InlineMerger, Merger
from yp2p.identity import Identity, format_device_id, format_public
from yp2p.pairing.host import PairingHost
from yp2p.pairing.invites import InviteHost
from yp2p.peers.peers import Peers
from yp2p.programs.programs import Programs
from yp2p.sentences import summary
from yp2p.store import tables
from yp2p.store.database import Database
from yp2p.store.salvage import kept_stores
from yp2p.transport.command import Command
from yp2p.transport.handshake import Secured
from yp2p.trust import recovery


def _static(config: Config) -> list[Address]:
    """Where other devices always are. Raises ConfigError."""
    try:
        return [parse_address(text) for text in config.discovery.static]
    except ValueError as error:
        raise ConfigError(f"[discovery] static: {error}") from None


def _commands(config: Config) -> dict[str, Command]:
    """The programs that lead to devices, by name. Raises ConfigError."""
    found: dict[str, Command] = {}
    for name, text in config.discovery.commands.items():
        try:
            words = tuple(shlex.split(text))
        except ValueError as error:
            raise ConfigError(f"[discovery] commands.{name} is {text!r}: {error}") from None
        if not words:
            raise ConfigError(f"[discovery] commands.{name} is empty; say the command, or leave {name} out")
        found[name] = Command(words, text)
    return found


def _check_ignored(config: Config) -> None:
    """Raises ConfigError: what is to be ignored is no pattern."""
    try:
        IgnoreRules(config.files.ignore)
    except ValueError as error:
        raise ConfigError(f"[files] ignore: {error}") from None


class Device:
    """Everything one daemon does, without the sockets of the local API. `run` and `run_peers` do the work."""

    def __init__(
        self,
        config: Config,
        identity: Identity,
        database: Database,
        own_places: Iterable[Path],
        merger: Merger | None = None,
    ) -> None:
        self._static = static = _static(config)
        _check_ignored(config)
        self._identity = identity
        self._database = database
        self._name = name = recovery.checked_name(self._name_in(config))
        self.missing_addresses: list[str] = []  # of those it should listen on
        self.home = Folders(config, identity, database, merger or InlineMerger(), own_places)
        self._presence = DevicePresence(identity.device_id, name, self.home, config.files.max_text_bytes)
        self.peers = Peers(identity, name, database, self.home.by_id, self._presence.of, static)
        self.peers.dialling.commands = _commands(config)
        self.home.peers = self.peers
        self.pairing_host = PairingHost(identity, name, config.pairing.window_s)
        self.in_sync = InSync(identity.device_id, self.home, self.peers)
        self.invites = InviteHost(identity, name, database, self.home.by_id)
        self.invites.load()
        self.home.on_removed = self.invites.heard_of_removal
        self._discoverer = Discoverer(identity, name, self.peers, self.pairing_host, self.invites, static)
        self.sharing = Sharing(
            identity,
            name,
            config.files,
            self.home,
            self.peers,
            self._discoverer,
            self.pairing_host,
            self.in_sync.expect,
        )
        introductions = Introductions(config.devices, identity, self.home, self.invites)
        self._provisioning = Provisioning(config.folders, self.home, self.sharing, introductions)
        self.in_sync.missing_folder = self._provisioning.missing_folder
        invites = self.invites.revoke, self.invites.count_good
        self.members = Members(identity.device_id, lambda: self._name, self.home.by_id, self.peers, *invites)
        self.kept = Kept(self.home)
        self.changes = FolderChanges(self.home, database)
        self.usage = Usage(self.home, database)
        forgotten = (self.pairing_host.close_window, self.invites.forget, self._presence.forget)
        self.leaving = Leaving(identity.device_id, self.home, self.peers, forgotten)
        self.offers = Offers(database, self.home, self.peers, self.members, self.sharing, config.files)
        self.offers.load()
        self.peers.offers = self.offers.exchange
        self.choosing = Choosing(self.home, database)
        self.purging = Purging(identity.device_id, self.home, database)
        self.asked_purges = AskedPurges(self.home, database, config.history.purge, self.purging.alone)
        self._status = Status(identity.device_id, self.peers, self.home.by_id, self._presence.present)
        self.following = Following(
            Events(), self.home.by_id, self.peers, self._status, lambda: self.offers.shown()["received"],
            self._presence.present,
        )  # fmt: skip
        self.home.on_started = self.following.follow
        self.device_changes = DeviceChanges(
            identity.device_id, self.members, self.peers, self._status, config.device.name, self._call_itself
        )
        self.checkup = Checkup(self.members, self.peers, self._status)
        self.checks = Checks(identity, database, self.home, self.peers, self.members.name_of)
        self.metrics = Metrics(
            database, self.peers, self.home.by_id, self.home.disks, [self.peers.refusals, self.pairing_host.refusals]
        )
        self.limits = Limits(
            identity.device_id, config.limits, database, self.peers, self.members.find, self.members.name_of
        )
        self.machine = MachineState(database)
        self.status_line = StatusLine(identity.device_id, self.home.by_id, self.peers)
        self.settings = Settings(config, self._parts(introductions))

    def _parts(self, introductions: Introductions) -> list[Part]:
        """Who carries out which settings, while it runs."""
        of_files = of_section("files", "scan_interval_s", "ignore")
        of_disks = frozenset().union(*map(of_section, ("trash", "history", "notify", "quota")), of_files)
        return [
            Part(of_section("device", "name"), self._use_name, lambda new: recovery.checked_name(self._name_in(new))),
            Part(of_section("discovery", "static"), self._use_static, _static),
            Part(of_section("discovery", "commands"), self._use_commands, _commands),
            Part(of_disks, self._use_files, _check_ignored),
            Part(of_section("pairing"), lambda new: self.pairing_host.use(new.pairing.window_s)),
            Part(of_section("limits"), lambda new: self.limits.use(new.limits)),
            Part(of_section("history", "purge"), lambda new: self.asked_purges.use(new.history.purge)),
            Part(
                frozenset({"[[devices]]"}),
                lambda new: introductions.use(new.devices),
                lambda new: introductions.check(new.devices),
            ),
            Part(
                frozenset({"[[folders]]"}),
                lambda new: self._provisioning.use(new.folders),
                lambda new: self._provisioning.check(new.folders),
            ),
        ]

    def _name_in(self, config: Config) -> str:
        """What the device is called with these settings: a person may have named it where they do not."""
        given = tables.known.name_of(self._database.rows, self._identity.device_id)
        return config.device_name if config.device.name or not given else given

    def _use_name(self, config: Config) -> None:
        self.device_changes.use(config.device.name, self._name_in(config))

    def _use_static(self, config: Config) -> None:
        self._static[:] = _static(config)  # who dials has this list
        self.peers.network_changed()

    def _use_commands(self, config: Config) -> None:
        self.peers.dialling.commands = _commands(config)
        self.peers.network_changed()

    def _use_files(self, config: Config) -> None:
        self.home.use(config)
        self.sharing.files = self.offers.files = self.home.files

    # --- running ------------------------------------------------------------------------------------------------

    async def run(  # noqa: ASYNC128 (`Folders.run` calls it)
        self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Look after the folders' files until cancelled; `started` when all folders are loaded."""
        self.machine.note_last_run(boot_id())
        await self.home.run(task_status=task_status)

    async def run_peers(self) -> None:
        """Dial the other devices and talk to them until cancelled; sessions say goodbye first."""
        self.in_sync.expect()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.peers.run)
            nursery.start_soon(self.pairing_host.run)
            nursery.start_soon(self._presence.run)
            nursery.start_soon(self._provisioning.run)
            nursery.start_soon(self.offers.run)
            nursery.start_soon(self.limits.run)
            nursery.start_soon(self.device_changes.run)
            nursery.start_soon(self.purging.run)
            nursery.start_soon(self.asked_purges.run)
            nursery.start_soon(self.following.run)

    async def run_discovery(self, mdns: Mdns, sightings: trio.MemoryReceiveChannel[Sighting]) -> None:
        """Announce this device and use what others announce; runs until cancelled."""
        await self._discoverer.run(mdns, sightings)

    async def handle_join(self, secured: Secured) -> None:
        """Let in who connected inside a pairing window, or with an invite."""
        host = self.invites.handle if secured.invite else self.pairing_host.handle_join
        if await host(secured) is not None:
            self.in_sync.expect()

    # --- what the local API asks --------------------------------------------------------------------------------

    @property
    def folders(self) -> Iterable[Folder]:
        return self.home.by_id.values()

    @cached_property
    def shown_id(self) -> str:
        return format_device_id(self._identity.device_id)

    def present(self, folder: Folder) -> list[dict[str, Any]]:
        """The awareness states of all who are in a folder."""
        return self._presence.present(folder)

    def programs(self, folder: Folder) -> Programs:
        """The programs of this device that have files of a folder open."""
        return self._presence.programs(folder)

    async def run_share(self, directory: str) -> dict[str, Any]:
        """`share` for who runs the daemon: without a code where this device may let nobody in."""
        return await self.share(directory, None, is_page=True)

    async def share(
        self, directory: str, label: str | None, role: str = "admin", *, is_page: bool = False
    ) -> dict[str, Any]:
        """Share a directory, or show a code for one that is shared already. Raises FolderError, PairingError."""
        return await self.sharing.share(directory, label, role_of(role), is_page=is_page)

    async def invite(self, folder: str | None, role: str, uses: int, lifetime_s: float) -> dict[str, Any]:
        """Make an invite for a machine without a person. Raises FolderError, UsageError."""
        chosen = choose(self.folders, folder)
        made = await self.invites.make(chosen, role_of(role), uses, lifetime_s)
        return {
            "token": str(made.token),
            "folder": chosen.label,
            "role": role,
            "uses": uses,
            "expires_at": made.expires_at,
        }

    def _call_itself(self, name: str) -> None:
        """This device is called so from now on, by whoever it tells."""
        self._name = name
        for part in (self._presence, self.pairing_host, self.invites, self._discoverer, self.sharing):
            part.name = name
        self.peers.rename(name)

    async def wait(self, limit_s: float, whom: str = "connected", named: Iterable[str] = ()) -> str:
        """Return when all is in sync with these devices, or at the limit; gives what is missing then.

        Args:
            whom: `connected`, `all` or `any`.
            named: only these, by name or ID.

        Raises:
            UsageError, FolderError: one of `named` is no other device of a folder here.
        """
        return await self.in_sync.wait(limit_s, Whom(whom), [self.members.find(name) for name in named])

    def in_sync_with(self) -> list[str]:
        """The names of the devices that are connected for every folder of theirs here."""
        return sorted({f.name_of(device) for f in self.folders for device in self.in_sync.connected(f)})

    def status(self) -> dict[str, Any]:
        """Everything `yp2p status` shows."""
        found = {
            "version": __version__,
            "store": {
                "problem": self._database.writability.problem,
                "damaged": [str(kept) for kept in kept_stores(self._database.path)],
            },
            "device": {
                "id": self.shown_id,
                "key": format_public(self._identity.public),
                "name": self._name,
                "port": self.peers.listen_port,
                "missing_addresses": list(self.missing_addresses),
                "files_wait": self.peers.pacing.holds_files,
            },
            "machine": self.machine.problems(),
            "settings": [
                {"setting": one, "problem": why}
                for one, why in {**self.settings.problems, **self._provisioning.problems}.items()
            ],
            "devices": [self._status.device(device) for device in sorted(self.peers.devices.roster.known())],
            "folders": [
                self._status.folder(folder)
                | {"scrub": self.home.disks[folder.id].scrub.describe(), "purges": self.asked_purges.waiting(folder)}
                | {"code_taken_back": self.pairing_host.is_taken_back(folder)}
                for folder in self.folders
            ],
            "offers": self.offers.shown(),
            "transfers": self._status.transfers(),
        }
        return found | summary(found).fields()
