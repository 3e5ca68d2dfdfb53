"""Which lines a repair of repairs keeps."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from yp2p.documents.diff import Hunk, split_lines
from yp2p.documents.joined import Joined, _Part
from yp2p.documents.kept_lines import kept_by_first_operations, match_rows, rows_of
from yp2p.protocol.clients import Writer

_LINES = st.lists(st.sampled_from("abc"), max_size=8)
_BUDGET = 10_000


def _is_within(part: list[str], whole: list[str]) -> bool:
    rest = iter(whole)
    return all(line in rest for line in part)


@given(_LINES, _LINES, st.randoms(use_true_random=False))
def test_each_line_is_kept_that_lets_all_before_it_stand(old: list[str], new: list[str], rng: random.Random) -> None:
    order = rng.sample(range(len(old)), len(old))
    kept: list[int] = []
    for row in order:
        if _is_within([old[other] for other in sorted([*kept, row])], new):
            kept.append(row)
    pairs = match_rows(old, new, order, _BUDGET)
    assert pairs is not None
    assert [row for row, _ in pairs] == sorted(kept)
    columns = [column for _, column in pairs]
    assert columns == sorted(set(columns))
    assert all(old[row] == new[column] for row, column in pairs)


def test_the_copy_of_the_first_operation_is_kept_wherever_it_stands() -> None:
    assert match_rows(["x", "x"], ["x"], [0, 1], _BUDGET) == [(0, 0)]
    assert match_rows(["x", "x"], ["x"], [1, 0], _BUDGET) == [(1, 0)]


def test_a_budget_that_runs_out_is_said() -> None:
    lines = ["x"] * 100
    assert match_rows(lines, lines, list(range(99, -1, -1)), 1000) is None


def _part(text: str, clock: int) -> _Part:
    units = len(text.encode("utf-16-le")) // 2
    return _Part(7, clock, units, text, ours=True, theirs=True, base=True, standing=True, common=True)


def test_a_line_is_the_same_operation_wherever_its_block_is_cut() -> None:
    text = "\N{GRINNING FACE}a\n\N{GRINNING FACE}b\nc\n"
    lines = split_lines(text)
    whole = Joined(text, text, text, text, [_part(text, 10)])
    cut = Joined(text, text, text, text, [_part(lines[0], 10), _part(lines[1] + lines[2], 14)])
    keys = [(False, 7, 10), (False, 7, 14), (False, 7, 18)]
    assert rows_of(whole, set()) == rows_of(cut, set()) == (lines, keys)


def _of_repairs(*texts: str) -> Joined:
    """A union of what some repairs put in, one behind the other; the last one's operations are the first ones."""
    parts = [
        _Part(
            Writer.REPAIR.client_id(9 - number), 0, len(text), text,
            ours=True, theirs=True, base=False, standing=True, common=False,
        )
        for number, text in enumerate(texts)
    ]  # fmt: skip
    return Joined("", "", "", "".join(texts), parts)


def test_copies_of_a_last_line_without_an_end_are_told_apart() -> None:
    """They are one line of the union. Put in anew it would be one more copy, on every device another one."""
    assert kept_by_first_operations(_of_repairs("a\nend", "end"), "a\nend") == [Hunk(2, 5, "")]
    assert kept_by_first_operations(_of_repairs("end", "a\n", "end"), "a\nend") == [Hunk(0, 3, "")]


def test_a_line_that_was_put_in_within_another_one_is_kept() -> None:
    union = _of_repairs("some ", "new\n", "old\n")
    assert kept_by_first_operations(union, "new\nsome old\n") == [Hunk(0, 5, ""), Hunk(9, 13, "some old\n")]


def test_a_line_that_came_in_pieces_is_kept_as_it_stands() -> None:
    assert kept_by_first_operations(_of_repairs("a ", "b\n", "c\n"), "a b\n") == [Hunk(4, 6, "")]
