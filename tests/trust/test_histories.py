"""Random histories with a thief in a room of up to eight devices: all agree, and no rule is broken.

A few of each kind here; a hundred thousand with `make membership`.
"""

from __future__ import annotations

import os
import random

import pytest
from membership_histories import History

from yp2p.trust.statements import Role

_PARTS = 10
_OF_EACH = 10_000 if "YP2P_ALL_STATEMENTS" in os.environ else 12
_LEFT = (Role.REMOVED, Role.REMOVED, Role.MEMBER, Role.READER)


@pytest.mark.parametrize("part", range(_PARTS))
def test_no_history_with_a_thief_breaks_a_rule(part: int) -> None:
    """In every third one the device that is stolen had been removed, and let in again, before."""
    for number in range(_OF_EACH):
        seed = number * _PARTS + part
        history = History(random.Random(seed), left=_LEFT[number % 4], times=int(number % 3 == 2))
        history.play(30 - number % 20)
        assert history.broken() == [], f"seed {seed}"
    print(f"{_OF_EACH} histories")
