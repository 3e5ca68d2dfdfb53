"""Of the long work of many, one slice goes on in a round of the loop."""

from __future__ import annotations

import trio

from yp2p.folder.turns import turn


async def test_one_slice_goes_on_in_each_round() -> None:
    """Without that, whoever waits for a round waits for a slice of each of them."""
    slices: list[int] = []
    rounds = 0

    async def work(number: int) -> None:
        for _ in range(5):
            await turn()
            slices.append(number)

    async with trio.open_nursery() as nursery:
        for number in range(10):
            nursery.start_soon(work, number)
        most = 0
        while len(slices) < 50:
            before = len(slices)
            await trio.lowlevel.checkpoint()
            most, rounds = max(most, len(slices) - before), rounds + 1
    assert most <= 2, "one, and one that is counted a round later"
    assert sorted(slices[:10]) == list(range(10)), "each in its turn"
