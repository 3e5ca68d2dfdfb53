"""One simulated device: the daemon's real parts over a simulated network, clock and disk."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import trio
from simulation import readers
from simulation.disk import REAL, SimulatedDisk, peek
from simulation.hooks import EPOCH_S, Crash, clock_s, current_host, simulated_database
from simulation.network import SimulatedListener
from simulation.troubles import NO_TROUBLE

from yp2p.config import Config, Files
from yp2p.config import Device as DeviceSettings
from yp2p.device.device import Device
from yp2p.discovery.addresses import Address
from yp2p.disk.scans import Phase
from yp2p.files.ignore import IgnoreRules
from yp2p.folder.folder import Folder
from yp2p.folder.own_statements import OwnStatements
from yp2p.identity import Identity
from yp2p.pairing.exchange import Grant
from yp2p.pairing.joiner import Joined
from yp2p.transport.listener import Listener
from yp2p.trust.statements import Role

if TYPE_CHECKING:
    from simulation.world import World


class Host:
    """A machine with a disk, on which a daemon runs or not."""

    def __init__(self, world: World, name: str, identity: Identity) -> None:
        self.world = world
        self.name = name
        self.identity = identity
        self.rng = random.Random(world.rng.getrandbits(64))
        self.base = world.base / name
        self.base.mkdir()
        self.disk = SimulatedDisk(self.base / "dir", self.base / "inodes", self.rng)
        self.store = self.base / "store.db"
        self.first_seen_ns: dict[tuple[int, int], int] = {}  # by inode and time of change
        self.skew_s = self.rng.choice((0.0, 0.0, -7200.0, 5 * 3600.0)) * world.swarm.has("wrong clocks")
        self.slow_store = self.rng.random() < 0.4 and world.swarm.has("slow stores")
        self.boot_id = f"{name}-0"
        self.device: Device | None = None
        self.is_dead = False
        self.is_in_worker = False  # whether what runs now stands for a worker thread
        self.has_joined = False
        self.stopped_in_order = False
        self.ignored = ""  # a pattern of the settings
        self.has_lifted_rule = False  # whether a person here removed the folder's rule: then it is none here
        self.is_away = False  # whether its folder, or the marker in it, is somewhere else
        self.locked = ""  # a directory that nobody can look into
        self.is_mounted_over = False  # because another file system is there
        self._has_watched = False
        self._interrupt: tuple[str, int, Callable[[], None]] = ("", 0, lambda: None)
        self.trouble = NO_TROUBLE
        self._points_left: int | None = None
        self._crash_kind = ""
        self._scope = trio.CancelScope()
        self._ended = trio.Event()
        self._ended.set()
        self._boots = 0
        self._stamps = 0
        self._stamped: set[int] = set()

    @property
    def address(self) -> Address:
        return Address(self.world.network.address_of(self.name), self.world.network.port)

    # --- life and death -----------------------------------------------------------------------------------------

    @property
    def is_up(self) -> bool:
        return self.device is not None and not self.is_dead

    @property
    def is_watching(self) -> bool:
        """Whether what people do is seen as it happens, and not found by a scan."""
        device = self.device
        folders = list(device.home.by_id.values()) if device is not None else []
        return self.is_up and not self.is_away and bool(folders) and all(map(self._is_seen, folders))

    def _is_seen(self, folder: Folder) -> bool:
        assert self.device is not None
        return not folder.state.pause_reason and self.device.home.disks[folder.id].phase is Phase.WORKING

    @property
    def knows_that_it_reads(self) -> bool:
        """Whether its daemon runs and knows that it may not write."""
        return self.is_up and self.has_joined and readers.knows(self)

    def leaves_out(self, path: str) -> bool:
        """Whether the settings here say that a file is none of the folder's, or the folder itself may say so."""
        patterns = [pattern for pattern in (self.ignored, self.world.shared_rule) if pattern]
        return IgnoreRules(patterns).ignores(path)

    async def looks_again(self) -> None:
        """Return when the daemon has scanned what it had lost sight of, or after half a minute."""
        with trio.move_on_after(30):
            await trio.sleep(2.0)
            while self.is_up and (self.folder.state.problem or not self.folder.state.settled):
                await trio.sleep(0.1)

    def trash(self) -> list[Path]:
        """The files in the trash."""
        found = (self.disk.path / ".yp2p" / "trash").rglob("*")
        return sorted(path for path in found if path.is_file() and not path.is_symlink())

    @property
    def has_watched(self) -> bool:
        """Whether the daemon here has ever looked at the files as a member of the room."""
        self._has_watched = self._has_watched or (self.is_watching and self.has_joined)
        return self._has_watched

    @property
    def folder(self) -> Folder:
        assert self.device is not None
        return next(iter(self.device.home.by_id.values()))

    def point(self, kind: str) -> None:
        """A moment between two steps."""
        if self.is_dead:
            raise Crash
        self._let_interrupt(kind)
        if self._points_left is not None and self._crash_kind in ("", kind):
            self._points_left -= 1
            if self._points_left <= 0:
                self.world.note(f"{self.name} crashes at: {kind}")
                self.world.crashed_at[kind] += 1
                self.is_dead = True
                if not self.is_in_worker:  # a worker thread cannot; whoever waits for it does
                    self._scope.cancel()
                raise Crash
        if self.trouble is not NO_TROUBLE:
            self.trouble.let_fail(kind, self.rng)

    def interrupt(self, kind: str, number: int, act: Callable[[], None]) -> None:
        """Somebody does something right before the daemon's next step of a kind, or the second one, and so on."""
        self._interrupt = (kind, number, act)

    def _let_interrupt(self, kind: str) -> None:
        wanted, number, act = self._interrupt
        if kind != wanted or number <= 0:
            return
        self._interrupt = (wanted, number - 1, act)
        if number == 1:
            token = current_host.set(None)
            try:
                act()
            finally:
                current_host.reset(token)

    def end(self) -> None:
        """The device crashed in a worker thread: end its tasks."""
        self._scope.cancel()

    def crash_after(self, points: int, kind: str = "") -> None:
        """Let the device end after so many steps, of one kind or of any."""
        self._points_left, self._crash_kind = points, kind

    def now_ns(self) -> int:
        """The time by this device's clock."""
        return int((EPOCH_S + clock_s() + self.skew_s) * 1e9)

    def stamp(self, descriptor: int) -> None:
        """Somebody wrote to a file: give it a modification time, never the same twice."""
        self._stamps += 1
        modified_ns = self.now_ns() + self._stamps
        status = os.fstat(descriptor)
        # The kernel's own times are later than all of ours: of a new file it must not look as if somebody had read it.
        read_ns = status.st_atime_ns if status.st_ino in self._stamped else modified_ns
        self._stamped.add(status.st_ino)
        REAL.utime(descriptor, ns=(read_ns, modified_ns))

    async def start(self) -> None:
        """Start the daemon; returns when it runs."""
        assert self._ended.is_set()
        self.is_dead = self.stopped_in_order = False
        self._points_left = None
        self._ended = trio.Event()
        started = trio.Event()
        self.world.nursery.start_soon(self._live, started)
        await started.wait()

    async def _live(self, started: trio.Event) -> None:
        current_host.set(self)
        try:
            with trio.CancelScope() as self._scope:
                await self._run(started)
        except* Crash:
            pass
        finally:
            self.is_dead = True
            self.device = None
            self.world.network.listeners.pop(self.name, None)
            self._ended.set()
            started.set()

    async def _run(self, started: trio.Event) -> None:
        database, writer = simulated_database(self.store, self)
        try:
            device = Device(self._config(), self.identity, database, ())
            listening = SimulatedListener()
            listener = Listener(
                self.identity, device.peers.accept, device.handle_join,
                is_known=device.peers.devices.roster.is_known, pairing_open=lambda: device.pairing_host.is_open,
            )  # fmt: skip
            async with trio.open_nursery() as nursery:
                nursery.start_soon(writer.run)
                await nursery.start(device.run)
                nursery.start_soon(device.run_peers)
                device.peers.listen_port = self.world.network.port
                nursery.start_soon(listener.serve, [listening])
                self.device = device
                self.world.network.listeners[self.name] = (listening, self.point)
                nursery.start_soon(self._see_others)
                started.set()
        finally:
            database.close()

    def _config(self) -> Config:
        return Config(device=DeviceSettings(name=self.name), files=Files(ignore=[self.ignored] if self.ignored else []))

    async def _see_others(self) -> None:
        """What mDNS would tell."""
        while True:
            await trio.sleep(self.world.until_seen_s(self.rng))
            device = self.device
            for other in self.world.hosts:
                if device is not None and other is not self and other.is_up and self.world.is_in_sight(self, other):
                    device.peers.devices.seen(other.identity.device_id, (other.address,))

    async def stop(self) -> None:
        """SIGTERM."""
        if not self._ended.is_set():
            self.stopped_in_order = not self.is_dead
            self._scope.cancel()
            await self._ended.wait()

    async def kill(self) -> None:
        """SIGKILL, at once or where `crash_after` says; the kernel closes what was open."""
        self.is_dead = True
        await self.ended()
        for connection in self.world.network.of(self.name):
            connection.break_now()

    async def cut_power(self) -> None:
        """The machine goes down and comes up again; nobody is told that its connections are gone."""
        self.is_dead = True
        await self.ended()
        before = self.disk.contents()
        self.disk.cut()
        self.has_lost_power()
        self.world.oracle.power_was_cut(self, before)
        connections = self.world.network.of(self.name)
        self.world.nursery.start_soon(self.world.network._break_later, connections)

    def has_lost_power(self) -> None:
        """The machine starts anew."""
        self._boots += 1
        self.boot_id = f"{self.name}-{self._boots}"

    async def ended(self) -> None:
        """Return when the daemon is no more."""
        self._scope.cancel()
        await self.ends()

    async def ends(self) -> None:
        """Return when the daemon is no more, by whatever."""
        await self._ended.wait()

    # --- joining ------------------------------------------------------------------------------------------------

    async def share(self) -> None:
        assert self.device is not None
        token = current_host.set(self)
        try:
            await self.device.home.create(self.disk.path, "room", self.name)
        finally:
            current_host.reset(token)
        self.has_joined = True

    async def join(self, sharer: Host, role: Role = Role.ADMINISTRATOR) -> None:
        """What a pairing ends with, without its window and code."""
        assert self.device is not None
        folder = sharer.folder
        token = current_host.set(sharer)
        await OwnStatements(folder.membership).grant(self.identity.public, role, self.name)
        current_host.reset(token)
        grant = Grant(folder.id, folder.membership.founder, folder.label, sharer.name, folder.membership.statements())
        address = sharer.address
        token = current_host.set(self)
        try:
            await self.device.home.accept(Joined(grant, sharer.identity.public, address), self.disk.path)
        finally:
            current_host.reset(token)
        self.has_joined = True

    # --- backups ------------------------------------------------------------------------------------------------

    def copy_store(self, target: Path) -> None:
        """A copy of what is committed."""
        target.unlink(missing_ok=True)
        source, copy = sqlite3.connect(self.store), sqlite3.connect(target)
        try:
            source.backup(copy)
        finally:
            source.close()
            copy.close()

    def forget_watching(self) -> None:
        """The store went back to before: files may be unknown again."""
        self._has_watched = False

    def copy_disk_to(self, clone: Host) -> None:
        """The other machine gets an image of this one's disk."""
        self.copy_store(clone.store)
        copy = lambda source, target: Path(target).write_bytes(peek(source))  # noqa: E731
        shutil.copytree(self.disk.path, clone.disk.path, dirs_exist_ok=True, copy_function=copy)
        store = sqlite3.connect(clone.store)
        store.execute("UPDATE folder SET root = ?", (str(clone.disk.path),))
        # Our copies have other inodes, so the access times tell nothing, unless a file was saved meanwhile.
        unread = "SELECT entry, file.path, file.content FROM unread JOIN file USING (folder, entry)"
        for entry, path, content in store.execute(unread).fetchall():
            copied = clone.disk.path / os.fsdecode(path)
            if not copied.exists() or hashlib.sha256(peek(copied)).digest() == content:
                store.execute("DELETE FROM unread WHERE entry = ?", (entry,))
        store.commit()
        store.close()
        clone.has_joined = self.has_joined
        clone.skew_s = self.skew_s
        clone.ignored = self.ignored

    def stored_bytes(self) -> bytes:
        """Everything that the log of the store holds, for looking up tokens."""
        connection = sqlite3.connect(self.store)
        try:
            return b"\n".join(data for (data,) in connection.execute("SELECT data FROM log"))
        finally:
            connection.close()
