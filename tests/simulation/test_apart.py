"""Devices that go apart and meet in random order, several at a time: all equal, nothing lost or doubled, and rest."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Collection
from typing import Any

import meetings
import pytest
from meetings import Committer, Node, Outcome, run
from pairs import PAIRS, all_pairs

from yp2p.documents import joined, meeting
from yp2p.documents.joined import Side
from yp2p.documents.meeting import Meeting

pytestmark = [pytest.mark.simulation, pytest.mark.timeout(3600)]
_FIRST, _COUNT = map(int, os.environ.get("YP2P_MEETINGS", "0:80").split(":"))
_SEEDS = range(_FIRST, _FIRST + _COUNT)
# Seeds in which a rule that is taken out has to be missed.
_MOST_SEEDS = 200
# Rounds of repairs in many runs, for each of them: with all rules one.
_MANY_RUNS, _MANY_ROUNDS = 40, 1.5


def test_all_are_equal_and_rest_and_nothing_is_lost_or_doubled() -> None:
    """Three to six devices, in each of a thousand seeds."""
    rounds = 0
    for seed in _SEEDS:
        devices = 3 + seed % 4
        outcome = run(seed, devices)
        rounds += outcome.rounds
        assert outcome.rounds <= devices, seed
        assert (outcome.lost, outcome.doubled, outcome.made_up) == ([], [], []), seed
    assert rounds <= _MANY_ROUNDS * max(_MANY_RUNS, len(_SEEDS))


def test_so_they_are_with_edits_of_real_merges() -> None:
    pairs = all_pairs()
    for seed in _SEEDS:
        pair, devices = pairs[seed % len(pairs)], 3 + seed % 4
        if max(len(pair[side]) for side in ("base", "ours", "theirs")) > 30_000:
            continue
        author = Committer(random.Random(seed), pair["base"], (pair["ours"], pair["theirs"]))
        assert run(seed, devices, author=author).rounds <= devices, seed


def test_repairs_of_equal_copies_come_to_rest() -> None:
    """Six devices put the same two blocks in again and again, and took out different copies of them."""
    pair = next(pair for pair in PAIRS if pair["name"] == "key-and-service")
    author = Committer(random.Random(47), pair["base"], (pair["ours"], pair["theirs"]))
    assert run(47, 6, author=author).rounds <= 6


def _without_delete_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    """State vectors alone: a side that only deleted is not seen."""
    monkeypatch.setattr(Node, "side", lambda self: Side(self.replica.clocks(), []))


def _without_derived_client_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two devices that put in the same make two operations."""
    fresh = random.Random(1)
    monkeypatch.setattr(joined, "client_id_from", lambda writer, *parts: writer.client_id(fresh.getrandbits(32)))


def _without_repairs_known_from_edits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A repair counts as an edit."""

    def meeting_of(ours: dict[int, int], theirs: dict[int, int], *, apart: bool) -> Meeting | None:
        has_ours = any(clock > theirs.get(client, 0) for client, clock in ours.items())
        has_theirs = any(clock > ours.get(client, 0) for client, clock in theirs.items())
        return Meeting.THREE_TEXTS if has_ours and has_theirs else None

    monkeypatch.setattr(meeting, "meeting_of", meeting_of)


def _without_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a repair took out is not told from what an edit took out."""
    answer: Callable[..., meetings.Message] = Node.answer

    def lump(self: Node, other: Node, unless: Collection[int] = ()) -> meetings.Message:
        message = answer(self, other, unless)
        return meetings.Message(message.updates[-1:], message.side, self)

    monkeypatch.setattr(Node, "answer", lump)


def _without_repairs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Yjs alone."""
    decide: Callable[..., Any] = meetings.meet
    monkeypatch.setattr(meetings, "meet", lambda *arguments, said: (None, decide(*arguments, said=said)[1]))


def _without_one_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two repairs each device prefers its own."""
    decide: Callable[..., Any] = meeting.decide

    def own(path: str, found: joined.Joined, how: Meeting) -> meeting.Decision:
        return decide(path, found, Meeting.OURS if how is Meeting.ONE_OF_BOTH else how)

    monkeypatch.setattr(meeting, "decide", own)


@pytest.mark.parametrize(
    "take_out",
    [
        _without_delete_sets, _without_derived_client_ids, _without_repairs_known_from_edits, _without_parts,
        _without_repairs, _without_one_order,
    ],
    ids=lambda take_out: take_out.__name__.removeprefix("_without_"),
)  # fmt: skip
def test_a_rule_that_is_taken_out_is_missed(
    take_out: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    take_out(monkeypatch)
    rounds = 0
    for seed in range(_MOST_SEEDS):
        try:
            outcome: Outcome = run(seed, devices := 3 + seed % 4)
        except AssertionError:
            return
        rounds += outcome.rounds
        if seed >= _MANY_RUNS and rounds > _MANY_ROUNDS * seed:
            return
        if outcome.rounds > devices or outcome.doubled or outcome.made_up or outcome.lost:
            return
    raise AssertionError(f"{_MOST_SEEDS} seeds passed")
