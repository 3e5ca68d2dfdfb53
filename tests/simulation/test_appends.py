"""Connected devices append to one text quickly: what was appended once is in it once, and nothing is lost."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from appends import Room

from yp2p.documents import kept_lines, removals, shared_past
from yp2p.protocol.clients import Writer
from yp2p.protocol.state_vectors import StateVector
from yp2p.protocol.ysync import Checked, Parsed

pytestmark = [pytest.mark.simulation, pytest.mark.timeout(3600)]
_FIRST, _COUNT = map(int, os.environ.get("YP2P_APPENDS", "0:200").split(":"))
_SEEDS = range(_FIRST, _FIRST + _COUNT)
# Seeds in which a rule that is taken out has to be missed.
_MOST_SEEDS = 1000


@pytest.mark.parametrize("devices", [2, 3, 4])
def test_what_was_appended_once_is_there_once(devices: int) -> None:
    for seed in _SEEDS:
        outcome = Room(seed, devices).run()
        assert outcome.lost == [], seed
        assert outcome.mistaken == 0, seed
        assert outcome.doubled == [], seed


def _without_whole_repairs_in_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a repair the log gets what was news."""

    def as_logged(received: Checked, before: StateVector, news: bytes) -> bytes:
        is_new = all(start >= before.get(client, 0) for client, (start, _) in received.parsed.sections.items())
        return received.data if is_new else news

    monkeypatch.setattr(removals, "as_logged", as_logged)


def _with_removals_of_repairs_in_what_both_had(monkeypatch: pytest.MonkeyPatch) -> None:
    """A repair that puts nothing in counts as known to both sides."""
    operations_of = shared_past._operations

    def less(parsed: Parsed) -> StateVector:
        marks = {client for client in parsed.deletes if Writer.of(client) is Writer.REPAIR}
        return {client: stop for client, stop in operations_of(parsed).items() if client not in marks}

    monkeypatch.setattr(shared_past, "_operations", less)


def _with_copies_that_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that is not in the text is not looked at in pieces."""
    rows_of = kept_lines.rows_of
    monkeypatch.setattr(kept_lines, "rows_of", lambda union, wanted: rows_of(union, set()))


@pytest.mark.parametrize(
    ("take_out", "devices"),
    [
        (_without_whole_repairs_in_the_log, 3),
        (_with_removals_of_repairs_in_what_both_had, 2),
        (_with_copies_that_are_one_line, 4),
    ],
    ids=lambda value: value.__name__.removeprefix("_") if callable(value) else str(value),
)
def test_a_rule_that_is_taken_out_is_missed(
    take_out: Callable[[pytest.MonkeyPatch], None], devices: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_out(monkeypatch)
    for seed in range(_MOST_SEEDS):
        try:
            outcome = Room(seed, devices).run(most=500)
        except AssertionError:
            return
        if outcome.doubled or outcome.lost or outcome.mistaken:
            return
    raise AssertionError(f"{_MOST_SEEDS} seeds passed")
