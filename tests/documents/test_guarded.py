"""The document of a file as a program holds it: where an edit fails, nothing has changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pycrdt import Array, Doc, Map, Text

from yp2p.documents.editable import EditableText
from yp2p.documents.shared import SharedText
from yp2p.documents.text import imported
from yp2p.errors import FileUnavailable, InvalidUpdate, MissingDependency

pytestmark = pytest.mark.usefixtures("either_way")

TEXT = "aé😀 and more\n"
HALVES = ["\ud83d", "\ude00", "x\ud83dy", "\ude00\ud83d", "\udcff", "a\0b"]

Edit = Callable[[SharedText], Any]


def _made() -> tuple[SharedText, list[bytes]]:
    wrote = list[bytes]()
    shared = SharedText(wrote.append)
    shared.insert(0, TEXT)
    wrote.clear()
    return shared, wrote


def _set(key: int | slice, value: Any) -> Edit:
    return lambda shared: shared.text.__setitem__(key, value)


def _in_a_transaction(edit: Edit) -> Edit:
    def edits(shared: SharedText) -> None:
        with shared.transaction():
            edit(shared)

    return edits


_WITH_TEXT: dict[str, Callable[[Any], Edit]] = {
    "insert": lambda text: lambda shared: shared.insert(2, text),
    "edit": lambda text: lambda shared: shared.edit(1, 4, text),
    "replace_all": lambda text: lambda shared: shared.replace_all(text),
    "text.insert": lambda text: lambda shared: shared.text.insert(1, text),
    "text[1:3] =": lambda text: _set(slice(1, 3), text),
    "text[:] =": lambda text: _set(slice(None), text),
    "text +=": lambda text: lambda shared: shared.text.__iadd__(text),
    "text of get +=": lambda text: lambda shared: shared.doc.get("source", type=Text).__iadd__(text),
    "text of the roots +=": lambda text: lambda shared: shared.doc["source"].__iadd__(text),
}


def _check_refused(edit: Edit, *errors: type[Exception]) -> None:
    shared, wrote = _made()
    state = shared.doc.get_update()
    with pytest.raises(errors) as caught:
        edit(shared)
    assert not isinstance(caught.value, UnicodeError), "a sentence that says what to do"
    assert str(shared) == str(shared.text) == TEXT
    assert shared.doc.get_update() == state
    assert wrote == []


@pytest.mark.parametrize("name", _WITH_TEXT)
@pytest.mark.parametrize("text", [pytest.param(text, id=ascii(text)) for text in HALVES])
def test_what_no_text_file_can_hold_is_refused_before_anything_changes(name: str, text: str) -> None:
    _check_refused(_WITH_TEXT[name](text), ValueError)
    _check_refused(_in_a_transaction(_WITH_TEXT[name](text)), ValueError)


@pytest.mark.parametrize("name", _WITH_TEXT)
@pytest.mark.parametrize("text", [None, 5, b"bytes", ["x"]])
def test_what_is_no_text_is_refused_before_anything_changes(name: str, text: object) -> None:
    _check_refused(_WITH_TEXT[name](text), TypeError)


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param(lambda s: s.insert(-1, "x"), id="insert before the beginning"),
        pytest.param(lambda s: s.insert(len(TEXT) + 1, "x"), id="insert behind the end"),
        pytest.param(lambda s: s.edit(3, 2, "x"), id="edit from behind"),
        pytest.param(lambda s: s.edit(0, 99, ""), id="edit behind the end"),
        pytest.param(lambda s: s.delete(-2, 1), id="delete before the beginning"),
        pytest.param(lambda s: s.text.insert(2, "x"), id="text.insert into a character"),
        pytest.param(lambda s: s.text.insert(99, "x"), id="text.insert behind the end"),
        pytest.param(lambda s: s.text.__delitem__(slice(0, 5)), id="del text[:5] to the middle of a character"),
        pytest.param(lambda s: s.text.__delitem__(slice(4, 99)), id="del text[4:99]"),
        pytest.param(lambda s: s.text.__delitem__(1), id="del text[1], a part of a character"),
        pytest.param(lambda s: s.text.__delitem__(99), id="del text[99]"),
        pytest.param(_set(slice(0, 2), "x"), id="text[0:2] = to the middle of a character"),
        pytest.param(_set(99, "x"), id="text[99] ="),
    ],
)
def test_a_place_outside_the_text_or_in_a_character_is_refused(edit: Edit) -> None:
    _check_refused(edit, IndexError)
    _check_refused(_in_a_transaction(edit), IndexError)


@pytest.mark.parametrize(
    ("edit", "error"),
    [
        pytest.param(lambda s: s.insert(1.5, "x"), TypeError, id="insert at 1.5"),
        pytest.param(lambda s: s.edit("0", 1, "x"), TypeError, id="edit at a string"),
        pytest.param(lambda s: s.delete(None, 1), TypeError, id="delete at None"),
        pytest.param(lambda s: s.text.insert(None, "x"), TypeError, id="text.insert at None"),
        pytest.param(lambda s: s.text.__delitem__("x"), TypeError, id="del text['x']"),
        pytest.param(lambda s: s.text.__delitem__(slice(0, 4, 2)), RuntimeError, id="del text[::2]"),
        pytest.param(_set(0, "xy"), ValueError, id="two characters for one"),
        pytest.param(lambda s: s.text.insert(0, "x", {"bold": True}), ValueError, id="a format"),
        pytest.param(lambda s: s.text.format(0, 1, {"bold": True}), ValueError, id="a format of what is there"),
        pytest.param(lambda s: s.text.insert_embed(0, {"image": 1}), ValueError, id="an embedded value"),
        pytest.param(lambda s: s.doc.get("items", type=Array), ValueError, id="an array"),
        pytest.param(lambda s: s.doc.get("source", type=Map), ValueError, id="the text as a map"),
        pytest.param(lambda s: s.doc.get("content", type=Text), ValueError, id="another text"),
        pytest.param(lambda s: s.doc.__setitem__("items", Array([1])), ValueError, id="an array that is set"),
        pytest.param(lambda s: s.doc.__setitem__("source", Text("x")), ValueError, id="another text in its place"),
        pytest.param(lambda s: s.doc.apply_update(b"nonsense"), InvalidUpdate, id="bytes"),
        pytest.param(lambda s: s.doc.apply_update(_items()), InvalidUpdate, id="an update of an array"),
        pytest.param(lambda s: s.doc.apply_update(_second()), MissingDependency, id="an update with a gap"),
        pytest.param(lambda s: _in_a_transaction(lambda _: None)(s, []), TypeError, id="an argument too many"),
    ],
)
def test_what_a_file_does_not_have_is_refused(edit: Edit, error: type[Exception]) -> None:
    _check_refused(edit, error)


def _items() -> bytes:
    doc: Doc[Any] = Doc()
    doc.get("items", type=Array).append(1)
    return doc.get_update()


def _second() -> bytes:
    doc: Doc[Any] = Doc()
    text = doc.get("source", type=Text)
    text.insert(0, "one")
    before = doc.get_state()
    text.insert(0, "two")
    return doc.get_update(before)


def test_what_is_in_order_is_done_by_every_way() -> None:
    shared, wrote = _made()
    file = EditableText(shared)
    shared.text.insert(3, "😀")
    file.text += "end"
    with pytest.raises(AttributeError, match="changed and not replaced"):
        file.text = Text("another")
    del shared.text[0]
    shared.text[0:2] = "É"
    shared.text[-0:0] = "("
    assert str(shared) == "(É😀😀 and more\nend"
    shared.text.clear()
    assert str(shared) == ""
    shared.doc.apply_update(imported("from elsewhere"))
    assert str(shared) == "from elsewhere"
    assert len(wrote) == 7


def test_what_is_closed_takes_nothing() -> None:
    def check_open() -> None:
        if closed:
            raise FileUnavailable("over")

    closed = False
    wrote = list[bytes]()
    shared = SharedText(wrote.append, check_open=check_open)
    shared.insert(0, TEXT)
    closed = True
    edits: list[Callable[[], Any]] = [
        lambda: shared.insert(0, "x"),
        lambda: shared.replace_all(TEXT),
        lambda: shared.text.insert(0, "x"),
        lambda: shared.text.clear(),
        lambda: shared.doc.apply_update(imported("x")),
        lambda: _in_a_transaction(lambda _: None)(shared),
    ]
    for edit in edits:
        with pytest.raises(FileUnavailable, match="over"):
            edit()
    assert len(wrote) == 1


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt])
def test_the_text_is_what_it_was_when_a_transaction_fails(kind: type[BaseException]) -> None:
    shared, wrote = _made()
    other = SharedText(lambda update: None)
    other.receive(shared.doc.get_update())

    def write() -> None:
        with shared.transaction():
            shared.replace_all("something else")
            shared.text.clear()
            shared.insert(0, "more")
            raise kind

    with pytest.raises(kind):
        write()
    assert str(shared) == TEXT
    for update in wrote:
        other.receive(update)
    assert str(other) == TEXT


def test_only_the_inner_transaction_fails() -> None:
    def fail() -> None:
        with shared.transaction():
            shared.insert(0, "not kept ")
            shared.insert(99, "nowhere")

    shared, wrote = _made()
    with shared.transaction():
        shared.insert(0, "kept ")
        with pytest.raises(IndexError):
            fail()
        shared.insert(0, "also ")
    assert str(shared) == "also kept " + TEXT
    assert len(wrote) == 1


def test_what_comes_while_the_library_has_a_transaction_open_is_applied_after_it() -> None:
    shared, wrote = _made()
    other_wrote = list[bytes]()
    other = SharedText(other_wrote.append)
    other.receive(shared.doc.get_update())
    other.insert(0, "theirs ")
    undo = shared.undo_manager()
    with shared.doc.transaction(origin="mine"):
        shared.receive(other_wrote[0])
        shared.text.insert(0, "(")
        assert str(shared) == "(" + TEXT
    assert sorted(str(shared)) == sorted("theirs (" + TEXT)
    assert len(wrote) == 1
    assert not undo.can_undo()
    with shared.doc.new_transaction():
        shared.receive(imported("imported"))
    assert "imported" in str(shared)
