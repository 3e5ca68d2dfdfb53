"""Memory that was used and given back goes to the kernel, also where a folder never rests."""

from __future__ import annotations

import ctypes
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio
import trio.testing
from bridge import open_bridge

from yp2p.config import Trash
from yp2p.disk import housekeeping
from yp2p.disk.housekeeping import EVERY_S, Housekeeping
from yp2p.memory import free_bytes

_MIB = 1 << 20


@pytest.mark.parametrize(
    ("free_mib", "trims"),
    [
        ([0, 40], 60),  # used and given back again and again, as by a member that sends without end
        ([40], 1),  # free, and given to the kernel: there is no more to give
        ([1], 0),
        (list(range(120)), 59),  # a little more each time
    ],
)
async def test_a_folder_that_never_rests_gives_back_what_is_free_and_the_kernel_has_not(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    autojump_clock: trio.testing.MockClock,
    free_mib: list[int],
    trims: int,
) -> None:
    """What is free is so for the C library as well when the kernel has it."""
    trimmed: list[float] = []
    now_free = 0
    monkeypatch.setattr(housekeeping, "free_bytes", lambda: now_free * _MIB)
    monkeypatch.setattr(housekeeping, "trim", lambda: trimmed.append(1.0))
    (tmp_path / "dir").mkdir()
    render: Any = SimpleNamespace(drop_caches=lambda: None)
    async with open_bridge(tmp_path) as bridge:
        monkeypatch.setattr(type(bridge.folder.state), "settled", False)
        keeping = Housekeeping(bridge.folder, Trash())
        for number in range(int(600 / EVERY_S)):
            now_free = free_mib[number % len(free_mib)]
            await trio.sleep(EVERY_S)
            await keeping._give_back_memory(render)
    assert len(trimmed) == trims


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="of the GNU C library")
def test_the_c_library_says_what_it_keeps() -> None:
    libc = ctypes.CDLL(None)
    libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
    blocks = [libc.malloc(64 << 10) for _ in range(200)]
    before = free_bytes()
    for block in blocks[:-1]:  # the last one keeps the top of the heap where it is
        libc.free(block)
    assert free_bytes() - before > 8 * _MIB
    libc.free(blocks[-1])
