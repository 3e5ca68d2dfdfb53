"""The deletion guard: a pure count."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from yp2p.folder.guard import MIN_FILES, WINDOW_S, DeletionGuard
from yp2p.identity import EntryID


def _entries(count: int, start: int = 0) -> dict[EntryID, int]:
    return {EntryID(number.to_bytes(16, "big")): 10 for number in range(start, start + count)}


def test_a_few_go_through_and_many_do_not() -> None:
    guard = DeletionGuard(1 << 20)
    assert guard.refuses(_entries(50), 1000, 0) == ""
    assert guard.refuses(_entries(250), 1000, 0) == ""
    assert "251 of 1000" in guard.refuses(_entries(251), 1000, 0)
    assert "51 of 60" in guard.refuses(_entries(51), 60, 0)


def test_what_was_deleted_in_the_last_ten_minutes_counts() -> None:
    guard = DeletionGuard(1 << 20)
    for entry in _entries(40):
        guard.count(entry, 0)
    assert guard.refuses(_entries(11, 100), 60, WINDOW_S) != ""
    assert guard.done(WINDOW_S) == set(_entries(40))
    assert guard.refuses(_entries(11, 100), 60, WINDOW_S + 1) == ""
    assert guard.done(WINDOW_S + 1) == set()


def test_one_file_that_comes_and_goes_is_one() -> None:
    guard = DeletionGuard(1 << 20)
    for second in range(200):
        assert guard.refuses(_entries(1), 10, second) == ""
        guard.count(EntryID(bytes(16)), second)
    assert guard.done(200) == set(_entries(1))


def test_more_than_the_trash_can_hold_is_refused() -> None:
    guard = DeletionGuard(25)
    assert guard.refuses(_entries(2), 1000, 0) == ""
    assert "30 bytes" in guard.refuses(_entries(3), 1000, 0)


def test_a_person_may_say_that_it_was_meant() -> None:
    guard = DeletionGuard(1 << 20)
    many = _entries(100)
    assert guard.refuses(many, 100, 0)
    guard.approve(set(many))
    assert guard.refuses(many, 100, 0) == ""
    for entry in many:
        guard.count(entry, 0)
    assert guard.done(0) == set()
    assert guard.refuses(_entries(100), 100, 0)  # the next time it asks again


@given(st.lists(st.integers(1, 30), max_size=20), st.integers(1, 500))
def test_no_more_than_the_limit_ever_goes_without_asking(pieces: list[int], total: int) -> None:
    guard = DeletionGuard(1 << 40)
    gone = start = 0
    for size in pieces:
        wanted = _entries(min(size, total - gone), start)
        start += size
        if not guard.refuses(wanted, total - gone, 0):
            for entry in wanted:
                guard.count(entry, 0)
            gone += len(wanted)
    assert gone <= max(MIN_FILES, total // 4 + 1)


def test_a_quarter_waits_where_it_is_of_a_device_that_is_new_here() -> None:
    guard = DeletionGuard(1 << 20)
    for total, count in ((100, 30), (40, 20), (12, 11)):
        wanted = _entries(count)
        assert guard.refuses(wanted, total, 0) == ""
        assert f"{count} of {total}" in guard.refuses(wanted, total, 0, by_new=wanted)
    for total, count in ((100, 25), (40, 10)):
        assert guard.refuses(_entries(count), total, 0, by_new=_entries(count)) == ""


def test_what_a_new_device_deletes_is_counted_apart() -> None:
    guard = DeletionGuard(1 << 20)
    for entry in _entries(6):
        guard.count(entry, 0, is_by_new=True)
    for entry in _entries(20, 10):
        guard.count(entry, 0)
    assert guard.refuses(_entries(4, 40), 14, 0, by_new=_entries(4, 40)) == ""
    assert guard.refuses(_entries(5, 40), 14, 0, by_new=_entries(5, 40)) != ""
    assert guard.refuses(_entries(5, 40), 14, WINDOW_S + 1, by_new=_entries(5, 40)) == ""
    assert guard.refuses(_entries(5, 40), 14, 0) == ""
