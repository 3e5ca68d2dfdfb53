"""Places as lines and characters."""

from __future__ import annotations

import pytest
from effort import many
from hypothesis import given, settings
from hypothesis import strategies as st

from yp2p.documents.diff import Hunk
from yp2p.editors.lines import Lines
from yp2p.editors.operation import Operation
from yp2p.errors import UsageError

# A form feed, NEL, LS, PS, VT and a CR alone end no line.
ODD = "one\x0ctwo\u2028three\u2029four\x85five\x0bsix\rseven\n\n"


@settings(max_examples=many(200), deadline=None)
@given(st.text(alphabet="a\n\u2028é", max_size=30), st.lists(st.integers(0, 30), min_size=1, max_size=8))
def test_places_in_any_order(text: str, indices: list[int]) -> None:
    lines = Lines(text)
    for index in indices:
        index = min(index, len(text))
        line, column = lines.place(index)
        assert (line, column) == (text[:index].count("\n"), len(text[:index].split("\n")[-1]))
        assert lines.index(line, column) == index


@settings(max_examples=many(100), deadline=None)
@given(
    st.text(alphabet="a\n", max_size=20), st.integers(0, 20), st.integers(0, 20), st.text(alphabet="b\n", max_size=5)
)
def test_after_an_operation_places_are_right(text: str, known: int, at: int, new: str) -> None:
    lines = Lines(text)
    lines.place(min(known, len(text)))
    after = lines.after(Operation.of([Hunk(min(at, len(text)), len(text), new)]))
    for index in range(len(after.text) + 1):
        assert after.index(*after.place(index)) == index


def test_only_a_line_feed_ends_a_line() -> None:
    assert Lines(ODD).place(len(ODD)) == (2, 0)
    assert Lines(ODD).index(1, 0) == len(ODD) - 1


def test_the_nearest_place() -> None:
    lines = Lines("ab\ncd\ne")
    places = {(0, 1): 1, (0, 9): 2, (1, 3): 5, (2, 5): 7, (9, 0): 7, (-1, -1): 0, (1, 10**12): 5}
    assert {place: lines.nearest(*place) for place in places} == places


def test_a_place_that_is_not_there() -> None:
    lines = Lines("ab\ncd\n")
    assert lines.index(2, 0) == lines.index(3, 0) == 6  # a line that is empty, and not shown by editors
    for line, column in ((0, 3), (1, 3), (2, 1), (3, 1), (4, 0)):
        with pytest.raises(UsageError):
            lines.index(line, column)
    assert lines.index(0, 1) == 1
