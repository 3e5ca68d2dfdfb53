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

from yp2p import memory
from yp2p.config import Trash
from yp2p.disk.housekeeping import EVERY_S, Housekeeping
from yp2p.memory import free_bytes

_MIB = 1 << 20


class _Machine:
    """A C library whose free memory is the kernel's after a trim, and anybody's before it is used again."""

    def __init__(self) -> None:
        self.needed_mib = self.free_mib = 0.0  # of what is free, what the kernel does not have
        self.most_free_mib = 0.0
        self.trims = 0

    @property
    def resident_mib(self) -> float:
        return self.needed_mib + self.free_mib

    def use(self, used_mib: float, freed_mib: float) -> None:
        self.needed_mib += used_mib - freed_mib
        self.free_mib += freed_mib
        self.most_free_mib = max(self.most_free_mib, self.free_mib)

    def mallinfo2(self) -> SimpleNamespace:
        return SimpleNamespace(fordblks=int(self.most_free_mib * _MIB))

    def malloc_trim(self, pad: int) -> None:
        self.free_mib = 0.0
        self.trims += 1


@pytest.mark.parametrize(
    ("used_mib", "freed_mib", "trims"),
    [
        ([0, 40], [0, 40], 60),  # used and freed again and again, as by a member that sends without end
        ([40], [40], 120),  # the same, and each time between two looks
        ([40] + [0] * 119, [40] + [0] * 119, 1),  # there is no more to give
        ([0.5] + [0] * 119, [0.5] + [0] * 119, 0),
        ([0.5], [0.5], 60),  # a little more each time
        ([10], [0], 0),  # used, and needed
    ],
)
async def test_a_folder_that_never_rests_gives_back_what_is_free_and_the_kernel_has_not(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    autojump_clock: trio.testing.MockClock,
    used_mib: list[float],
    freed_mib: list[float],
    trims: int,
) -> None:
    """What is free is so for the C library as well when the kernel has it."""
    machine = _Machine()
    monkeypatch.setattr(memory, "_libc", machine)
    monkeypatch.setattr(memory, "_given", memory._Given())
    monkeypatch.setattr(memory, "resident_bytes", lambda: int(machine.resident_mib * _MIB))
    (tmp_path / "dir").mkdir()
    render: Any = SimpleNamespace(drop_caches=lambda: None)
    async with open_bridge(tmp_path) as bridge:
        monkeypatch.setattr(type(bridge.folder.state), "settled", False)
        keeping = Housekeeping(bridge.folder, Trash())
        for number in range(int(600 / EVERY_S)):
            machine.use(used_mib[number % len(used_mib)], freed_mib[number % len(freed_mib)])
            await trio.sleep(EVERY_S)
            await keeping._give_back_memory(render)
    assert machine.trims == trims


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
