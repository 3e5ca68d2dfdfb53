"""What two sides wrote that parses, each by itself, parses when it is one text: by the languages' own parsers."""

from __future__ import annotations

import tomllib
from xml.etree import ElementTree

import pytest
import yaml

from yp2p.threeway.merge import merge

ANCHORS = "x-common: &common\n  restart: always\nservices:\n  web:\n    <<: *common\n"
# A name, and what the base, one side and the other one have.
PYTHON = {
    "a parameter behind **": ("def f(a):\n    pass\n", "def f(a, **k):\n    pass\n", "def f(a, b=1):\n    pass\n"),
    "a parameter behind ** in lines": (
        "def f(\n    a,\n):\n    return a\n",
        "def f(\n    a,\n    **k,\n):\n    return a\n",
        "def f(\n    a,\n    b=1,\n):\n    return a\n",
    ),
    "of a method": (
        "class A:\n    def f(self):\n        pass\n",
        "class A:\n    def f(self, **k: int):\n        pass\n",
        "class A:\n    def f(self, b: int):\n        pass\n",
    ),
    "of a lambda": ("x = lambda a: 1\n", "x = lambda a, **k: 1\n", "x = lambda a, b: 1\n"),
    "an argument behind **": ("run(a)\n", "run(a, **options)\n", "run(a, check)\n"),
    "an expression behind a name": ("run(a)\n", "run(a, b=1)\n", "run(a, not c)\n"),
    "* behind **": ("f(a)\n", "f(a, **k)\n", "f(a, *b)\n"),
    "a generator alone": ("x = sum([a for a in b])\n", "x = sum(a for a in b)\n", "x = sum([a for a in b], 0)\n"),
    "letters in bytes": ('x = "abc"\n', 'x = b"abc"\n', 'x = "abcé"\n'),
    "bytes beside letters": (
        'x = ("a"\n     "b")\n',
        'x = (b"a"\n     b"b")\n',
        'x = ("a"\n     "c"\n     "b")\n',
    ),
    "two targets of a type": ("x = 1\n", "x: int = 1\n", "x = y = 1\n"),
    "/ twice": ("def f(a, b):\n    pass\n", "def f(a, b, /):\n    pass\n", "def f(a, /, b):\n    pass\n"),
    "a name twice": ("def f(a):\n    pass\n", "def f(a, b):\n    pass\n", "def f(b, a):\n    pass\n"),
    "two rests": ("a, b = f()\n", "*a, b = f()\n", "a, *b = f()\n"),
}
YAML = {
    "an anchor with another name": (
        ANCHORS,
        ANCHORS.replace("common", "base"),
        ANCHORS + "  db:\n    <<: *common\n",
    ),
    "an anchor that went": (
        "base: &b\n  k: 1\nx:\n  <<: *b\n",
        "x:\n  k: 1\n",
        "base: &b\n  k: 1\nx:\n  <<: *b\ny:\n  <<: *b\n",
    ),
    "in brackets": ("x: &a {k: 1}\ny: *a\n", "x: &b {k: 1}\ny: *b\n", "x: &a {k: 1}\ny: *a\nz: *a\n"),
    "an anchor twice": ("x: 1\n\ny: 2\n", "x: &a 1\nu: *a\ny: 2\n", "x: 1\nv: 3\ny: &a 2\nz: *a\n"),
}
XML = {
    "a prefix that went": (
        '<r xmlns:q="u">\n<a/>\n<b/>\n<q:c/>\n<d/>\n</r>\n',
        "<r>\n<a/>\n<b/>\n<d/>\n</r>\n",
        '<r xmlns:q="u">\n<a/>\n<q:b/>\n<q:c/>\n<d/>\n</r>\n',
    ),
    "an entity that went": (
        '<!DOCTYPE r [\n<!ENTITY q "u">\n]>\n<r>\n<a/>\n<b>&q;</b>\n<d/>\n</r>\n',
        "<!DOCTYPE r [\n]>\n<r>\n<a/>\n<b>u</b>\n<d/>\n</r>\n",
        '<!DOCTYPE r [\n<!ENTITY q "u">\n]>\n<r>\n<a/>\n<b>&q; &q;</b>\n<d/>\n</r>\n',
    ),
    "an element with a document type": (
        '<!DOCTYPE r SYSTEM "r.dtd">\n<r>\n<a>\none\n</a>\n</r>\n',
        '<!DOCTYPE r SYSTEM "r.dtd">\n<r>\n<b>\none\n</b>\n</r>\n',
        '<!DOCTYPE r SYSTEM "r.dtd">\n<r>\n<a>\none\n</a>\n<a>\ntwo\n</a>\n</r>\n',
    ),
}


def _merged(path: str, base: str, ours: str, theirs: str) -> str:
    here, there = merge(path, base, ours, theirs), merge(path, base, theirs, ours)
    assert here.text == there.text
    assert len(here.told) == len(there.told) == 1
    return here.text


@pytest.mark.parametrize("name", PYTHON)
def test_python(name: str) -> None:
    for text in (*PYTHON[name], _merged("a.py", *PYTHON[name])):
        compile(text, "a.py", "exec")


@pytest.mark.parametrize("name", YAML)
def test_yaml(name: str) -> None:
    for text in (*YAML[name], _merged("a.yaml", *YAML[name])):
        yaml.safe_load(text)


@pytest.mark.parametrize("name", XML)
def test_xml(name: str) -> None:
    for text in (*XML[name], _merged("a.svg", *XML[name])):
        ElementTree.fromstring(text)


def test_a_line_that_one_side_moved_is_not_lost_with_one_that_no_longer_fits() -> None:
    """One side moved a key into the table, in place of one of its name; the other one moved a line before that."""
    base = '[a]\nsize = 1\nlabel = "of gamma"\nalpha = true\nmode = "old"\n\n[b]\nmode = 7\n'
    ours = '[a]\nmode = 7\nsize = 1\nlabel = "of gamma"\nalpha = true\n\n[b]\n'
    theirs = '[a]\nsize = 1\nalpha = true\nlabel = "of gamma"\nmode = "old"\n\n[b]\nmode = 7\n'
    for first, second in ((ours, theirs), (theirs, ours)):
        found = tomllib.loads(merge("a.toml", base, first, second).text)
        assert found["a"]["label"] == "of gamma"
        assert found["a"]["mode"] == 7
