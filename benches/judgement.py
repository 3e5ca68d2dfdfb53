"""Whether two commits differ in a row, or whether what is seen is noise.

The rule
    One run of a bench gives one number for each row: the median of its samples. Samples of one run have the daemons,
    the disk and the minute in common, so they are not independent; runs are. With the numbers of the runs of A and
    of B, a row is a *difference* if both hold, and *noise* otherwise:

    * the exact two-sided Mann-Whitney test of A against B gives p <= 0.02,
    * the medians differ by 3 % or more of that of A.

    With five runs each, p is 0.008 where all of A lie on one side of all of B, and 0.016 where one pair is out of
    order; with fewer than five no order at all gives less than 0.02, and nothing is said. Of a hundred rows in which
    nothing differs, two look different on average: `expected_false` tells how many that are of those shown.

    Beside each stands the ratio of the medians, B to A, with an interval from the bootstrap: the runs are drawn anew
    with replacement two thousand times, and nineteen of twenty ratios lie within. With five runs it is somewhat too
    narrow; it tells how large a difference may be, and the test alone tells whether there is one.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from math import comb

ALPHA = 0.02
LEAST_CHANGE = 0.03
LEAST_RUNS = 5
_DRAWS = 2000
_INTERVAL = 0.95


class Verdict(Enum):
    """What is said of a row."""

    BETTER = "better"
    WORSE = "worse"
    OTHER = "another number"
    NOISE = "noise"
    TOO_FEW = "too few runs"


@dataclass(frozen=True, slots=True)
class Judged:
    """What is known of a row after all runs.

    Attributes:
        ratio: the median of B over that of A; None where that of A is nothing.
        low: the lower end of the interval of the ratio.
        high: its upper end.
        p: how often a difference like this, or a larger one, is seen where there is none.
    """

    median_a: float
    median_b: float
    ratio: float | None
    low: float | None
    high: float | None
    p: float
    verdict: Verdict


def mann_whitney(a: Sequence[float], b: Sequence[float]) -> float:
    """The exact two-sided p: the share of all ways to deal the values to A and B that are as extreme as this one.

    Equal values share their ranks. Counted, not approximated: the number of ways to choose len(a) of the ranks with
    each sum, one rank after the other.
    """
    ordered = sorted([*a, *b])
    twice_rank = {value: 2 * ordered.index(value) + 1 + ordered.count(value) for value in set(ordered)}
    ranks = [twice_rank[value] for value in ordered]  # twice, so that they are whole
    ways: list[dict[int, int]] = [{0: 1}] + [{} for _ in a]
    for rank in ranks:
        for taken in range(len(a), 0, -1):
            for total, count in ways[taken - 1].items():
                ways[taken][total + rank] = ways[taken].get(total + rank, 0) + count
    middle = len(a) * (len(ordered) + 1)  # twice the sum that is expected
    seen = abs(sum(twice_rank[value] for value in a) - middle)
    extreme = sum(count for total, count in ways[len(a)].items() if abs(total - middle) >= seen)
    return extreme / comb(len(ordered), len(a))


def interval(a: Sequence[float], b: Sequence[float], rng: random.Random) -> tuple[float, float] | None:
    """Between which ratios of the medians, B to A, nineteen of twenty draws lie; None where A may be nothing."""
    ratios: list[float] = []
    for _ in range(_DRAWS):
        below = statistics.median(rng.choices(a, k=len(a)))
        if below == 0:
            return None
        ratios.append(statistics.median(rng.choices(b, k=len(b))) / below)
    ratios.sort()
    left_out = round(_DRAWS * (1 - _INTERVAL) / 2)
    return ratios[left_out], ratios[-1 - left_out]


def judge(a: Sequence[float], b: Sequence[float], *, better: str = "less") -> Judged:
    """Compare the numbers of the runs of A with those of B."""
    median_a, median_b = statistics.median(a), statistics.median(b)
    p = mann_whitney(a, b)
    between = interval(a, b, random.Random(1))
    if min(len(a), len(b)) < LEAST_RUNS:
        verdict = Verdict.TOO_FEW
    elif p > ALPHA or abs(median_b - median_a) < LEAST_CHANGE * abs(median_a):
        verdict = Verdict.NOISE
    elif better == "neither":
        verdict = Verdict.OTHER
    else:
        verdict = Verdict.BETTER if (median_b < median_a) == (better == "less") else Verdict.WORSE
    low, high = between or (None, None)
    return Judged(median_a, median_b, median_b / median_a if median_a else None, low, high, p, verdict)


def expected_false(rows: int) -> float:
    """How many of so many rows look different on average where nothing is."""
    return rows * ALPHA
