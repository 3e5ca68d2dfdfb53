"""What holds for any three texts."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

from effort import many
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from yp2p.threeway.merge import Merged, merge

LINES = st.sampled_from(
    [
        "alpha beta gamma\n",
        "alpha beta delta\n",
        "one two three four\n",
        "\n",
        "}\n",
        "x = 1200\n",
        "x = 2400\n",
        "é😀\r\n",
    ]
)
TEXTS = st.lists(LINES, max_size=12).map("".join) | st.text(alphabet="ab1 .\n\r", max_size=40)
# Lines that are unlike all others, so that none can be merged into another one by words.
UNLIKE = [f"{letter * 12}\n" for letter in "abcdefghijklmnopqrstuvwxyz"]


def _edits(lines: list[str], fresh: list[str], places: list[int]) -> list[str]:
    """Replace, insert and delete at some places, with lines that nobody had."""
    result = list(lines)
    for line, place in zip(fresh, places, strict=False):
        at = place % (len(result) + 1)
        if place % 3 == 0:
            result[at : at + 1] = []
        result[at : at + place % 2] = [line]
    return result


@given(TEXTS, TEXTS, TEXTS)
@settings(max_examples=many(250), deadline=None)
def test_the_sides_can_be_exchanged(base: str, ours: str, theirs: str) -> None:
    here, there = merge("a.txt", base, ours, theirs), merge("a.txt", base, theirs, ours)
    assert here.text == there.text
    assert [(t.line, t.stands, t.ours, t.theirs) for t in here.told] == [
        (t.line, t.stands, t.theirs, t.ours) for t in there.told
    ]
    assert merge("a.txt", base, ours, theirs) == here


@given(TEXTS, TEXTS)
@settings(max_examples=many(100), deadline=None)
def test_a_side_alone_stands(base: str, side: str) -> None:
    assert merge("a.txt", base, side, base) == Merged(side)
    assert merge("a.txt", base, side, side) == Merged(side)


@given(TEXTS, TEXTS, TEXTS)
@settings(max_examples=many(250), deadline=None)
def test_what_is_told_stands_where_it_is_said(base: str, ours: str, theirs: str) -> None:
    merged = merge("a.txt", base, ours, theirs)
    lines = merged.text.splitlines(keepends=True) if "\r" not in merged.text else None
    for told in merged.told:
        assert told.stands in merged.text
        assert told.ours in ours
        assert told.theirs in theirs
        assert told.ours or told.theirs
        if lines is not None and told.stands:
            assert "".join(lines[told.line - 1 :]).startswith(told.stands)


@given(
    st.lists(st.integers(0, 12), max_size=10),
    st.lists(st.integers(0, 40), min_size=1, max_size=4),
    st.lists(st.integers(0, 40), min_size=1, max_size=4),
)
@settings(max_examples=many(250), deadline=None)
def test_no_line_is_made_up_lost_or_doubled(rows: list[int], here: list[int], there: list[int]) -> None:
    base = [UNLIKE[row] for row in rows]
    ours, theirs = _edits(base, UNLIKE[13:17], here), _edits(base, UNLIKE[18:22], there)
    merged = merge("a.txt", "".join(base), "".join(ours), "".join(theirs))
    lines = Counter(merged.text.splitlines(keepends=True))
    assert set(lines) <= {*base, *ours, *theirs}
    for side, first, last in ((ours, 13, 17), (theirs, 18, 22)):
        for line in UNLIKE[first:last]:
            assert lines[line] == side.count(line)
    for line in set(base):
        assert lines[line] <= max(ours.count(line) + theirs.count(line), base.count(line))


GONE_ON = st.lists(st.sampled_from((" {}", "\n{}", " {} alpha", "\n")), min_size=1, max_size=4).map("".join)


@given(st.lists(st.integers(0, 12), max_size=3), st.integers(1, 3), GONE_ON, GONE_ON, st.tuples(*[st.booleans()] * 2))
@settings(max_examples=many(250), deadline=None)
def test_what_two_append_to_a_last_line_without_an_end_comes_once(
    rows: list[int], words: int, here: str, there: str, is_ended: tuple[bool, bool]
) -> None:
    base = "".join(UNLIKE[row] for row in rows) + " ".join(f"last{number}" for number in range(words))
    ours, theirs = (
        base + put.format(*(f"{side}{number}" for number in range(4))) + "\n" * end
        for side, put, end in zip(("here", "there"), (here, there), is_ended, strict=True)
    )
    found = Counter(re.findall(r"\w+", merge("a.txt", base, ours, theirs).text)) - Counter({"alpha": 8})
    assert found == (Counter(re.findall(r"\w+", ours)) | Counter(re.findall(r"\w+", theirs))) - Counter({"alpha": 8})


VALUES = st.integers(0, 3) | st.sampled_from(["red", "green"]) | st.lists(st.integers(0, 3), max_size=3)
OBJECTS = st.dictionaries(
    st.sampled_from("abcdefgh"), VALUES | st.dictionaries(st.sampled_from("xyz"), VALUES), max_size=6
)


@given(OBJECTS, OBJECTS, OBJECTS, st.sampled_from([2, None]))
@settings(max_examples=many(250), deadline=None)
def test_json_that_parsed_still_parses(base: Any, ours: Any, theirs: Any, indent: int | None) -> None:
    texts = [json.dumps(value, indent=indent) + "\n" for value in (base, ours, theirs)]
    merged = merge("a.json", *texts)
    json.loads(merged.text, object_pairs_hook=_members)


def _members(found: list[tuple[str, Any]]) -> dict[str, Any]:
    assert len(found) == len({key for key, _ in found})
    return dict(found)


@given(
    st.lists(st.sampled_from(["def f{}():\n    return {}\n", "x{} = {}\n", "if x:\n    y{} = {}\n"]), max_size=6),
    st.lists(st.integers(0, 5), min_size=3, max_size=3),
    st.lists(
        st.sampled_from(["    return (\n        7\n    )\n", "try:\n    z = 1\nfinally:\n    z = 2\n", "", "pass\n"]),
        min_size=2,
        max_size=2,
    ),
)
@settings(max_examples=many(120), deadline=None)
def test_python_that_parsed_still_parses(parts: list[str], numbers: list[int], blocks: list[str]) -> None:
    base = [part.format(number, number) for number, part in enumerate(parts)]
    sides = []
    for block, number in zip(blocks, numbers, strict=False):
        side = list(base)
        side[number % (len(side) + 1) : number % (len(side) + 1) + 1] = [block]
        sides.append("".join(side))
    for text in ("".join(base), *sides):
        assume(_is_python(text))
    assert _is_python(merge("a.py", "".join(base), *sides).text)


def _is_python(text: str) -> bool:
    try:
        compile(text, "merged", "exec")
    except SyntaxError:
        return False
    return True
