"""Updates as bytes: what is in them, what of them somebody lacks, several as one; hostile ones are typed errors."""

from __future__ import annotations

import random

import pycrdt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycrdt import Array, Doc, Text

from yp2p.client import get_state, get_update, merge_updates
from yp2p.errors import InvalidUpdate, MissingDependency


def _history(steps: int, name: str = "content") -> tuple[Doc[Text], list[bytes]]:
    """A document, and the updates that made it."""
    rng = random.Random(steps)
    doc: Doc[Text] = Doc(client_id=7)
    text = doc.get(name, type=Text)
    updates: list[bytes] = []
    subscription = doc.observe(lambda event: updates.append(bytes(event.update)))
    for number in range(steps):
        if number % 5 == 4:
            del text[0:1]
        else:
            text.insert(rng.choice([0, len(text)]), rng.choice(["x", "word "]))
    doc.unobserve(subscription)
    return doc, updates


def _text_of(*updates: bytes, name: str = "content") -> str:
    doc: Doc[Text] = Doc()
    text = doc.get(name, type=Text)
    for update in updates:
        doc.apply_update(update)
    return str(text)


@pytest.mark.parametrize("name", ["content", "source"])
def test_merged_updates_make_the_same_document_in_any_order(name: str) -> None:
    doc, updates = _history(200, name)
    shuffled = list(updates)
    random.Random(1).shuffle(shuffled)
    for order in (updates, shuffled, updates[::-1]):
        assert _text_of(merge_updates(*order), name=name) == str(doc.get(name, type=Text))
    assert merge_updates(updates[3]) == updates[3]


def test_a_gap_between_merged_updates_is_told() -> None:
    _, updates = _history(4)
    with pytest.raises(MissingDependency, match="is missing"):
        merge_updates(updates[0], updates[2])
    assert merge_updates(updates[2], updates[3]), "what builds on others is no gap"
    with pytest.raises(ValueError, match="no update to merge"):
        merge_updates()


def test_many_are_merged_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library takes time squared for how many it gets at once."""
    most = 0

    def merge(*updates: bytes) -> bytes:
        nonlocal most
        most = max(most, len(updates))
        return library(*updates)

    library = pycrdt.merge_updates
    monkeypatch.setattr(pycrdt, "merge_updates", merge)
    doc, updates = _history(1000)
    assert _text_of(merge_updates(*updates)) == str(doc.get("content", type=Text))
    assert 1 < most <= 64


def test_the_state_of_an_update_and_what_of_it_somebody_lacks() -> None:
    doc, updates = _history(50)
    whole = doc.get_update()
    assert get_state(whole) == doc.get_state()
    assert get_state(updates[1]) == b"\x00", "it builds on another one"
    for known in (0, 1, 20, 49, 50):
        before = merge_updates(*updates[:known]) if known else b"\x00\x00"
        lacking = get_update(whole, get_state(before))
        assert _text_of(before, lacking) == str(doc.get("content", type=Text))
    assert len(get_update(whole, get_state(whole))) < len(whole)


def _nested() -> bytes:
    return bytes.fromhex("010101000801017401") + b"\x75\x01" * 50_000 + b"\x7e\x00"


def _array() -> bytes:
    doc: Doc[Array[int]] = Doc()
    doc.get("items", type=Array).append(1)
    return doc.get_update()


HOSTILE = [
    pytest.param(_nested(), id="nested without end"),
    pytest.param(_array(), id="an array"),
    pytest.param(bytes.fromhex("0100010100"), id="no blocks"),
    pytest.param(
        bytes.fromhex("0103010004010174026865810101ffffffff0f8405040620776f726c640101010203"), id="a huge clock"
    ),
    pytest.param(b"", id="nothing"),
]


@pytest.mark.parametrize("update", HOSTILE)
def test_what_is_no_update_of_a_text_never_reaches_the_library(update: bytes) -> None:
    _, (first, *_) = _history(1)
    for call in (
        lambda: get_state(update), lambda: get_update(update, b"\x00"), lambda: merge_updates(update),
        lambda: merge_updates(first, update),
    ):  # fmt: skip
        with pytest.raises(InvalidUpdate):
            call()
    with pytest.raises(InvalidUpdate):
        get_update(first, b"\x80\x80\x80\x80\x02")


@given(st.binary(max_size=40))
def test_any_bytes_are_an_update_or_a_typed_error(data: bytes) -> None:
    _, (first, *_) = _history(1)
    for call in (
        lambda: get_state(data), lambda: get_update(data, b"\x00"), lambda: merge_updates(first, data),
        lambda: get_update(first, data),
    ):  # fmt: skip
        try:
            assert isinstance(call(), bytes)
        except (InvalidUpdate, MissingDependency):
            pass
