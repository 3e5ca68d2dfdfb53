"""What it costs that client IDs are signed for (decision 0027): a first sync, and keystrokes, with that and without it.

Pairs of devices in one process, linked over loopback, with all that keeps files on a disk left out and the stores in
memory, so that what is measured is a larger part of the whole than in a daemon: `signed` as they are; `unsigned` with
all of it taken out (nothing is signed, written into the manifest, or checked; by this bench, there is no setting); and
`years`: as they are, with 10,000 claims from before. In each turn every pair syncs files for the first time, and then
they type in turns, a keystroke each, so that whatever else the machine does slows all of them. What is told is CPU time
of the process, by the rule of `judgement.py`.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable
from contextlib import AsyncExitStack
from pathlib import Path

import report
import trio
from judgement import judge

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from conditions import until
from peers.removed_device import NOTES, entry, make
from peers.test_links import ONE, TWO, Node, open_node, statements

from yp2p.documents.diff import Hunk
from yp2p.folder.client_ids import fresh_client_id
from yp2p.folder.folder import Folder

_WAYS = ("unsigned", "signed", "years")
_CLAIMS = 10_000
_TEXT = "some words in a line of a text\n"
_LIMIT_S = 600.0
_IN_MEMORY = "/dev/shm"  # what waits for a disk there takes no time


def _take_out(folder: Folder) -> None:
    """Nothing is signed, and nothing checked."""
    folder.catalogue.authorship.own = lambda clients: []  # type: ignore[method-assign]
    folder.catalogue.authorship.claimants = lambda client: frozenset()  # type: ignore[method-assign]
    folder.edits.own_claims.is_told = lambda client: True  # type: ignore[method-assign]


class Pair:
    """Two devices, of which the first one has files."""

    def __init__(self, way: str, one: Node, two: Node) -> None:
        self.way = way
        self.first_sync_s = self.keystrokes_s = 0.0
        self._one, self._two = one, two
        self._here, self._there = one.folders[NOTES], two.folders[NOTES]
        if way == "unsigned":
            _take_out(self._here)
            _take_out(self._there)

    async def sync(self, files: int) -> None:
        """The second device gets all that there is."""
        for number in range(files):
            make(self._here, f"f{number}", f"file {number}\n{_TEXT * 30}")
        make(self._here, "a", _TEXT * 3300)
        if self.way == "years":
            self._here.catalogue.write(self._here.catalogue.authorship.own(fresh_client_id() for _ in range(_CLAIMS)))
        await self._here.database.pending().wait()
        began = time.process_time()
        self._one.knows(self._two)
        await until(self._is_same, _LIMIT_S, 0.001)
        self.first_sync_s = time.process_time() - began

    def _is_same(self) -> bool:
        here, there = self._here, self._there
        return here.catalogue.digest() == there.catalogue.digest() and (
            here.leaves.tree().root() == there.leaves.tree().root()
        )

    async def type(self, number: int) -> None:
        """A keystroke, until the other device has stored it."""
        began = time.process_time()
        document = self._here.catalogue.entries[entry("a")].document
        live = self._here.texts.open(document)
        other = self._there.texts.open(document)
        news = live.text.edit([Hunk(number * 7919 % (len(_TEXT) * 3000), 0, "x")])
        assert news is not None
        self._here.edits.record(live, news, None)
        if self._here.edits.own_claims.to_publish:
            await self._here.edits.own_claims.publish()
        await until(lambda: other.replica.clocks() == live.replica.clocks(), _LIMIT_S, 0.0002)
        await self._there.database.pending().wait()
        self.keystrokes_s += time.process_time() - began


async def measure(base: Path, turn: int, files: int, keystrokes: int) -> list[Pair]:
    """One turn, in another order each time."""
    ways, bodies = _WAYS[turn % 3 :] + _WAYS[: turn % 3], statements(NOTES, TWO.public)
    async with AsyncExitStack() as stack:
        pairs = list[Pair]()
        for way in ways:
            nodes = list[Node]()
            for name, identity in (("one", ONE), ("two", TWO)):
                path = base / f"{way}-{name}"
                path.mkdir()
                nodes.append(await stack.enter_async_context(open_node(path, identity, {NOTES: bodies})))
            pairs.append(Pair(way, *nodes))
        with trio.fail_after(_LIMIT_S):
            for pair in pairs:
                await pair.sync(files)
            for number in range(keystrokes):
                for pair in pairs:
                    await pair.type(number)
        return pairs


def _lines(found: dict[str, dict[str, list[float]]]) -> Iterable[str]:
    for row in found["unsigned"]:
        for way in _WAYS[1:]:
            one = judge(found["unsigned"][row], found[way][row])
            between = "" if one.low is None or one.high is None else f"{one.low:.2f} to {one.high:.2f}"
            turns = statistics.median(
                there / here for here, there in zip(found["unsigned"][row], found[way][row], strict=True)
            )
            least = min(found[way][row]) / min(found["unsigned"][row])
            yield (
                f"{way} {row}: {one.ratio or 0:.2f} times unsigned ({between}), p {one.p:.3f}: {one.verdict.value}; "
                f"within a turn {turns:.2f}, the least of all {least:.2f}"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--files", type=int, default=300)
    parser.add_argument("--keystrokes", type=int, default=1000)
    options = report.parse(parser)
    found: dict[str, dict[str, list[float]]] = {way: defaultdict(list) for way in _WAYS}
    for turn in range(options.turns):
        with tempfile.TemporaryDirectory(dir=_IN_MEMORY if os.path.isdir(_IN_MEMORY) else None) as base:
            for pair in trio.run(measure, Path(base), turn, options.files, options.keystrokes):
                found[pair.way]["first_sync_ms"].append(pair.first_sync_s * 1000)
                found[pair.way]["keystroke_us"].append(pair.keystrokes_s / options.keystrokes * 1e6)
        print("\n".join(_lines(found)), flush=True)
    report.publish(options, found)


if __name__ == "__main__":
    main()
