"""The folders of this device: loaded at a start, added by sharing and joining, each with a disk actor.

A power cut is noticed here: the kernel's boot ID is another one, and no daemon has written that it stopped in order.
Until every folder has been scanned since, the next start has to know of it as well.
"""

from __future__ import annotations

import os
import secrets
import shlex
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import structlog
import trio
from msgspec.structs import replace

from yp2p.config import Config, Files
from yp2p.device.departed import Departed
from yp2p.device.desktop import Desktop
from yp2p.disk.actor import Disk
from yp2p.errors import DamagedError, FolderError, MessageFault, PeerFault, YpError
from yp2p.files.boot import boot_id
from yp2p.files.root import Root, force_to_disk
from yp2p.folder.choice import MARK_BYTES, choose_statements
from yp2p.folder.client_ids import ClientIDs
from yp2p.folder.folder import Folder
from yp2p.folder.guard import DeletionGuard
from yp2p.folder.members import Removal
from yp2p.folder.merger import Merger
from yp2p.folder.never_given import NeverGiven
from yp2p.folder.records import Sight
from yp2p.folder.roots import check_directory, check_place
from yp2p.history.packing import give_back_room
from yp2p.history.retention import Retention
from yp2p.identity import DeviceID, FolderID, Identity
from yp2p.machine import reason as reason_of
from yp2p.pairing.exchange import Grant
from yp2p.pairing.joiner import Joined
from yp2p.peers.peers import Peers
from yp2p.store import tables
from yp2p.store.database import Database
from yp2p.trust.membership import Member, evaluate
from yp2p.trust.statements import Role, Signer, read_statement

# Rows of a folder that was left are removed so many at a time: commits of other folders go between.
_FORGOTTEN_AT_ONCE = 500

log = structlog.get_logger()


@contextmanager
def open_root(path: Path) -> Iterator[Root]:
    """The root of a folder. Raises FolderError where it cannot be used."""
    try:
        root = Root(path)
        try:
            yield root
        finally:
            root.close()
    except OSError as error:
        raise FolderError(f"{path} cannot be used: {reason_of(error)}") from error


@dataclass(slots=True)
class _Tasks:
    """The tasks of one folder: what ends them, whether they have ended, and the one that thins its history."""

    retention: Retention
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    ended: trio.Event = field(default_factory=trio.Event)


class Folders:
    """The folders of one device, by ID, and their disk actors. `run` does the work.

    Args:
        own_places: directories whose files must never travel.

    Attributes:
        own_folders: a directory in which those that are to be folders are made, where they are missing; None: none is.
    """

    def __init__(
        self, config: Config, identity: Identity, database: Database, merger: Merger, own_places: Iterable[Path]
    ) -> None:
        self._config = config
        self._identity = identity
        self._database = database
        self._merger = merger
        self._own_places = tuple(own_places)
        self.own_folders: Path | None = None
        self._after_power_cut = False
        self._desktop = Desktop(config.notify)
        self._nursery: trio.Nursery | None = None
        self._tasks: dict[FolderID, _Tasks] = {}
        self.departed = Departed(database)
        self.clients = ClientIDs.fresh(identity.device_id)
        self.by_id: dict[FolderID, Folder] = {}
        self.disks: dict[FolderID, Disk] = {}
        self.peers: Peers | None = None  # is told when members come
        self.on_removed: Callable[[FolderID, Removal], None] = lambda folder, removal: None
        self.on_purge_asked: Callable[[], None] = lambda: None  # another device asks to remove the past of files
        self.on_started: Callable[[Folder], None] = lambda folder: None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Work until cancelled; `started` when all folders are loaded."""
        database, boot = self._database, boot_id()
        self.clients.earlier = frozenset().union(*tables.start.clients(database.rows))
        database.submit(
            [
                tables.start.insert(self.clients.own, self.clients.fork, time.time()),
                tables.chunks.FORGET_UNUSED,
            ]
        )
        last_boot, was_clean = tables.last_run.read_last(database.rows) or (boot, True)
        self._after_power_cut = last_boot != boot and not was_clean
        if self._after_power_cut:
            log.warning("unclean_boot", advice="every file is compared with the store")
        known_boot = "" if self._after_power_cut else boot
        database.submit([tables.last_run.save(known_boot, clean=False)])
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                nursery.start_soon(self._desktop.run)
                self.departed.load()
                await self._load_all()
                if self._after_power_cut:
                    nursery.start_soon(self._follow_first_scans)
                task_status.started()
                await trio.sleep_forever()  # folders come and go
        finally:
            if all(disk.scanned.is_set() for disk in self.disks.values()):
                for folder in self.by_id.values():
                    force_to_disk(folder.path)
                # The store's fault ends here, too, but then this is not written either.
                database.submit([tables.last_run.save(boot, clean=True)])

    async def _load_all(self) -> None:
        for folder, label, root, founder, adopted, reason, paused, until in tables.folder.read_all(self._database.rows):
            try:
                await self._start(
                    FolderID(folder), label, Path(root), DeviceID(founder),
                    adopted=bool(adopted), confirmation_reason=reason, is_paused=bool(paused),
                    paused_until=until,
                )  # fmt: skip
            except Exception as error:
                if isinstance(error, YpError) and not isinstance(error, PeerFault | DamagedError):
                    raise  # the store's
                log.exception("folder_set_aside", folder=label, advice="its files are not touched; share it again")

    async def _follow_first_scans(self) -> None:
        """After a power cut, remember that every folder has been looked at."""
        for disk in list(self.disks.values()):
            await disk.scanned.wait()
        self._database.submit([tables.last_run.set_boot(boot_id())])

    async def _start(
        self,
        folder_id: FolderID,
        label: str,
        path: Path,
        founder: DeviceID,
        *,
        adopted: bool,
        confirmation_reason: str = "",
        is_paused: bool = False,
        paused_until: float = 0.0,
    ) -> Folder:
        assert self._nursery is not None
        config = self._config
        folder = Folder(
            folder_id, label, path, founder, database=self._database, clients=self._clients_for(folder_id),
            merger=self._merger,
            adopted=adopted, confirmation_reason=confirmation_reason, identity=self._identity,
        )  # fmt: skip
        await folder.load()
        folder.membership.on_change = self._members_changed
        folder.membership.on_removed = partial(self._removed, folder)
        folder.observers.purges.arrived = lambda: self.on_purge_asked()
        self._desktop.follow(folder)
        self.on_started(folder)
        folder.state.guard = DeletionGuard(config.trash.max_bytes)
        if self.peers is not None:
            folder.observers.called = self.peers.devices.called
            folder.observers.newcomers.came_lately = self.peers.devices.came_lately
        self._limit(folder)
        self.by_id[folder_id] = folder
        disk = self.disks[folder_id] = Disk(
            folder, config.files, config.trash, config.scrub,
            after_power_cut=self._after_power_cut, is_paused=is_paused, paused_until=paused_until,
        )  # fmt: skip
        self._members_changed()
        await self._nursery.start(self._run_folder, folder, disk)
        return folder

    def use(self, config: Config) -> None:
        """Look after the files with other settings from now on. Texts may still be as long as at the start."""
        files = replace(config.files, max_text_bytes=self._config.files.max_text_bytes)
        self._config = replace(config, files=files)
        self._desktop.use(config.notify)
        for disk in self.disks.values():
            disk.use(files, config.trash)
        for folder in self.by_id.values():
            self._limit(folder)
        for tasks in self._tasks.values():
            tasks.retention.use(config.history)

    @property
    def files(self) -> Files:
        """The settings of files that count now."""
        return self._config.files

    def _limit(self, folder: Folder) -> None:
        folder.files.quota.limit = self._config.quota.of(folder.label)

    def _removed(self, folder: Folder, removal: Removal) -> None:
        folder.notices.tell_removal(removal)
        self.on_removed(folder.id, removal)

    async def _run_folder(
        self, folder: Folder, disk: Disk, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """The tasks of one folder, until it is left."""
        tasks = self._tasks[folder.id] = _Tasks(Retention(folder, self._config.history, disk.bases))
        try:
            with tasks.scope:
                async with trio.open_nursery() as nursery:
                    await nursery.start(disk.run)
                    nursery.start_soon(tasks.retention.run)
                    nursery.start_soon(NeverGiven(folder).run)
                    nursery.start_soon(folder.observers.while_out.run)
                    task_status.started()
        finally:
            tasks.ended.set()

    # --- leaving ------------------------------------------------------------------------------------------------

    async def forget(self, folder: Folder) -> None:
        """Let go of a folder: its tasks end, and the store has nothing of it any more. Its directory is not touched.

        The folder and what is small of it go in one commit, its history after that; a start removes what a crash left.
        """
        with trio.CancelScope(shield=True):  # what is begun here is short, or else only takes room
            tasks = self._tasks.pop(folder.id)
            tasks.scope.cancel()
            await tasks.ended.wait()
            # no await: whoever looks finds a folder, or none
            del self.by_id[folder.id]
            self.disks.pop(folder.id).scanned.set()  # nobody waits for it
            commit = self._database.submit(
                [
                    self.departed.add(folder.id, folder.path),
                    tables.folder.delete(folder.id),
                    *tables.forget_folder(folder.id, but=("pack", "log")),
                ]
            )
            self._members_changed()
            await commit.wait()
        for table in tables.LARGE:
            while table.has_any(self._database.rows, folder.id):
                await self._database.submit([table.forget_some(folder.id, _FORGOTTEN_AT_ONCE)]).wait()
        assert self._nursery is not None
        self._nursery.start_soon(give_back_room, self._database)

    def _clients_for(self, folder: FolderID) -> ClientIDs:
        """What is written with there: nobody here knows any more what was written before a folder was left."""
        if not self.departed.is_left_now(folder):
            return self.clients
        clients = ClientIDs.fresh(self._identity.device_id)
        clients.earlier = self.clients.earlier | self.clients.ids
        self._database.submit([tables.start.insert(clients.own, clients.fork, time.time())])
        return clients

    def _members_changed(self) -> None:
        for folder in self.by_id.values():
            folder.observers.uncounted.role_changed()
            folder.observers.unsent.role_changed()
            folder.render_queue.wake()  # this device may write by now, or not any more
        if self.peers is not None:
            self.peers.membership_changed()

    # --- adding -------------------------------------------------------------------------------------------------

    def check(self, directory: str, besides: Folder | None = None) -> Path:
        """The directory that is meant, if it can be a folder. Raises FolderError: it cannot; the text says why.

        Args:
            besides: a folder that does not count: it is to be there.
        """
        self._make_own(Path(os.path.realpath(directory)))
        return check_directory(directory, self._taken(besides), self._own_places)

    def _make_own(self, path: Path) -> None:
        """Make a directory that only this device could make."""
        if self.own_folders is not None and path.parent == Path(os.path.realpath(self.own_folders)):
            with suppress(OSError):  # who checks it says why it cannot be used
                path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def check_place(self, path: Path, besides: Folder | None = None) -> None:
        """Whether a directory that does not exist yet could be a folder. Raises FolderError."""
        check_place(path, self._taken(besides), self._own_places)

    def _taken(self, besides: Folder | None) -> list[tuple[str, Path]]:
        return [(folder.label, folder.path) for folder in self.by_id.values() if folder is not besides]

    async def lose_sight(self, folder: Folder) -> None:
        """What is missing in the directory of a folder is held for a person from now on, and not deleted."""
        await folder.files.lose_sight(list(folder.files), Sight.UNCONFIRMED).wait()

    def at(self, path: Path) -> Folder | None:
        """The folder whose root is this directory."""
        return next((folder for folder in self.by_id.values() if folder.path == path), None)

    async def take_up(self, folder: Folder) -> bool:
        """Mark the root of a known folder again, where it has lost its marker; tells whether it had.

        It may be another disk by now: what is missing in it is held for a person, and not deleted.

        Raises:
            FolderError: the root cannot be used, or is marked as another folder.
        """
        with open_root(folder.path) as root:
            if root.marker() == folder.id:
                return False
            await self.lose_sight(folder)
            root.prepare(folder.id)
        log.info("folder_taken_up", folder=folder.label)
        return True

    def is_member(self, folder: Folder) -> bool:
        """Whether this device takes part in a folder that is here: it may have been removed, or have lost who does."""
        return self._identity.device_id in folder.membership.members

    def has_lost_marker(self, folder: Folder) -> bool:
        """Whether a directory stands where the root of a folder is, and nothing says that it is that folder."""
        try:
            with open_root(folder.path) as root:
                return root.marker() is None
        except FolderError:
            return False

    async def create(self, path: Path, label: str, name: str) -> Folder:
        """A new folder with this device, of that name, as its founder. Raises FolderError."""
        own = self._identity
        folder_id = FolderID(os.urandom(16))
        statement = Signer(own, folder_id).grant((), own.public, Role.ADMINISTRATOR, name)
        await self._store(path, label, folder_id, own.device_id, (statement.encode(),), adopted=True)
        folder = await self._start(folder_id, label, path, own.device_id, adopted=True)
        log.info("folder_shared", folder=label)
        return folder

    async def accept(self, joined: Joined, path: Path, chosen: Sequence[str] = ()) -> Folder:
        """Take part in the folder of another device.

        Args:
            chosen: what of it is to be on this disk; nothing: everything.

        Raises:
            FolderError, MessageFault: it cannot be there, or may not.
        """
        grant, founder = joined.grant, joined.grant.founder
        known = self.by_id.get(grant.folder)
        if known is not None and chosen:
            raise FolderError(f"{known.label!r} is here already; `yp2p folder choose` says what of it is on this disk")
        if known is not None and known.path == path and await self._come_back(known, grant.statements):
            return known
        if (there := self.at(path)) is not None:
            if not self.has_lost_marker(there):
                raise FolderError(f"{path} is shared already; join into another directory")
            raise FolderError(
                f"{path} is the root of another folder, which has lost its marker:"
                f" `yp2p share {shlex.quote(str(path))}`"
            )
        if known is not None:
            raise FolderError(f"this device takes part in {grant.label!r} already, at {self.by_id[grant.folder].path}")
        members = await trio.to_thread.run_sync(_members, grant, self._identity.device_id)
        if joined.sharer.device_id not in members or self._identity.device_id not in members:
            raise MessageFault("the other device sent a member list without itself or this device")
        await self._store(path, grant.label, grant.folder, founder, grant.statements, adopted=False, chosen=chosen)
        if self.peers is not None:
            self.peers.devices.contact(joined.sharer.device_id).name = grant.name
        return await self._start(grant.folder, grant.label, path, founder, adopted=False)

    async def _come_back(self, folder: Folder, statements: tuple[bytes, ...]) -> bool:
        """Take part again in a folder that is here; tells whether anything was missing. Raises as `accept`."""
        was_member = self.is_member(folder)
        commit = await folder.membership.receive(statements)
        if commit is not None:
            await commit.wait()
        return await self.take_up(folder) or not was_member

    async def _store(
        self,
        path: Path,
        label: str,
        folder: FolderID,
        founder: DeviceID,
        statements: tuple[bytes, ...],
        *,
        adopted: bool,
        chosen: Sequence[str] = (),
    ) -> None:
        mark = secrets.token_bytes(MARK_BYTES)
        with open_root(path) as root:
            root.prepare(folder)
            if chosen:
                root.set_choice_mark(mark)
        row = tables.folder.insert(folder, label, str(path), founder, time.time(), adopted=adopted)
        rows = [tables.statement.insert(folder, body) for body in statements]
        await self._database.submit(
            [
                *(tables.forget_folder(folder) if folder in self.departed else ()),
                row,
                *rows,
                *(choose_statements(folder, chosen, mark) if chosen else ()),
            ]
        ).wait()


def _members(grant: Grant, own: DeviceID) -> Mapping[DeviceID, Member]:
    """Who takes part in a folder, by what was granted. It may take seconds. Raises MessageFault."""
    return evaluate(grant.founder, [read_statement(body, grant.folder) for body in grant.statements], own).members
