"""States of the machine that yp2p copes with: nothing is lost, `status` says so, and it goes on by itself."""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from lab import Device, eventually, tree

# Makes the clock of the day of one process another one, by as many seconds as a file says.
_CLOCK = """
import os, runpy, sys, time
real, path = time.time, sys.argv[1]
def now():
    with open(path) as file:
        return real() + float(file.read() or 0)
time.time, time.time_ns = now, lambda: int(now() * 1e9)
sys.argv = sys.argv[2:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
_YEAR_S = 365 * 86400
# How long a stopped process stays so at least: with a minute (YP2P_STOPPED_S=60) its links end as well.
_STOPPED_S = float(os.environ.get("YP2P_STOPPED_S", "0"))


@contextmanager
def _two(base: Path, prefix: tuple[str, ...] = ()) -> Iterator[tuple[Device, Device]]:
    one, two = Device(base, "one", prefix), Device(base, "two")
    one.others, two.others = [two], [one]
    try:
        one.start()
        two.start()
        (one.dir / "a.txt").write_text("a\n")
        two.join(one)
        two.wait()
        yield one, two
    finally:
        one.kill()
        two.kill()


def _machine(device: Device) -> str:
    return " ".join(device.status()["machine"])


def _are_equal(one: Device, two: Device) -> bool:
    return tree(one.dir) == tree(two.dir)


@pytest.mark.long
def test_a_clock_that_jumps_a_year_both_ways(tmp_path: Path) -> None:
    offset, wrapper = tmp_path / "offset", tmp_path / "clock.py"
    offset.write_text("0")
    wrapper.write_text(_CLOCK)
    with _two(tmp_path, (sys.executable, str(wrapper), str(offset))) as (one, two):
        for number, jump in enumerate((_YEAR_S, -_YEAR_S, 0)):
            (one.dir / "gone.txt").write_text(f"{number}\n")
            one.wait()
            offset.write_text(str(jump))
            (two.dir / "gone.txt").unlink()
            (one.dir / "a.txt").write_text(f"one {number}\n")
            (two.dir / f"{number}.txt").write_text("two\n")
            two.wait()
            one.wait()
            eventually(lambda: _are_equal(one, two), what="both have the same")
            assert (two.dir / "a.txt").read_text() == f"one {number}\n"
            said = _machine(one)
            assert ("forward by 365 days" in said) == (jump > 0)
            assert ("back by 365 days" in said) == (jump < 0)
            assert [item["path"] for item in one.call("POST", "/v1/trash", {})].count("gone.txt") == number + 1
        versions = one.call("POST", "/v1/history/log", {"path": str(one.dir / "a.txt")})["versions"]
        assert [version["line"]["text"] for version in versions] == ["a", "one 0", "one 1", "one 2"]


@pytest.mark.long
def test_a_process_that_is_stopped_while_more_changes_than_the_kernel_tells_of(tmp_path: Path) -> None:
    with _two(tmp_path) as (one, two):
        os.kill(one.pid, signal.SIGSTOP)
        for number in range(6000):  # three events each: the queue has room for 16,384
            (one.dir / f"{number}.txt").write_text(f"{number}\n")
        (two.dir / "b.txt").write_text("b\n")
        time.sleep(_STOPPED_S)  # what comes of it is what is tested
        assert one.exit_code() is None
        os.kill(one.pid, signal.SIGCONT)
        eventually(lambda: "was stopped by a signal" in _machine(one), what="status says so")
        one.wait(120)
        two.wait(120)
        assert _are_equal(one, two)
        assert "watch_overflow" in one.log.read_text()


@pytest.mark.long
def test_no_more_files_may_be_opened(tmp_path: Path) -> None:
    with _two(tmp_path) as (one, two):
        limits = resource.prlimit(one.pid, resource.RLIMIT_NOFILE)

        def is_full() -> bool:
            count = len(os.listdir(f"/proc/{one.pid}/fd"))  # some of them for a moment only
            resource.prlimit(one.pid, resource.RLIMIT_NOFILE, (count + 2, limits[1]))
            return "files that yp2p may have open" in _machine(one)

        eventually(is_full, what="status says so")
        for number in range(30):
            (one.dir / f"{number}.txt").write_text("one\n")
            (two.dir / f"two {number}.txt").write_text("two\n")
        time.sleep(1)  # what it cannot do in that time is what is tested
        assert one.exit_code() is None
        resource.prlimit(one.pid, resource.RLIMIT_NOFILE, limits)
        eventually(lambda: _are_equal(one, two), what=lambda: _differences(one, two))
        one.wait()
        assert _machine(one) == ""


def _differences(one: Device, two: Device) -> str:
    trees = [tree(device.dir) for device in (one, two)]
    names = sorted(name for name in trees[0] | trees[1] if trees[0].get(name) != trees[1].get(name))
    return "\n".join([f"equal files (not: {names})", *(device.log.read_text()[-2000:] for device in (one, two))])


@pytest.mark.long
def test_a_daemon_that_the_kernel_killed(tmp_path: Path) -> None:
    with _two(tmp_path) as (one, two):
        one.kill()
        (two.dir / "b.txt").write_text("b\n")
        one.start()
        one.wait()
        assert _are_equal(one, two)
        assert "was killed the last time" in _machine(one)
        one.stop()
        one.start()
        assert "was killed" not in _machine(one)
