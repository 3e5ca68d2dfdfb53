"""One side re-indented a block and the other one changed lines in it: the change is in the block, indented alike."""

from __future__ import annotations

import time

import pytest

from yp2p.threeway.merge import merge

LINES = ("a = load(x)", "b = parse(a)", "c = check(b)", "save(c)")


def _function(*lines: str, around: str = "") -> str:
    """A function with these lines, in a block of its own if there is something around."""
    head = f"def f(x):\n{'    ' + around + chr(10) if around else ''}"
    return head + "".join(f"{'        ' if around else '    '}{line}\n" for line in lines) + "    return c\n"


PLAIN, INSIDE = _function(*LINES), _function(*LINES, around="with lock:")
CHANGES = {
    "put in": (*LINES[:2], "log(b)", *LINES[2:]),
    "put in first": ("log(x)", *LINES),
    "put in last": (*LINES, "log(c)"),
    "a block put in": (*LINES[:2], "if b:", "    log(b)", *LINES[2:]),
    "behind an empty line": (*LINES[:2], "# logged\n", "log(b)", *LINES[2:]),
    "taken out": (*LINES[:2], LINES[3]),
    "replaced": (*LINES[:2], "raise Unrelated(thing)", LINES[3]),
    "one made two": (*LINES[:2], "c = check(b, deep=True)", "log(c)", LINES[3]),
}


def merged(path: str, base: str, ours: str, theirs: str) -> str:
    here, there = merge(path, base, ours, theirs), merge(path, base, theirs, ours)
    assert here.text == there.text
    assert len(here.told) == len(there.told) == 1
    return here.text


@pytest.mark.parametrize("path", ["a.py", "a.txt"])
@pytest.mark.parametrize("tab", ["    ", "\t"])
@pytest.mark.parametrize("name", CHANGES)
def test_what_one_side_changed_is_indented_as_the_other_one_has_it(name: str, tab: str, path: str) -> None:
    changed = _function(*CHANGES[name])
    right = _function(*CHANGES[name], around="with lock:").replace("\n        \n", "\n\n")
    texts = [text.replace("    ", tab) for text in (PLAIN, INSIDE, changed, right)]
    assert merged(path, *texts[:3]) == texts[3]


@pytest.mark.parametrize("name", [name for name in CHANGES if name != "put in first"])
def test_and_where_the_block_was_taken_out(name: str) -> None:
    changed = _function(*CHANGES[name], around="with lock:")
    assert merged("a.py", INSIDE, PLAIN, changed) == _function(*CHANGES[name])


def test_beside_a_line_that_was_taken_out_with_it() -> None:
    inside = _function(*LINES[:2], LINES[3], around="with lock:")
    changed = _function(*LINES[:2], "log(b)", *LINES[2:])
    assert merged("a.py", PLAIN, inside, changed) == _function(*LINES[:2], "log(b)", LINES[3], around="with lock:")


def test_tabs_in_place_of_spaces() -> None:
    changed = _function(*CHANGES["a block put in"])
    tabs = [text.replace("    ", "\t") for text in (PLAIN, changed)]
    assert merged("a.py", PLAIN, tabs[0], changed) == tabs[1]
    assert merged("a.py", tabs[0], PLAIN, tabs[1]) == changed


def test_a_script_made_a_function() -> None:
    base = "import os\n\nx = 1\nfor i in range(3):\n    print(i)\nprint(x)\n"
    lines = "    x = 1\n    for i in range(3):\n        print(i)\n{}    print(x)\n{}"
    made = "import os\n\n\ndef main():\n{}\n\nmain()\n"
    deeper = base.replace("    print(i)\n", "    print(i)\n    x += i\n")
    assert merged("a.py", base, made.format(lines.format("", "")), deeper) == made.format(
        lines.format("        x += i\n", "")
    )
    assert merged("a.py", base, made.format(lines.format("", "")), base + "print(i)\n") == made.format(
        lines.format("", "    print(i)\n")
    )


@pytest.mark.parametrize(
    ("path", "base", "ours", "theirs", "right"),
    [
        (
            "a.yaml",
            "a:\n- x: 1\n- y: 2\n- z: 3\n",
            "a:\n  - x: 1\n  - y: 2\n  - z: 3\n",
            "a:\n- n: 5\n- x: 1\n- y: 2\n- z: 3\n",
            "a:\n  - n: 5\n  - x: 1\n  - y: 2\n  - z: 3\n",
        ),
        (
            "a.json",
            '{\n  "a": 1,\n  "b": 2\n}\n',
            '{\n    "a": 1,\n    "b": 2\n}\n',
            '{\n  "a": 1,\n  "n": 5,\n  "b": 2\n}\n',
            '{\n    "a": 1,\n    "n": 5,\n    "b": 2\n}\n',
        ),
        (
            "a.xml",
            "<ul>\n<li>one</li>\n<li>two</li>\n</ul>\n",
            "<p>\n  <ul>\n    <li>one</li>\n    <li>two</li>\n  </ul>\n</p>\n",
            "<ul>\n<li>one</li>\n<li>new</li>\n<li>two</li>\n</ul>\n",
            "<p>\n  <ul>\n    <li>one</li>\n    <li>new</li>\n    <li>two</li>\n  </ul>\n</p>\n",
        ),
    ],
)
def test_other_languages(path: str, base: str, ours: str, theirs: str, right: str) -> None:
    assert merged(path, base, ours, theirs) == right


def test_what_is_put_in_elsewhere_is_indented_as_it_was() -> None:
    """A function beside the one in which something was re-indented, before a line that both changed."""
    base = PLAIN + "\n\ndef g():\n    first()\n    second()\n"
    theirs = base.replace("def g", "def h():\n    if y:\n        new()\n\n\ndef g")
    ours = base.replace(PLAIN, INSIDE).replace("def g()", "def g() -> None")
    assert merged("a.py", base, ours, theirs) == ours.replace("def g", "def h():\n    if y:\n        new()\n\n\ndef g")


@pytest.mark.parametrize(
    ("path", "base", "ours", "put_in"),
    [
        ("a.py", "def f():\n    return 1\n", "class K:\n    def f():\n        return 1\n", "\n\nif main:\n    f()\n"),
        ("a.md", "- one\n- two\n", "- zero\n  - one\n  - two\n", "\n## Heading\n\nText.\n"),
        ("a.md", "make this\nmake that\n", "    make this\n    make that\n", "\n# Next\n\nMore.\n"),
        ("a.yaml", "a:\n  b: 1\n", "top:\n  a:\n    b: 1\n", "\nc:\n  d: 2\n"),
        ("a.sh", "one a\ntwo b\n", "if x; then\n  one a\n  two b\nfi\n", "\nf() {\n  y\n}\n"),
    ],
)
def test_what_an_empty_line_parts_from_the_last_block_is_behind_it(
    path: str, base: str, ours: str, put_in: str
) -> None:
    assert merged(path, base, ours, base + put_in) == ours + put_in


@pytest.mark.parametrize("unit", ["\t", "        ", "  "])
def test_a_line_that_one_side_re_indented_where_the_whole_text_has_another_unit(unit: str) -> None:
    base = 'def f(x):\n    while 1:\n        t = get()\n        if not t:\n            break\n    print("T", t)\n'
    theirs = base.replace("            break\n", "            for q in y:\n                break\n")
    right = theirs.replace("    ", unit)
    assert merged("a.py", base, base.replace("    ", unit), theirs) == right
    assert merged("a.txt", base, base.replace("    ", unit), theirs) == right


def test_many_lines_take_bounded_steps() -> None:
    base = "".join(f"line {row}\n" for row in range(2000))
    indented = "".join(f"  {line}\n" for line in base.split("\n")[:-1])
    deeper = " \t"
    put_in = "".join(f"line {row}\n{deeper * (row % 50)}new {row}\n" for row in range(2000))
    began = time.process_time()
    assert merge("a.txt", base, indented, put_in).text == merge("a.txt", base, put_in, indented).text
    assert time.process_time() - began < 10
