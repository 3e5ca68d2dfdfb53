"""Delete sets against sets of single operations."""

from __future__ import annotations

import random

import pytest
from effort import many

from yp2p.protocol.delete_sets import DeletedRange, GrowingSet, encode, in_order, without
from yp2p.protocol.deleted_ranges import snapshot_ranges


def _ranges(rng: random.Random) -> list[DeletedRange]:
    return [(rng.randint(1, 3), rng.randint(0, 40), rng.randint(1, 9)) for _ in range(rng.randint(0, 12))]


def _single(ranges: list[DeletedRange]) -> set[tuple[int, int]]:
    return {(client, clock) for client, start, length in ranges for clock in range(start, start + length)}


@pytest.mark.parametrize("seed", range(many(500)))
def test_ranges_are_sets(seed: int) -> None:
    rng = random.Random(seed)
    one, two = _ranges(rng), _ranges(rng)
    assert _single(without(one, two)) == _single(one) - _single(two)
    assert _single(in_order(one)) == _single(one)
    assert sum(length for _, _, length in in_order(one)) == len(_single(one))
    assert snapshot_ranges(encode(one)) == in_order(one)


@pytest.mark.parametrize("seed", range(many(200)))
def test_a_growing_set_counts_each_operation_once(seed: int) -> None:
    rng = random.Random(seed)
    growing, before = GrowingSet(), set[tuple[int, int]]()
    for one in [*_ranges(rng), *_ranges(rng)]:
        assert growing.add(one) == len(_single([one]) - before)
        before |= _single([one])


def test_the_first_of_many_ranges_are_far_apart() -> None:
    ranges = [(7, 3 * number, 1) for number in range(5000)]
    written = snapshot_ranges(encode(reversed(ranges)))
    assert sorted(written) == ranges
    assert written[:3] == [(7, 0, 1), (7, 1536, 1), (7, 3072, 1)]
