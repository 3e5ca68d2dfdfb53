"""How old the rows of a log are, and which versions stay at which age (`retention.py`)."""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from itertools import pairwise

DAY_S, HOUR_S = 86400.0, 3600.0
# Younger than the first: every version stays. Younger than the second: the last one of so many seconds.
_STAGES = ((DAY_S, 0.0), (7 * DAY_S, HOUR_S), (30 * DAY_S, DAY_S))
_LAST_STAGE_S = 7 * DAY_S


@dataclass(frozen=True, slots=True)
class Ages:
    """How old a row is: by the clock, but no older than the days on which a daemon ran since allow.

    `days` has for each of those days the last row that there was when it began, in order; `now` is in seconds since
    1970.
    """

    now: float
    days: Sequence[int] = ()

    def __call__(self, seq: int, at: float) -> float:
        seen = len(self.days) - bisect.bisect_left(self.days, seq)
        return min(max(0.0, self.now - at), (seen + 1) * DAY_S)


def width_at(age_s: float, max_age_s: float, squeeze: int) -> float:
    """One version is kept per this many seconds, at this age; 0: all are kept, infinity: none is.

    Args:
        squeeze: by what all spans are divided.
    """
    if age_s * squeeze >= max_age_s:
        return math.inf
    return next((width_s for until_s, width_s in _STAGES if age_s * squeeze < until_s), _LAST_STAGE_S) / squeeze


def versions_that_stay(
    rows: Sequence[tuple[int, float]],
    ages: Callable[[int, float], float],
    max_age_s: float,
    *,
    squeeze: int = 1,
    young: float = math.inf,
    in_use: Set[int] = frozenset(),
) -> set[int]:
    """Of rows (number and time, in order) those whose versions stay.

    Args:
        squeeze: by what all spans are divided.
        young: rows with a larger number than this stay, whatever their time says.
    """
    widths = [width_at(ages(seq, at), max_age_s, squeeze) if seq <= young else 0.0 for seq, at in rows]
    stay = {rows[-1][0]} if rows else set()
    for number, ((seq, at), (_, next_at)) in enumerate(pairwise(rows)):
        width, next_width = widths[number], widths[number + 1]
        if width == math.inf:
            is_last = next_width < math.inf
        else:
            is_last = width == 0 or next_width == 0 or at // width != next_at // width
        if is_last or seq in in_use:
            stay.add(seq)
    return stay
