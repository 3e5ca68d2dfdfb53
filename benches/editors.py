"""A keystroke from one Neovim to another through two daemons (bar p50 8 ms), with Teamtype's unmodified plugin.

Each keystroke is made when the one before has arrived: typed in one Neovim, which tells its plugin, `yp2p client`, the
daemon, the other device's daemon, `yp2p client` and plugin, until the other Neovim's buffer has changed, which it says
at once. Beside that: what it takes from `yp2p.client` to `yp2p.client` in the same file, in the same run.

What all of these processes take of a core for one keystroke (`cpu_*_ms`, of both devices, with the cursor that is moved
before each) is the least that it can take on a machine that has nothing else to do, but for the disk.

Needs Neovim and the plugin (`make teamtype` says where they are looked for).
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

import report
import trio

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from lab import Device, devices
from teamtype.neovim import NVIM, PLUGIN, Neovim, neovim

from yp2p.client import connect

BAR_MS = 8.0
_TEXT = "some words in a line of a text\n" * 330
_WATCH = """vim.api.nvim_buf_attach(0, false, { on_lines = function() vim.rpcnotify(1, "changed") end })"""


def keystrokes(one: Device, two: Device, count: int) -> tuple[list[float], dict[str, float]]:
    """Milliseconds of each, and what the processes took for one."""
    rng = random.Random(1)
    with neovim(one) as here, neovim(two) as there:
        here.open(one.dir / "a.txt")
        there.open(two.dir / "a.txt")
        there.lua(_WATCH)
        times: list[float] = []
        before = _cpu_ms(here, there, one, two)
        for _ in range(count):
            here.normal(f"{rng.randint(1, 300)}G")
            there.forget()
            started = time.perf_counter()
            here.notify("nvim_input", "ix<Esc>")
            there.wait_for("changed")
            times.append((time.perf_counter() - started) * 1000)
            _settle(here, there)
        after = _cpu_ms(here, there, one, two)
        return times, {name: round((after[name] - before[name]) / count, 2) for name in after}


def _cpu_ms(here: Neovim, there: Neovim, one: Device, two: Device) -> dict[str, float]:
    """What the processes have taken of a core so far."""
    clients = [_children(editor.pid) for editor in (here, there)]
    return {
        "cpu_neovim_ms": sum(_taken_ms(editor.pid) for editor in (here, there)),
        "cpu_client_ms": sum(_taken_ms(pid) for found in clients for pid in found),
        "cpu_daemon_ms": sum(_taken_ms(device.pid) for device in (one, two)),
    }


def _children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _taken_ms(pid: int) -> float:
    """Of all threads of a process."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e6


def _settle(*editors: Neovim) -> None:
    """Until nothing of the last keystroke is on its way."""
    for editor in editors:
        editor.lua("vim.wait(5)")


async def between_programs(one: Device, two: Device, count: int) -> list[float]:
    """The same without editors."""
    rng = random.Random(1)
    async with (
        connect(one.home / "control.sock") as first, connect(two.home / "control.sock") as second,
        first.open("a.txt") as here, second.open("a.txt") as there,
    ):  # fmt: skip
        times: list[float] = []
        for _ in range(count):
            seen = len(str(there))
            started = time.perf_counter()
            here.insert(rng.randrange(len(str(here))), "x")
            while len(str(there)) == seen:
                await there.changed()
            times.append((time.perf_counter() - started) * 1000)
            await trio.sleep(0.01)
        return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keystrokes", type=int, default=300)
    options = report.parse(parser)
    if NVIM is None or not PLUGIN.exists():
        print("nothing was measured: needs Neovim and Teamtype's plugin (make teamtype)")
        return
    with (
        tempfile.TemporaryDirectory() as base,
        devices(Path(base), "one", "two", YP2P_LOG__LEVEL="warning") as (one, two),
    ):
        (one.dir / "a.txt").write_text(_TEXT)
        two.join(one)
        for device in (one, two):
            device.wait()
        times, taken = keystrokes(one, two, options.keystrokes)
        programs = trio.run(between_programs, one, two, options.keystrokes)
    result = {
        "p50_ms": round(statistics.median(times), 2),
        "p99_ms": round(statistics.quantiles(times, n=100)[98], 2),
        "programs_p50_ms": round(statistics.median(programs), 2),
        **taken,
    }
    report.publish(options, result, {"p50": BAR_MS})


if __name__ == "__main__":
    main()
