"""A pause of a folder: until a person ends it, or for a time, by the clock on the wall."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from yp2p import machine
from yp2p.disk.pause import Pause
from yp2p.machine import Until
from yp2p.store.writer import Commit


class Clocks:
    """What the wall says, and how long the machine was awake."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wall, self.awake = 1_800_000_000.0, 500.0
        monkeypatch.setattr(machine, "time", SimpleNamespace(time=lambda: self.wall, monotonic=lambda: self.awake))


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    return Clocks(monkeypatch)


class Kept:
    """What is stored of a pause."""

    def __init__(self) -> None:
        self.rows: list[tuple[bool, float | None]] = []

    def store(self, wanted: bool, until: Until | None) -> Commit:
        self.rows.append((wanted, until.at if until is not None else None))
        done = Commit()
        done.finish()
        return done


def test_a_machine_that_slept_has_waited_as_well(clocks: Clocks) -> None:
    until = Until(clocks.wall + 3600)
    assert until.left_s == 3600
    clocks.wall += 3600  # nothing ran meanwhile
    assert until.left_s == 0


def test_a_clock_that_is_set_back_makes_it_no_longer(clocks: Clocks) -> None:
    until = Until(clocks.wall + 3600)
    clocks.wall -= 86400
    clocks.awake += 1800
    assert until.left_s == 1800
    clocks.awake += 1800
    assert until.left_s == 0


async def _at_rest(pause: Pause, nursery: trio.Nursery) -> trio.Event:
    """Have somebody rest; gives what is set when they go on."""
    went_on = trio.Event()

    async def rest() -> None:
        await pause.rest(1e6)
        went_on.set()

    nursery.start_soon(rest)
    await trio.testing.wait_all_tasks_blocked()
    return went_on


async def test_it_ends_by_itself_once_the_time_is_over(clocks: Clocks, autojump_clock: MockClock) -> None:
    kept = Kept()
    pause = Pause(lambda: None, kept.store)
    async with trio.open_nursery() as nursery:
        went_on = await _at_rest(pause, nursery)
        until = Until(clocks.wall + 3600)
        await pause.begin(until)
        await trio.sleep(60)  # whoever looks has looked
        assert not went_on.is_set()
        clocks.wall += 3600  # the machine slept, and its timers stood
        await went_on.wait()
    assert not pause.is_wanted
    assert kept.rows == [(True, until.at), (False, None)]


async def test_without_a_time_it_does_not_end(autojump_clock: MockClock) -> None:
    pause = Pause(lambda: None, Kept().store)
    async with trio.open_nursery() as nursery:
        went_on = await _at_rest(pause, nursery)
        await pause.begin()
        await trio.sleep(3600)
        assert not went_on.is_set()
        pause.end()
        await went_on.wait()


async def test_another_time_is_told_and_counts(clocks: Clocks, autojump_clock: MockClock) -> None:
    pause = Pause(lambda: None, Kept().store)
    async with trio.open_nursery() as nursery:
        await _at_rest(pause, nursery)
        await pause.begin(Until(clocks.wall + 60))
        later = await _at_rest(pause, nursery)
        await pause.begin(Until(clocks.wall + 7200))
        await later.wait()  # who rests looks again what there is to tell
        assert pause.is_wanted
        clocks.wall += 60
        later = await _at_rest(pause, nursery)
        await trio.sleep(60)
        assert not later.is_set()
        pause.end()


async def test_what_was_over_before_the_start_is_no_pause(clocks: Clocks) -> None:
    kept = Kept()
    pause = Pause(lambda: None, kept.store, is_wanted=True, until=Until(clocks.wall - 1))
    pause.end_if_over()
    assert not pause.is_wanted
    assert kept.rows == [(False, None)], "and the next start does not begin it again, whatever its clock says"
