"""Which texts parse, and that what a member may send is refused or read in bounded time."""

from __future__ import annotations

import ast
import time

import pytest

from yp2p.threeway.languages import language_of
from yp2p.threeway.merge import merge
from yp2p.threeway.syntax import Grammar, is_parsable


@pytest.mark.parametrize(
    ("path", "language"),
    [
        ("a.py", "python"),
        ("a/b.PYI", "python"),
        ("a.json", "json"),
        ("a.ipynb", "notebook"),
        ("Cargo.lock", "toml"),
        ("x/pyproject.toml", "toml"),
        ("compose.yml", "yaml"),
        ("drawing.svg", "xml"),
        ("py", None),
        ("notes.md", None),
        (".py", "python"),
    ],
)
def test_the_language_is_told_by_the_name(path: str, language: str | None) -> None:
    assert language_of(path) == language


PYTHON = [
    "x = 1\n",
    "x = (\n  1,\n# a comment\n2)\n",
    "def f(a, *, b=1, c):\n    return a\n",
    "def f(a, /, b=1, *args, c, **more): ...\n",
    "try:\n    a\nexcept E:\n    b\nelse:\n    c\nfinally:\n    d\n",
    "try: a\nfinally: b\n",
    "for a in b:\n    if a: break\n    continue\nelse:\n    pass\n",
    "async def f():\n    async for a in b:\n        break\n    return 1\n",
    "class A:\n\tdef f(self):\n\t\treturn 1\n\n\tx = 2\n",
    "match a:\n    case 1:\n        pass\n    case _:\n        pass\n",
    "a = '''\n  not: code\n'''\nb = 1\n",
    's = f"{a!r:>{b}}" "c" # \'\n',
    "s = 'a\\\n  b'\n",
    "x = 1 + \\\n    2\n",
    "f(a, *b, c=1, **d)\n",
    "f(a, b=1, *c, **d, e=2)\n",
    "f(# one\n  a=1,  # two\n  **d,  # three\n)\n",
    "f(a=1, \\\n  b=2)\nf(**d, \\\n  c=1)\n",
    "def f(a=1, \\\n  **b): pass\ndef g(*, \\\n  a): pass\n",
    "def f(* # one\n a, ** # two\n b): pass\n",
    "f(a for a in b)(c for c, in d)\n",
    "f((a for a in b), 1)\n",
    "def f(a, # one\n    *, # two\n    b, **c: int # three\n): pass\n",
    "def f(a: int = 1, /, *b: int, a1=2, **c: int): pass\n",
    "f = lambda *, a, **b: lambda a: 1\n",
    "*a, (*b, c) = *d, *e\n",
    "[a, *b], *c = f(*d, *e), [*d, *e]\n",
    "for *a, b in *c, *d: pass\n",
    "with a as (b, *c): pass\n",
    "a: int\nb: int = 1\n(c): int = 2\nd = e = f.g = 1\nd += 1\n",
    "x = b'a' rb'b'\ny = 'é' f'{x}' r'b'\nz = [b'a', 'é']\n",
    "if a:\n    b\n# deeper\n        # and less\nelse:\n    c\n",
    "a = 1\r\nif a:\r\n    b = 2\r\n",
    "",
    "x = 1",
]
NO_PYTHON = [
    "x = = 1\n",
    "def f(:\n    pass\n",
    "def f():\npass\n",
    "def f():\n",
    "if a:\n    b\n  c\n",
    "  x = 1\n",
    "x = 1\n  y = 2\n",
    "try:\n    a\nb = 1\n",
    "try:\n    a\n",
    "a = 1\nexcept E:\n    b\n",
    "if a:\n\tb\n        c\n",
    "f(a=1, b)\n",
    "f(a=1, not b)\n",
    "f(a=1, a=2)\n",
    "f(**a, b)\n",
    "f(a)(**b, *c)\n",
    "class A(**a, b): pass\n",
    "f(a for a in b, 0)\n",
    "f(a for a in b,)\n",
    "def f(**a, b=1): pass\n",
    "def f(**a: int, b: int): pass\n",
    "def f(**a, *b): pass\n",
    "def f(**a, /): pass\n",
    "f = lambda **a, b: 1\n",
    "def f(a, a): pass\n",
    "def f(a: int, *a: int): pass\n",
    "def f(a=1, *, b, **a): pass\n",
    "f = lambda a, a=1: 1\n",
    "def f(a, /, b, /): pass\n",
    "def f(a, *, /): pass\n",
    "def f(/, a): pass\n",
    "def f(a, *): pass\n",
    "def f(*, **a): pass\n",
    "*a, *b = c\n",
    "*a = b\n",
    "[*a, *b] = c\n",
    "d = *a, *b = c\n",
    "for *a, *b in c: pass\n",
    "with a as (*b, *c): pass\n",
    "a: int = b = 1\n",
    "a = b: int = 1\n",
    "a, b: int = 1\n",
    "a = b += 1\n",
    "a += b = 1\n",
    "a, b += 1\n",
    "a = b'é'\n",
    'a = rB"""é"""\n',
    "a = b'a' 'b'\n",
    "a = ('a'\n     Rb'b')\n",
    "a = f'a' b'b'\n",
    "def f(a=1, b): pass\n",
    "def f(*a, *b): pass\n",
    "x = '''\n",
    "x = (1,\n",
    "x = 1)\n",
    "x = 'a\n",
    "x = 1 + \\\n",
    "return 1\n",
    "class A:\n    return 1\n",
    "def f():\n    break\n",
    "while a:\n    def f():\n        continue\n",
]


@pytest.mark.parametrize("text", PYTHON)
def test_python_parses(text: str) -> None:
    ast.parse(text)
    assert Grammar("python").twice([text]) is not None


@pytest.mark.parametrize("text", NO_PYTHON)
def test_what_is_no_python_does_not_parse(text: str) -> None:
    with pytest.raises(SyntaxError):
        compile(text, "text", "exec")
    assert Grammar("python").twice([text]) is None


def test_a_text_is_judged_alike_whatever_was_parsed_before() -> None:
    texts = [text for text in (*PYTHON, *NO_PYTHON) if text.endswith("\n")]
    whole = [[before, "x = 1\n", after] for before in texts for after in texts[::3]]
    used = Grammar("python")
    for pieces in whole:
        alone = Grammar("python").twice(pieces)
        assert used.twice(pieces) == alone, pieces


@pytest.mark.parametrize(
    ("language", "text", "before"),
    [
        ("yaml", "a: &a 1\nb: *a\n---\nc: *a\n", None),
        ("yaml", "a: &a 1\nb: *b\n", None),
        ("yaml", "a: &a 1\nb: *a\n---\nc: &a 1\nd: *a\n", 0),
        ("yaml", "a: &a 1\nb: &a 1\nc: *a\n", 1),
        ("xml", '<a xmlns:b="c" b:d=""><b:e/></a>', 0),
        ("xml", '<a><e xmlns:b="c"/><b:e/></a>', 1),
        ("xml", "<a><b:c:d/></a>", 1),
        ("xml", "<a><b:e></a>", None),
        ("xml", '<!DOCTYPE a [<!ENTITY b "c &amp; d">]><a>&b;</a>', 0),
        ("xml", '<!DOCTYPE a [<!ENTITY b "c">]><a>&d;</a>', None),
        ("xml", '<!DOCTYPE a [<!ENTITY b "<c>">]><a>&b;</a>', None),
        ("xml", '<!DOCTYPE a SYSTEM "a.dtd"><a>&d; &d;</a>', 1),
        ("xml", '<!DOCTYPE a [<!ENTITY b SYSTEM "/etc/hostname">]><a>&b;</a>', 0),
        ("xml", '<!DOCTYPE a [<!ENTITY n "u">]><b:a xmlns:b="&n;"/>', 0),
        ("yaml", "on: release, pull]\n", 1),
        ("yaml", "on: zeta\n  - pull\n", 1),
        ("yaml", 'on: a - b\nat: x[0]\nin: "]"\n', 0),
    ],
)
def test_names_that_are_used_are_there(language: str, text: str, before: int | None) -> None:
    """Or the text does not parse, or it may be so if it was before."""
    found = Grammar(language).twice([text])
    assert (None if found is None else sum(found.values())) == before


@pytest.mark.parametrize(
    ("language", "right", "wrong", "twice"),
    [
        ("json", '{"a": [1, NaN], "b": {"a": 1}}', '{"a": 1,}', '{"a": 1, "a": 2}'),
        ("toml", "a = 1\n[b]\na = 2\n", "a = 1\na = 2\n", None),
        ("yaml", "a: [1]\nb: {a: 1}\n'1': x\n1: y\n", "a: [1\n", "a: 1\nb:\n  c: 1\n  c: 2\n"),
        ("xml", "<a><b/>text</a>", "<a><b></a>", None),
        ("notebook", '{"cells": [{"source": []}]}', '{"cells": [{}]}', '{"cells": [], "cells": []}'),
    ],
)
def test_other_languages(language: str, right: str, wrong: str, twice: str | None) -> None:
    grammar = Grammar(language)
    assert grammar.twice([right]) == {}
    assert grammar.twice([wrong]) is None
    if twice is not None:
        assert grammar.twice([twice])


def test_toml_is_the_standard_that_all_supported_pythons_read() -> None:
    # A later version of the language allows this; devices must not differ.
    assert Grammar("toml").twice(["a = {\n  b = 1,\n}\n"]) is None


def _three(text: str) -> tuple[str, str, str]:
    return f"1\n{text}\n", f"2\n{text}\n", f"3\n{text}\n"


DEEP = 100_000
DEFAULTS = "".join(f"<!ATTLIST b c{row} CDATA ''>" for row in range(9000))
HOSTILE = {
    "brackets": ("a.py", *_three("x = " + "[" * DEEP + "]" * DEEP)),
    "calls": ("a.py", *_three("x = a" + "()" * DEEP)),
    "signs": ("a.py", *_three("x = " + "-" * DEEP + "1")),
    "quotes": ("a.py", *_three('"' * DEEP + "1")),
    "open strings": ("a.py", *_three('"""a\n' * 10_001)),
    "backslashes": ("a.py", *_three("x = '" + "\\'" * DEEP + "'")),
    "indentation": ("a.py", *_three("".join(" " * depth + "if a:\n" for depth in range(1000)))),
    "half a pair": ("a.py", *_three("x = '\ud800'")),
    "nul": ("a.py", *_three("x = '\0'")),
    "arrays": ("a.json", *(f"[\n{number},\n{'[' * DEEP}{']' * DEEP}]\n" for number in (1, 2, 3))),
    "digits": ("a.json", *(f"[\n{number},\n{'9' * DEEP}]\n" for number in (1, 2, 3))),
    "half a pair in json": ("a.json", *(f'[\n{number},\n"\ud800"]\n' for number in (1, 2, 3))),
    "dots": ("a.toml", *(f"x = {number}\na{'.a' * DEEP} = 1\n" for number in (1, 2, 3))),
    "digits of toml": ("a.toml", *(f"x = {number}\na = {'9' * DEEP}\n" for number in (1, 2, 3))),
    "aliases": ("a.yaml", *(f"x: {number}\na: &a [x]\n" + "b: &b [" + "*a," * 9000 + "]\n" for number in (1, 2, 3))),
    "dashes": ("a.yaml", *(f"x: {number}\ny:\n {'- ' * 20_000}a\n" for number in (1, 2, 3))),
    "flow": ("a.yaml", *(f"x: {number}\ny: {'[' * DEEP}\n" for number in (1, 2, 3))),
    "entities": (
        "a.xml",
        *(
            f'<!DOCTYPE a [<!ENTITY b "cccccccccc"><!ENTITY d "{"&b;" * 1000}">]>\n<a>\n{number}{"&d;" * 1000}\n</a>'
            for number in (1, 2, 3)
        ),
    ),
    "entities that are flat": (
        "a.xml",
        *(f'<!DOCTYPE a [<!ENTITY b "{"c" * 9000}">]>\n<a>\n{number}{"&b;" * DEEP}\n</a>' for number in (1, 2, 3)),
    ),
    "entities in an attribute": (
        "a.xml",
        *(f'<!DOCTYPE a [<!ENTITY b "{"c" * 9000}">]>\n<a\nc="{number}{"&b;" * DEEP}"/>' for number in (1, 2, 3)),
    ),
    "attributes of elements": (
        "a.xml",
        *(f"<!DOCTYPE a [{DEFAULTS}]>\n<a>\n{number}\n{'<b/>' * DEEP}</a>" for number in (1, 2, 3)),
    ),
    "elements": ("a.xml", *(f"<x>{number}\n{'<a>' * DEEP}{'</a>' * DEEP}</x>" for number in (1, 2, 3))),
    "returns": ("a.txt", "a\n" * 10, ("a" + "\r" * 5000 + "\n") * 10, "b\n" * 10),
    "no words": ("a.txt", " " * DEEP + "a", " " * DEEP + "b", " " * DEEP + "c"),
    "one digit": ("a.txt", "1" * DEEP, "2" * DEEP, "3" * DEEP),
    "one version": ("a.txt", "1.2" * DEEP, "2.3" * DEEP, "3.4" * DEEP),
    "same lines": ("a.txt", "x\n" * DEEP, "x\n" * DEEP + "x\ny\n", "z\n" + "x\n" * DEEP + "w\n"),
    "lines in pairs": ("a.txt", "a\nb\n" * 20_000, "b\na\n" * 20_000, "a\na\nb\n" * 13_000),
    "words in pairs": ("a.txt", "a b " * 20_000, "b a " * 20_000, "a a b " * 13_000),
    "all lines": (
        "a.txt",
        "".join(f"a{row} same\nkeep {row}\n" for row in range(1500)),
        "".join(f"b{row} same\nkeep {row}\n" for row in range(1500)),
        "".join(f"c{row} same\nkeep {row}\n" for row in range(1500)),
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_texts_take_bounded_steps(name: str) -> None:
    path, base, ours, theirs = HOSTILE[name]
    began = time.process_time()
    here, there = merge(path, base, ours, theirs), merge(path, base, theirs, ours)
    # Without its bound each takes a minute or ends the process; with it it is well under a second on a quiet machine.
    assert time.process_time() - began < 10
    assert here.text == there.text
    assert sum(len(told.stands) for told in here.told) <= len(here.text)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("json", "[" * 101 + "]" * 101),
        ("python", "(" * 101 + ")" * 101),
        ("toml", "a = " + "9" * 4001),
        ("toml", "a" + ".a" * 500 + " = 1"),
        ("yaml", "a: 1\n" * 200_000),
    ],
)
def test_a_plain_scan_keeps_from_the_parsers_what_they_do_not_bound(language: str, text: str) -> None:
    assert not is_parsable(language, text)
