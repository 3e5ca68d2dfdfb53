"""The world of one seed: hosts, a network between them, people at work, and every kind of failure.

A run is a random sequence of what people do and what goes wrong, then everything is healed and has to come to rest: all
devices in sync with each other, all trees equal, and every token as the oracle says. The seed decides everything.
"""

from __future__ import annotations

import itertools
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
from simulation import (
    beacons,
    ending,
    hooks,
    masses,
    places,
    themes,
    troubles,
)
from simulation.actions import ACTIONS, CONDITIONS
from simulation.hooks import current_host, installed
from simulation.host import Host
from simulation.hostile import HostileMember
from simulation.network import Network, SimulatedStream
from simulation.people import Oracle, People, same_file
from simulation.rest import Failed, Rest
from simulation.swarm import Swarm

from yp2p.folder import guard
from yp2p.folder.catalogue import manifest_document_id
from yp2p.identity import Identity
from yp2p.protocol import channel as channel_messages
from yp2p.protocol.messages import MANIFEST_DOCUMENTS, ChannelData, Message
from yp2p.transport.link import Link

# In so many of the seeds in which one may be there; with it, less is known of what must become of the files.
_HOSTILE_SHARE = float(os.environ.get("SIMULATE_HOSTILE", "0.3"))
# It sends to each of them: among eight devices that takes minutes.
_MOST_WITH_HOSTILE = 3
_MANIFESTS = frozenset(manifest_document_id(index) for index in range(MANIFEST_DOCUMENTS))
# What no honest devices may ever say of each other, whatever the weather.
_NEVER_LOGGED = ("peer_fault", "session_failed", "folder_failed", "crdt_panic", "history_refused")


# How much less often devices see each other while nothing happens for long: twenty minutes of that cost seconds.
_SELDOM = 20
_jump_to_deadline = trio.testing.MockClock._autojump


def _jump_past_deadline(clock: trio.testing.MockClock) -> None:
    """Virtual time never stands at a deadline exactly, as no real clock does."""
    _jump_to_deadline(clock)
    clock.jump(1e-6)


class _Numbers:
    """Another number for each call, whatever it is given."""

    def __init__(self) -> None:
        self._numbers = itertools.count()

    def __call__(self, one: object) -> int:
        return next(self._numbers)


class World:
    """See above. `run` does it all."""

    def __init__(self, seed: int, base: Path, say: Callable[[str], None] | None = None) -> None:
        self.seed = seed
        self.rng = random.Random(seed)
        self._theme = themes.of(seed)
        self.base = base
        self.oracle = Oracle()
        self.hosts: list[Host] = []
        self.swarm = Swarm.of(ACTIONS, CONDITIONS, self.rng)
        self.network = Network(self.rng, self.swarm.conditions)
        self.people: dict[str, People] = {}
        self.nursery: trio.Nursery
        self.processor: hooks.Processor
        self.crashed_at: Counter[str] = Counter()
        self.did: Counter[str] = Counter()
        self.reached: Counter[str] = Counter()
        self.events: list[str] = []
        self.updates_sent: Counter[tuple[str, str]] = Counter()
        self.has_clone = False
        self.is_idle = False  # whether nothing happens for long
        # Paths at which another file may stand than before, so that an old version of it is none of what is there now.
        self.moved: set[str] = set()
        self.left_out: set[str] = set()  # what some device ever left out, as patterns
        self.shared_rule = ""  # what the folder's own file says, or said, that all leave out
        self.wrong: list[str] = []  # what was seen while it ran
        self.rescan: set[str] = set()  # hosts whose files were changed in a way that only a scan can find
        self._say = say
        self.logged: list[str] = []
        self.hostile: HostileMember | None = None
        self.backups: dict[str, Path] = {}
        self.rest = Rest(self)
        self.readers: set[str] = set()  # hosts that were made readers, whether they have heard of it or not

    def note(self, text: str) -> None:
        """Something happened."""
        line = f"{hooks.clock_s():9.4f} {text}"  # also in what stands for a worker thread
        self.events.append(line)
        if self._say is not None:
            self._say(line)

    def until_seen_s(self, rng: random.Random) -> float:
        """When a device sees the others again."""
        return rng.uniform(0.1, 3.0) * (_SELDOM if self.is_idle else 1)

    def is_in_sight(self, one: Host, other: Host) -> bool:
        return frozenset((one.name, other.name)) not in self.network.never

    # --- the run ------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Raises Failed."""
        structlog.configure(processors=[structlog.contextvars.merge_contextvars, self._take_log])
        trio_run._r.seed(self.seed)
        clock = trio.testing.MockClock(autojump_threshold=0)  # keeps the real clock that it finds
        with ExitStack() as stack:
            stack.callback(lambda: [places.unmount(host) for host in self.hosts])
            stack.enter_context(beacons.counting(self.reached))
            self.processor = stack.enter_context(installed(self.rng, self._connect))
            stack.enter_context(hooks.patch.object(trio_run, "_ALLOW_DETERMINISTIC_SCHEDULING", True))
            # Of two deadlines at one moment the one that was set first comes first, not that of the lower address.
            stack.enter_context(hooks.patch.object(trio_run, "id", _Numbers(), create=True))
            stack.enter_context(hooks.patch.object(trio.testing.MockClock, "_autojump", _jump_past_deadline))
            stack.enter_context(hooks.patch.object(Link, "send_nowait", self._counting(Link.send_nowait)))
            if self.swarm.has("remove many files") or self._theme is not None:
                stack.enter_context(hooks.patch.object(guard, "MIN_FILES", masses.FEWEST_FILES))
            try:
                trio.run(self._main, clock=clock)
            except BaseExceptionGroup as group:
                error: BaseException = group
                while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
                    error = error.exceptions[0]
                raise error from None

    def _take_log(self, logger: Any, method: str, event: dict[str, Any]) -> Any:
        host = current_host.get()
        beacons.note_event(self.reached, event)
        line = f"{host.name if host else '?'} {method} {event}"
        is_of_hostile = self.hostile is not None and event.get("peer") == self.hostile.shown
        is_allowed = is_of_hostile and event.get("event") in ("peer_fault", "crdt_panic", "history_refused")
        if host is not None and host.trouble is not troubles.NO_TROUBLE:
            # Its folder rests, with a reason; how it came to that is for whoever looks for a fault.
            is_allowed |= method == "debug" and isinstance(event.get("exc_info"), OSError)
        if (event.get("event") in _NEVER_LOGGED or "exc_info" in event) and not is_allowed:
            self.logged.append(line)
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
                    self.updates_sent[host.name, self.network.name_of(link.remote_host)] += 1
            return done

        return send_nowait

    async def _main(self) -> None:
        async with trio.open_nursery() as nursery:
            self.nursery = nursery
            await self._begin()
            if self._theme is not None:
                self.note(f"the theme is {self._theme.name}")
                await self._theme.play(self)
            for _ in range(self.rng.randint(10, 40) if self._theme is None else self.rng.randint(0, 12)):
                await self._act()
                await trio.sleep(self.rng.choice((0.0, 0.0, 0.01, 0.1, 0.5, 2.0)) * self.rng.random())
                self.check_log()
            await ending.come_to_rest(self)
            await ending.check_cost_of_an_edit(self)
            for host in self.hosts:
                await host.stop()
            nursery.cancel_scope.cancel()

    @property
    def theme(self) -> str:
        """The name of what the seed begins with; empty where it begins with nothing of that kind."""
        return self._theme.name if self._theme is not None else ""

    def add_host(self, name: str, identity: Identity | None = None) -> Host:
        host = Host(self, name, identity or Identity(self.rng.randbytes(32)))
        self.hosts.append(host)
        self.people[name] = People(self, host)
        return host

    async def _begin(self) -> None:
        theme = self._theme
        count = self.rng.choice((2, 2, 2, 3, 3, 3, 4, 5, 8) if theme is None else (2, 2, 3))
        count = theme.devices or count if theme is not None else count
        is_hostile = self._has_hostile_member()
        count = min(count, _MOST_WITH_HOSTILE) if is_hostile else count
        for number in range(count):
            self.add_host(f"h{number}")
        first = self.hosts[0]
        topology = self.rng.choice(("mesh", "mesh", "mesh", "line", "star")) if count > 2 else "mesh"
        topology = theme.topology or topology if theme is not None else topology
        self._separate(topology)
        self.note(f"seed {self.seed}: {count} hosts, {topology}; {self.swarm}")
        if self.rng.random() < 0.3:
            same_file(self, [p for p in self.people.values() if self.rng.random() < 0.7 or p.host is first])
        for people in self.people.values():
            if self.rng.random() < 0.4:
                people.create()
        await first.start()
        await first.share()
        late = self.rng.randint(0, count - 1) if theme is None and self.rng.random() < 0.3 else 0
        for number, host in enumerate(self.hosts[1 : count - late]):
            await self.join(host, self.hosts[number] if topology == "line" else first)
        if theme is not None or self.rng.random() < 0.6:
            await self.rest.wait(60.0)
        if is_hostile:
            self.hostile = HostileMember(self)
            await self.hostile.join(first)
            self.nursery.start_soon(self.hostile.run)

    def _has_hostile_member(self) -> bool:
        if self._theme is not None:
            return self._theme.is_hostile
        return self.swarm.has("a hostile member") and self.rng.random() < _HOSTILE_SHARE

    def _separate(self, topology: str) -> None:
        """Put hosts on different networks."""
        count = len(self.hosts)
        for one in range(count):
            for other in range(one + 1, count):
                if (topology == "line" and other - one > 1) or (topology == "star" and one > 0):
                    self.network.never.add(frozenset((f"h{one}", f"h{other}")))

    async def join(self, host: Host, sharer: Host) -> None:
        if not host.is_up:
            await host.start()
        if sharer.is_up and sharer.has_joined and host.is_up:
            await host.join(sharer)
            # A store from before would not know the new member, and nobody else could tell it.
            self.backups.clear()
            self.note(f"{host.name} joins through {sharer.name}")

    # --- what happens -------------------------------------------------------------------------------------------

    async def _act(self) -> None:
        (action,) = self.rng.choices(self.swarm.actions, [action.weight for action in self.swarm.actions])
        self.did[action.name] += 1
        result = action.run(self)
        if result is not None:
            await result

    async def sleep(self, at_least_s: float, at_most_s: float) -> None:
        await trio.sleep(self.rng.uniform(at_least_s, at_most_s))

    def anybody(self) -> People:
        return self.people[self.rng.choice(self.hosts).name]

    def writers(self) -> list[Host]:
        """The hosts that nobody made a reader."""
        return [host for host in self.hosts if host.name not in self.readers]

    def some_people(self) -> People:
        """Somebody who may write."""
        return self.people[self.rng.choice(self.writers()).name]

    def several_people(self) -> list[People]:
        found = [self.people[host.name] for host in self.writers()]
        return self.rng.sample(found, self.rng.randint(1, len(found)))

    def check_log(self) -> None:
        """Raises Failed."""
        if self.logged:
            raise Failed(f"an honest device was blamed or failed: {self.logged}")

    def some_host(self, *, up: bool) -> Host | None:
        hosts = [host for host in self.hosts if host.is_up == up and host.has_joined]
        return self.rng.choice(hosts) if hosts else None
