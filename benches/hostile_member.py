"""A member that was taken over, for the benches: it has the keys and the store of a device of the room.

A device waits longer after each fault, so one that commits thousands would soon be refused and measure nothing. But a
member may let in others: this one lets in as many as it needs, and each speaks in its turn.
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import trio
from loop_watch import PREFIX, LoopWatch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from integration.test_hostile_peer import Attacker
from lab import Device

from yp2p.identity import Identity
from yp2p.protocol.messages import Membership, Message
from yp2p.transport.link import Link, LinkClosed
from yp2p.trust.statements import Role, Signer

# A device is served at once up to its sixteenth fault.
FAULTS_EACH = 15
_LET_IN_S = 2.0
# The first statements of an issuer count, up to some 250.
_BY_ONE = 200


@contextmanager
def watched_room(
    base: Path, *honest: str, **settings: str
) -> Iterator[tuple[LoopWatch, Device, list[Device], Attacker]]:
    """A device whose loop is watched, honest ones beside it, and a member that was taken over; all in one folder."""
    record = LoopWatch.make(base / "loop")
    victim = Device(base, "victim", (*PREFIX, str(base / "loop")), **settings)
    stolen, *others = (Device(base, name, **settings) for name in ("stolen", *honest))
    everyone = [victim, stolen, *others]
    try:
        for device in everyone:
            device.others = [other for other in everyone if other is not device]
            device.start()
        (victim.dir / "a.txt").write_text("text of the room\n")
        (victim.dir / "long.bin").write_bytes(os.urandom(3 << 20))
        for device in (stolen, *others):
            device.join(victim)
        for device in everyone:
            device.wait()
        attacker = Attacker(stolen, victim)
        stolen.kill()
        yield record, victim, others, attacker
    finally:
        for device in everyone:
            device.kill()


class HostileMember:
    """See above; `next` takes the turn of another identity."""

    def __init__(self, attacker: Attacker, seed: Callable[[int], bytes] = os.urandom) -> None:
        self.attacker = attacker
        self._founder = attacker.identity
        self._seed = seed
        self._let_in: list[Identity] = []
        self._made, self._heads = 0, attacker.heads
        self.faults = 0

    @property
    def left(self) -> int:
        """How many devices wait for their turn."""
        return len(self._let_in)

    async def let_in(self, count: int) -> None:
        """Let in so many devices of its own; when its statements do not count any more, one of them goes on."""
        new = [Identity(self._seed(32)) for _ in range(count)]
        if self._made >= _BY_ONE and self._let_in:
            self._founder, self._made = self._let_in.pop(), 0
        self.attacker.identity = self._founder
        async with self.link() as link:
            link.send_nowait(self._introduction(new))
            await trio.sleep(_LET_IN_S)
        self._let_in += new

    def _introduction(self, subjects: list[Identity]) -> Message:
        folder, made = self.attacker.folder, []
        for subject in subjects:
            self._made += 1
            statement = Signer(self._founder, folder).grant(self._heads, subject.public, Role.ADMINISTRATOR, "mallory")
            self._heads = (statement.hash,)
            made.append(statement.encode())
        return Membership(folder, tuple(made))

    def next(self) -> None:
        """Speak as another device from now on; when none is left, as the first again."""
        self.faults = 0
        if self._let_in:
            self.attacker.identity = self._let_in.pop()

    @asynccontextmanager
    async def link(self) -> AsyncIterator[Link]:
        """A link whose answers are read and thrown away; the end of it is no error."""
        try:
            async with self.attacker.link() as link, trio.open_nursery() as nursery:
                nursery.start_soon(self.drain, link)
                yield link
                nursery.cancel_scope.cancel()
        except* (LinkClosed, trio.BrokenResourceError):
            pass  # it was refused, which is an answer

    @staticmethod
    async def drain(link: Link) -> None:
        while True:
            await link.receive()
