"""Answers as JSON: names that are no UTF-8 are shown as escapes, in keys and values at any depth."""

from __future__ import annotations

import json

import pytest

from yp2p.control import answers
from yp2p.control.answers import json_answer


class _Text(str):
    __slots__ = ()


@pytest.mark.parametrize(
    "value",
    [
        {"path": "no \udcff utf8"},
        {"no \udcff utf8": 1},
        [["a", {"b": ("c", "no \udcff utf8")}]],
        {"a": _Text("of a class of its own"), "b": [_Text("no \udcff utf8")]},
        {"plain": "ä漢😀\n\x00", "none": None, "number": 1.5, "list": [True, 2]},
    ],
)
def test_what_is_no_utf_8_is_shown_as_an_escape(value: object) -> None:
    text = json.dumps(value).replace("\\udcff", "\\\\udcff")
    assert json.loads(json_answer(value).body) == json.loads(text)


def test_text_of_a_class_of_its_own_costs_no_look_at_every_string(monkeypatch: pytest.MonkeyPatch) -> None:
    """As of settings from the environment: the name of the device is in every status."""

    def looked(value: object) -> object:
        raise AssertionError(f"{value!r} was looked at string by string")

    monkeypatch.setattr(answers, "_printable", looked)
    found = json_answer({"name": _Text("lap"), "devices": [_Text("desk")]})
    assert json.loads(found.body) == {"name": "lap", "devices": ["desk"]}
