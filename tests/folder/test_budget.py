"""What the work for one member may take of the loop, while others have work of their own."""

from __future__ import annotations

import gc
import itertools
import time
import weakref
from collections.abc import Callable

import pytest
import trio
import trio.testing

from yp2p.folder import budget as module
from yp2p.folder.budget import OWED_S, SAVED_S, SHARE, Budget, charged, is_at_work
from yp2p.folder.turns import turn
from yp2p.identity import DeviceID

MEMBER, OTHER, THIRD = (DeviceID(bytes([number]) * 32) for number in (1, 2, 3))


async def _rests(budget: Budget) -> float:
    """How long somebody else at work makes this one rest."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_works, OTHER)
        began = trio.current_time()
        await trio.testing.wait_all_tasks_blocked()
        await charged(budget, budget.rest)
        nursery.cancel_scope.cancel()
    return trio.current_time() - began


async def _works(source: object) -> None:
    while True:
        is_at_work(source)
        await trio.sleep(0.5)


async def test_who_owes_time_rests_until_a_fifth_of_what_passes_has_paid_it(
    autojump_clock: trio.testing.MockClock,
) -> None:
    budget = Budget(MEMBER)
    budget.spend(0.3)
    assert await _rests(budget) == pytest.approx(0.3 / SHARE, abs=0.05)
    assert await _rests(budget) < 0.01


async def test_who_owed_something_when_it_left_keeps_nobody_waiting_for_ever(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """What it owed is paid as time passes, whether or not anybody looks."""
    for number in range(9):
        Budget(number).spend(OWED_S)
    await trio.sleep(60.0)
    budget = Budget(MEMBER)
    budget.spend(0.3)
    assert await _rests(budget) == pytest.approx(0.3 / SHARE, abs=0.05)


async def test_nobody_rests_where_nobody_else_is_at_work(autojump_clock: trio.testing.MockClock) -> None:
    budget = Budget(MEMBER)
    for source in ((), (MEMBER,)):
        for one in source:
            is_at_work(one)
        budget.spend(OWED_S)
        began = trio.current_time()
        await charged(budget, budget.rest)
        assert trio.current_time() == began
    is_at_work("a program of this device")
    await charged(budget, budget.rest)
    assert trio.current_time() - began == pytest.approx(module.AT_WORK_S, abs=module._LOOK_S)  # then nobody is any more


async def test_what_was_saved_is_spent_without_a_rest_and_bounded(autojump_clock: trio.testing.MockClock) -> None:
    budget = Budget(MEMBER)
    budget.spend(0.0)
    assert budget.left_s == 0  # who is new has nothing: others let in as many as they like
    await trio.sleep(3600)
    budget.spend(SAVED_S)
    assert await _rests(budget) < 0.01
    budget.spend(0.1)
    assert await _rests(budget) > 0


async def test_a_debt_is_bounded(autojump_clock: trio.testing.MockClock) -> None:
    budget = Budget(MEMBER)
    for _ in range(100):
        budget.spend(1.0)
    assert await _rests(budget) == pytest.approx(OWED_S / SHARE, abs=0.05)


async def test_all_that_owe_share_what_one_would_have(autojump_clock: trio.testing.MockClock) -> None:
    budgets = [Budget(MEMBER), Budget(THIRD)]
    for budget in budgets:
        budget.spend(0.1)
    async with trio.open_nursery() as nursery:
        for budget in budgets:
            nursery.start_soon(_rests, budget)
    assert trio.current_time() == pytest.approx(2 * 0.1 / SHARE, abs=2 * module._LOOK_S)


async def test_every_step_of_the_work_is_charged_and_no_wait(
    autojump_clock: trio.testing.MockClock, work: Callable[[float], None]
) -> None:
    budget = Budget(MEMBER)
    budget.spend(0.0)
    await trio.sleep(3600)
    assert budget.left_s == SAVED_S

    async def steps(number: int) -> str:
        for _ in range(number):
            work(0.01)
            await trio.lowlevel.checkpoint()
        await trio.to_thread.run_sync(lambda: time.sleep(0))
        return "done"

    assert await charged(budget, steps, 7) == "done"
    assert budget.left_s == pytest.approx(SAVED_S - 0.07, abs=1e-3)


async def test_what_ends_the_work_comes_through(
    autojump_clock: trio.testing.MockClock, work: Callable[[float], None]
) -> None:
    async def fails() -> None:
        await trio.lowlevel.checkpoint()
        work(0.01)
        raise KeyError("reason")

    budget = Budget(MEMBER)
    with pytest.raises(KeyError, match="reason"):
        await charged(budget, fails)
    with trio.move_on_after(0.01) as scope:
        await charged(budget, trio.sleep_forever)
    assert scope.cancelled_caught
    assert budget._left_s < -0.005
    with trio.fail_after(60):
        await turn()  # it is nobody's work here


async def test_work_that_an_error_ended_goes_from_memory_without_the_collector(
    autojump_clock: trio.testing.MockClock,
) -> None:
    class Held:
        """What the work has at hand."""

    there: list[weakref.ref[Held]] = []

    async def waits(held: Held) -> None:
        there.append(weakref.ref(held))
        await trio.sleep_forever()

    gc.collect()
    gc.disable()
    try:
        with trio.move_on_after(0.01):
            await charged(Budget(MEMBER), waits, Held())
        await trio.lowlevel.checkpoint()  # the loop has what it gave a task last
        assert there[0]() is None
    finally:
        gc.enable()


async def test_between_slices_whoever_is_charged_rests(
    autojump_clock: trio.testing.MockClock, work: Callable[[float], None]
) -> None:
    """Over half a minute a member takes its share, on one link or on many, and each slice is a slice."""
    taken: list[float] = []

    async def slices() -> None:
        while True:
            await turn()
            work(0.05)
            taken.append(trio.current_time())

    budget = Budget(MEMBER)
    with trio.move_on_after(30):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_works, OTHER)
            for _ in range(3):
                with trio.move_on_after(10):  # a link that ends, and the next one
                    await charged(budget, slices)
            nursery.cancel_scope.cancel()
    assert 0.05 * len(taken) == pytest.approx(30 * SHARE, rel=0.1)
    assert all(later - one > 0.2 for one, later in itertools.pairwise(taken))
