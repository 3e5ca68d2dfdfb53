"""What stands where two sides met: a table of places, each with what is right, from either side."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

import pytest

from yp2p.threeway.merge import Merged, merge


@dataclass(frozen=True)
class Case:
    """Three texts and what is made of them."""

    name: str
    base: str
    ours: str
    theirs: str
    right: str
    path: str = "notes.txt"
    told: int = 1


TASKS = "write report\ncall bank\nbuy milk\nfix bike\nread book\n"
LOG = "started\n"
RELEASES = "Changes\n=======\n\n{}Version 8.0\n-----------\n\n- first\n"
FUNCTION = "def load(path):\n{0}with open(path) as f:\n{0}{0}return f.{1}\n"

CASES = [
    Case("one side alone", "a\nb\nc\n", "a\nB\nc\n", "a\nb\nc\n", "a\nB\nc\n", told=0),
    Case("both the same", "a\nb\nc\n", "a\nB\nc\n", "a\nB\nc\n", "a\nB\nc\n", told=0),
    Case("far apart", "a\nb\nc\nd\ne\n", "A\nb\nc\nd\ne\n", "a\nb\nc\nd\nE\n", "A\nb\nc\nd\nE\n", told=0),
    Case(
        "changed here, removed there",
        TASKS,
        TASKS.replace("write report", "x 2026-11-28 write report"),
        TASKS.replace("write report\n", ""),
        TASKS.replace("write report", "x 2026-11-28 write report"),
    ),
    Case(
        "both added much to one line, and one side a line",
        "call bank\n",
        "call bank about the letter of last week\nbuy milk\n",
        "call bank before they close for the holidays\n",
        "call bank about the letter of last week before they close for the holidays\nbuy milk\n",
    ),
    Case(
        "one added before a word and one behind it, and one a line",
        "the end\n",
        "the very last and bitter end\nmore\n",
        "the end of all that there was\n",
        "the very last and bitter end of all that there was\nmore\n",
    ),
    Case(
        "a line that moved is changed where it went",
        TASKS,
        "fix bike\nwrite report\ncall bank\nbuy milk\nread book\n",
        TASKS.replace("fix bike", "fix bike and lamp"),
        "fix bike and lamp\nwrite report\ncall bank\nbuy milk\nread book\n",
    ),
    Case(
        "indented here, a word there",
        FUNCTION.format("\t", "read()"),
        FUNCTION.format("    ", "read()"),
        FUNCTION.format("\t", "read().strip()"),
        FUNCTION.format("    ", "read().strip()"),
        path="io.py",
    ),
    Case(
        "wrapped here, a word there",
        "We keep the folders of every device the same,\nand nobody loses a word.\n",
        "We keep the folders of every device\nthe same, and nobody loses a word.\n",
        "We keep the folders of every device the same,\nand nobody loses a letter.\n",
        "We keep the folders of every device\nthe same, and nobody loses a letter.\n",
    ),
    Case(
        "other line ends here, a word there",
        "line number one\nline number two\nline number three\n",
        "line number one\r\nline number two\r\nline number three\r\n",
        "line number one\nline number 2\nline number three\n",
        "line number one\r\nline number 2\r\nline number three\r\n",
    ),
    Case(
        "two words of one line",
        "meet ann on monday at nine\n",
        "meet ann on friday at nine\n",
        "meet bob on monday at nine\n",
        "meet bob on friday at nine\n",
    ),
    Case("two values of one word", "timeout = 1200 # s\n", "timeout = 1800 # s\n", "timeout = 2400 # s\n",
         "timeout = 2400 # s\n"),
    Case("two values, one digit each", "retries: 1 each\n", "retries: 2 each\n", "retries: 3 each\n",
         "retries: 3 each\n"),
    Case("two values, one without its sign", "t = -5\n", "t = 5\n", "t = -6\n", "t = 5\n"),
    Case("two values, each with a sign", "a +1\n", "a -1\n", "a +2\n", "a +2\n"),
    Case("the greater of two below nought", '{"t": -5}\n', '{"t": -12}\n', '{"t": -7}\n', '{"t": -7}\n',
         path="a.json"),
    Case("a sign that came, and another number", "temp: 3 C\n", "temp: -3 C\n", "temp: 4 C\n", "temp: 4 C\n"),
    Case("numbers around an operator", "x = a-5\n", "x = b-5\n", "x = a-6\n", "x = b-6\n", path="a.py"),
    Case("the later of two versions", "needs trio 0.9.0 or later\n", "needs trio 0.31.0 or later\n",
         "needs trio 0.30.0 or later\n", "needs trio 0.31.0 or later\n"),
    Case("what both put between brackets is not glued", "result = call() # once\n", "result = call(a) # once\n",
         "result = call(b) # once\n", "result = call(b) # once\n"),
    Case("members that both add at one point", "from things import one\n", "from things import one, two\n",
         "from things import one, three\n", "from things import one, three, two\n"),
    Case(
        "unlike lines for one line",
        "title\nsummary: tbd\nend\n",
        "title\nabstract = We study sheep.\nend\n",
        "title\nThis page is about goats\nend\n",
        "title\nThis page is about goats\nabstract = We study sheep.\nend\n",
    ),
    Case("both append to a log", LOG, LOG + "10:00 up\n10:05 hot\n", LOG + "10:01 seen\n",
         LOG + "10:00 up\n10:05 hot\n10:01 seen\n"),
    Case("both append, no line end at the end", "one", "one\ntwo", "one\nthree", "one\nthree\ntwo"),
    Case("both write a new file", "", "ours\n", "theirs\n", "ours\ntheirs\n"),
    Case("one empties the file", "one\ntwo\n", "", "one\nTWO\n", "one\nTWO\n"),
    Case("versions descend as below", RELEASES.format(""),
         RELEASES.format("Version 8.0.1\n-------------\n\n- mended\n\n"),
         RELEASES.format("Version 8.1.0\n-------------\n\n- new\n\n"),
         RELEASES.format("Version 8.1.0\n-------------\n\n- new\n\nVersion 8.0.1\n-------------\n\n- mended\n\n")),
    Case("sorted as around", "apple\nplum\n", "apple\npear\nplum\n", "apple\nlemon\nplum\n",
         "apple\nlemon\npear\nplum\n"),
    Case("beside what is like it", "import os\nfrom math import inf\n",
         "import os\nfrom collections import deque\nfrom math import inf\n",
         "import os\nimport weakref\nfrom math import inf\n",
         "import os\nimport weakref\nfrom collections import deque\nfrom math import inf\n", path="clock.py"),
    Case(
        "white space of one side before a word of the other",
        "  left: `4`, not right\n",
        "  left: 4, not right\n",
        "  left: `5`, not right\n",
        "  left: 5, not right\n",
    ),
    Case(
        "each adds a last member",
        '{\n  "a": "1.0.0",\n  "b": "2.0.0"\n}\n',
        '{\n  "a": "1.0.0",\n  "b": "2.0.0",\n  "c": "3.0.0"\n}\n',
        '{\n  "a": "1.0.0",\n  "b": "2.0.0",\n  "d": "4.0.0"\n}\n',
        '{\n  "a": "1.0.0",\n  "b": "2.0.0",\n  "c": "3.0.0",\n  "d": "4.0.0"\n}\n',
        path="package.json",
    ),
    Case(
        "one key, two values",
        "name: app\nport: 80\n",
        "name: app\nport: 80\nuser: ann the first of her name\n",
        "name: app\nport: 80\nuser: bob\n",
        "name: app\nport: 80\nuser: ann the first of her name\n",
        path="service.yaml",
    ),
    Case(
        "bodies of two kinds under one head",
        "def area(r):\n    pass\n",
        "def area(r):\n    return 3 * r * r\n",
        "def area(r):\n    raise ValueError(\n        r\n    )\n",
        "def area(r):\n    raise ValueError(\n        r\n    )\n    return 3 * r * r\n",
        path="shapes.py",
    ),
    # A character with what is written on it is one, and so is a picture of several.
    Case(
        "a picture of joined ones",
        "team 👨\u200d👩\u200d👧\n",
        "team 👨\u200d👩\u200d👦\n",
        "team 👩\u200d👩\u200d👧\n",
        "team 👩\u200d👩\u200d👧\n",
    ),
    Case("the colour of a skin", "ok 👍 good\n", "ok 👍🏽 good\n", "ok 👍🏿 good\n", "ok 👍🏿 good\n"),
    Case("a flag", "go 🇩🇪 now\n", "go 🇩🇰 now\n", "go 🇳🇪 now\n", "go 🇳🇪 now\n"),
    Case("an accent", "a cafe b\n", "a cafe\u0301 b\n", "a cafes b\n", "a cafes b\n"),
    Case(
        "vowel signs",
        "मुझे सेब पसंद है\n",
        "मुझे केला पसंद है\n",
        "मुझे सेब पसंद नहीं है\n",
        "मुझे केला पसंद नहीं है\n",
    ),
    # Where words are not parted by spaces, characters that touch are changed together.
    Case(
        "places of a Chinese line",
        "我喜欢吃苹果和香蕉\n",
        "我喜欢吃梨和香蕉\n",
        "我喜欢吃苹果和葡萄\n",
        "我喜欢吃梨和葡萄\n",
    ),
    Case("one word of a Chinese line", "我喜欢苹果\n", "我喜欢香蕉\n", "我喜欢葡萄\n", "我喜欢香蕉\n"),
    Case("neighbours in a Chinese line", "他喜欢苹果。\n", "他爱吃苹果。\n", "他喜欢香蕉。\n", "他爱吃苹果。\n"),
    Case(
        "a sentence behind a Japanese one",
        "今日は天気がいい。\n",
        "今日は天気がいい。散歩する。\n",
        "今日は天気がいい。本を読む。\n",
        "今日は天気がいい。散歩する。本を読む。\n",
    ),
    Case("a long number", "n = 10000\n", "n = 10001\n", "n = 20000\n", "n = 20000\n"),
    # What is put in at the end of a block goes where the block went; a neighbour stays.
    Case(
        "a key at the end of a table that moved",
        "[thing]\nx = 1\n\n[other]\ny = 2\n",
        "[other]\ny = 2\n\n[thing]\nx = 1\n",
        "[thing]\nx = 1\nz = 3\n\n[other]\ny = 2\n",
        "[other]\ny = 2\n\n[thing]\nx = 1\nz = 3\n",
        "a.toml",
    ),
    Case(
        "a paragraph at the end of a section that moved",
        "# One\n\ntext of one\n\n# Two\n\ntext of two\n",
        "# Two\n\ntext of two\n\n# One\n\ntext of one\n",
        "# One\n\ntext of one\n\nmore for one\n\n# Two\n\ntext of two\n",
        "# Two\n\ntext of two\n\n# One\n\ntext of one\n\nmore for one\n",
    ),
    Case(
        "a note below a line that moved",
        "- apple pie\n- bread roll\n- cold cuts\n",
        "- bread roll\n- cold cuts\n- apple pie\n",
        "- apple pie\n  with a note\n- bread roll\n- cold cuts\n",
        "- bread roll\n- cold cuts\n- apple pie\n  with a note\n",
    ),
    Case(
        "a line beside a line that moved",
        "- apple pie\n- bread roll\n- cold cuts\n",
        "- bread roll\n- cold cuts\n- apple pie\n",
        "- apple pie\n- extra thing\n- bread roll\n- cold cuts\n",
        "- extra thing\n- bread roll\n- cold cuts\n- apple pie\n",
    ),
    # A line that gives a name another value is the line that it was, however short the name.
    Case(
        "values of two names",
        "key0 = ann0\nkey1 = ann2\n",
        "key0 = bob1\nkey1 = bob3\n",
        "key0 = ann3\nkey1 = ann2\n",
        "key0 = bob1\nkey1 = bob3\n",
    ),
    Case("a value longer than its name", "k = annetteannette\n", "k = bob\n", "k = carla\n", "k = carla\n"),
    Case("a value where none was", "key = \n", "key = one\n", "key = two\n", "key = two\n"),
    # Both made the same table or member: it is there once, with what each put into it.
    Case(
        "one table made by both",
        "[a]\nx = 1\n",
        "[a]\nx = 1\n\n[b]\ny = 1\n",
        "[a]\nx = 1\n\n[b]\nz = 2\n",
        "[a]\nx = 1\n\n[b]\ny = 1\nz = 2\n",
        "a.toml",
    ),
    Case(
        "one mapping made by both",
        "a:\n  x: 1\n",
        "a:\n  x: 1\nb:\n  y: 1\n",
        "a:\n  x: 1\nb:\n  z: 2\n",
        "a:\n  x: 1\nb:\n  y: 1\n  z: 2\n",
        "a.yaml",
    ),
    Case(
        "one object made by both",
        '{\n  "a": 1\n}\n',
        '{\n  "a": 1,\n  "b": {\n    "y": 1\n  }\n}\n',
        '{\n  "a": 1,\n  "b": {\n    "z": 2\n  }\n}\n',
        '{\n  "a": 1,\n  "b": {\n    "y": 1,\n    "z": 2\n  }\n}\n',
        "a.json",
    ),
    Case("one argument named by both", "f(a)\n", "f(a, k=1)\n", "f(a, k=2)\n", "f(a, k=1)\nf(a, k=2)\n", "a.py"),
]  # fmt: skip


def exchanged(merged: Merged) -> Merged:
    return Merged(
        merged.text, tuple(type(told)(told.line, told.stands, told.theirs, told.ours) for told in merged.told)
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_stands(case: Case) -> None:
    merged = merge(case.path, case.base, case.ours, case.theirs)
    assert merged.text == case.right
    assert len(merged.told) == case.told
    assert merge(case.path, case.base, case.theirs, case.ours) == exchanged(merged)


def test_lines_are_never_glued() -> None:
    """Where one side takes a line break out, or has none at its end, beside what the other one changes."""
    for base, ours, theirs in (
        ("a()\n\nb()\n", "a()\nb()\n", "a()\n\n# why b\nb()\n"),
        ("alpha\ndelta\n", "delta", "delta\nalpha\n"),
        ("\nif x:\n", "if x:", " z6\nif x: z8 z4\n"),
        ("\n    y = 1\n\necho()\nalpha\n", "    y = 1 z8\necho()\nalpha\n", " z6\n    y = 1\n\necho()\ndelta8\n"),
        ("echo()\n\ngamma\n", "echo()\n z7\ngamma\n", "delta2\necho()\ngamma z2\n"),
        ("\ngolf\nif x:\ngamma\n\nd", "\ngolf\ngamma\n\n# note7\nd\n", " z9\n    y = 13\ngolf\nif x:\ngamma\nd\n"),
    ):  # fmt: skip
        merged = merge("a.txt", base, ours, theirs)
        lines = {line for text in (base, ours, theirs) for line in text.split("\n")} - {""}
        for line in set(merged.text.split("\n")) - lines:
            assert not any(line == one + other for one in lines for other in lines), (base, merged.text)


def test_changes_that_only_touch_are_both_taken() -> None:
    merged = merge("a.md", "- one\n    - two\n    - three\n", "- [one](1.md)\n    - two\n    - three\n", "- one\n")
    assert merged.text == "- [one](1.md)\n"
    assert len(merged.told) == 1


def test_a_line_that_every_version_has_once_stands_once() -> None:
    base = "first line here\nlog 100004\nlog 100005\nlog 100006\nlast\n"
    ours = "first line here\n    log 100004\nlog 100005\nnew line\nlog 100006\nlast\n"
    theirs = "other first line\nlog 100006\nlog 100004\nlog 100005\nlast\n"
    text = merge("a.txt", base, ours, theirs).text
    assert [text.count(word) for word in ("100004", "100005", "100006", "new line")] == [1, 1, 1, 1]


def _list_of(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def test_a_short_line_that_one_side_moved_stands_once() -> None:
    """Whatever the other side did beside it."""
    items = ["milk", "eggs", "<B.2> x", "7"]
    beside = [[*items[:at], "new one", *items[at:]] for at in range(5)]
    changed = [[*items[:at], f"{items[at]} changed", *items[at + 1 :]] for at in range(4)]
    for moved in itertools.permutations(items):
        for other in (*beside, *changed):
            for sides in ((moved, other), (other, moved)):
                lines = merge("a.txt", _list_of(items), *map(_list_of, sides)).text.splitlines()
                assert {item: lines.count(item) for item in items if lines.count(item) > 1} == {}, (moved, other)
                assert ("new one" in lines) == ("new one" in other)


def test_a_short_line_that_went_with_its_block_stands_in_both_blocks() -> None:
    base = "start\nif a\n  x = a\nend\nmid 1\nmid 2\nmid 3\nlast\n"
    ours = "start\nmid 1\nmid 2\nmid 3\nif b\n  y = 7\nend\nlast\n"
    theirs = base.replace("x = a\n", "x = a + c\n")
    merged = "start\nif a\n  x = a + c\nend\nmid 1\nmid 2\nmid 3\nif b\n  y = 7\nend\nlast\n"
    assert merge("a.rb", base, ours, theirs).text == merged
    assert merge("a.rb", base, theirs, ours).text == merged


@pytest.mark.parametrize("change", ["{} now", "well: {}", "{}!"])
def test_a_line_that_one_side_moved_and_changed_stands_once(change: str) -> None:
    """Whatever the other side put in beside it, or changed in it."""
    items = ["milk 1", "eggs 2", "<B.2> x", "bread 7"]
    for at, to in itertools.permutations(range(4), 2):
        mover = [item for item in items if item != items[at]]
        mover.insert(to, change.format(items[at]))
        for beside in range(5):
            other = [*items[:beside], "new one", *items[beside:]]
            for sides in ((mover, other), (other, mover)):
                text = merge("a.txt", _list_of(items), *map(_list_of, sides)).text
                assert [text.count(item) for item in items] == [1] * 4, (mover, other, text)
                assert (text.count(change.format(items[at])), text.count("new one")) == (1, 1), (mover, other, text)


def test_a_line_that_one_side_moved_and_changed_has_what_the_other_one_changed() -> None:
    base = "start\ncall the bank\nmiddle one\nmiddle two\nend\n"
    ours = "start\nmiddle one\nmiddle two\ncall the bank today\nend\n"
    theirs = base.replace("call the bank\n", "please call the bank\nnew one\n")
    merged = "start\nnew one\nmiddle one\nmiddle two\nplease call the bank today\nend\n"
    assert merge("a.txt", base, ours, theirs).text == merged
    assert merge("a.txt", base, theirs, ours).text == merged


def test_a_last_line_that_one_side_moved_and_both_went_on_with_stands_once() -> None:
    """It has no end where it is last, and one where it is not."""
    base, ours, theirs = "start\n C 0\n A 1 2", "start\n A 1 2 w3\n w5\n C 0\n", "start\n C 0\n A 1 2 w4\n"
    text = merge("a.txt", base, ours, theirs).text
    assert text == merge("a.txt", base, theirs, ours).text
    assert [text.count(word) for word in ("A 1 2", "w3", "w4", "w5", "C 0")] == [1] * 5


def test_a_last_line_without_an_end_into_which_much_was_put_is_the_line_that_it_was() -> None:
    base, ours, theirs = "the end w1", "the end w0 alpha w1 w3 alpha\nw4", "the end w1 w2 alpha"
    text = merge("a.txt", base, ours, theirs).text
    assert text == merge("a.txt", base, theirs, ours).text
    assert [text.count(word) for word in ("end", "w0", "w1", "w2", "w3", "w4")] == [1] * 6
    assert text.endswith("\nw4")


def test_lines_that_moved_inside_of_one_place_stand_once() -> None:
    """Both sides changed all of it, so it is one place, and in order the lines cannot be paired."""
    base = "<100002>  ·\n<100001>  x\n<100003>  é\n<100004>  é\na😀b\nline two\n"
    ours = "<100002>  ·\n<100001>  x\n<100003>  \n<100004>  é\na😀b\n<100005> · ·\nline two\n"
    theirs = "<100003>  é\n<100006> 漢 ·\n<100004>\n<100002>  ·\n<100001>  x  \na😀yb\nline two\n"
    text = merge("a.txt", base, ours, theirs).text
    assert text == merge("a.txt", base, theirs, ours).text
    assert [text.count(f"<10000{number}>") for number in range(1, 7)] == [1] * 6, text


def test_a_line_that_is_there_as_it_was_is_no_other_one_that_was_changed() -> None:
    """By likeness alone "1 é" would have become "4 😀", "2 ·" both "1 é" and "8 😀 é", and of these one would stand."""
    base, ours, theirs = "<w.1>  é\n<w.2> ·\n", "<w.4>  😀\n<w.7> 👍 😀\n<w.1>  é\n", "<w.1>  \n<w.8> 😀 é\n"
    text = merge("a.txt", base, ours, theirs).text
    assert [text.count(word) for word in ("<w.1>", "<w.4>", "<w.7>", "<w.8>")] == [1, 1, 1, 1]


def test_words_alone_make_no_line_another_one() -> None:
    """A list of what needs what has the name of a line that others have changed elsewhere."""
    base = "click==8.1.2\n    # via black\nflake8==4\n    # via\n    #   mypy\nend\n"
    ours = "click==8.0.4\n    # via black\nflake8==4\n    # via\n    #   click\n    #   mypy\nend\n"
    theirs = "flake8==4\n    # via\n    #   mypy\n    #   pytest\nend\n"
    assert "#   click\n" in merge("a.txt", base, ours, theirs).text


def test_of_lines_that_both_have_brought_back_each_stands_once() -> None:
    base, ours, theirs = "a\nb\nc\n", "a\nx\nwent and came 1\nb\nc\n", "a\ny\nb\nwent and came 1\nz\nc\n"
    assert merge("a.txt", base, ours, theirs).text.count("went and came") == 2
    assert merge("a.txt", base, ours, theirs, {"went and came 1"}).text.count("went and came") == 1


def test_lines_that_are_put_in_beside_a_changed_line_leave_it_once() -> None:
    """Also where the changed line is hardly like the former one, and where that had no end."""
    long, short = "the end of all that there was 1 and three more words", "a\nthe end 1"
    for base, ours, theirs, right in (
        ("a\nb 1\n", "a\nb 1 and three more words\n", "a\nb 1\nc", "a\nb 1 and three more words\nc\n"),
        (short, f"a\n{long}\n", f"{short}\nc", f"a\n{long}\nc"),
        (short, f"a\n{long}", f"{short}\nc", f"a\n{long}\nc"),
        (short, f"a\n{long}\nd\n", f"{short}\nc", f"a\n{long}\nd\nc\n"),
    ):
        assert merge("a.txt", base, ours, theirs).text == right
        assert merge("a.txt", base, theirs, ours).text == right


def test_a_last_line_that_a_side_left_open_stays_open() -> None:
    """As git has it where it is clean, and where it asks and is told to take both."""
    assert merge("a.txt", "a\nb\n", "a now\nb\n", "a\nb\nc").text == "a now\nb\nc"
    assert merge("a.txt", "a\nb and more", "a\nb and more now\n", "a\nb and more\nc").text == "a\nb and more now\nc"


def test_a_last_line_without_an_end_stays_the_last() -> None:
    assert merge("a.md", "- a\n", "- a\n- of ours\n", "- a\n- of theirs").text == "- a\n- of ours\n- of theirs\n"
