"""A member that was taken over attacks a device on a real link, while that device and another one work together.

What it sends is from the grammar of all messages that the simulation's hostile member has
(`tests/simulation/grammar.py`): as they should be, at their caps (`caps.py`), changed by some bytes, out of order,
again, in floods; and it connects again whenever it was cut off, also as devices that it lets in itself.

Bars: nobody exits or meets a fault of ours; no stretch of the loop above 250 ms of CPU time; memory within 64 MiB of
the start; honest edits, both ways, p95 at most five times the idle one.

Left out, because a person is asked then and everybody waits for the answer (invariant 8): more than some deletions and
replacements within ten minutes. Nor does it touch the file by which the honest devices are timed.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import ClassVar

import report
import trio
from caps import cases
from hostile_member import FAULTS_EACH, HostileMember, watched_room
from latency import edit, percentiles, wait_for
from loop_watch import LoopWatch, rss_mib

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from fuzz.mutate import mutated
from inotify_simple import INotify, flags
from integration.test_hostile_peer import Attacker
from lab import Device, eventually, unexpected_lines
from simulation.grammar import PRODUCTIONS, Grammar

from yp2p.errors import MessageFault
from yp2p.folder.client_ids import ClientIDs
from yp2p.folder.folder import Folder
from yp2p.identity import DocumentID, EntryID
from yp2p.protocol import messages
from yp2p.protocol.messages import Message
from yp2p.protocol.wire import Writer
from yp2p.store.database import open_database
from yp2p.transport.link import Link, LinkClosed

STRETCH_MS, MEMORY_MIB, TIMES_IDLE = 250.0, 64.0, 5.0
_PROBE = "probe.txt"
_IDLE_EDITS, _EDIT_EVERY_S, _ARRIVES_S = 120, 0.12, 30.0
# It knows what the folder holds by now.
_LOOKS_EVERY_S = 15.0
_KNOWN_ENTRY = 0.01
_LET_IN_AT_ONCE = 20
_KEPT = 300

_ANSWERS: dict[type, type] = {
    messages.ManifestQuery: messages.ManifestVersions,
    messages.TreeQuery: messages.TreeBuckets,
    messages.LeavesQuery: messages.Leaves,
    messages.Pull: messages.Documents,
    messages.ChunkHashesQuery: messages.ChunkHashes,
    messages.SamplesQuery: messages.Samples,
    messages.Fetch: messages.Chunks,
}


class SparingGrammar(Grammar):
    """The grammar without the timed file, and with few changes of entries that are there: see above."""

    spared: ClassVar[tuple[EntryID, DocumentID]]

    def _entry(self) -> EntryID:
        entry = super()._entry()
        is_left = entry == self.spared[0] or self.rng.random() > _KNOWN_ENTRY
        return EntryID(self.rng.randbytes(16)) if is_left else entry

    def _document(self) -> DocumentID:
        document = super()._document()
        return DocumentID(self.rng.randbytes(16)) if document == self.spared[1] else document


@dataclass(frozen=True, slots=True)
class Raw:
    """Any bytes as a message."""

    data: bytes

    @property
    def TYPE(self) -> int:  # noqa: N802 (as messages have it)
        return self.data[0]

    def write(self, out: Writer) -> None:
        out.raw(self.data[1:])


@dataclass(slots=True)
class _Attack:
    """One attack. `run` does it, until a deadline by trio's clock."""

    member: HostileMember
    store: Path
    rng: random.Random
    at_caps: list[list[Message]]
    sent: Counter[str] = field(default_factory=Counter)
    links: int = 0
    _kept: list[bytes] = field(default_factory=list)

    async def run(self, seconds: float) -> None:
        deadline = trio.current_time() + seconds
        await self.member.let_in(_LET_IN_AT_ONCE)
        self.member.next()
        while trio.current_time() < deadline:
            with trio.move_on_at(deadline):
                await self._with_what_is_there_now()

    async def _with_what_is_there_now(self) -> None:
        with tempfile.TemporaryDirectory() as base:
            copy = Path(base, "store.db")
            with closing(sqlite3.connect(self.store)) as there, closing(sqlite3.connect(copy)) as here:
                there.backup(here)
                founder, label = there.execute("SELECT founder, label FROM folder").fetchone()
            async with open_database(copy, make_room=False) as database:
                attacker = self.member.attacker
                clients = ClientIDs.fresh(attacker.identity.device_id)
                folder = Folder(
                    attacker.folder, label, Path(base), founder, database=database, clients=clients, adopted=True
                )
                await folder.load()
                with trio.move_on_after(_LOOKS_EVERY_S):
                    while True:
                        await self._connect(folder)
                        await trio.sleep(self.rng.choice((0.0, 0.1, 0.5)))

    async def _connect(self, folder: Folder) -> None:
        self.links += 1
        was_refused = False
        try:
            async with self.member.attacker.link() as link, trio.open_nursery() as nursery:
                nursery.start_soon(self._answer, folder, link)
                with trio.move_on_after(self.rng.uniform(0.5, 4.0)):
                    while True:
                        await self._one_way(folder, link)
                if self.rng.random() < 0.2:
                    await trio.aclose_forcefully(link._stream)  # cut off in the middle
                nursery.cancel_scope.cancel()
        except* (LinkClosed, MessageFault, OSError, trio.TooSlowError):
            was_refused = True
        except* (trio.BrokenResourceError, trio.ClosedResourceError):
            was_refused = True
        self.member.faults += was_refused
        if self.member.faults >= FAULTS_EACH:
            await self._next_device()

    async def _next_device(self) -> None:
        if self.member.left <= 1:  # that one lets in others when this one may not any more
            await self.member.let_in(_LET_IN_AT_ONCE)
        self.member.next()

    async def _answer(self, folder: Folder, link: Link) -> None:
        while True:
            asked = type(await link.receive())
            if asked in _ANSWERS and self.rng.random() < 0.8:
                await self._send(link, PRODUCTIONS[_ANSWERS[asked]](self._grammar(folder)))

    def _grammar(self, folder: Folder) -> Grammar:
        client = self.rng.choice((self.rng.getrandbits(32), 0x6D616C00 + self.rng.randrange(4)))
        return SparingGrammar(self.rng, self.member.attacker.identity, folder, client)

    async def _one_way(self, folder: Folder, link: Link) -> None:
        rng = self.rng
        match rng.choices(("talk", "flood", "same", "again", "changed", "caps"), (40, 6, 4, 6, 4, 3))[0]:
            case "talk":
                await self._send(link, self._grammar(folder).message())
                await trio.sleep(rng.choice((0.0, 0.0, 0.01, 0.05)))
            case "flood":
                for _ in range(rng.randint(50, 300)):
                    await self._send(link, self._grammar(folder).message())
            case "same":
                message = self._grammar(folder).message()
                for _ in range(rng.randint(100, 1000)):
                    await self._send(link, message)
            case "again":
                for data in rng.sample(self._kept, min(len(self._kept), 50)):
                    await self._send(link, Raw(data))
            case "changed" if self._kept:
                await self._send(link, Raw(mutated(rng, self._kept) or b"\x00"))
            case _:
                for message in rng.choice(self.at_caps)[: rng.randint(1, 20)]:
                    await self._send(link, message)

    async def _send(self, link: Link, message: Message | Raw) -> None:
        if not isinstance(message, Raw):
            data = messages.encode(message)
            if len(data) < 100_000 and not isinstance(message, messages.Goodbye):
                self._kept.append(data)
                if len(self._kept) > _KEPT:
                    del self._kept[self.rng.randrange(_KEPT)]
        self.sent[type(message).__name__] += 1
        await link.send(message)  # type: ignore[arg-type]


def _attack(report: Connection, attacker: Attacker, store: Path, seed: int, seconds: float) -> None:
    """In a process of its own. The attacker is on another machine, usually: it takes no processor that others want."""
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    rng = random.Random(seed)
    at_caps = [sent for name, sent in cases(attacker, attacker.blob) if "membership" not in name]
    attack = _Attack(HostileMember(attacker, rng.randbytes), store, rng, at_caps)
    trio.run(attack.run, seconds)
    report.send((attack.links, dict(attack.sent)))


@dataclass(slots=True)
class _Edits:
    """Edits of the timed file on one device, and when they are on the other's disk; both ways in turn."""

    devices: tuple[Device, Device]
    taken_s: list[float] = field(default_factory=list)
    lost: int = 0
    _number: int = 0
    _watches: list[INotify] = field(default_factory=list)

    def __post_init__(self) -> None:
        for device in self.devices:
            watch = INotify()
            watch.add_watch(str(device.dir), flags.MOVED_TO | flags.CLOSE_WRITE | flags.MOVED_FROM)
            self._watches.append(watch)

    def one(self) -> None:
        self._number += 1
        here = self._number % 2
        source, target = self.devices[here], self.devices[1 - here]
        token, started = edit(source.dir / _PROBE, self._number)
        try:
            self.taken_s.append(wait_for(target.dir / _PROBE, self._watches[1 - here], token, _ARRIVES_S) - started)
        except AssertionError:
            self.lost += 1

    def take(self) -> list[float]:
        taken, self.taken_s = self.taken_s, []
        return taken


def measure(minutes: float, seed: int) -> dict[str, object]:
    with (
        tempfile.TemporaryDirectory() as base,
        watched_room(Path(base), "honest", YP2P_LOG__LEVEL="warning") as (record, victim, (honest,), attacker),
    ):
        SparingGrammar.spared = _make_probe(victim, honest)
        edits = _Edits((victim, honest))
        for _ in range(_IDLE_EDITS):
            edits.one()
            time.sleep(_EDIT_EVERY_S)
        idle = percentiles(edits.take()[20:])
        before = rss_mib(victim.pid)
        record.reset()
        receives, sends = multiprocessing.get_context("fork").Pipe(duplex=False)
        arguments = (sends, attacker, victim.home / "store.db", seed, minutes * 60)
        process = multiprocessing.get_context("fork").Process(target=_attack, args=arguments)
        process.start()
        memory = [before]
        while process.is_alive():
            edits.one()
            memory.append(rss_mib(victim.pid) if victim.exit_code() is None else 0.0)
            if victim.exit_code() is not None:
                process.kill()
            time.sleep(_EDIT_EVERY_S)
        links, sent = receives.recv() if receives.poll() else (0, {})
        return {
            "seed": seed, "minutes": minutes, "links": links, "messages": sum(sent.values()), "kinds": sent,
            "idle": idle, "attacked": percentiles(edits.take()), "lost_edits": edits.lost,
            **_figures(record, memory), **_state(victim, honest),
        }  # fmt: skip


def _make_probe(victim: Device, honest: Device) -> tuple[EntryID, DocumentID]:
    """Gives entry and document of the file that is timed."""
    text = "".join(f"line {number} of a file of ten kilobytes\n" for number in range(260))
    (victim.dir / _PROBE).write_text(text)
    eventually((honest.dir / _PROBE).exists, what="the timed file")
    victim.wait()
    with closing(sqlite3.connect(victim.home / "store.db")) as store:
        query = "SELECT entry, document FROM file WHERE path = ?"
        entry, document = store.execute(query, (_PROBE.encode(),)).fetchone()
    return EntryID(entry), DocumentID(document)


def _figures(record: LoopWatch, memory: list[float]) -> dict[str, object]:
    stretch = record.read()
    return {
        "stretch_ms": round(stretch.cpu_s * 1e3),
        "stretch_clock_ms": round(stretch.clock_s * 1e3),
        "stretches_above_20_ms": stretch.long_ones,
        "longest_in": stretch.task,
        "memory_mib": round(memory[0]),
        "memory_growth_mib": round(max(memory) - memory[0], 1),
    }


def _state(*devices: Device) -> dict[str, object]:
    """How the honest devices are doing."""
    exits = {device.name: device.exit_code() for device in devices}
    faults = [line[:300] for device in devices for line in unexpected_lines(device, "level='warning'")]
    problems = [
        f"{device.name}: {folder['state']}"
        for device in devices
        if exits[device.name] is None
        for folder in device.status()["folders"]
        if folder["state"] not in ("idle", "working", "scanning")
    ]
    return {"exits": exits, "faults": faults[:20], "problems": problems}


def faults_of(result: dict[str, object]) -> Iterator[str]:
    """What no machine is too slow for: a daemon that ended, a fault in its log, a folder that does not work."""
    if any(code is not None for code in dict(result["exits"]).values()):  # type: ignore[call-overload]
        yield f"a daemon ended: {result['exits']}"
    if result["faults"]:
        yield "faults of ours in the log"
    if result["problems"]:
        yield f"a folder does not work: {result['problems']}"
    if not result["messages"]:
        yield "the attacker failed"


def missed_bars(result: dict[str, object]) -> Iterator[str]:
    """Which bars of time and memory were not met."""
    if float(str(result["stretch_ms"])) > STRETCH_MS:
        yield f"a stretch of the loop of {result['stretch_ms']} ms in {result['longest_in']}"
    if float(str(result["memory_growth_mib"])) > MEMORY_MIB:
        yield f"memory grew by {result['memory_growth_mib']} MiB"
    if result["lost_edits"]:
        yield f"{result['lost_edits']} honest edits did not arrive within {_ARRIVES_S:.0f} s"
    idle, attacked = (dict(result[name])["p95_ms"] for name in ("idle", "attacked"))  # type: ignore[call-overload]
    if attacked > TIMES_IDLE * idle:
        yield f"honest edits take {attacked / idle:.1f} times as long (p95 {idle} ms, then {attacked} ms)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument(
        "--only-faults", action="store_true", help="bars of time and memory that are not met are told, and no failure"
    )
    options = report.parse(parser)
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}", file=sys.stderr, flush=True)
    found = measure(options.minutes, seed)
    faults = list(faults_of(found))
    wrong = faults + list(missed_bars(found))
    report.publish(options, {"seed": str(seed), **found})
    print("all bars are met" if not wrong else "NOT MET: " + "; ".join(wrong), file=sys.stderr)
    sys.exit(bool(faults if options.only_faults else wrong))


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main()
