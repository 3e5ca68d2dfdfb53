"""What an edit costs in messages: `python -m simulation.storms` prints a table.

Devices in a full mesh, a line or a star edit one file, first one at a time, then all at once. Counted are the messages
that carry updates, and the updates that came before what they depend on.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import trio
from simulation.world import Failed, World

from yp2p.errors import MissingDependency
from yp2p.folder.live_document import LiveDocument

TOPOLOGIES = ("mesh", "line", "star")
_EDITS = 12


@dataclass(frozen=True, slots=True)
class Cost:
    """Messages per edit when nothing else happens, the most of one edit, and what was refused when all edit at once."""

    devices: int
    topology: str
    per_edit: float
    most: int
    sent_back: int
    per_edit_at_once: float
    refused: int


@contextmanager
def _counting_gaps(gaps: Counter[str]) -> Iterator[None]:
    receive: Callable[..., Any] = LiveDocument.receive

    async def counted(live: LiveDocument, *args: Any, **options: Any) -> None:
        try:
            await receive(live, *args, **options)
        except MissingDependency:
            gaps["gap"] += 1
            raise

    with patch.object(LiveDocument, "receive", counted):
        yield


class QuietWorld(World):
    """Nothing goes wrong here."""

    def __init__(self, seed: int, base: Path, devices: int, topology: str) -> None:
        super().__init__(seed, base)
        self._count = devices
        self._topology = topology
        self.cost: Cost

    async def _main(self) -> None:
        async with trio.open_nursery() as nursery:
            self.nursery = nursery
            await self._begin()
            self.cost = await self._measure()
            for host in self.hosts:
                await host.stop()
            nursery.cancel_scope.cancel()

    async def _begin(self) -> None:
        for number in range(self._count):
            self.add_host(f"h{number}")
        self._separate(self._topology)
        first = self.hosts[0]
        (first.disk.path / "a.txt").write_text("one\ntwo\nthree\n")
        await first.start()
        await first.share()
        for number, host in enumerate(self.hosts[1:]):
            await self.join(host, self.hosts[number] if self._topology == "line" else first)
        await self._rest()

    async def _rest(self) -> None:
        if not await self.rest.wait(120.0):
            raise Failed(f"not at rest: {self.rest.why_not()}")

    async def _measure(self) -> Cost:
        for people in self.people.values():  # the channels are opened by what is written first
            people.edit()
            await self._rest()
        costs: list[int] = []
        sent_back = 0
        for _ in range(_EDITS):
            self.updates_sent.clear()
            self.people[self.rng.choice(self.hosts).name].edit()
            await self._rest()
            costs.append(sum(self.updates_sent.values()))
            sent_back += sum((to, sender) in self.updates_sent for sender, to in self.updates_sent)
        gaps: Counter[str] = Counter()
        self.updates_sent.clear()
        with _counting_gaps(gaps):
            for _ in range(_EDITS):
                self.people[self.rng.choice(self.hosts).name].edit()
                await trio.sleep(self.rng.uniform(0, 0.2))
            await self._rest()
        at_once = sum(self.updates_sent.values()) / _EDITS
        return Cost(self._count, self._topology, sum(costs) / _EDITS, max(costs), sent_back, at_once, gaps["gap"])


def measure(devices: int, topology: str, seed: int = 1) -> Cost:
    with tempfile.TemporaryDirectory() as base:
        world = QuietWorld(seed, Path(base), devices, topology)
        world.run()
    return world.cost


def main() -> None:
    print(f"{'':9}{'devices':>8}{'n - 1':>7}{'per edit':>10}{'most':>6}{'sent back':>11}{'at once':>9}{'refused':>9}")
    for topology in TOPOLOGIES:
        for devices in (3, 5, 8):
            c = measure(devices, topology)
            print(
                f"{topology:9}{devices:8}{devices - 1:7}{c.per_edit:10.2f}{c.most:6}{c.sent_back:11}"
                f"{c.per_edit_at_once:9.2f}{c.refused:9}"
            )


if __name__ == "__main__":
    sys.exit(main())
