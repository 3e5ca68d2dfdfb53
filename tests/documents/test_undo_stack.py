"""The undo manager of programs, which also takes a document."""

from __future__ import annotations

from typing import Any

import pytest
from pycrdt import Array, Doc, Map, Text

from yp2p.client import UndoManager
from yp2p.documents.shared import SharedText

pytestmark = pytest.mark.usefixtures("either_way")


def _doc() -> tuple[Doc[Any], Text, Array[Any], Map[Any]]:
    doc: Doc[Any] = Doc()
    return doc, doc.get("text", type=Text), doc.get("items", type=Array), doc.get("map", type=Map)


def test_the_document_of_the_scopes_can_be_named() -> None:
    doc, text, items, values = _doc()
    undo = UndoManager(doc=doc, scopes=[text, items], capture_timeout_millis=0)
    text += "x"
    items.append("one")
    undo.expand_scope(values)
    values["key"] = "value"
    assert len(undo.undo_stack) == 3
    while undo.undo():
        pass
    assert (str(text), list(items), dict(values.items())) == ("", [], {})
    while undo.redo():
        pass
    assert (str(text), list(items), dict(values.items())) == ("x", ["one"], {"key": "value"})


def test_what_is_no_scope_is_refused_with_a_sentence() -> None:
    doc, text, _, _ = _doc()
    other = _doc()[1]
    undo = UndoManager(doc=doc)
    for wrong in (None, 5, "text", doc):
        with pytest.raises(TypeError, match="a scope is a Text, Array or Map"):
            undo.expand_scope(wrong)
        with pytest.raises(TypeError, match="a scope is a Text, Array or Map"):
            UndoManager(scopes=[text, wrong])
    for scope, reason in ((Text("not there"), "in no document"), (other, "in another document")):
        with pytest.raises(ValueError, match=reason):
            UndoManager(doc=doc, scopes=[scope])
    with pytest.raises(TypeError, match="doc is a "):
        UndoManager(doc=5)  # type: ignore[arg-type]
    assert not undo.can_undo()
    assert not undo.undo()


def test_arrays_and_maps_of_a_program_are_undone_with_the_text_of_a_live_file() -> None:
    file = SharedText(lambda update: None)
    _, _, items, values = _doc()
    undo = file.undo_manager(scopes=[file.text, items, values], capture_timeout_millis=0)
    file.insert(0, "text")
    items.append("item")
    values["key"] = "value"
    undo.undo()
    assert (str(file), list(items), dict(values.items())) == ("text", ["item"], {})
    undo.undo()
    undo.undo()
    assert (str(file), list(items)) == ("", [])
    while undo.redo():
        pass
    assert (str(file), list(items), dict(values.items())) == ("text", ["item"], {"key": "value"})


def test_undo_within_a_transaction_is_refused_with_a_sentence() -> None:
    doc, text, _, _ = _doc()
    undo = UndoManager(scopes=[text])
    text += "x"
    with doc.transaction():
        for step in (undo.undo, undo.redo):
            with pytest.raises(RuntimeError, match="end the transaction first"):
                step()
    assert undo.undo()
    assert str(text) == ""


def test_edits_of_a_text_that_others_edit_are_undone_one_by_one() -> None:
    updates: list[bytes] = []
    here, there = SharedText(lambda update: None), SharedText(updates.append)
    there.insert(0, "a 😀 text of others")
    here.receive(*updates)
    undo = here.undo_manager(capture_timeout_millis=0)
    said = [str(here)]
    for start, stop, new in [(2, 2, "漢"), (0, 3, "b😀"), (5, 8, ""), (1, 2, "c")]:
        here.edit(start, stop, new)
        said.append(str(here))
    there.insert(0, "> ")
    here.receive(updates[-1])
    for text in reversed(said):
        assert str(here) == "> " + text
        undo.undo()
    while undo.redo():
        pass
    assert str(here) == "> " + said[-1]
    with here.transaction(origin="not ours"):
        here.insert(0, "kept ")
    undo.undo()
    assert str(here) == "kept > " + said[-2] == str(here.doc.library_text)
