"""Which paths are looked at, and when."""

from __future__ import annotations

import math

from yp2p.files.changed_paths import GIT_S, NOISY_S, QUIET_S, ChangedPaths
from yp2p.files.watch import Batch


def _looked_at_everything() -> ChangedPaths:
    changed = ChangedPaths()
    changed.scan_wanted = False
    return changed


def test_at_first_everything_is_looked_at() -> None:
    assert ChangedPaths().scan_wanted
    assert ChangedPaths().is_waiting
    assert not ChangedPaths()
    assert not _looked_at_everything().is_waiting


def test_a_file_that_was_closed_is_looked_at_at_once_and_taken_once() -> None:
    changed = _looked_at_everything()
    changed.note(Batch(finished={"a"}, modified={"a"}), (), 5.0)
    assert changed.next_deadline() == math.inf
    assert changed.take({"b"}) == {"a", "b"}
    assert changed.take() == set()
    assert not changed.is_waiting


def test_one_that_stays_open_is_looked_at_when_it_is_quiet() -> None:
    changed = _looked_at_everything()
    for now in (5.0, 5.5):
        changed.note(Batch(modified={"a"}), (), now)
    assert changed.next_deadline() == 5.5 + QUIET_S
    changed.rest(6.0)
    assert not changed
    assert changed.is_waiting
    changed.rest(5.5 + QUIET_S)
    assert changed.take() == {"a"}
    assert not changed.is_waiting


def test_and_after_a_while_although_it_never_is() -> None:
    changed = _looked_at_everything()
    now = 0.0
    while not changed and now < 100:
        now += QUIET_S / 2
        changed.note(Batch(modified={"a"}), (), now)
        changed.rest(now)
    assert now == QUIET_S / 2 + NOISY_S


def test_a_file_that_is_closed_at_last_does_not_wait() -> None:
    changed = _looked_at_everything()
    changed.note(Batch(modified={"a"}), (), 1.0)
    changed.note(Batch(finished={"a"}), (), 1.5)
    assert changed.take() == {"a"}
    assert changed.next_deadline() == math.inf


def test_what_is_known_beneath_a_directory_that_went_is_looked_at() -> None:
    changed = _looked_at_everything()
    changed.note(Batch(removed_directories={"d", "e/f"}), ("a", "d/x", "dd/x", "e/f/y", "e/x"), 1.0)
    assert changed.take() == {"d", "e/f", "d/x", "e/f/y"}


def test_lost_reports_are_made_good_by_a_scan() -> None:
    changed = _looked_at_everything()
    changed.note(Batch(overflow=True), (), 1.0)
    assert changed.scan_wanted
    changed.note(Batch(), (), 2.0)
    assert changed.scan_wanted


def test_what_git_writes_is_looked_at_when_it_lets_go_of_its_lock() -> None:
    changed = _looked_at_everything()
    changed.note(Batch(finished={"a", "b", "mine"}, in_git={"a", "b"}), (), 1.0)
    assert changed.take() == {"mine"}
    assert changed.is_waiting
    assert changed.next_deadline() == 1.0 + GIT_S
    changed.note(Batch(finished={"c"}, in_git={"c"}), (), 2.0)
    changed.note(Batch(finished={"b"}), (), 2.5)
    assert changed.take() == {"b"}, "somebody else has written it since"
    changed.note(Batch(git_ended=True), (), 3.0)
    assert changed.take() == {"a", "c"}
    assert not changed.is_waiting
    assert changed.next_deadline() == math.inf


def test_nothing_waits_long_for_a_git_that_waits_for_a_person_or_has_crashed() -> None:
    changed = _looked_at_everything()
    changed.note(Batch(finished={"a"}, in_git={"a"}), (), 1.0)
    changed.rest(1.0 + GIT_S)
    assert changed.take() == {"a"}
    changed.note(Batch(finished={"b"}, in_git={"b"}), (), 100.0)
    assert changed.take() == {"b"}, "once is enough"
    changed.note(Batch(git_ended=True), (), 101.0)
    changed.note(Batch(finished={"c"}, in_git={"c"}), (), 102.0)
    assert not changed
    changed.note(Batch(overflow=True), (), 102.5)
    assert changed.take() == {"c"}


def test_what_git_wrote_before_it_let_go_waits_for_nothing() -> None:
    changed = _looked_at_everything()
    changed.note(Batch(finished={"a"}, in_git={"a"}, git_ended=True), (), 1.0)
    assert changed.take() == {"a"}
    assert not changed.is_waiting
