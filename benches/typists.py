"""Two programs type in one text on two devices at a time, and many programs with cursors.

Bars: p95 at most 3 times, CPU a key at most 1.5 times that of one typist alone in the same text; of many, every letter
there, p95 250 ms, 40 % of a core a daemon. The text has 45 kB, and scattered edits behind it: `--edits 200 20000`.

Beside the delay of a key (`p50_ms`) stands what the library alone would take of it (`library_p50_ms`): an insertion
into one document and a reading of another, both of which walk over every block of a text, after the same pause. A
program does neither (`documents/outline.py`), so the delay does not grow by that; what the two programs take of a
processor for a key is `programs_cpu_ms_a_key`.

`--in-turn` types one key after the other in texts with so many edits each: whatever else the machine does is the same
for all of them.
"""

from __future__ import annotations

import argparse
import gzip
import json
import multiprocessing
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import report
import trio

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from lab import Device, devices

from yp2p.client import File, connect
from yp2p.documents.diff import Hunk
from yp2p.documents.text import TextReplica
from yp2p.errors import FileUnavailable
from yp2p.protocol.clients import Writer

_TEXT = "some words in a line of a text\n" * 1450
_TICKS_A_S = 100.0
# A program that has just opened a text is made ready for many keys in it.
_FIRST_KEYS = 12


def _cpu_s(device: Device) -> float:
    fields = Path(f"/proc/{device.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_A_S


async def _scatter(file: File, edits: int) -> None:
    rng = random.Random(1)
    for _ in range(edits):
        at = rng.randrange(len(str(file)))
        if rng.random() < 0.5:
            file.insert(at, rng.choice("abcdefg "))
        else:
            file.delete(at, min(at + 1, len(str(file))))
    await file.flush()


async def _replay(file: File, transactions: list[dict[str, Any]]) -> None:
    """Type a trace of josephg/editing-traces (CC BY 4.0), one after the other or, where it has agents, side by side."""
    if "agent" not in transactions[0]:
        for number, transaction in enumerate(transactions):
            for at, deleted, inserted in transaction["patches"]:
                file.edit(at, at + deleted, inserted)
            if number % 100 == 0:
                await trio.lowlevel.checkpoint()
        await file.flush()
        return
    agents: dict[int, tuple[TextReplica, set[int]]] = {}
    updates: list[list[bytes]] = []
    for number, transaction in enumerate(transactions):
        agent = transaction["agent"]
        replica, known = agents.setdefault(agent, (TextReplica(Writer.TYPED.client_id(1 + agent)), set()))
        missing, wanted = set(), list(transaction["parents"])
        while wanted:
            if (parent := wanted.pop()) not in known | missing:
                missing.add(parent)
                wanted += transactions[parent]["parents"]
        for parent in sorted(missing):
            for update in updates[parent]:
                replica.apply(update)
        known |= missing | {number}
        edits = (replica.edit([Hunk(at, at + gone, come)]) for at, gone, come in transaction["patches"])
        updates.append([update for update in edits if update is not None])
        for update in updates[number]:
            file.doc.apply_update(update)
        if number % 100 == 0:
            await trio.lowlevel.checkpoint()
    await file.flush()


async def _fill(device: Device, name: str, fill: Callable[[File], Awaitable[None]]) -> None:
    async with connect(device.home / "control.sock") as connection:
        while True:
            try:
                async with connection.open(name) as file:
                    return await fill(file)
            except FileUnavailable:  # an empty new file has to rest for two seconds
                await trio.sleep(0.5)


class _Arrivals:
    """When keys that one program typed are seen by another one. Each is a character of its own."""

    def __init__(self) -> None:
        self.typed: dict[str, float] = {}
        self.took_ms: list[float] = []

    async def watch(self, file: File) -> None:
        while True:
            text = str(file)
            for key in [key for key in self.typed if key in text]:
                self.took_ms.append((time.perf_counter() - self.typed.pop(key)) * 1000)
            await file.changed()


async def _type(file: File, arrivals: _Arrivals, first: int, keys: int, interval_s: float) -> None:
    rng = random.Random(first)
    at = file.position(rng.randrange(len(str(file))))
    for number in range(keys):
        key = chr(0x4E00 + first + number)
        arrivals.typed[key] = time.perf_counter()
        file.insert(file.index_of(at), key)
        await trio.sleep(interval_s)


async def _library_ms(state: bytes, keys: int, interval_s: float) -> list[float]:
    """What a key takes from one document to the text of another one, with nothing between them."""
    left, right = TextReplica.from_updates(1, [state]), TextReplica.from_updates(2, [state])
    at = random.Random(1).randrange(len(left.text()))
    took = []
    for number in range(keys):
        left.text()  # an open document knows its text
        await trio.sleep(interval_s)
        started = time.perf_counter()
        update = left.edit([Hunk(at, at, chr(0x4E00 + number))])
        assert update is not None
        right.apply(update)
        right.text()
        took.append((time.perf_counter() - started) * 1000)
    return took


async def _round(one: Device, two: Device, name: str, typists: int, keys: int, first: int) -> dict[str, float]:
    async with connect(one.home / "control.sock") as here, connect(two.home / "control.sock") as there:  # noqa: SIM117
        async with here.open(name) as left, there.open(name) as right:
            while str(left) != str(right):
                await right.changed()
            for file in (left, right):  # the first position in a text is looked for once; then it is followed
                file.index_of(file.position(len(str(file)) // 2))
            arrivals = [_Arrivals(), _Arrivals()]
            library_ms = await _library_ms(left.doc.get_update(), min(keys, 30), 0.2)
            before, own_before = _cpu_s(one) + _cpu_s(two), time.process_time()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(arrivals[0].watch, right)
                nursery.start_soon(arrivals[1].watch, left)
                async with trio.open_nursery() as typing:
                    typing.start_soon(_type, left, arrivals[0], first, keys, 0.2)
                    if typists == 2:
                        typing.start_soon(_type, right, arrivals[1], first + keys, keys, 0.2)
                with trio.move_on_after(30):
                    while arrivals[0].typed or arrivals[1].typed:  # noqa: ASYNC110 (within a limit)
                        await trio.sleep(0.05)
                nursery.cancel_scope.cancel()
            cpu_s, own_cpu_s = _cpu_s(one) + _cpu_s(two) - before, time.process_time() - own_before
            took = sorted(arrivals[0].took_ms + arrivals[1].took_ms)
            return {
                "keys": typists * keys, "lost": len(arrivals[0].typed) + len(arrivals[1].typed),
                "p50_ms": statistics.median(took), "p95_ms": took[int(len(took) * 0.95)],
                "library_p50_ms": statistics.median(library_ms),
                "cpu_ms_a_key": cpu_s * 1000 / (typists * keys),
                "programs_cpu_ms_a_key": own_cpu_s * 1000 / (typists * keys),
            }  # fmt: skip


async def _in_turn(one: Device, two: Device, names: dict[str, str], keys: int) -> list[dict[str, Any]]:
    """Program to program through two daemons, in each text in turn and in any order; the first keys do not count."""
    rng, took = random.Random(1), {name: list[float]() for name in names.values()}
    async with connect(one.home / "control.sock") as here, connect(two.home / "control.sock") as there:  # noqa: SIM117
        async with AsyncExitStack() as stack:
            texts = {
                name: (
                    await stack.enter_async_context(here.open(name)),
                    await stack.enter_async_context(there.open(name)),
                )
                for name in names.values()
            }
            carets = {name: left.position(len(str(left)) // 2) for name, (left, _) in texts.items()}
            for number in range(_FIRST_KEYS + keys):
                for name in rng.sample(list(texts), len(texts)):
                    (left, right), key = texts[name], chr(0x4E00 + number)
                    await trio.sleep(0.2 / len(texts))
                    started = time.perf_counter()
                    left.insert(left.index_of(carets[name]), key)
                    while key not in str(right):
                        await right.changed()
                    took[name].append((time.perf_counter() - started) * 1000)
    found = []
    for behind, name in names.items():
        times = sorted(took[name][_FIRST_KEYS:])
        found.append({"behind it": behind, "in turn": True, "keys": keys, "p50_ms": statistics.median(times),
                      "p95_ms": times[int(len(times) * 0.95)]})  # fmt: skip
    return found


@dataclass(frozen=True)
class _Shift:
    """Some of the programs of a crowd, in one process.

    Attributes:
        first: the number of the first one.
        watches: whether one of them also looks at what the others type.
        scattered: whether each key is typed somewhere else, and not behind the last one.
    """

    socket: Path
    first: int
    programs: int
    keys: int
    watches: bool
    scattered: bool

    def letters(self, number: int) -> list[str]:
        return [chr(0x4E00 + number * self.keys + key) for key in range(self.keys)]


def _work(shift: _Shift, all_letters: str, start: Any) -> tuple[dict[str, float], dict[str, float], int]:
    """When letters were typed and seen here (`perf_counter` is one clock of all processes); how many never came."""
    typed: dict[str, float] = {}
    seen: dict[str, float] = {}

    async def watch(file: File) -> None:
        waiting = set(all_letters)
        while waiting:
            now, there = time.perf_counter(), waiting & set(str(file))
            seen.update(dict.fromkeys(there, now))
            waiting -= there
            await file.changed()

    async def type_and_move(number: int, file: File) -> None:
        rng = random.Random(number)
        caret = file.position(rng.randrange(len(str(file)) + 1))
        await trio.sleep(rng.random() / 5)  # people do not type in time
        for letter in shift.letters(number):
            typed[letter] = time.perf_counter()
            file.insert(file.index_of(caret), letter)
            if shift.scattered:
                caret = file.position(rng.randrange(len(str(file)) + 1))
            file.set_awareness(f"program {number}", caret)
            await trio.sleep(0.2)

    async def main() -> int:
        async with connect(shift.socket) as device, AsyncExitStack() as stack:
            files = [await stack.enter_async_context(device.open("crowd.txt")) for _ in range(shift.programs)]
            await trio.to_thread.run_sync(start.wait)
            async with trio.open_nursery() as nursery:
                if shift.watches:
                    nursery.start_soon(watch, files[0])
                async with trio.open_nursery() as typing:
                    for number, file in enumerate(files):
                        typing.start_soon(type_and_move, shift.first + number, file)
                with trio.move_on_after(30):
                    while not all(set(all_letters) <= set(str(file)) for file in files):  # noqa: ASYNC110 (a limit)
                        await trio.sleep(0.2)
                nursery.cancel_scope.cancel()
            return max(len(set(all_letters) - set(str(file))) for file in files)

    return typed, seen, trio.run(main)


def _crowd(
    one: Device, two: Device, programs: int, seconds: float, processes: int, scattered: bool
) -> dict[str, float]:
    """So many programs on two devices, five keys and five cursor moves a second each."""
    keys, share = int(seconds * 5), programs // processes
    sockets = [device.home / "control.sock" for device in (one, two)]
    shifts = [_Shift(sockets[n % 2], n * share, share, keys, n < 2, scattered) for n in range(processes)]
    letters = [letter for shift in shifts for n in range(share) for letter in shift.letters(shift.first + n)]
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, context.Pool(processes) as pool:
        start = manager.Barrier(processes + 1)
        results = [pool.apply_async(_work, (shift, "".join(letters), start)) for shift in shifts]
        start.wait(60)
        before, started = [_cpu_s(device) for device in (one, two)], time.perf_counter()
        time.sleep(seconds)  # the measured time
        took_s = time.perf_counter() - started
        cores = [(_cpu_s(device) - cpu) / took_s for device, cpu in zip((one, two), before, strict=True)]
        found = [result.get(seconds + 60) for result in results]
    took: list[float] = []
    for number in (0, 1):  # what the other device's programs typed
        seen = found[number][1]
        others = {letter: at for typed, _, _ in found[1 - number :: 2] for letter, at in typed.items()}
        took += [(seen[letter] - at) * 1000 for letter, at in others.items() if letter in seen]
    took.sort()
    return {
        "programs": programs, "keys": len(letters), "lost": max(lost for _, _, lost in found),
        "p50_ms": statistics.median(took), "p95_ms": took[int(len(took) * 0.95)],
        "core_one_%": 100 * cores[0], "core_two_%": 100 * cores[1],
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--edits", type=int, nargs="*", default=[200, 20_000])
    parser.add_argument("--traces", type=Path, nargs="*", default=[], help="of josephg/editing-traces, as .json.gz")
    parser.add_argument("--keys", type=int, default=100)
    parser.add_argument("--programs", type=int, default=40)
    parser.add_argument("--processes", type=int, default=4, help="in which the programs are")
    parser.add_argument("--scattered", action="store_true", help="they type each key somewhere else")
    parser.add_argument("--in-turn", action="store_true", help="only that")
    parser.add_argument("--seconds", type=float, default=60)
    chosen = report.parse(parser)
    found: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as base, devices(Path(base), "one", "two") as (one, two):
        (one.dir / "a.txt").write_text(_TEXT)
        (one.dir / "crowd.txt").write_text(_TEXT)
        two.join(one)
        one.wait()
        two.wait()
        if chosen.in_turn:
            names = {f"{edits} edits": f"edits{edits}.txt" for edits in chosen.edits}
            for edits, name in zip(chosen.edits, names.values(), strict=True):
                (one.dir / name).write_text(_TEXT)
                trio.run(_fill, one, name, partial(_scatter, edits=edits))
            one.wait(120)
            two.wait(120)
            rows = trio.run(_in_turn, one, two, names, chosen.keys)
            report.publish(chosen, {str(row.pop("behind it")): row for row in rows})
            return
        behind = 0
        fills: list[tuple[str, str, Callable[[File], Awaitable[None]]]] = []
        for edits in chosen.edits:
            fills.append((f"{edits} edits", "a.txt", partial(_scatter, edits=edits - behind)))
            behind = edits
        for number, trace in enumerate(chosen.traces):
            (one.dir / f"trace{number}.txt").write_text("")
            transactions = json.loads(gzip.decompress(trace.read_bytes()))["txns"]
            fills.append(
                (trace.name.partition(".")[0], f"trace{number}.txt", partial(_replay, transactions=transactions))
            )
        for number, (behind_it, name, fill) in enumerate(fills):
            trio.run(_fill, one, name, fill)
            one.wait(120)
            two.wait(120)
            for typists in (1, 2):
                first = 1000 * (2 * number + typists)
                found.append({"behind it": behind_it, "typists": typists}
                             | trio.run(_round, one, two, name, typists, chosen.keys, first))  # fmt: skip
        if chosen.programs:
            found.append(
                {"crowd": True} | _crowd(one, two, chosen.programs, chosen.seconds, chosen.processes, chosen.scattered)
            )
    report.publish(chosen, {_named(row): row for row in found})


def _named(row: dict[str, Any]) -> str:
    return "crowd" if "crowd" in row else f"{row.pop('behind it')}, {row.pop('typists')} typing"


if __name__ == "__main__":
    main()
