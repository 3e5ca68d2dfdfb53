"""Durations are counted by their bounds, and cumulated as Prometheus wants them."""

from __future__ import annotations

from yp2p.histogram import BOUNDS_S, Histogram


def test_durations_are_counted_by_the_first_bound_that_is_not_below() -> None:
    found = Histogram()
    for seconds in (0.0, 0.001, 0.0011, 0.3, 60.0, 61.0):
        found.observe(seconds)
    assert found.count == 6
    assert found.sum_s == sum((0.0, 0.001, 0.0011, 0.3, 60.0, 61.0))
    cumulative = dict(found.cumulative())
    assert [cumulative[bound] for bound in ("0.001", "0.0025", "0.25", "0.5", "30.0", "60.0", "+Inf")] == [
        2, 3, 3, 4, 4, 5, 6,
    ]  # fmt: skip
    assert list(cumulative) == [*map(str, BOUNDS_S), "+Inf"]
