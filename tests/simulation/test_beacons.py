"""Every place that the simulation has to reach exists."""

from __future__ import annotations

from collections import Counter

import pytest
from simulation import beacons


@pytest.mark.parametrize("target", sorted({place.target for place in beacons.PLACES}))
def test_the_place_is_there(target: str) -> None:
    owner, name = beacons.find(target)
    assert callable(getattr(owner, name))


def test_names_are_unique_and_those_that_are_never_reached_are_told() -> None:
    names = beacons.names()
    assert len(set(names)) == len(names) >= 80
    assert set(beacons.UNREACHED) <= set(names)
    counts = Counter(dict.fromkeys(names, 2))
    assert beacons.never_reached(counts) == []
    del counts[names[3]]
    assert beacons.never_reached(counts) == ([] if names[3] in beacons.UNREACHED else [names[3]])
    assert names[3] in beacons.table(counts, 500).splitlines()[1]
