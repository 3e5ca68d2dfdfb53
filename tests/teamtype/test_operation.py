"""Operations: what they make of texts, one behind the other, and over one another."""

from __future__ import annotations

from effort import many
from hypothesis import given, settings
from hypothesis import strategies as st

from yp2p.documents.diff import Hunk, apply_hunks
from yp2p.editors.operation import Operation, compose, compose_all, transform

TEXTS = st.text(alphabet="ab\né😀", max_size=12)


@st.composite
def operations(draw: st.DrawFn, text: str) -> Operation:
    places = sorted(draw(st.lists(st.integers(0, len(text)), max_size=6)))
    hunks = [
        Hunk(start, stop, draw(TEXTS))
        for start, stop in zip(places[::2], places[1::2], strict=False)
    ]  # fmt: skip
    return Operation.of(hunks)


@settings(max_examples=many(300), deadline=None)
@given(st.data())
def test_operations_over_one_another_give_one_text(data: st.DataObject) -> None:
    text = data.draw(TEXTS)
    first, second = data.draw(operations(text)), data.draw(operations(text))
    over, under = transform(first, second)
    assert over.apply(second.apply(text)) == under.apply(first.apply(text))


@settings(max_examples=many(300), deadline=None)
@given(st.data())
def test_composed_is_one_behind_the_other(data: st.DataObject) -> None:
    text = data.draw(TEXTS)
    row, now = [], text
    for _ in range(data.draw(st.integers(0, 5))):
        row.append(data.draw(operations(now)))
        now = row[-1].apply(now)
    assert compose_all(row).apply(text) == now
    one = Operation()
    for operation in row:
        one = compose(one, operation)
    assert one.apply(text) == now
    assert apply_hunks(text, one.hunks()) == now
    assert Operation.of(one.hunks()) == one


@settings(max_examples=many(300), deadline=None)
@given(TEXTS, TEXTS)
def test_between_is_one_replacement(old: str, new: str) -> None:
    operation = Operation.between(old, new)
    assert operation.makes(old, new)
    assert len(operation.hunks()) == (old != new)


def test_at_one_place_the_second_text_is_first_and_what_both_remove_goes_once() -> None:
    text = "0123456789"
    first, second = Operation.of([Hunk(3, 6, "mine")]), Operation.of([Hunk(3, 5, "theirs")])
    over, under = transform(first, second)
    assert over.apply(second.apply(text)) == under.apply(first.apply(text)) == "012theirsmine6789"


def test_what_is_put_in_stays_where_all_around_it_is_removed() -> None:
    text = "a line\nanother\n"
    over, _ = transform(Operation.of([Hunk(9, 9, "kept")]), Operation.of([Hunk(0, 15, "")]))
    assert over.apply("") == "kept"
    assert text  # the operations were on it


def test_hunks_are_never_side_by_side() -> None:
    made = Operation.of([Hunk(0, 1, "x"), Hunk(1, 2, "y"), Hunk(3, 4, "")])
    assert made.hunks() == [Hunk(0, 2, "xy"), Hunk(3, 4, "")]


def test_an_operation_on_more_than_there_is_fails() -> None:
    assert not Operation.of([Hunk(2, 3, "")]).makes("ab", "ab")


@settings(max_examples=many(300), deadline=None)
@given(st.data())
def test_what_is_put_in_again_is_no_change(data: st.DataObject) -> None:
    text = data.draw(TEXTS)
    operation = data.draw(operations(text))
    changes = operation.changes_in(text)
    assert apply_hunks(text, changes) == operation.apply(text)
    for change in changes:
        old = text[change.start : change.stop]
        assert not (old and change.text) or (old[0] != change.text[0] and old[-1] != change.text[-1])
