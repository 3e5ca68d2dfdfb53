"""The world of one seed: hosts, a network between them, people at work, and every kind of failure.

A run is a random sequence of what people do and what goes wrong, then everything is healed and has to come to rest: all
devices in sync with each other, all trees equal, and every token as the oracle says. The seed decides everything.
"""

from __future__ import annotations

import hashlib
import os
import random
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import structlog
import trio
import trio._core._run as trio_run
import trio.testing
from simulation import hooks
from simulation.hooks import current_host, installed
from simulation.host import Host
from simulation.network import Network, SimulatedStream
from simulation.people import Oracle, People, same_blob, same_change, same_file, tokens_in

from yp2p.config import History
from yp2p.folder.catalogue import manifest_document_id
from yp2p.folder.notices import Versions
from yp2p.history.ages import DAY_S
from yp2p.history.retention import Retention
from yp2p.identity import EntryID, Identity
from yp2p.peers.session import FolderSession
from yp2p.protocol import channel as channel_messages
from yp2p.protocol.messages import MANIFEST_DOCUMENTS, ChannelData, Message
from yp2p.transport.link import Link

_REST_LIMIT_S = 400.0
_MANIFESTS = frozenset(manifest_document_id(index) for index in range(MANIFEST_DOCUMENTS))
# Between which steps a device ends: of the store and the network, of texts, of blobs. Without a choice nearly all
# crashes would come before something is sent.
_STEPS = (
    ("before a commit", "in a commit", "after a commit", "before sending"),
    ("open", "write", "in a write", "fchmod", "utime", "fdatasync", "syncfs", "rename", "link", "unlink", "mkdir"),
    ("open", "ftruncate", "pwrite", "in a pwrite", "copy_file_range", "in a copy_file_range", "fdatasync", "rename"),
)
# What no honest devices may ever say of each other, whatever the weather.
_NEVER_LOGGED = ("peer_fault", "session_failed", "folder_failed", "crdt_panic")


_jump_to_deadline = trio.testing.MockClock._autojump


def _jump_past_deadline(clock: trio.testing.MockClock) -> None:
    """Virtual time never stands at a deadline exactly, as no real clock does."""
    _jump_to_deadline(clock)
    clock.jump(1e-6)


class Failed(Exception):
    """The run did not end as it must."""


class World:
    """See above. `run` does it all."""

    def __init__(self, seed: int, base: Path, say: Callable[[str], None] | None = None) -> None:
        self.seed = seed
        self.rng = random.Random(seed)
        self.base = base
        self.network = Network(self.rng)
        self.oracle = Oracle()
        self.hosts: list[Host] = []
        self.has_blobs = False
        self.thins = 2 if os.environ.get("SIMULATE_THINNING") != "0" else 0
        self.people: dict[str, People] = {}
        self.nursery: trio.Nursery
        self.crashed_at: Counter[str] = Counter()
        self.events: list[str] = []
        self.updates_sent: Counter[tuple[str, str]] = Counter()
        self.has_clone = False
        # Paths at which another file may stand than before, so that an old version of it is none of what is there now.
        self.moved: set[str] = set()
        self._say = say
        self._logged: list[str] = []
        self._backups: dict[str, Path] = {}

    def note(self, text: str) -> None:
        """Something happened."""
        line = f"{hooks.clock_s():9.4f} {text}"  # also in what stands for a worker thread
        self.events.append(line)
        if self._say is not None:
            self._say(line)

    def is_in_sight(self, one: Host, other: Host) -> bool:
        return frozenset((one.name, other.name)) not in self.network.never

    # --- the run ------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Raises Failed."""
        structlog.configure(processors=[self._take_log])
        trio_run._r.seed(self.seed)
        with ExitStack() as stack:
            stack.enter_context(installed(self.rng, self._connect))
            stack.enter_context(hooks.patch.object(trio_run, "_ALLOW_DETERMINISTIC_SCHEDULING", True))
            stack.enter_context(hooks.patch.object(trio.testing.MockClock, "_autojump", _jump_past_deadline))
            stack.enter_context(hooks.patch.object(Link, "send_nowait", self._counting(Link.send_nowait)))
            try:
                trio.run(self._main, clock=trio.testing.MockClock(autojump_threshold=0))
            except BaseExceptionGroup as group:
                error: BaseException = group
                while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
                    error = error.exceptions[0]
                raise error from None

    def _take_log(self, logger: Any, method: str, event: dict[str, Any]) -> Any:
        host = current_host.get()
        line = f"{host.name if host else '?'} {method} {event}"
        if event.get("event") in _NEVER_LOGGED or "exc_info" in event:
            self._logged.append(line)
        if self._say is not None and (method != "debug" or event.get("event") in ("file_ingested", "gap")):
            self._say(f"{trio.current_time():9.4f}     {line}")
            if event.get("exc_info"):
                import traceback

                self._say(traceback.format_exc())
        raise structlog.DropEvent

    async def _connect(self, host: str, port: int) -> SimulatedStream:
        own = current_host.get()
        assert own is not None
        return await self.network.connect(own.name, host, own.point)

    def _counting(self, send: Callable[..., bool]) -> Callable[..., bool]:
        """Count the messages that carry updates of texts."""

        def send_nowait(link: Link, message: Message, key: bytes | None = None) -> bool:
            done = send(link, message, key)
            host = current_host.get()
            if done and host is not None and isinstance(message, ChannelData) and message.document not in _MANIFESTS:
                decoded = channel_messages.decode(message.payload)
                if isinstance(decoded, channel_messages.Updates):
                    self.updates_sent[host.name, link.remote_host] += 1
            return done

        return send_nowait

    async def _main(self) -> None:
        async with trio.open_nursery() as nursery:
            self.nursery = nursery
            await self._begin()
            for _ in range(self.rng.randint(10, 40)):
                await self._act()
                await trio.sleep(self.rng.choice((0.0, 0.0, 0.01, 0.1, 0.5, 2.0)) * self.rng.random())
                self._check_log()
            await self.come_to_rest()
            await self._check_cost_of_an_edit()
            for host in self.hosts:
                await host.stop()
            nursery.cancel_scope.cancel()

    def add_host(self, name: str, identity: Identity | None = None) -> Host:
        host = Host(self, name, identity or Identity(self.rng.randbytes(32)))
        self.hosts.append(host)
        self.people[name] = People(self, host)
        return host

    async def _begin(self) -> None:
        count = self.rng.choice((2, 2, 2, 3, 3, 3, 4, 5, 8))
        self.has_blobs = os.environ.get("SIMULATE_BLOBS") != "0"
        for number in range(count):
            self.add_host(f"h{number}")
        first = self.hosts[0]
        topology = self.rng.choice(("mesh", "mesh", "mesh", "line", "star")) if count > 2 else "mesh"
        self._separate(topology)
        self.note(f"seed {self.seed}: {count} hosts, {topology}")
        if self.rng.random() < 0.3:
            same_file(self, [p for p in self.people.values() if self.rng.random() < 0.7 or p.host is first])
        for people in self.people.values():
            if self.rng.random() < 0.4:
                people.create()
        await first.start()
        await first.share()
        late = self.rng.randint(0, count - 1) if self.rng.random() < 0.3 else 0
        for number, host in enumerate(self.hosts[1 : count - late]):
            await self._join(host, self.hosts[number] if topology == "line" else first)
        if self.rng.random() < 0.6:
            await self._wait_for_rest(60.0)

    def _separate(self, topology: str) -> None:
        """Put hosts on different networks."""
        count = len(self.hosts)
        for one in range(count):
            for other in range(one + 1, count):
                if (topology == "line" and other - one > 1) or (topology == "star" and one > 0):
                    self.network.never.add(frozenset((f"h{one}", f"h{other}")))

    async def _join(self, host: Host, sharer: Host) -> None:
        if not host.is_up:
            await host.start()
        if sharer.is_up and sharer.has_joined and host.is_up:
            await host.join(sharer)
            # A store from before would not know the new member, and nobody else could tell it.
            self._backups.clear()
            self.note(f"{host.name} joins through {sharer.name}")

    # --- what happens -------------------------------------------------------------------------------------------

    async def _act(self) -> None:
        rng = self.rng
        people = self.people[rng.choice(self.hosts).name]
        some = lambda: rng.sample(list(self.people.values()), rng.randint(1, len(self.people)))  # noqa: E731
        acts: list[tuple[int, Callable[[], Any]]] = [
            (6, people.edit), (4, people.save), (2, people.open_editor), (3, people.append), (2, people.take_out),
            (3, people.create), (1, people.rename), (1, people.delete), (1, people.save_slowly),
            (1, lambda: same_change(self, some())),
            (1, lambda: same_file(self, some())),
            (4 * self.has_blobs, people.replace_blob), (self.has_blobs, people.rename_blob),
            (self.has_blobs, people.delete_blob),
            (2 * self.has_blobs, lambda: same_blob(self, some())),
            (2, self._drop_connections), (2, self._part), (1, self._stop_one), (3, self._crash_one),
            (3, self._start_one), (1, self._join_late), (1, self._back_up), (1, self._restore_backup), (1, self._clone),
            (self.thins, self._thin),
        ]  # fmt: skip
        (act,) = rng.choices([act for _, act in acts], [weight for weight, _ in acts])
        result = act()
        if result is not None:
            await result

    def _some_host(self, *, up: bool) -> Host | None:
        hosts = [host for host in self.hosts if host.is_up == up and host.has_joined]
        return self.rng.choice(hosts) if hosts else None

    def _drop_connections(self) -> None:
        connections = sorted(self.network.connections, key=lambda c: (c.ends, c.ways[c.ends[0]].latency_s))
        for connection in connections:
            if self.rng.random() < 0.5:
                self.note(f"the connection of {connection.ends} drops")
                connection.break_now()

    def _part(self) -> None:
        one, other = self.rng.sample(self.hosts, 2)
        duration_s = self.rng.choice((0.1, 1.0, 4.0, 8.0, 30.0))
        both = self.rng.random() < 0.6
        self.note(f"{one.name} {'and' if both else 'to'} {other.name}: nothing gets through for {duration_s} s")
        self.network.block(one.name, other.name, duration_s, both_ways=both, nursery=self.nursery)

    async def _stop_one(self) -> None:
        host = self._some_host(up=True)
        if host is not None:
            self.note(f"{host.name} stops")
            await host.stop()

    async def _crash_one(self) -> None:
        """A device ends between any two of its next steps, by SIGKILL or with the power."""
        host = self._some_host(up=True)
        if host is None:
            return
        power = self.rng.random() < 0.4
        if power:
            host.disk.record()
        if self.rng.random() < 0.5:
            host.crash_after(self.rng.randint(1, 80))
        else:
            steps = self.rng.choice(_STEPS)
            host.crash_after(self.rng.choice((1, 1, 2, 3, 5)), self.rng.choice(steps))
        people = self.people[host.name]
        for _ in range(self.rng.randint(0, 3)):
            self._work_meanwhile(people)
            await trio.sleep(self.rng.choice((0.0, 0.05, 0.5)))
        with trio.move_on_after(self.rng.choice((0.1, 2.0, 5.0))):
            await host._ended.wait()
        self.note(f"{host.name} {'loses its power' if power else 'is killed'}")
        if power:
            await host.cut_power()
            people.editors.clear()
            await host.start()
            # Nobody goes on with a file that is empty or full of NULs before the daemon has put it right.
            with trio.move_on_after(30):
                for disk in host.device.home.disks.values() if host.device is not None else ():
                    await disk.scanned.wait()
        else:
            await host.kill()
        host.disk.is_recording = False

    def _work_meanwhile(self, people: People) -> None:
        """Somebody works on a device that is about to end, or somewhere else what then comes to it."""
        if self.has_blobs and self.rng.random() < 0.5:
            self.people[self.rng.choice(self.hosts).name].replace_blob(long=self.rng.random() < 0.5)
        else:
            self.rng.choice((people.edit, people.save, people.append, people.create))()

    async def _start_one(self) -> None:
        host = self._some_host(up=False)
        if host is not None:
            self.note(f"{host.name} starts")
            await host.start()

    async def _join_late(self) -> None:
        waiting = [host for host in self.hosts if not host.has_joined]
        if waiting:
            host = waiting[0]
            sharers = [h for h in self.hosts if h.is_up and h.has_joined and self.is_in_sight(h, host)]
            if sharers:
                await self._join(host, self.rng.choice(sharers))

    async def _back_up(self) -> None:
        host = self._some_host(up=True)
        if host is not None:
            self._backups[host.name] = host.base / "backup.db"
            host.copy_store(self._backups[host.name])
            (host.base / "backup").mkdir(exist_ok=True)
            for old in (host.base / "backup").iterdir():
                old.unlink()
            for path, data in host.disk.contents().items():
                record = host.folder.files.by_path(path)
                if record is None or record.content != hashlib.sha256(data).digest():
                    continue  # a version that no daemon has seen would be an edit when it comes back
                (host.base / "backup" / path.replace("/", "%")).write_bytes(data)
            self.note(f"{host.name} is backed up")

    async def _restore_backup(self) -> None:
        """The store goes back to a backup and the files do not, or the reverse."""
        hosts = [host for host in self.hosts if host.name in self._backups and host.has_joined]
        if not hosts:
            return
        host = self.rng.choice(hosts)
        was_up = host.is_up
        await host.stop()
        people = self.people[host.name]
        people.editors.clear()
        files_went_back = self.rng.random() < 0.5
        if not files_went_back:
            self.note(f"{host.name} gets its store back from a backup")
            only_stored = tokens_in(host.stored_bytes()) - tokens_in(b"\n".join(host.disk.contents().values()))
            host.store.unlink()
            self._backups[host.name].rename(host.store)
            self.oracle.may_be_lost(host, only_stored)  # as what a power cut took from the disk a moment ago
            host.forget_watching()
            self.oracle.store_went_back()
            people.made_apart(b"".join(host.disk.contents().values()))
        else:
            self.note(f"{host.name} gets its files back from a backup")
            before = host.disk.contents()
            for saved in sorted((host.base / "backup").iterdir()):
                path = saved.name.replace("%", "/")
                if path in before and before[path] != saved.read_bytes() and path not in self.moved:
                    people._write(path, saved.read_bytes(), in_place=False)
            self.oracle.files_were_put_back(host, before)
        del self._backups[host.name]
        if was_up or files_went_back:
            await host.start()
        # Nobody goes on with old files before the daemon has seen that they are.
        with trio.move_on_after(30 if files_went_back else 0):
            while host.is_up and not host.is_watching:
                await trio.sleep(0.1)

    async def _clone(self) -> None:
        """A disk image of a device runs on a second machine."""
        host = self._some_host(up=True)
        everybody_joined = all(host.has_joined for host in self.hosts)
        if host is None or self.has_clone or not everybody_joined or len(self.hosts) < 3:
            return
        self.has_clone = True
        await host.stop()
        clone = self.add_host("clone", host.identity)
        host.copy_disk_to(clone)
        for data in host.disk.contents().values():
            self.oracle.apart |= tokens_in(data)
            self.oracle.copied |= tokens_in(data)
        self.note(f"{host.name} is cloned")
        await host.start()

    async def _thin(self) -> None:
        """A day passes in which nothing happens, and a device lets go of all versions of before."""
        host = self._some_host(up=True)
        if host is None or host.device is None:
            return
        token = current_host.set(host)
        try:
            retention = Retention(host.folder, History(max_age_days=1), host.device.home.disks[host.folder.id].bases)
            with trio.move_on_after(2.0):
                count = await retention.thin(hooks.now_s() + 2 * DAY_S)
                self.note(f"{host.name} lets go of {count} versions")
        finally:
            current_host.reset(token)

    # --- the end ------------------------------------------------------------------------------------------------

    async def come_to_rest(self) -> None:
        """Heal everything, and wait for the devices to be in sync. Raises Failed."""
        self.note("everything is healed")
        self.network.heal()
        for host in self.hosts:
            if host.has_joined and not host.is_up:
                await host.start()
        while any(not host.has_joined for host in self.hosts):
            before = [host.has_joined for host in self.hosts]
            await self._join_late()
            assert before != [host.has_joined for host in self.hosts]
        if not await self._wait_for_rest(_REST_LIMIT_S):
            raise Failed(f"not in sync after {_REST_LIMIT_S:.0f} s: {self._why_not_at_rest()}")
        self._check_log()
        gone = self._blobs_that_nobody_has()
        trees = {
            host.name: {path: data for path, data in host.disk.contents().items() if path not in gone}
            for host in self.hosts
        }
        first = trees[self.hosts[0].name]
        for name, tree in trees.items():
            if tree != first:
                raise Failed(f"{name} has another tree than {self.hosts[0].name}: {tree} and {first}")
        for host in self.hosts:
            for versions in _changed_apart(host):
                self.oracle.told |= tokens_in(versions.stands.encode())
                self.oracle.kept_apart |= tokens_in((versions.ours + versions.theirs).encode())
        wrong = self.oracle.check(first)
        if wrong:
            raise Failed(f"{'; '.join(wrong)}: {first}")

    def _blobs_that_nobody_has(self) -> set[str]:
        """Whose file a power cut damaged before another device had its content: all wait for it.

        (Some have the content before, some nothing.)
        """
        wanted: set[tuple[EntryID, bytes]] = set()
        there: set[tuple[EntryID, bytes]] = set()
        paths: set[str] = set()
        for host in self.hosts if self.oracle.had_power_cut else []:
            folder = host.folder
            wanted |= {(entry, content.hash) for entry, content in folder.files.blobs.wanted.items()}
            there |= {(entry, record.content) for entry, record in folder.files.items()}
        for host in self.hosts:
            path_of = host.folder.catalogue.layout().path_of
            paths |= {path_of[entry] for entry, _ in wanted - there if entry in path_of}
        return paths

    async def _wait_for_rest(self, limit_s: float) -> bool:
        with trio.move_on_after(limit_s):
            calm = 0
            while calm < 3:
                await trio.sleep(0.5)
                calm = calm + 1 if not self._why_not_at_rest() else 0
            return True
        return False

    def _why_not_at_rest(self) -> str:
        up = [host for host in self.hosts if host.is_up and host.has_joined]
        for host in up:
            folder = host.folder
            state = folder.state
            if state.pause_reason or not state.settled or not state.adopted:
                return f"{host.name} is not settled: {state.pause_reason or folder.files.waiting or state.adopted}"
            for other in up:
                if other is host or not self.is_in_sight(host, other) or self.has_clone:
                    continue
                session = folder.observers.sessions.get(other.identity.device_id)
                if not isinstance(session, FolderSession) or not session.in_sync:
                    how = "no session" if session is None else f"behind {len(session.behind)}"  # type: ignore[attr-defined]
                    return f"{host.name} is not in sync with {other.name} ({how})"
        trees = {tuple(sorted(host.disk.contents().items())) for host in up} if self.has_clone else set()
        return "the trees differ" if len(trees) > 1 else ""

    def _check_log(self) -> None:
        if self._logged:
            raise Failed(f"an honest device was blamed or failed: {self._logged}")

    async def _check_cost_of_an_edit(self) -> None:
        """At rest, one edit costs one message for each other device, whatever the network looks like (invariant 16)."""
        files = self.people[self.hosts[0].name]._files()
        if not files or self.has_clone:
            return
        for people in self.people.values():
            people.editors.clear()
        for _ in range(3):
            editing = self.people[self.rng.choice(self.hosts).name]
            await trio.sleep(1.0)
            self.updates_sent.clear()
            editing.edit()
            if not await self._wait_for_rest(60.0):
                raise Failed(f"an edit at rest did not arrive: {self._why_not_at_rest()}")
        sent = sum(self.updates_sent.values())
        # The first ones open the channels, with a step 1 and 2 instead; the last one finds them open.
        if sent > 1.2 * (len(self.hosts) - 1):
            raise Failed(f"one edit cost {sent} messages among {len(self.hosts)} devices: {self.updates_sent}")


def _changed_apart(host: Host) -> list[Versions]:
    """The places that this device tells of as changed apart."""
    notices = (notice.versions for notice in host.folder.notices)
    return [versions for versions in notices if versions is not None]
