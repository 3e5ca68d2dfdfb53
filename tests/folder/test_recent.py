"""What is remembered of others' recent changes: as few ranges as can be, for as long as the device was awake."""

from __future__ import annotations

import time
import unittest.mock

import pytest
import trio
import trio.testing

from yp2p.folder.recent import Recent, new_sections
from yp2p.folder.waking_time import WakingTime

HOUR_S = 3600.0


def _ranges(recent: Recent) -> int:
    return len(recent._written._ranges)


def test_what_somebody_types_is_a_range_every_ten_minutes_and_forgotten_with_its_last_keystroke() -> None:
    recent = Recent()
    for second in range(3600):
        recent.add(second, {7: (second, second + 1)})
    assert _ranges(recent) == 6
    recent.forget(1199)
    assert recent.overlap([(7, 0, 3600)]) == 3600 - 600
    recent.forget(3600)
    assert not recent


def test_what_is_removed_backwards_is_one_range() -> None:
    recent = Recent()
    for second in range(60):
        recent.add(second, {}, [(7, 59 - second, 1)])
    assert recent.removed == [(7, 0, 60)]
    assert recent.newest() == set()


def test_of_a_flood_the_newest_are_kept() -> None:
    recent, older = Recent(), Recent()
    for number in range(5000):
        recent.add(0.0, {number: (0, 1)})
    assert _ranges(recent) == 1024
    assert recent.overlap([(4999, 0, 1), (0, 0, 1)]) == 1
    older.add(0.0, {9999: (0, 1)})
    recent.put_before(older)
    assert _ranges(recent) == 1024


def test_what_was_before_comes_first_and_goes_first() -> None:
    recent, older = Recent(), Recent()
    recent.add(300.0, {1: (20, 30)})
    older.add(100.0, {1: (0, 10)})
    older.add(200.0, {2: (0, 10)}, [(3, 0, 5)])
    recent.put_before(older)
    recent.forget(150.0)
    assert recent.overlap([(1, 0, 30), (2, 0, 10)]) == 20
    assert recent.removed == [(3, 0, 5)]


def test_an_update_that_says_again_what_was_there_is_recent_only_where_it_is_new() -> None:
    assert new_sections({1: (0, 10), 2: (0, 5), 3: (0, 2)}, {1: 4, 2: 5}) == {1: (4, 10), 3: (0, 2)}


@pytest.mark.parametrize("slept", [0.0, 10.0])
def test_hours_of_sleep_do_not_count(slept: float) -> None:
    wall = [1_000_000.0]

    async def run() -> None:
        waking = WakingTime()
        began = time.time()
        waking.note()
        clock = trio.lowlevel.current_clock()
        assert isinstance(clock, trio.testing.MockClock)
        for hours, awake in ((2.0, True), (slept, False), (1.0, True)):
            clock.jump(hours * HOUR_S * awake)
            wall[0] += hours * HOUR_S
            waking.note()
        assert waking.ago(3 * HOUR_S) == began
        assert waking.ago(4 * HOUR_S) == began - HOUR_S, "before the start the device counts as awake"
        assert waking.ago(0.5 * HOUR_S) <= time.time() - 0.5 * HOUR_S
        clock.jump(HOUR_S)
        wall[0] += HOUR_S
        assert waking.ago(3 * HOUR_S) == began + HOUR_S

    with unittest.mock.patch("time.time", side_effect=lambda: wall[0]):
        trio.run(run, clock=trio.testing.MockClock())


def test_who_set_the_clock_is_not_told_of_all_that_ever_came() -> None:
    wall = [0.0]

    async def run() -> None:
        waking = WakingTime()
        waking.note()
        wall[0] = 1_700_000_000.0
        assert waking.ago(4 * HOUR_S) == wall[0] - 3 * 24 * HOUR_S

    with unittest.mock.patch("time.time", side_effect=lambda: wall[0]):
        trio.run(run, clock=trio.testing.MockClock())
