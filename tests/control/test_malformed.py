"""Requests that are none, thousands of them at both sockets of a real daemon: it stays as it was, and answers others.

`make malformed` sends 100,000 at each.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from urllib.parse import quote

import pytest
import trio
from control.malformed import Malformed
from control.test_requests import BODIES
from lab import Device, devices, eventually, unexpected_lines

_COUNT = int(os.environ.get("YP2P_MALFORMED", "1000"))
_TOGETHER = 16
# Grown by the first ones: buffers, caches, the last lines of the log, the pool of threads.
_WARM = max(500, _COUNT // 20)
# What a process of this size moves by without any requests, and what is a leak of a few bytes each.
_MAX_GROWTH_KIB = 4096
_LIMIT_S = 2.0


def _memory_kib(device: Device) -> int:
    status = Path(f"/proc/{device.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


def _descriptors(device: Device) -> int:
    return len(os.listdir(f"/proc/{device.pid}/fd"))


async def _send(path: Path, data: bytes, *, says_end: bool) -> None:
    """On a connection of its own, until there is an answer or an end."""
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        stream = await trio.open_unix_socket(f"/proc/self/fd/{directory}/{path.name}")
    finally:
        os.close(directory)
    async with stream:
        with trio.move_on_after(_LIMIT_S):
            try:
                await stream.send_all(data)
                if says_end:
                    await stream.send_eof()
                await stream.receive_some(65536)
            except trio.BrokenResourceError:
                pass


async def _flood(device: Device, name: str, count: int, seed: int) -> None:
    made = Malformed(seed, [path for path in BODIES if path not in ("/v1/stop", "/v1/device/rotate")])
    file = quote(str(device.dir / "a.md"))
    left = iter(range(count))

    async def send_some() -> None:
        for number in left:
            data = made.next() if name == "control.sock" else made.next_for_programs(file)
            # Most say that nothing more comes: else the daemon waits for the rest of half a request.
            await _send(device.home / name, data, says_end=number % 50 != 0)

    async with trio.open_nursery() as nursery:
        for _ in range(_TOGETHER):
            nursery.start_soon(send_some)


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("name", ["control.sock", "documents.sock"])
def test_a_daemon_stays_as_it_was(tmp_path: Path, name: str) -> None:
    with devices(tmp_path, "one") as (one,):
        (one.dir / "a.md").write_text("a line\n")
        one.call("POST", "/v1/share", {"path": str(one.dir)})
        before = one.status()
        trio.run(_flood, one, name, _WARM, 1)
        eventually(lambda: _descriptors(one) == _descriptors_of_idle(one), what="descriptors being closed")
        memory, descriptors = _memory_kib(one), _descriptors(one)
        began = time.monotonic()
        trio.run(_flood, one, name, _COUNT, 2)
        took_s = time.monotonic() - began
        eventually(lambda: _descriptors(one) <= descriptors, what="descriptors being closed")
        grown = _memory_kib(one) - memory
        print(f"{name}: {_COUNT} in {took_s:.0f} s, memory {memory} KiB, {grown:+} KiB; {descriptors} descriptors")
        assert grown < _MAX_GROWTH_KIB
        after = one.status()
        assert [folder["path"] for folder in after["folders"]] == [folder["path"] for folder in before["folders"]]
        assert after["devices"] == before["devices"]
        assert (one.dir / "a.md").read_text() == "a line\n"
        # Some are whole, after all: to join with a code, whose two digits may be those of the one that is shown here.
        assert unexpected_lines(one, "program_refused", "pairing_wrong_code") == []


def _descriptors_of_idle(device: Device) -> int:
    """As many as there are when nothing has changed for a moment."""
    found = _descriptors(device)
    time.sleep(0.7)
    return found if _descriptors(device) == found else -1
