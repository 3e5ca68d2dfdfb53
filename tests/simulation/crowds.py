"""Rooms of many devices: `python -m simulation.crowds 200` prints what an edit costs, and what a device holds.

All see all, and nobody is linked with all (`peers/neighbours.py`). Counted are the messages of one edit at rest, by
kind; then some devices leave, and come back.
"""

from __future__ import annotations

import argparse
import math
import random
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import trio
from simulation import hooks
from simulation.hooks import current_host
from simulation.host import Host
from simulation.network import Network
from simulation.swarm import Swarm
from simulation.world import Failed, World

from yp2p.peers.known_devices import KnownDevices
from yp2p.peers.neighbours import SURPLUS_S
from yp2p.peers.session import FolderSession
from yp2p.protocol import channel as channel_messages
from yp2p.protocol.messages import ChannelData, Message
from yp2p.transport.link import Link
from yp2p.trust.statements import Role

_LIMIT_S = 600.0
# So many devices come at a time: they are many machines, and here one process.
_AT_A_TIME = 20


@dataclass(slots=True)
class Edit:
    """What one edit cost."""

    carrying: int = 0  # messages with content: updates, and answers that are not empty
    by_kind: Counter[str] = field(default_factory=Counter)
    took_s: float = 0.0  # of virtual time, until the last device had it on its disk


class Crowd(World):
    """Nothing goes wrong here but what is done on purpose."""

    def __init__(self, seed: int, base: Path, devices: int, play: Callable[[Crowd], Any]) -> None:
        super().__init__(seed, base)
        self._count = devices
        self._play = play
        self.swarm = Swarm([], frozenset())
        self.network = Network(self.rng, frozenset())
        self.sent: Counter[str] = Counter()
        self.carrying = 0

    async def _main(self) -> None:
        # All of them share one loop here, which is no reason for any of them to rest.
        free = patch.object(hooks, "_STEP_S", 0.0)
        with free, patch.object(Link, "send_nowait", self._counting_all(Link.send_nowait)):
            async with trio.open_nursery() as nursery:
                self.nursery = nursery
                await self._begin()
                await self._play(self)
                for host in self.hosts:
                    await host.stop()
                nursery.cancel_scope.cancel()

    async def _begin(self) -> None:
        for number in range(self._count):
            self.add_host(f"h{number}")
        first = self.hosts[0]
        (first.disk.path / "a.txt").write_text("one\ntwo\nthree\n")
        await first.start()
        await first.share()
        for start in range(1, self._count, _AT_A_TIME):
            for host in self.hosts[start : start + _AT_A_TIME]:
                await host.start()
                await host.join(first, Role.MEMBER)
                self.devices(host).seen(first.identity.device_id, (first.address,))
            await self.rest()
        for host in self.hosts:
            self.see(host)
        await trio.sleep(1.5 * SURPLUS_S)  # until nobody is linked any more with the one that let all in
        await self.rest()

    def until_seen_s(self, rng: random.Random) -> float:
        return math.inf  # `see` says when

    def devices(self, host: Host) -> KnownDevices:
        assert host.device is not None
        return host.device.peers.devices

    def see(self, host: Host) -> None:
        """A device is announced on the network: all others see it, and it sees them."""
        for other in self.up:
            if other is not host:
                self.devices(host).seen(other.identity.device_id, (other.address,), other.name)
                self.devices(other).seen(host.identity.device_id, (host.address,), host.name)

    # --- what is looked at --------------------------------------------------------------------------------------

    @property
    def up(self) -> list[Host]:
        return [host for host in self.hosts if host.is_up and host.has_joined]

    def links(self, host: Host) -> list[FolderSession]:
        return [one for one in host.folder.observers.sessions.values() if isinstance(one, FolderSession)]

    def differing(self) -> str:
        """Why these are not all the same and at rest; empty when they are."""
        up = self.up
        first = up[0].folder
        for host in up:
            folder = host.folder
            if not folder.state.settled or not folder.state.adopted:
                return f"{host.name} is not settled"
            if folder.membership.digest() != first.membership.digest():
                return f"{host.name} has other members"
            if folder.leaves.tree().root() != first.leaves.tree().root():
                return f"{host.name} has other files"
            if behind := [one for one in self.links(host) if not one.agreement.in_sync]:
                return f"{host.name} is not in sync with {len(behind)} of {len(self.links(host))}"
        return ""

    async def rest(self) -> float:
        """Return when all are the same; tells how long that took."""
        began = last = trio.current_time()
        with trio.move_on_after(_LIMIT_S):
            calm = 0
            while calm < 4:
                await trio.sleep(0.25)
                calm, last = (calm + 1, last) if not self.differing() else (0, trio.current_time())
            return last - began
        raise Failed(f"not at rest: {self.differing()}")

    def degrees(self) -> list[int]:
        return sorted(len(self.links(host)) for host in self.up)

    def parts(self) -> int:
        """How many parts there are between which there is no link."""
        left = {host.identity.device_id: host for host in self.up}
        parts = 0
        while left:
            parts += 1
            edge = [left.popitem()[1]]
            while edge:
                edge += [left.pop(one.peer) for one in self.links(edge.pop()) if one.peer in left]
        return parts

    def _counting_all(self, send: Callable[..., bool]) -> Callable[..., bool]:
        def send_nowait(link: Link, message: Message, key: bytes | None = None) -> bool:
            done = send(link, message, key)
            if done and current_host.get() is not None:
                self.sent[_kind(message)] += 1
                self.carrying += _is_carrying(message)
            return done

        return send_nowait

    # --- what is done -------------------------------------------------------------------------------------------

    async def edit(self, host: Host) -> Edit:
        """One edit, on one device, until all have it."""
        self.sent.clear()
        self.carrying = 0
        wanted = (host.disk.path / "a.txt").read_text() + f"{host.name} at {trio.current_time():.3f}\n"
        began = trio.current_time()
        self.people[host.name]._write("a.txt", wanted.encode(), in_place=False)
        with trio.fail_after(_LIMIT_S):
            while any((other.disk.path / "a.txt").read_text() != wanted for other in self.up):
                await trio.sleep(0.01)
        done = Edit(took_s=trio.current_time() - began)
        await self.rest()
        done.carrying, done.by_kind = self.carrying, Counter(self.sent)
        return done


def _kind(message: Message) -> str:
    if isinstance(message, ChannelData):
        if not any(message.document):
            return "awareness"
        return type(channel_messages.decode(message.payload)).__name__
    return type(message).__name__


def _is_carrying(message: Message) -> bool:
    """Whether a message has some content of a document."""
    if not isinstance(message, ChannelData) or not any(message.document):
        return False
    match channel_messages.decode(message.payload):
        case channel_messages.Updates(updates) | channel_messages.Answer(updates):
            return any(len(update) > 2 for update in updates)
        case channel_messages.Step2(update):
            return len(update) > 2
    return False


def run(devices: int, play: Callable[[Crowd], Any], seed: int = 1) -> Crowd:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as base:
        crowd = Crowd(seed, Path(base), devices, play)
        crowd.run()
    return crowd


def _resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / (1 << 20)


async def measure(crowd: Crowd, edits: int, leaving: int) -> None:
    """Print what edits cost, and what becomes of the links when some leave."""
    say = lambda text: print(f"{trio.current_time():8.1f} s  {text}", flush=True)  # noqa: E731
    _say_links(crowd, say)
    for number in range(edits):
        done = await crowd.edit(crowd.rng.choice(crowd.up))
        n = len(crowd.up)
        say(f"edit {number}: {done.carrying} messages with content, {done.carrying / n:.2f} n; {done.took_s:.2f} s; "
            f"{_resident_mib() / n:.2f} MiB a device; {dict(done.by_kind.most_common())}")  # fmt: skip
    for host in crowd.rng.sample(crowd.up[1:], leaving):
        await host.kill()
    began = trio.current_time()
    done = await crowd.edit(crowd.hosts[0])
    say(f"{leaving} left at once; an edit right then: {done.carrying / len(crowd.up):.2f} n, {done.took_s:.2f} s")
    _say_links(crowd, say)
    done = await crowd.edit(crowd.hosts[0])
    since = trio.current_time() - began
    say(f"another one: {done.carrying / len(crowd.up):.2f} n, {done.took_s:.2f} s; {since:.1f} s since they left")
    for host in crowd.hosts:
        if not host.is_up:
            await host.start()
            crowd.see(host)
    await trio.sleep(200.0)
    await crowd.rest()
    say("they are back")
    _say_links(crowd, say)


def _say_links(crowd: Crowd, say: Callable[[str], None]) -> None:
    degrees = crowd.degrees()
    say(f"{len(degrees)} devices in {crowd.parts()} part; links a device: {sum(degrees) / len(degrees):.1f}, "
        f"{degrees[0]} to {degrees[-1]}")  # fmt: skip


def main(arguments: Iterable[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m simulation.crowds", description=__doc__)
    parser.add_argument("devices", type=int, nargs="?", default=200)
    parser.add_argument("--edits", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args(arguments)
    began = time.process_time()

    async def play(crowd: Crowd) -> None:
        await measure(crowd, chosen.edits, max(1, chosen.devices // 10))

    run(chosen.devices, play, chosen.seed)
    print(f"{time.process_time() - began:.0f} s of the processor")


if __name__ == "__main__":
    sys.exit(main())
