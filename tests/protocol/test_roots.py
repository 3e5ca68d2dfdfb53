"""What a client calls its text is exchanged on the way, and nothing else of an update is."""

from __future__ import annotations

import random
from typing import Any

import pytest
from pycrdt import Array, Doc, Map, Text, XmlElement, XmlFragment

from yp2p.errors import InvalidUpdate
from yp2p.protocol.roots import renamed


def _doc(**roots: str) -> Doc[Any]:
    doc: Doc[Any] = Doc(client_id=7)
    for root, text in roots.items():
        doc.get(root, type=Text).insert(0, text)
    return doc


def test_a_text_is_the_same_under_another_name() -> None:
    update = renamed(_doc(codemirror="a😀 codemirror source\n").get_update(), "codemirror", "source")
    assert update == _doc(source="a😀 codemirror source\n").get_update()
    assert renamed(update, "source", "codemirror") == _doc(codemirror="a😀 codemirror source\n").get_update()


def test_the_two_names_are_exchanged_and_a_third_stays() -> None:
    """A client that has both roots does not get one mixed into the other."""
    update = renamed(_doc(codemirror="one", source="two", third="three").get_update(), "codemirror", "source")
    doc: Doc[Any] = Doc()
    doc.apply_update(update)
    assert [str(doc.get(root, type=Text)) for root in ("source", "codemirror", "third")] == ["one", "two", "three"]


def test_whatever_else_an_update_holds_is_copied() -> None:
    doc = _doc(codemirror="text")
    state, items, tree = (doc.get(name, type=kind) for name, kind in (("state", Map), ("a", Array), ("x", XmlFragment)))
    state["source"] = {"codemirror": [1, -70000, 2.5, None, True, False, b"\x01\x06source", "codemirror", 1 << 40]}
    state["text"] = Text("inside")
    items.append(Array([1, "source"]))
    tree.children.append(XmlElement("source", {"a": "b"}))
    doc.get("codemirror", type=Text).format(0, 2, {"bold": True})
    doc.get("codemirror", type=Text).insert_embed(1, {"source": "x"})
    del state["source"]
    there = renamed(doc.get_update(), "codemirror", "source")
    assert there != doc.get_update()
    assert renamed(there, "source", "codemirror") == doc.get_update()


@pytest.mark.parametrize("seed", range(3))
def test_what_is_no_update_is_refused_or_passed_on(seed: int) -> None:
    rng = random.Random(seed)
    whole = _doc(codemirror="text", source="b" * 20).get_update()
    for _ in range(2000):
        data = bytearray(whole)
        for _ in range(rng.randint(1, 3)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        try:
            assert isinstance(renamed(bytes(data[: rng.randint(1, len(data))]), "codemirror", "source"), bytes)
        except InvalidUpdate:
            continue


def test_values_in_values_without_end_are_refused() -> None:
    data = b"\x01\x01\x01\x00\x28\x01\x06source\x01k\x01" + b"\x75\x01" * 5000 + b"\x7e\x00"
    with pytest.raises(InvalidUpdate, match="deep"):
        renamed(data, "codemirror", "source")
