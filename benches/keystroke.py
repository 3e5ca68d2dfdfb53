"""A keystroke from one program to another through two daemons (bars p50 2 ms, p99 15 ms), in a document of 100 kB.

Each keystroke is made when the one before has arrived. A processor that has slept in between is slower, so the same is
measured with a pause in front of each keystroke (`paced`); and beside both, the least that it can take: one byte
through as many processes, with one commit of SQLite on the way and nothing else (`bare`).

Then many edits, made as fast as they are taken: they have to arrive exactly.
"""

from __future__ import annotations

import argparse
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import report
import trio

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from lab import Device, devices

from yp2p.client import File, connect

BARS = {"p50_ms": 2.0, "p99_ms": 15.0}
_TEXT = "some words in a line of a text\n" * 3300
_AT_ONCE = 100
_PAUSE_S = 0.01
_RELAY = """
import socket, sys
from pathlib import Path
import trio
from yp2p.store.database import open_database

async def main():
    here, there = (
        trio.SocketStream(trio.socket.from_stdlib_socket(socket.socket(fileno=int(number)))) for number in sys.argv[2:]
    )
    async with open_database(Path(sys.argv[1])) as database:
        while data := await here.receive_some(1):
            if "first" in sys.argv[1]:
                await database.submit([("INSERT OR REPLACE INTO last_run VALUES (1, ?, 0)", ("bare",))]).wait()
            await there.send_all(data)

trio.run(main)
"""


async def _until_same(here: File, there: File) -> None:
    while str(there) != str(here):
        await there.changed()


async def _times(keystroke: Callable[[], Awaitable[None]], count: int, pause_s: float) -> list[float]:
    """Milliseconds that each keystroke takes."""
    times: list[float] = []
    for _ in range(count):
        await trio.sleep(pause_s)
        started = time.perf_counter()
        await keystroke()
        times.append((time.perf_counter() - started) * 1000)
    return times


def measure_bare(base: Path, keystrokes: int) -> dict[str, float]:
    """One byte from this process through two others and back, stored by the first."""
    (first, into_one), (out_of_one, into_two), (out_of_two, last) = (_connected() for _ in range(3))
    relays: list[subprocess.Popen[bytes]] = []
    for store, incoming, outgoing in (("first.db", into_one, out_of_one), ("second.db", into_two, out_of_two)):
        ends = (incoming.fileno(), outgoing.fileno())
        command = [sys.executable, "-c", _RELAY, str(base / store), *map(str, ends)]
        relays.append(subprocess.Popen(command, pass_fds=ends))
        incoming.close()
        outgoing.close()
    try:
        return trio.run(_through, first, last, keystrokes)
    finally:
        for relay in relays:
            relay.wait(10)


async def _through(first: socket.socket, last: socket.socket, keystrokes: int) -> dict[str, float]:
    here, there = (trio.SocketStream(trio.socket.from_stdlib_socket(end)) for end in (first, last))

    async def keystroke() -> None:
        await here.send_all(b"x")
        assert await there.receive_some(1)

    async with here, there:
        with trio.fail_after(60):
            await keystroke()
            times, paced = await _times(keystroke, keystrokes, 0), await _times(keystroke, keystrokes, _PAUSE_S)
    return {"bare_p50_ms": round(statistics.median(times), 2), "bare_paced_p50_ms": round(statistics.median(paced), 2)}


def _connected() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        one = socket.create_connection(listener.getsockname())
        two, _ = listener.accept()
    for end in (one, two):
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        end.setblocking(False)
    return one, two


async def measure(one: Device, two: Device, keystrokes: int, edits: int) -> dict[str, float]:
    async with (
        connect(one.home / "control.sock") as first, connect(two.home / "control.sock") as second,
        first.open("a.md") as here, second.open("a.md") as there,
    ):  # fmt: skip
        rng = random.Random(1)
        size = len(_TEXT)

        async def keystroke() -> None:
            seen = len(there.text)
            here.insert(rng.randrange(size), "x")
            while len(there.text) == seen:
                await there.changed()

        times, paced = await _times(keystroke, keystrokes, 0), await _times(keystroke, keystrokes, _PAUSE_S)
        started = time.perf_counter()
        for number in range(edits):
            at = rng.randrange(size)
            if number % 3:
                here.insert(at, rng.choice("ab é😀\n"))
            else:
                here.delete(at, at + 1)
            if number % _AT_ONCE == 0:
                await trio.lowlevel.checkpoint()
        made_s = time.perf_counter() - started
        await here.flush()
        await _until_same(here, there)
        took_s = time.perf_counter() - started
        assert str(here) == str(there)
        return {
            "p50_ms": round(statistics.median(times), 2),
            "p99_ms": round(statistics.quantiles(times, n=100)[98], 2),
            "paced_p50_ms": round(statistics.median(paced), 2),
            "paced_p99_ms": round(statistics.quantiles(paced, n=100)[98], 2),
            "edits": edits,
            "edits_per_s": round(edits / took_s),
            "edits_made_per_s": round(edits / made_s),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keystrokes", type=int, default=500)
    parser.add_argument("--edits", type=int, default=18_000)
    options = report.parse(parser)
    with (
        tempfile.TemporaryDirectory() as base,
        devices(Path(base), "one", "two", YP2P_LOG__LEVEL="warning") as (one, two),
    ):
        (one.dir / "a.md").write_text(_TEXT)
        two.join(one)
        for device in (one, two):
            device.wait()
        result = trio.run(measure, one, two, options.keystrokes, options.edits)
        result |= measure_bare(Path(base), options.keystrokes)
    report.publish(options, result, BARS)


if __name__ == "__main__":
    main()
