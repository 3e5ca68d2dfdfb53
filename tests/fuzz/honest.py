"""Honest traffic over random meshes with relays and reconnects: none of it may be refused.

`python -m fuzz.honest MESSAGES` prints how many updates were sent, and how many the wall refused. The real providers
run over channels in memory, on a virtual clock; devices edit, links come and go, and not everybody is linked.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Sequence
from itertools import combinations

import trio
import trio.testing
from documents.test_provider import Document, pipes

from yp2p.documents.provider import Provider
from yp2p.documents.synced import PeerState
from yp2p.errors import MissingDependency

_TEXTS = ("a", "bc", "é", "😀", "line\n", "word ")


class Mesh:
    """Devices with a document each, and links between some of them."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.count = self.rng.randint(3, 6)
        self.documents = [_Counting(number + 1, self) for number in range(self.count)]
        self.taken = 0
        self.refused = 0
        self.linked: set[frozenset[int]] = set()
        everyone = list(combinations(range(self.count), 2))
        # A line keeps them together; other links at random make it anything from a line to a full mesh.
        self.pairs = [p for p in everyone if p[1] == p[0] + 1 or self.rng.random() < self.rng.random()]

    async def run(self, steps: int) -> None:
        async with trio.open_nursery() as nursery:
            for pair in self.pairs:
                nursery.start_soon(self._keep_linked, pair)
            for _ in range(steps):
                await self._edit(self.rng.choice(self.documents))
                await trio.sleep(self.rng.choice((0, 0.001, 0.01)))  # the pace of who writes
            await trio.sleep(30)  # of a clock that jumps: for longer than anything waits to be sent again
            versions = {document.replica.version() for document in self.documents}
            assert len(versions) == 1, "they do not converge"
            nursery.cancel_scope.cancel()

    async def _edit(self, document: Document) -> None:
        text = document.replica.text()
        start = self.rng.randint(0, len(text))
        document.edit(start, min(len(text), start + self.rng.choice((0, 0, 1, 4))), self.rng.choice(_TEXTS))

    async def _keep_linked(self, pair: tuple[int, int]) -> None:
        while True:
            await self._link(*pair)
            await trio.sleep(self.rng.uniform(0, 0.05))  # for so long the two have no link

    async def _link(self, one: int, other: int) -> None:
        left, right = pipes()
        self.linked.add(frozenset((one, other)))
        duration_s = self.rng.choice((0.05, 0.5, 20.0))
        with trio.move_on_after(duration_s):
            async with trio.open_nursery() as nursery:
                for own, peer, pipe in ((one, other, left), (other, one, right)):
                    provider = Provider(
                        self.documents[own], pipe, source=peer + 1000, must_relay=self._must_relay_to(peer)
                    )
                    nursery.start_soon(provider.start)
        self.linked.discard(frozenset((one, other)))

    def _must_relay_to(self, peer: int) -> Callable[[object], bool]:
        """What a device that has no link with the author has to be told by us."""
        return lambda source: isinstance(source, int) and frozenset((peer, source - 1000)) not in self.linked


class _Counting(Document):
    def __init__(self, client_id: int, mesh: Mesh) -> None:
        super().__init__(client_id)
        self._mesh = mesh

    async def receive_all(self, updates: Sequence[bytes], source: object, theirs: PeerState | None) -> None:
        for update in updates:
            await self.receive(update, source)

    async def receive(self, update: bytes, source: object) -> None:
        self._mesh.taken += 1
        try:
            news = self.replica.receive(update)
        except MissingDependency:
            self._mesh.refused += 1
            raise
        if news is not None:
            self._tell(news, source)  # in the order in which they are applied, as `LiveDocument` does
        await trio.lowlevel.checkpoint()


def run(messages: int, seed: int = 0) -> tuple[int, int, int]:
    """Meshes until so many messages were sent: messages, of them refused, meshes."""
    taken = refused = meshes = 0
    while taken < messages:
        mesh = Mesh(seed + meshes)
        trio.run(mesh.run, 300, clock=trio.testing.MockClock(autojump_threshold=0))
        taken, refused, meshes = taken + mesh.taken, refused + mesh.refused, meshes + 1
    return taken, refused, meshes


if __name__ == "__main__":
    print("{} honest updates, {} refused, in {} meshes".format(*run(int(sys.argv[1]) if sys.argv[1:] else 200_000)))
