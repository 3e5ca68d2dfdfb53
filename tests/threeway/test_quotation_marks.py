"""One side wrote strings with the other quotation marks, as formatters do; no string is put together from both."""

from __future__ import annotations

import pytest

from yp2p.threeway.merge import merge


def merged(path: str, base: str, ours: str, theirs: str) -> str:
    here, there = merge(path, base, ours, theirs), merge(path, base, theirs, ours)
    assert here.text == there.text
    assert here.told
    return here.text


@pytest.mark.parametrize(
    ("path", "base", "changed"),
    [
        ("a.py", "x = ['delta']\n", "x = ['cherry', 'quince']\n"),
        ("a.py", "x = ['delta', 'gamma']\n", "x = ['zero', 'delta', 'gamma']\n"),
        ("a.py", "x = ['delta', 'gamma']\n", "x = ['delta', 'zero', 'gamma']\n"),
        ("a.py", "x = ['delta', 'gamma']\n", "x = ['gamma']\n"),
        ("a.py", "f('a', b='c')\n", "f('a', b='d', e='f')\n"),
        ("a.py", "f('a', b='c')\ng('d')\n", "f('a', b='c', e='f')\nh('d', 'e')\n"),
        ("a.py", "print('hello')\n", "print(f'hello {name}')\n"),
        ("a.yaml", "a: ['b']\n", "a: ['c', 'd']\n"),
        ("a.js", "f('a');\n", "f('c', 'd');\n"),
        ("a.xml", "<a b='c'/>\n", "<a b='d' e='f'/>\n"),
    ],
)
def test_the_other_side_s_strings_have_those_marks(path: str, base: str, changed: str) -> None:
    right = changed.replace("'", '"')
    assert merged(path, base, base.replace("'", '"'), changed) == right
    assert merged(path, base.replace("'", '"'), base, right) == changed


@pytest.mark.parametrize(
    "changed", ["print('hello')  # don't\n", "print('it', \"it's\")\n", "print('hello', 'it\\'s')\n"]
)
def test_an_apostrophe_is_no_mark_of_a_string(changed: str) -> None:
    base = "print('hello')\n"
    text = merged("a.py", base, 'print("hello")\n', changed)
    assert changed.removeprefix("print('hello'").removeprefix("print('it'").rstrip() in text


def test_no_string_is_made_of_two() -> None:
    """Where each side changed more than the marks, whole lines stand."""
    base, ours, theirs = "x = ['delta', 'gamma']\n", 'y = ["delta", "gamma"]\n', "x = ['delta', 'zero', 'gamma']\n"
    text = merged("a.py", base, ours, theirs)
    assert "zero', 'gamma\"" not in text
    assert "'zero'" in text
