"""This device: its folders, its peers, its pairing windows, and what the control API asks of them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import structlog
import trio

from yp2p import __version__
from yp2p.config import Config
from yp2p.device.status import Status
from yp2p.discovery.addresses import parse_address
from yp2p.discovery.mdns import Announcement, Mdns, Sighting
from yp2p.disk.actor import Disk
from yp2p.errors import ConfigError, FolderError, MessageFault, PairingError, UsageError
from yp2p.files.boot import boot_id
from yp2p.files.ignore import IgnoreRules
from yp2p.files.root import Root, force_to_disk
from yp2p.folder.client_ids import ClientIDs
from yp2p.folder.folder import Folder
from yp2p.folder.guard import DeletionGuard
from yp2p.folder.lookup import choose
from yp2p.folder.merger import InlineMerger, Merger
from yp2p.folder.records import FORGET_CHUNKS
from yp2p.folder.roots import check_directory
from yp2p.history import trash as recovery
from yp2p.history.retention import Retention
from yp2p.identity import DeviceID, FolderID, Identity, format_device_id
from yp2p.pairing.exchange import Code, parse_code
from yp2p.pairing.pairing import JOIN_LIMIT_S, Candidate, Joined, Joiner, PairingDesk
from yp2p.pairing.preview import compare, summary
from yp2p.peers.peers import Peers
from yp2p.peers.presence import FolderPresence
from yp2p.programs.programs import PRESENCE_AGE_S, Programs, cleaned, fitting
from yp2p.store.database import Database
from yp2p.transport.handshake import Secured
from yp2p.trust.membership import Role, evaluate, read_statement, sign_statement

_PRESENCE_S = 2.0
_QUIET_PRESENCE_S = 5.0
_TYPING_PRESENCE_S = 0.1
# For this long after a start, a pairing or a lost link, `wait` counts on the devices it knows to come.
_EXPECTED_S = 3.0
_PROBE_LIMIT_S = 5.0
_MAX_LABEL = 100
_PROBE_INTERVAL_S = 0.02

log = structlog.get_logger()


class Device:
    """Everything one daemon does, without the control socket. `run` does the work."""

    def __init__(
        self,
        config: Config,
        identity: Identity,
        database: Database,
        own_places: Iterable[Path],
        merger: Merger | None = None,
    ) -> None:
        self._config = config
        self._own_places = tuple(own_places)
        self._identity = identity
        self._database = database
        self._merger = merger or InlineMerger()
        self._name = config.device_name
        self._clients = ClientIDs.fresh(identity.device_id)
        self._folders: dict[FolderID, Folder] = {}
        self._disks: dict[FolderID, Disk] = {}
        self._presences: dict[FolderID, FolderPresence] = {}
        self._programs: dict[FolderID, Programs] = {}
        self._present: dict[FolderID, tuple[int, list[dict[str, Any]]]] = {}  # as of a revision
        self._presence_news = trio.Event()  # what programs say of themselves changed
        self._windows_seen: dict[str, Sighting] = {}
        self._sighted = trio.Event()
        self._mdns: Mdns | None = None
        self._nursery: trio.Nursery | None = None
        self._expecting_since = 0.0
        self._after_power_cut = False
        self.desk = PairingDesk(identity, self._name, config.pairing.window_s)
        try:
            static = [parse_address(text) for text in config.discovery.static]
        except ValueError as error:
            raise ConfigError(f"[discovery] static: {error}") from None
        self._static = static
        try:
            IgnoreRules(config.files.ignore)
        except ValueError as error:
            raise ConfigError(f"[files] ignore: {error}") from None
        self.peers = Peers(identity, self._name, database, self._folders, self._presence_of, static)
        self._status = Status(identity.device_id, self.peers, self._folders, self.present)

    # --- running ------------------------------------------------------------------------------------------------

    async def run(  # noqa: ASYNC128 (`_run_folders` calls it)
        self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Work until cancelled; `started` when all folders are loaded."""
        self._expecting_since = trio.current_time()
        self._database.submit(
            [("INSERT OR REPLACE INTO start VALUES (?, ?, ?)", (self._clients.own, self._clients.fork, time.time()))]
        )
        self._database.submit([FORGET_CHUNKS])
        boot = boot_id()
        last_run = self._database.rows("SELECT boot, clean FROM last_run")
        self._after_power_cut = bool(last_run) and last_run[0][0] != boot and not last_run[0][1]
        if self._after_power_cut:
            log.warning("unclean_boot", advice="every file is compared with the store")
        # Until every folder has been looked at, the next start has to know of the power cut as well.
        known_boot = "" if self._after_power_cut else boot
        self._database.submit([("INSERT OR REPLACE INTO last_run VALUES (1, ?, 0)", (known_boot,))])
        try:
            await self._run_folders(task_status)
        finally:
            if all(disk.looked_at.is_set() for disk in self._disks.values()):
                for folder in self._folders.values():
                    force_to_disk(folder.path)
                # The store's fault ends here, too, but then this is not written either.
                self._database.submit([("INSERT OR REPLACE INTO last_run VALUES (1, ?, 1)", (boot,))])

    async def _follow_first_scans(self) -> None:
        """After a power cut, remember that every folder has been looked at."""
        for disk in list(self._disks.values()):
            await disk.looked_at.wait()
        self._database.submit([("UPDATE last_run SET boot = ?", (boot_id(),))])

    async def _run_folders(self, task_status: trio.TaskStatus[None]) -> None:
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            for row in self._database.rows("SELECT id, label, root, founder, adopted, held FROM folder ORDER BY added"):
                folder_id, label, root, founder, adopted, held = row
                await self._run_folder(
                    Folder(
                        FolderID(folder_id), label, Path(root), DeviceID(founder), database=self._database,
                        clients=self._clients, merger=self._merger, adopted=bool(adopted), held=held,
                    )
                )  # fmt: skip
            nursery.start_soon(self.peers.run)
            nursery.start_soon(self.desk.run)
            nursery.start_soon(self._run_presence)
            if self._after_power_cut:
                nursery.start_soon(self._follow_first_scans)
            task_status.started()

    async def run_discovery(self, mdns: Mdns, sightings: trio.MemoryReceiveChannel[Sighting]) -> None:
        """Announce this device and use what others announce; runs until cancelled."""
        self._mdns = mdns
        async with trio.open_nursery() as nursery:
            remembered: dict[str, Sighting] = {}
            nursery.start_soon(self._follow_sightings, sightings, remembered)
            nursery.start_soon(self._look_again, remembered)
            nursery.start_soon(self._keep_announcing, mdns)
            nursery.start_soon(self._follow_interfaces, mdns)

    async def let_in(self, secured: Secured) -> None:
        """Pair with whoever connected inside a pairing window."""
        if await self.desk.let_in(secured) is not None:
            self._expecting_since = trio.current_time()

    async def _run_folder(self, folder: Folder) -> None:
        assert self._nursery is not None
        folder.load()
        folder.membership.on_change = self.peers.membership_changed
        self._folders[folder.id] = folder
        folder.state.guard = DeletionGuard(self._config.trash.max_bytes)
        self._disks[folder.id] = Disk(
            folder, self._config.files, self._config.trash, after_power_cut=self._after_power_cut
        )
        self.peers.membership_changed()
        await self._nursery.start(self._disks[folder.id].run)
        retention = Retention(folder, self._config.history, self._disks[folder.id].bases)
        self._nursery.start_soon(retention.run)

    def _presence_of(self, folder: Folder) -> FolderPresence:
        if folder.id not in self._presences:
            own = self._identity.device_id
            self._presences[folder.id] = FolderPresence(self._clients.own, own, folder.state.touch)
        return self._presences[folder.id]

    def present(self, folder: Folder) -> list[dict[str, Any]]:
        """The awareness states of all who are in a folder."""
        presence = self._presence_of(folder)
        revision, states = self._present.get(folder.id, (-1, []))
        if revision != presence.revision:
            states = [cleaned(state) for state in presence.present()]
            self._present[folder.id] = presence.revision, states
        return states

    def programs(self, folder: Folder) -> Programs:
        """The programs of this device that have files of a folder open."""
        if folder.id not in self._programs:
            limit = self._config.files.max_text_bytes
            self._programs[folder.id] = Programs(folder, lambda: self._presence_news.set(), limit)
        return self._programs[folder.id]

    @cached_property
    def shown_id(self) -> str:
        return format_device_id(self._identity.device_id)

    async def _run_presence(self) -> None:
        while True:
            self._presence_news = trio.Event()
            for folder in self._folders.values():
                opened = self.programs(folder).describe(PRESENCE_AGE_S)
                edited = self._disks[folder.id].recently_edited
                state = {
                    "device": self._name,
                    "id": format_device_id(self._identity.device_id),
                    "files": [*opened, *({"path": path, "since": edited[path]} for path in sorted(edited)[:20])],
                }
                self._presence_of(folder).set_own(fitting(state))
                self._presence_of(folder).tick(trio.current_time())
            is_quiet = not any(disk.recently_edited for disk in self._disks.values())
            with trio.move_on_after(_QUIET_PRESENCE_S if is_quiet else _PRESENCE_S):
                await self._presence_news.wait()
                # A cursor that moves is told some times a second, and at the same moment as to programs.
                delay_s = max(_TYPING_PRESENCE_S, *(programs.delay_s() for programs in self._programs.values()), 0.0)
                await trio.sleep_until((trio.current_time() // delay_s + 1) * delay_s)

    # --- discovery ----------------------------------------------------------------------------------------------

    def _secrets(self) -> dict[DeviceID, bytes]:
        return {device: self._identity.pairwise_secret(keys.noise_key) for device, keys in self.peers.known().items()}

    async def _look_again(self, remembered: dict[str, Sighting]) -> None:
        """Who has become known may have been seen before."""
        while True:
            await self.peers.members_changed.wait()
            secrets = self._secrets()
            for earlier in list(remembered.values()):
                self._sighting_of(earlier, secrets)

    async def _follow_sightings(
        self, sightings: trio.MemoryReceiveChannel[Sighting], remembered: dict[str, Sighting]
    ) -> None:
        async for sighting in sightings:
            if not sighting.addresses:
                remembered.pop(sighting.instance, None)
                self._windows_seen.pop(sighting.instance, None)
                continue
            remembered[sighting.instance] = sighting
            while len(remembered) > 256:
                remembered.pop(next(iter(remembered)))
            if sighting.pairing:
                self._windows_seen[sighting.instance] = sighting
            else:
                self._windows_seen.pop(sighting.instance, None)
            event, self._sighted = self._sighted, trio.Event()
            event.set()
            self._sighting_of(sighting, self._secrets())

    def _sighting_of(self, sighting: Sighting, secrets: dict[DeviceID, bytes]) -> None:
        for device in sighting.devices(secrets):
            self.peers.seen(device, sighting.addresses)

    async def _keep_announcing(self, mdns: Mdns) -> None:
        while True:
            members, windows = self.peers.members_changed, self.desk.changed
            secrets = tuple(self._secrets().values())
            await mdns.announce(Announcement(self.peers.listen_port, secrets, self.desk.digits(), self._name))
            async with trio.open_nursery() as nursery:
                for event in (members, windows):
                    nursery.start_soon(_cancel_when, event, nursery.cancel_scope)

    async def _follow_interfaces(self, mdns: Mdns) -> None:
        async for _ in mdns.interface_changes():
            for contact in self.peers.contacts.values():
                contact.poke.set()

    # --- what the control API asks --------------------------------------------------------------------------------

    def _taken(self) -> list[tuple[str, Path]]:
        return [(folder.label, folder.path) for folder in self._folders.values()]

    def _folder_at(self, path: Path) -> Folder | None:
        return next((folder for folder in self._folders.values() if folder.path == path), None)

    async def share(self, directory: str, label: str | None) -> dict[str, Any]:
        """Share a directory (or show a code for one that is shared already).

        Raises:
            FolderError: the directory cannot be shared. PairingError: a new code has to wait.
        """
        path = check_directory(directory, self._taken(), self._own_places)
        if label is not None and not (0 < len(label) <= _MAX_LABEL and label.isprintable() and label.strip()):
            raise UsageError(
                f"the label {label!r} cannot be used: it has 1 to {_MAX_LABEL} characters that can be printed"
            )
        folder = self._folder_at(path)
        if folder is None:
            folder = await self._create(path, label or "".join(c if c.isprintable() else "?" for c in path.name))
        elif label is not None and label != folder.label:
            raise UsageError(f"{path} is shared already as {folder.label!r}; its label cannot be changed")
        window = self.desk.open_window(folder)
        return {
            "code": str(window.code),
            "expires_in_s": round(window.closes_at - trio.current_time()),
            "folder": folder.id.hex(),
            "label": folder.label,
            "path": str(folder.path),
            "devices": len(folder.membership.members) - 1,
        }

    async def _create(self, path: Path, label: str) -> Folder:
        own = self._identity
        folder_id = FolderID(os.urandom(16))
        statement = sign_statement(own, folder_id, own.public, Role.ADMINISTRATOR, 1, self._name)
        await self._store_folder(path, label, folder_id, own.device_id, (statement.encode(),), adopted=True)
        folder = Folder(
            folder_id,
            label,
            path,
            own.device_id,
            database=self._database,
            clients=self._clients,
            merger=self._merger,
            adopted=True,
        )
        await self._run_folder(folder)
        log.info("folder_shared", folder=label)
        return folder

    async def _store_folder(
        self,
        path: Path,
        label: str,
        folder: FolderID,
        founder: DeviceID,
        statements: tuple[bytes, ...],
        *,
        adopted: bool,
    ) -> None:
        root = Root(path)
        try:
            root.prepare(folder)
        except OSError as error:
            raise FolderError(f"{path} cannot be used: {error.strerror}") from error
        finally:
            root.close()
        rows = [("INSERT OR IGNORE INTO statement VALUES (?, ?)", (folder, body)) for body in statements]
        await self._database.submit(
            [
                (
                    "INSERT INTO folder VALUES (?, ?, ?, ?, ?, ?, '')",
                    (folder, label, str(path), founder, adopted, time.time()),
                ),
                *rows,
            ]
        ).wait()

    async def join(self, text: str, directory: str, limit_s: float | None) -> dict[str, Any]:
        """Pair with the device that shows the code, and take part in its folder.

        Raises:
            UsageError: the code is not one. FolderError, PairingError: it did not work; the text says why.
        """
        code, path, joiner = self._joiner(text, directory)

        async def accept(joined: Joined) -> None:
            await self._accept_grant(joined, path)

        joined = await joiner.join(code, accept, limit_s if limit_s is not None else JOIN_LIMIT_S)
        self._expecting_since = trio.current_time()
        self.peers.seen(joined.sharer.device_id, (joined.address,))
        log.info("folder_joined", folder=joined.grant.label)
        return {
            "folder": joined.grant.folder.hex(),
            "label": joined.grant.label,
            "path": str(path),
            "device": format_device_id(joined.sharer.device_id),
            "name": joined.grant.name,
        }

    async def preview(self, text: str, directory: str, limit_s: float | None) -> dict[str, Any]:
        """What joining would do with a directory; nothing is changed, and the code stays good. Raises as `join`."""
        code, path, joiner = self._joiner(text, directory)
        shown = await joiner.look(code, limit_s if limit_s is not None else JOIN_LIMIT_S)
        try:
            found = await trio.to_thread.run_sync(compare, path, shown.entries, self._config.files)
        except OSError as error:
            raise FolderError(f"{path} cannot be read: {error.strerror}") from error
        return {"label": shown.label, "name": shown.name, "path": str(path), **summary(shown.entries, found)}

    def _joiner(self, text: str, directory: str) -> tuple[Code, Path, Joiner]:
        code = parse_code(text)
        path = check_directory(directory, self._taken(), self._own_places)
        if self._folder_at(path) is not None:
            raise FolderError(f"{path} is shared already; join into another directory")
        if code.digits in self.desk.digits():
            raise PairingError("that is the code of this device; type it on the other one")
        return code, path, Joiner(self._identity, self._name, self._candidates, self._wait_for_sighting)

    async def _accept_grant(self, joined: Joined, path: Path) -> None:
        grant = joined.grant
        if grant.folder in self._folders:
            raise FolderError(
                f"this device takes part in {grant.label!r} already, at {self._folders[grant.folder].path}"
            )
        statements = [read_statement(body, grant.folder) for body in grant.statements]
        members = evaluate(grant.founder, statements)
        if joined.sharer.device_id not in members or self._identity.device_id not in members:
            raise MessageFault("the other device sent a member list without itself or this device")
        await self._store_folder(path, grant.label, grant.folder, grant.founder, grant.statements, adopted=False)
        contact = self.peers.contact(joined.sharer.device_id)
        contact.name = grant.name
        await self._run_folder(
            Folder(
                grant.folder, grant.label, path, grant.founder, database=self._database, clients=self._clients,
                adopted=False, merger=self._merger,
            )
        )  # fmt: skip

    def _candidates(self, digits: str) -> Iterator[Candidate]:
        for sighting in list(self._windows_seen.values()):
            if digits in sighting.pairing.split(","):
                yield Candidate(sighting.instance, sighting.addresses, announced=True)
        for address in self._static:
            yield Candidate(str(address), (address,), announced=False)

    async def _wait_for_sighting(self) -> None:
        await self._sighted.wait()

    @property
    def folders(self) -> Iterable[Folder]:
        return self._folders.values()

    async def trash(self, folder: str | None) -> list[dict[str, Any]]:
        """What is in the trash of a folder."""
        return await recovery.list_trash(choose(self._folders.values(), folder))

    async def restore(self, folder: str | None, names: list[str], *, everything: bool) -> dict[str, Any]:
        """Put files from the trash back where they were."""
        chosen = choose(self._folders.values(), folder)
        return await recovery.restore_trash(chosen, names, everything=everything)

    async def empty_trash(self, folder: str | None) -> int:
        """Remove what is in the trash for good."""
        return await recovery.empty_trash(choose(self._folders.values(), folder))

    def resume(self, folder: str | None, *, accept: bool) -> str:
        """A person's word on held deletions; gives the label. Raises FolderError: nothing is held."""
        chosen = choose(self._folders.values(), folder)
        if not chosen.state.held:
            raise FolderError(
                f"the folder {chosen.label!r} does not wait for a decision; it is {chosen.state.activity.value}"
            )
        self._disks[chosen.id].resume(accept=accept)
        return chosen.label

    def notices(self) -> list[dict[str, Any]]:
        """What a person may want to look at."""
        return recovery.list_notices(self._folders.values())

    async def bring_back(self, number: int) -> dict[str, Any]:
        """Bring back what a save removed."""
        return await recovery.bring_back_removed(self._folders.values(), number)

    async def wait(self) -> None:
        """Return when every folder is in sync with every connected device."""
        while not await self._is_in_sync():
            await trio.sleep(_PROBE_INTERVAL_S)
            async with trio.open_nursery() as nursery:
                nursery.cancel_scope.deadline = trio.current_time() + 0.5
                for folder in self._folders.values():
                    nursery.start_soon(_cancel_when, folder.state.changed, nursery.cancel_scope)
                await trio.sleep_forever()

    async def _is_in_sync(self) -> bool:
        expected = trio.current_time() - self._expecting_since < _EXPECTED_S
        if expected and any(not self.peers.is_linked(device) for device in self.peers.known()):
            return False
        if any(
            folder.state.trouble or not folder.state.settled or not folder.state.adopted
            for folder in self._folders.values()
        ):
            return False
        answers: list[bool] = []

        async def ask(device: DeviceID, folder: Folder) -> None:
            session = self.peers.session(device, folder.id)
            answers.append(session is not None and await session.probe())

        with trio.move_on_after(_PROBE_LIMIT_S) as scope:
            async with trio.open_nursery() as nursery:
                for folder in self._folders.values():
                    for device in folder.membership.members:
                        if self.peers.is_linked(device):
                            nursery.start_soon(ask, device, folder)
        return not scope.cancelled_caught and all(answers)

    # --- status -------------------------------------------------------------------------------------------------

    def status(self) -> dict[str, Any]:
        """Everything `yp2p status` shows."""
        return {
            "version": __version__,
            "device": {
                "id": format_device_id(self._identity.device_id),
                "name": self._name,
                "port": self.peers.listen_port,
            },
            "devices": [self._status.device(device) for device in sorted(self.peers.known())],
            "folders": [self._status.folder(folder) for folder in self._folders.values()],
        }


async def _cancel_when(event: trio.Event, scope: trio.CancelScope) -> None:
    await event.wait()
    scope.cancel()
