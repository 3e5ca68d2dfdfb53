"""Every small set of membership statements: what follows is what the rules say, in whatever order the statements come.

All sets of up to three statements behind the founder's first one are tried here, and those of four that one in many of
these begins; all sets of four with `make membership`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import cache

import pytest
from membership_oracle import Slow, broken_rules, result_of
from membership_sets import (
    FOUNDER,
    NAMES,
    ROOT,
    Said,
    SaidSet,
    What,
    everything,
    first_ones,
    is_first_of_its_names,
    last_ones,
    sets,
    sets_with_first,
    signed,
)
from room import device_id
from small_scope import every

from yp2p.trust.limits import kept
from yp2p.trust.membership import evaluate
from yp2p.trust.statements import Kind, Role

_IS_WHOLE = "YP2P_ALL_STATEMENTS" in os.environ
_FOUNDER = device_id(NAMES[FOUNDER])
_PARTS = 16
_FEW = everything(given=[Role.ADMINISTRATOR], left=[Role.REMOVED])
_FIRST = first_ones(everything(), (ROOT,))


def _told(said: SaidSet) -> str:
    return "; ".join(
        f"{number}: {NAMES[one.issuer]} {one.kind.name} {NAMES[one.subject]} {one.role.name}"
        f" behind {[said.index(before) for before in one.previous]}"
        for number, one in enumerate(said)
    )


def _check(said: SaidSet) -> None:
    statements = [signed(one) for one in said]
    for_all = Slow(_FOUNDER, statements)
    forking = [one for one in statements if one.kind is Kind.REMOVAL and for_all.forks(one)]
    for asking in (None, *(device_id(name) for name in NAMES[:3] if len(forking) > 1)):
        slow = Slow(_FOUNDER, statements, asking) if asking is not None else for_all
        found, wanted = result_of(evaluate(_FOUNDER, statements, asking)), slow.result()
        assert (list(found[0].items()), found[1]) == (list(wanted[0].items()), wanted[1]), _told(said)
        assert broken_rules(slow, found) == [], _told(said)


def _check_order(said: SaidSet) -> None:
    """Whatever came last, the same statements are there, and the same follows. So in any order, as all that is left
    when it is taken away is a smaller set."""
    statements = [signed(one) for one in said]
    wanted = evaluate(_FOUNDER, statements)
    for last in map(signed, last_ones(said)):
        before = kept(_FOUNDER, [one for one in statements if one != last])
        found = kept(_FOUNDER, [*before.values(), last])
        assert len(before) + 1 == len(found) == len(said), _told(said)
        assert evaluate(_FOUNDER, found.values()) == wanted, _told(said)


def _each(all_sets: Iterator[SaidSet], *checks: Callable[[SaidSet], None]) -> int:
    count = 0
    for said in all_sets:
        if is_first_of_its_names(said):
            count += 1
            for check in checks:
                check(said)
    return count


def test_every_set_of_three_statements() -> None:
    assert _each(sets(3, everything()), _check) == 1 + 10 + 226 + 8926


def test_in_whatever_order_the_statements_of_a_set_come() -> None:
    assert _each(every(sets(3, everything()), 1 if _IS_WHOLE else 5), _check_order) > 1000


def test_some_sets_of_four_statements() -> None:
    begun = [said for said in sets(3, everything()) if len(said) == 4]
    assert _each((said for one in every(iter(begun), 401) for said in sets(1, everything(), one)), _check) > 1000


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.skipif(not _IS_WHOLE, reason="half a million sets: make membership")
@pytest.mark.parametrize("first", range(len(_FIRST)))
def test_every_set_of_four_statements(first: int) -> None:
    """Those of which a given one is the first behind the founder's."""
    begun = (said for said in sets_with_first(4, everything(), (ROOT,), _FIRST[first]) if len(said) == 5)
    print(f"{_each(begun, _check, _check_order)} sets of four statements")


@cache
def _room() -> SaidSet:
    """Three administrators that know of each other."""
    one = What(FOUNDER, Kind.GRANT, 1, Role.ADMINISTRATOR).behind([ROOT])
    two = What(FOUNDER, Kind.GRANT, 2, Role.ADMINISTRATOR).behind([one])
    return (ROOT, one, two, *(_acknowledged(device, two) for device in (1, 2)))


def _acknowledged(device: int, said: Said) -> Said:
    return What(device, Kind.ACKNOWLEDGEMENT, device, Role.REMOVED).behind([said])


def test_every_set_of_two_statements_more_in_a_room_of_three() -> None:
    count = 0
    for said in every(sets(2, everything(), _room()), 1 if _IS_WHOLE else 29):
        _check(said)
        count += 1
    assert count > 2000


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("part", range(_PARTS))
def test_every_set_of_three_removals_grants_and_acknowledgements_more_in_a_room_of_three(part: int) -> None:
    """866,192 sets, in parts by what is the first one more, so that all processors share them."""
    count = 0
    for first in first_ones(_FEW, _room())[part::_PARTS]:
        for said in every(sets_with_first(3, _FEW, _room(), first), 1 if _IS_WHOLE else 101):
            count += 1
            _check(said)
    print(f"{count} sets in a room of three")


@pytest.mark.parametrize("with_friend", [False, True], ids=["alone", "with a friend"])
@pytest.mark.parametrize(("remover", "thief"), [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)])
def test_when_all_have_heard_of_a_removal_nothing_that_a_thief_says_changes_anything(
    remover: int, thief: int, with_friend: bool
) -> None:
    """Two statements, behind whatever he likes. With the founder's device he can begin once more, and let a friend in
    who removes him there; then each device goes by the beginning that it had first."""
    third = 3 - remover - thief
    removal = What(remover, Kind.REMOVAL, thief, Role.REMOVED).behind(last_ones(_room()))
    settled = (*_room(), removal, _acknowledged(third, removal))
    wanted = {device_id(NAMES[device]): Role.ADMINISTRATOR for device in (remover, third)}
    said_by = [thief, 3] if with_friend else [thief]
    whats = everything(said_by, range(4), [Role.ADMINISTRATOR], [Role.REMOVED, Role.MEMBER])
    for said in every(sets(2, whats, settled), 1 if _IS_WHOLE else 11):
        statements = [signed(one) for one in said]
        for asking in (remover, third):
            assert result_of(evaluate(_FOUNDER, statements, device_id(NAMES[asking])))[0] == wanted, _told(said)


def test_what_its_issuer_had_no_role_for_changes_nothing() -> None:
    """Nor is it kept, nor what names it."""
    count = 0
    for begun in every(sets(2, everything()), 7):
        wanted = evaluate(_FOUNDER, map(signed, begun))
        for said in sets(1, everything(), begun, are_all_kept=False):
            statements = [signed(one) for one in said]
            if len(kept(_FOUNDER, statements)) < len(said):
                count += 1
                assert evaluate(_FOUNDER, statements) == wanted, _told(said)
    assert count > 1000
