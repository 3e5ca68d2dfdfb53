"""A hostile member: it sends anything that its key can sign, to any device at any time, while the others work.

What it may do to the content of the folder is what any member may do. What it may not do: have an honest link cut, stop
an honest folder or device, or take from a disk what is then nowhere. `check` says whether that held.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import trio
from simulation.disk import peek
from simulation.grammar import Grammar
from simulation.hooks import as_host, current_host
from simulation.people import State, tokens_in

from yp2p.errors import PeerFault
from yp2p.folder.own_statements import OwnStatements
from yp2p.identity import Identity, short_id
from yp2p.protocol.messages import Hello, Message
from yp2p.protocol.names import is_reserved
from yp2p.transport.dialer import dial
from yp2p.transport.link import Link, LinkClosed, open_link
from yp2p.trust.statements import Role

if TYPE_CHECKING:
    from simulation.host import Host
    from simulation.world import World

_NAME = "mallory"
_CLIENT = 0x6D616C00
# How much less often it comes while nothing happens for long.
_SELDOM = 300
# How long a new file may take to every honest device once the hostile one is gone.
_ARRIVES_S = 120.0
# What it was asked to say is taken within this time, and it has so much of that on its way.
_TAKEN_S = 1.0
_QUEUED_BYTES = 4096
# What a link of it may end with.
_ENDS = (OSError, LinkClosed, PeerFault, trio.TooSlowError, trio.BrokenResourceError)


class HostileMember:
    """See above. `run` does it, from when it is let in until cancelled."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.identity = Identity(world.rng.randbytes(32))
        self._rng = random.Random(world.rng.getrandbits(64))
        self._scope = trio.CancelScope()
        self._is_saying = False  # what it was asked to, and nothing else
        self.sent = 0

    @property
    def shown(self) -> str:
        """What logs call it."""
        return short_id(self.identity.device_id)

    async def join(self, sharer: Host) -> None:
        """The founder lets it in."""
        folder = sharer.folder
        with as_host(sharer):
            await OwnStatements(folder.membership).grant(self.identity.public, Role.MEMBER, _NAME)
        self._world.note(f"{_NAME} is let in")

    async def run(self) -> None:
        """Talk to everybody, until `leave`."""
        _is_it()
        with self._scope:
            async with trio.open_nursery() as nursery:
                for host in list(self._world.hosts):
                    nursery.start_soon(self._harass, host)

    def leave(self) -> None:
        self._scope.cancel()

    async def _harass(self, host: Host) -> None:
        while True:
            await trio.sleep(self._rng.uniform(0.1, 2.0) * (_SELDOM if self._world.is_idle else 1))
            if self._is_saying:
                continue
            try:
                async with self._linked(host) as link:
                    await self._talk(host, link)
            except* _ENDS:
                pass

    async def say(self, host: Host, said: Iterable[Message]) -> None:
        """Tell one device just this, as fast as it takes it, until all is told or this is cancelled."""
        _is_it()
        self._is_saying = True
        try:
            async with self._linked(host) as link:
                for message in said:
                    await link.send(message, limit=_QUEUED_BYTES)
                await trio.sleep(_TAKEN_S)
        except* _ENDS:
            pass
        finally:
            self._is_saying = False

    @asynccontextmanager
    async def _linked(self, host: Host) -> AsyncIterator[Link]:
        secured = await dial(host.name, 1, self.identity, host.identity.public.noise_key)
        hello = Hello((1,), self._rng.randbytes(16), _NAME, 1, "")
        async with open_link(secured, hello) as link, trio.open_nursery() as nursery:
            nursery.start_soon(self._drain, link)
            yield link
            nursery.cancel_scope.cancel()

    async def _drain(self, link: Link) -> None:
        while True:
            await link.receive()

    async def _talk(self, host: Host, link: Link) -> None:
        for _ in range(self._rng.randint(1, 60)):
            if not host.is_up or not host.has_joined or self._world.is_idle or self._is_saying:
                return
            with as_host(host):  # whose view of the folder it knows
                message = Grammar(self._rng, self.identity, host.folder, _CLIENT + self._rng.randrange(4)).message()
            self.sent += 1
            if not link.send_nowait(message):
                return
            await trio.sleep(self._rng.choice((0.0, 0.0, 0.01, 0.3)))


def _is_it() -> None:
    """For the network, which asks who connects; it has no disk that could fail."""
    current_host.set(SimpleNamespace(name=_NAME, point=lambda kind: None, is_dead=False, skew_s=0.0))  # type: ignore[arg-type]


async def check(world: World) -> list[str]:
    """Whether the honest devices still work, and what was lost."""
    wrong = [problem for host in world.hosts if (problem := _stopped(host))]
    probes: dict[str, bytes] = {}
    for host in world.hosts:
        path, data = f"probe-{host.name}.txt", f"of {host.name}\n".encode()
        probes[path] = data
        world.people[host.name]._write(path, data, in_place=True)
    with trio.move_on_after(_ARRIVES_S):
        while _missing(world, probes):
            await trio.sleep(0.5)
    wrong += [f"{path} did not come to {name}" for name, path in _missing(world, probes)]
    wrong += [f"{host.name} has {path}" for host in world.hosts for path in _not_allowed(host)]
    kept = _everything_kept(world)
    there = (token for token, state in world.oracle.tokens.items() if state is State.THERE)
    return wrong + [f"{token} is nowhere" for token in there if token not in kept]


def _stopped(host: Host) -> str:
    if not host.is_up:
        return f"{host.name} does not run"
    return f"{host.name} is paused: {host.folder.state.problem}" if host.folder.state.problem else ""


def _not_allowed(host: Host) -> list[str]:
    """What a peer's path must never lead to: outside of the folder, or into what other programs run."""
    outside = [name for name in ("up", "abs") if (host.base / name).exists()]
    return outside + [path for path in host.disk.contents() if any(map(is_reserved, path.split("/")))]


def _missing(world: World, probes: dict[str, bytes]) -> list[tuple[str, str]]:
    trees = {host.name: host.disk.contents() for host in world.hosts}
    return [(name, path) for name, tree in trees.items() for path, data in probes.items() if tree.get(path) != data]


def _everything_kept(world: World) -> set[str]:
    """The tokens that some honest device has: in a file, in its trash, in its history."""
    parts: list[Any] = []
    for host in world.hosts:
        parts += [host.stored_bytes(), *host.disk.contents().values(), *map(peek, host.trash())]
    return tokens_in(b"\n".join(parts))
