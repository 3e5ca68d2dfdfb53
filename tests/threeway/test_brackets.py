"""Brackets that one side put around words, and members that both put into one empty list."""

from __future__ import annotations

import json
import tomllib

import pytest
import yaml

from yp2p.threeway.merge import merge


def merged(path: str, base: str, ours: str, theirs: str) -> str:
    here, there = merge(path, base, ours, theirs), merge(path, base, theirs, ours)
    assert here.text == there.text
    assert len(here.told) == len(there.told) == 1
    return here.text


@pytest.mark.parametrize(
    ("path", "base", "ours", "theirs", "right"),
    [
        ("a.json", "{}\n", '{"a": 1}\n', '{"b": 2}\n', '{"a": 1, "b": 2}\n'),
        ("a.json", '{"x": {}}\n', '{"x": {"a": 1}}\n', '{"x": {"b": [1, 2]}}\n', '{"x": {"a": 1, "b": [1, 2]}}\n'),
        ("a.json", '{"x": []}\n', '{"x": ["a, b"]}\n', '{"x": ["c"]}\n', '{"x": ["a, b", "c"]}\n'),
        ("a.json", '{"x": {}}\n', '{"x": { "a": 1 }}\n', '{"x": { "b": 2 }}\n', '{"x": { "a": 1, "b": 2 }}\n'),
        ("a.py", "x = []  # none\n", "x = [a, c]  # none\n", "x = [b, c]  # none\n", "x = [a, c, b]  # none\n"),
        ("a.py", "x = {}\n", "x = {'a': f(1, 2)}\n", "x = {'b': 2}\n", "x = {'a': f(1, 2), 'b': 2}\n"),
        ("a.toml", "x = {}\n", "x = {a = 1}\n", "x = {b = 2}\n", "x = {a = 1, b = 2}\n"),
        ("a.yaml", "x: []\n", "x: [a]\n", "x: [b]\n", "x: [a, b]\n"),
    ],
)
def test_members_of_both(path: str, base: str, ours: str, theirs: str, right: str) -> None:
    assert merged(path, base, ours, theirs) == right


@pytest.mark.parametrize(
    ("path", "base", "ours", "theirs"),
    [
        ("a.json", '{"x": {}}\n', '{"x": {"a": 1}}\n', '{"x": {"a": 2}}\n'),
        ("a.py", "x = {}\n", "x = {'a': 1}\n", "x = {'a': 2}\n"),
        ("a.py", "x = {}\n", "x = {'a': 1}\n", 'x = {"a": 2}\n'),
        ("a.yaml", "x: {}\n", "x: {a: 1}\n", 'x: {"a": 2}\n'),
        ("a.yaml", "x:\n  z: 0\n", "x:\n  a: 1\n  z: 0\n", 'x:\n  "a": 2\n  z: 0\n'),
        ("a.py", "x = []\n", "x = [a for a in y]\n", "x = [b for b in y]\n"),
        ("a.py", "x = '{}'\n", "x = '{a}'\n", "x = '{b}'\n"),
        ("a.md", "- [ ] call\n", "- [x] call\n", "- [-] call\n"),
    ],
)
def test_where_they_are_no_members_of_one_list_one_stands(path: str, base: str, ours: str, theirs: str) -> None:
    assert merged(path, base, ours, theirs) in (ours, theirs)


@pytest.mark.parametrize("comma", ["", ","])
def test_members_of_both_in_lines_of_their_own(comma: str) -> None:
    def text(*members: str) -> str:
        inner = "{\n" + ",\n".join(f'    "{name}": 1' for name in members) + "\n  }" if members else "{}"
        last = '\n  "y": 1' if comma else ""
        return f'{{\n  "x": {inner}{comma}{last}\n}}\n'

    found = merged("a.json", text(), text("a"), text("b"))
    assert found == text("a", "b")
    assert json.loads(found)["x"] == {"a": 1, "b": 1}
    base = "[p]\nextras = []\nz = 1\n"
    found = merged("a.toml", base, *(base.replace("[]", f'[\n  "{name}",\n]') for name in "ab"))
    assert tomllib.loads(found) == {"p": {"extras": ["a", "b"], "z": 1}}


@pytest.mark.parametrize(
    ("path", "base", "ours", "theirs", "right"),
    [
        (
            "a.yaml",
            "on: push\nx: 1\n",
            "on: [push, pull]\nx: 1\n",
            "on: release\nx: 1\n",
            "on: [release, pull]\nx: 1\n",
        ),
        ("a.txt", "see push\n", "see (push soon)\n", "see release\n", "see (release soon)\n"),
        ("a.py", "y = f(x)\n", "y = g(f(x))\n", "y = h(x)\n", "y = g(h(x))\n"),
    ],
)
def test_what_was_put_around_stays_around(path: str, base: str, ours: str, theirs: str, right: str) -> None:
    assert merged(path, base, ours, theirs) == right


BLOCK, FLOW = "k:\n  - {}\n  - gamma\nx: 1\n", "k: [{}, gamma]\nx: 1\n"
MAPPING = "k:\n  name: {}\n  more: gamma\nx: 1\n"
WORDS = ("alpha", "alpha beta", "alpha: beta".replace(": ", ":"), "the alpha and the beta")
CHANGED = ("zeta", "aaa", "alpha zeta", "zeta beta", "the zeta and the beta", "a", "- zeta".replace("- ", "z-"))


@pytest.mark.parametrize("made", [BLOCK, FLOW, MAPPING, BLOCK.replace("  - ", "- ")])
def test_a_scalar_made_a_list_and_changed(made: str) -> None:
    """It is what one side has, or the list with what the other one made of the member."""
    for word in WORDS:
        for changed in CHANGED:
            base, ours, theirs = (text.format(word) for text in ("k: {}\nx: 1\n", made, "k: {}\nx: 1\n"))
            theirs = f"k: {changed}\nx: 1\n"
            if theirs == base:
                continue
            found = yaml.safe_load(merged("a.yaml", base, ours, theirs))
            allowed = [ours, theirs, made.format(changed)]
            assert found in [yaml.safe_load(text) for text in allowed], (base, ours, theirs, found)


def test_a_word_of_a_text_becomes_no_name() -> None:
    ours, theirs = 'x = f"a {b}"\n', "x = 'a c'\n"
    merged = merge("x.py", "x = 'a b'\n", ours, theirs)
    assert merged.text in (ours + theirs, theirs + ours)
    assert len(merged.told) == 1


def test_what_both_put_in_braces_stands() -> None:
    assert merge("x.py", 'x = f"{a} {b}"\n', 'x = f"{a} {c}"\n', 'x = f"{d} {b}"\n').text == 'x = f"{d} {c}"\n'
    assert merge("x.py", 'x = f"{a + b}"\n', 'x = f"{a + c}"\n', 'x = f"{d + b}"\n').text == 'x = f"{d + c}"\n'
