"""What `benches/compare.py` says of two commits: the test is exact, noise stays noise, and a difference is found."""

from __future__ import annotations

import random
import statistics
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from judgement import ALPHA, LEAST_CHANGE, Verdict, expected_false, interval, judge, mann_whitney


def _by_enumeration(a: list[float], b: list[float]) -> float:
    """The same by the definition: all ways to deal the values, each with its sum of ranks."""
    values = [*a, *b]
    ranks = [
        sum(other < value for other in values) + (1 + sum(other == value for other in values)) / 2 for value in values
    ]
    middle = len(a) * (len(values) + 1) / 2
    seen = abs(sum(ranks[: len(a)]) - middle)
    sums = [sum(chosen) for chosen in combinations(ranks, len(a))]
    return sum(abs(total - middle) >= seen - 1e-9 for total in sums) / len(sums)


def test_all_of_five_runs_on_one_side_of_all_others() -> None:
    assert mann_whitney([1, 2, 3, 4, 5], [6, 7, 8, 9, 10]) == pytest.approx(2 / 252)


def test_one_pair_out_of_order() -> None:
    assert mann_whitney([1, 2, 3, 4, 6], [5, 7, 8, 9, 10]) == pytest.approx(4 / 252)


def test_with_four_runs_no_order_is_enough() -> None:
    assert mann_whitney([1, 2, 3, 4], [5, 6, 7, 8]) == pytest.approx(2 / 70)
    assert ALPHA < 2 / 70


def test_equal_values_tell_nothing() -> None:
    assert mann_whitney([3, 3, 3, 3, 3], [3, 3, 3, 3, 3]) == 1.0


@given(
    st.lists(st.integers(0, 6), min_size=1, max_size=6), st.lists(st.integers(0, 6), min_size=1, max_size=6)
)  # fmt: skip
def test_the_count_is_that_of_the_definition(a: list[int], b: list[int]) -> None:
    left, right = [float(one) for one in a], [float(one) for one in b]
    assert mann_whitney(left, right) == pytest.approx(_by_enumeration(left, right))
    assert mann_whitney(left, right) == pytest.approx(mann_whitney(right, left))


def test_of_runs_that_do_not_differ_at_most_two_in_a_hundred_look_as_if() -> None:
    rng = random.Random(1)
    differ = 0
    for _ in range(1000):
        values = [rng.lognormvariate(0, 0.3) for _ in range(10)]
        differ += mann_whitney(values[:5], values[5:]) <= ALPHA
    assert differ <= 35, "0.02 of 1000, and four times what that varies by"


def test_a_difference_of_four_times_the_noise_is_found() -> None:
    rng = random.Random(2)
    found = 0
    for _ in range(100):
        a = [rng.gauss(100, 5) for _ in range(5)]
        b = [rng.gauss(120, 5) for _ in range(5)]
        found += judge(a, b).verdict is Verdict.WORSE
    assert found >= 95


def test_worse_is_more_of_a_time_and_less_of_a_rate() -> None:
    a, b = [1.0, 1.1, 1.2, 1.3, 1.4], [2.0, 2.1, 2.2, 2.3, 2.4]
    assert judge(a, b).verdict is Verdict.WORSE
    assert judge(b, a).verdict is Verdict.BETTER
    assert judge(a, b, better="more").verdict is Verdict.BETTER
    assert judge(a, b, better="neither").verdict is Verdict.OTHER


def test_a_small_difference_is_noise_however_sure_it_is() -> None:
    a = [100.0, 100.1, 100.2, 100.3, 100.4]
    b = [one * (1 + LEAST_CHANGE / 2) for one in a]
    assert mann_whitney(a, b) < ALPHA
    assert judge(a, b).verdict is Verdict.NOISE


def test_an_overlap_is_noise_however_large_the_difference_of_the_medians() -> None:
    assert judge([1, 2, 3, 40, 50], [2.5, 3.5, 30, 60, 70]).verdict is Verdict.NOISE


def test_of_four_runs_nothing_is_said() -> None:
    assert judge([1, 1, 1, 1], [9, 9, 9, 9]).verdict is Verdict.TOO_FEW


def test_the_ratio_and_its_interval() -> None:
    a, b = [10.0, 11.0, 12.0, 13.0, 14.0], [20.0, 22.0, 24.0, 26.0, 28.0]
    found = judge(a, b)
    assert found.ratio == 2.0
    assert found.low is not None
    assert found.high is not None
    assert 20 / 14 <= found.low < 2.0 < found.high <= 28 / 10


def test_the_interval_has_the_true_ratio_in_it_most_of_the_time() -> None:
    rng, within = random.Random(3), 0
    for _ in range(60):
        a, b = [rng.gauss(100, 10) for _ in range(9)], [rng.gauss(150, 10) for _ in range(9)]
        low, high = interval(a, b, rng) or (0, 0)
        within += low <= 1.5 <= high
    assert within >= 51, "nineteen of twenty, and less with few runs"


def test_nothing_has_no_ratio() -> None:
    found = judge([0, 0, 0, 0, 0], [1, 2, 3, 4, 5])
    assert (found.ratio, found.low, found.high) == (None, None, None)
    assert found.verdict is Verdict.WORSE, "from nothing to something"


def test_how_many_look_different_by_chance() -> None:
    assert expected_false(100) == pytest.approx(2.0)
    assert statistics.fmean([ALPHA]) == 0.02
