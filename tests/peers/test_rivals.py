"""Which of two links with one device stays, in all cases that there are."""

from __future__ import annotations

from itertools import product

import pytest

from yp2p.peers.rivals import CLONE_TURN_S, TOGETHER_S, newer_stays

_FRESH, _OLD, _LONG = TOGETHER_S / 2, TOGETHER_S * 2, CLONE_TURN_S * 2
_BOTH = (False, True)

# Of the age of the older one, whether this device dialled the older and the newer, and whether its ID is the smaller:
# whether the newer one stays.
_OF_ONE_MACHINE = {
    (_FRESH, False, False, False): True,
    (_FRESH, False, False, True): True,
    (_FRESH, True, True, False): True,
    (_FRESH, True, True, True): True,
    (_FRESH, False, True, False): False,
    (_FRESH, False, True, True): True,
    (_FRESH, True, False, False): True,
    (_FRESH, True, False, True): False,
    **{(age, *rest): True for age in (_OLD, _LONG) for rest in product(_BOTH, repeat=3)},
}


@pytest.mark.parametrize("case", list(product((_FRESH, _OLD, _LONG), _BOTH, _BOTH, _BOTH)))
def test_of_two_links_with_one_machine_one_stays(case: tuple[float, bool, bool, bool]) -> None:
    age_s, old, new, is_smaller = case
    stays = newer_stays(age_s, old_is_dialled=old, new_is_dialled=new, is_smaller=is_smaller, is_of_clone=False)
    assert stays is _OF_ONE_MACHINE[case]


@pytest.mark.parametrize("smaller_made_the_newer", _BOTH)
def test_both_ends_of_two_links_made_together_keep_the_same_one(smaller_made_the_newer: bool) -> None:
    """They see them come up in the same order, or not."""
    kept: set[bool] = set()  # whether the one that the device with the smaller ID dialled
    for is_smaller, is_newer_last in product(_BOTH, _BOTH):
        last_is_of_smaller = smaller_made_the_newer == is_newer_last
        new_is_dialled = is_smaller == last_is_of_smaller
        last_stays = newer_stays(
            _FRESH,
            old_is_dialled=not new_is_dialled,
            new_is_dialled=new_is_dialled,
            is_smaller=is_smaller,
            is_of_clone=False,
        )
        kept.add(last_is_of_smaller == last_stays)
    assert kept == {True}


@pytest.mark.parametrize("rest", list(product(_BOTH, repeat=3)))
def test_machines_with_one_key_take_turns_whoever_dialled(rest: tuple[bool, bool, bool]) -> None:
    old, new, is_smaller = rest
    for age_s, stays in ((_FRESH, False), (_OLD, False), (CLONE_TURN_S, False), (_LONG, True)):
        assert stays is newer_stays(
            age_s, old_is_dialled=old, new_is_dialled=new, is_smaller=is_smaller, is_of_clone=True
        )
