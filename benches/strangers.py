"""Strangers connect again and again while two paired devices type.

Thousands of connections from one address and from 200 (127.0.x.y), as fast as they are taken, some dozens open at a
time: some say nothing, some a byte now and then, some garbage, some begin as a device would and go on with nonsense,
some hang up at once. Meanwhile a program on one device types, and another one reads it on the other device.

Bars: memory at most 10 MiB more; p95 of a keystroke at most three times the idle one; a paired device that starts gets
in within 2 s of its first try, and a new one pairs within 10 s, both while the strangers are there.

The strangers are on this machine too, at a lower priority. The figures are ratios: on a machine with something else
to do both are larger.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import socket
import statistics
import struct
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

import report
import trio
from loop_watch import rss_mib

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from lab import Device, devices, eventually

from yp2p.client import File, connect

MEMORY_MIB, TIMES_IDLE, LINK_S, PAIRING_S = 10.0, 3.0, 2.0, 10.0
_KINDS = ("silent", "slow", "garbage", "known", "pairing", "hangs up")
_OPEN_AT_A_TIME = 150
# Devices hang up before that; who is not let go of has an attempt like all others.
_HELD_S = 12.0
_PAUSE_S = 0.02
_NICER = 10
_ADDRESSES = 200
_IDLE, _BESIDE = 400, 600


async def _stranger(kind: str, source: str, port: int, came_of: Counter[str]) -> None:
    """One connection."""
    with socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        raw.bind((source, 0))
        raw.setblocking(False)
        sock = trio.socket.from_stdlib_socket(raw)
        try:
            with trio.fail_after(_HELD_S):
                await sock.connect(("127.0.0.1", port))
                if kind == "hangs up":
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    came_of["hung up"] += 1
                    return
                await _say(sock, kind)
                heard = await sock.recv(4096)
                came_of[f"{kind}: {'an answer' if heard else 'was hung up on'}"] += 1
        except (OSError, trio.TooSlowError) as error:
            came_of[f"{kind}: {type(error).__name__}"] += 1


async def _say(sock: trio.socket.SocketType, kind: str) -> None:
    match kind:
        case "slow":
            for byte in b"\x11\x00\x60" + os.urandom(40):
                await sock.send(bytes([byte]))
                await trio.sleep(0.5)
        case "garbage":
            await sock.send(os.urandom(random.randrange(1, 4096)))
        case "known":
            await sock.send(b"\x11" + (96).to_bytes(2, "big") + os.urandom(96))
        case "pairing":
            await sock.send(b"\x21" + (32).to_bytes(2, "big") + os.urandom(32))


async def _flood(port: int, count: int, sources: list[str], came_of: Counter[str]) -> None:
    limit = trio.CapacityLimiter(_OPEN_AT_A_TIME)

    async def one(number: int) -> None:
        try:
            await _stranger(_KINDS[number % len(_KINDS)], sources[number % len(sources)], port, came_of)
        finally:
            limit.release_on_behalf_of(number)

    async with trio.open_nursery() as nursery:
        for number in range(count):
            await limit.acquire_on_behalf_of(number)
            nursery.start_soon(one, number)


def _strangers(report: Connection, port: int, count: int, sources: list[str]) -> None:
    """In a process of its own, which leaves the processors to the devices."""
    os.nice(_NICER)
    came_of: Counter[str] = Counter()
    trio.run(_flood, port, count, sources, came_of)
    report.send(dict(came_of))


class _Typing:
    """Keystrokes on one device, each made when the one before is read on the other."""

    def __init__(self, here: File, there: File) -> None:
        self._here = here
        self._there = there
        self.times_ms: list[float] = []

    async def one(self) -> None:
        seen, started = len(self._there.text), time.perf_counter()
        self._here.insert(0, "x")
        while len(self._there.text) == seen:
            await self._there.changed()
        self.times_ms.append((time.perf_counter() - started) * 1000)
        await trio.sleep(_PAUSE_S)

    def take(self) -> dict[str, float]:
        times, self.times_ms = self.times_ms, []
        if len(times) < 2:
            return {}
        p95 = statistics.quantiles(times, n=20)[18]
        return {"p50_ms": round(statistics.median(times), 2), "p95_ms": round(p95, 2), "keystrokes": len(times)}


def _wait_until_linked(device: Device, other: str) -> float:
    """Seconds from now until a device is linked with another one."""
    started = time.monotonic()

    def is_linked() -> bool:
        return any(peer["connected"] for peer in device.status()["devices"] if peer["name"] == other)

    eventually(is_linked, 60, "a link")
    return time.monotonic() - started


async def _beside_strangers(
    typing: _Typing, one: Device, third: Device, fourth: Device, count: int, sources: list[str]
) -> dict[str, object]:
    port = int(one.status()["device"]["port"])
    receives, sends = multiprocessing.get_context("spawn").Pipe(duplex=False)
    process = multiprocessing.get_context("spawn").Process(target=_strangers, args=(sends, port, count, sources))
    memory = [rss_mib(one.pid)]
    started = time.monotonic()
    process.start()
    got_in: dict[str, float] = {}

    typed: dict[str, float] = {}

    async def others() -> None:
        """Whole daemons begin, which takes processor time from everybody: what is typed then is not counted."""
        while len(typing.times_ms) < _BESIDE and process.is_alive():  # noqa: ASYNC110 (of another process)
            await trio.sleep(0.1)
        typed.update(typing.take())
        await trio.to_thread.run_sync(third.start)
        got_in["link_s"] = await trio.to_thread.run_sync(_wait_until_linked, third, one.name)
        began = time.monotonic()
        await trio.to_thread.run_sync(fourth.join, one)
        got_in["pairing_s"] = time.monotonic() - began

    async with trio.open_nursery() as nursery:
        nursery.start_soon(others)
        while process.is_alive():
            await typing.one()
            memory.append(rss_mib(one.pid))
    took_s = time.monotonic() - started
    typing.take()
    came_of = receives.recv() if receives.poll() else {}
    return {
        **typed, "connections": count, "addresses": len(sources), "took_s": round(took_s, 1),
        "memory_mib": round(max(memory) - memory[0], 1), **{name: round(s, 2) for name, s in got_in.items()},
        "came_of": came_of,
    }  # fmt: skip


async def measure(one: Device, two: Device, third: Device, fourth: Device, count: int) -> dict[str, dict[str, object]]:
    many = [f"127.0.{number // 100 + 1}.{number % 100 + 1}" for number in range(_ADDRESSES)]
    async with (
        connect(one.home / "control.sock") as first, connect(two.home / "control.sock") as second,
        first.open("a.md") as here, second.open("a.md") as there,
    ):  # fmt: skip
        typing, result = _Typing(here, there), dict[str, dict[str, object]]()
        for _ in range(50):
            await typing.one()
        typing.take()
        for name, sources in (("one address", ["127.0.0.2"]), ("200 addresses", many)):
            for _ in range(_IDLE):
                await typing.one()
            idle = typing.take()
            beside = await _beside_strangers(typing, one, third, fourth, count, sources)
            result[name] = {"idle": idle, **beside}
            third.stop()
            fourth.kill()
            fourth = Device(fourth.home.parent.parent, fourth.name + "x").start()
            third.others = []
        fourth.kill()
        return result


def _is_met(values: dict[str, object]) -> dict[str, bool]:
    idle = values["idle"]
    assert isinstance(idle, dict)
    return {
        f"memory at most {MEMORY_MIB:g} MiB more": float(str(values["memory_mib"])) <= MEMORY_MIB,
        f"p95 at most {TIMES_IDLE:g} times the idle one": float(str(values["p95_ms"])) <= TIMES_IDLE * idle["p95_ms"],
        f"a link within {LINK_S:g} s": float(str(values["link_s"])) <= LINK_S,
        f"a pairing within {PAIRING_S:g} s": float(str(values["pairing_s"])) <= PAIRING_S,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=10_000)
    options = report.parse(parser)
    with (
        tempfile.TemporaryDirectory() as base,
        devices(Path(base), "one", "two", "three", "four", YP2P_LOG__LEVEL="info") as (one, two, three, four),
    ):
        (one.dir / "a.md").write_text("some words in a line of a text\n" * 330)
        for other in (two, three):
            other.join(one)
        for device in (one, two, three):
            device.wait()
        three.stop()
        with suppress(KeyboardInterrupt):
            result = trio.run(measure, one, two, three, four, options.connections)
        lines = len(one.log.read_text().splitlines())
    for values in result.values():
        values["bars"] = {bar: "met" if met else "NOT MET" for bar, met in _is_met(values).items()}
    report.publish(options, {**result, "log_lines": lines})


if __name__ == "__main__":
    main()
