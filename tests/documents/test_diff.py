"""The diff: exact, at line and word boundaries, and kind to concurrent edits."""

from __future__ import annotations

import random

import pytest
from effort import many
from hypothesis import given, settings
from hypothesis import strategies as st

from yp2p.documents import diff
from yp2p.documents.diff import apply_hunks, hunks
from yp2p.documents.text import TextReplica, imported

texts = st.text(alphabet="ab \n\r😀é1_", max_size=60)
lines = st.lists(st.sampled_from(["one\n", "two two\n", "three 3\n", "\n", "x = 1200\n"]), max_size=30).map("".join)


@given(st.one_of(texts, lines), st.one_of(texts, lines), st.integers(min_value=1, max_value=5))
@settings(max_examples=many(400))
def test_the_hunks_make_the_new_text(old: str, new: str, limit: int) -> None:
    for found in (hunks(old, new), hunks(old, new, limit=limit)):
        assert apply_hunks(old, found) == new
        places = [place for hunk in found for place in (hunk.start, hunk.stop)]
        assert places == sorted(places)
    assert len(hunks(old, new, limit=limit)) <= limit


@given(texts, texts)
@settings(max_examples=many(200))
def test_a_replica_becomes_the_new_text_in_any_unicode(old: str, new: str) -> None:
    replica = TextReplica.from_updates(1, [imported(old)])
    other = TextReplica.from_updates(2, [imported(old)])
    update = replica.edit(hunks(old, new))
    assert replica.text() == new
    assert (update is None) == (old == new)
    if update is not None:
        other.receive(update)
        assert other.text() == new
        assert other.version() == replica.version()


def test_numbers_are_replaced_whole() -> None:
    base = "timeout = 1200\n"
    one = TextReplica.from_updates(1, [imported(base)])
    two = TextReplica.from_updates(2, [imported(base)])
    first = one.edit(hunks(base, "timeout = 1800\n"))
    second = two.edit(hunks(base, "timeout = 2400\n"))
    assert first is not None
    assert second is not None
    one.receive(second)
    two.receive(first)
    assert one.text() == two.text()
    assert one.text() in ("timeout = 18002400\n", "timeout = 24001800\n")


def _edit_lines(rng: random.Random, text: str, tokens: list[str]) -> str:
    """Fifty random line edits, each with a token of its own: insert, change or replace a line."""
    rows = text.splitlines(keepends=True)
    for token in tokens:
        place = rng.randrange(len(rows))
        if rng.random() < 0.6:
            rows.insert(place, f"    inserted {token} here\n")
        else:
            rows[place] = rows[place].rstrip("\n") + f" {token}\n"
    return "".join(rows)


@pytest.mark.parametrize("seed", range(many(100)))
def test_fifty_line_edits_on_each_of_two_devices(seed: int) -> None:
    rng = random.Random(seed)
    base = "".join(f"def name_{n}(a, b):  # {rng.randrange(10**6)}\n" for n in range(120))
    replicas = [TextReplica.from_updates(n + 1, [imported(base)]) for n in range(2)]
    tokens = [[f"T{side}x{n}y" for n in range(50)] for side in range(2)]
    updates = []
    for side, replica in enumerate(replicas):
        update = replica.edit(hunks(base, _edit_lines(rng, base, tokens[side])))
        assert update is not None
        updates.append(update)
    replicas[0].receive(updates[1])
    replicas[1].receive(updates[0])
    merged = replicas[0].text()
    assert merged == replicas[1].text()
    for token in tokens[0] + tokens[1]:
        assert merged.count(token) == 1, token
    for row in merged.splitlines():
        if "inserted" in row:
            assert row.startswith("    inserted T"), row
            assert row.count("inserted") == 1, row


def test_a_rewrite_is_cut_to_the_limit() -> None:
    rng = random.Random(1)
    old = "".join(f"{rng.random()}\n" for _ in range(3000))
    new = "".join(row if n % 2 else f"{rng.random()}\n" for n, row in enumerate(old.splitlines(keepends=True)))
    found = hunks(old, new)
    assert len(found) <= 1000
    assert apply_hunks(old, found) == new


def test_a_text_whose_lines_were_shuffled_is_paired_as_far_as_there_is_a_budget(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = random.Random(3)
    lines = [f"{rng.choice(['call', 'meet', 'write'])} {number} {rng.randint(0, 10**6)}\n" for number in range(6_000)]
    shuffled = list(lines)
    rng.shuffle(shuffled)
    old, new = "".join(lines), "".join(shuffled)
    compared = 0

    def likeness(one: str, other: str) -> float:
        nonlocal compared
        compared += 1
        return 0.0

    monkeypatch.setattr(diff, "_likeness", likeness)
    found = hunks(old, new)
    assert 0 < compared <= 60_000  # without a bound on all pairs of lines more than 300,000
    assert apply_hunks(old, found) == new
