"""What the words of a text are."""

from __future__ import annotations

import re

import pytest

from yp2p.threeway import words
from yp2p.threeway.merge import merge
from yp2p.threeway.words import Words

TEXTS = {
    "cafe\u0301 au lait": ["cafe\u0301", "au", "lait"],
    "team 👨\u200d👩\u200d👧!": ["team", "👨\u200d👩\u200d👧", "!"],
    "👍🏽👍🏿": ["👍🏽", "👍🏿"],
    "🇩🇪🇫🇷": ["🇩🇪", "🇫🇷"],
    "1\ufe0f\u20e3 a2.0.1-rc1": ["1\ufe0f\u20e3", "a2.0.1-rc1"],
    "吃苹果,2026年": ["吃", "苹", "果", ",", "2026", "年"],
    "t = -5": ["t", "=", "-5"],
    "a -2 +3.5 -.5": ["a", "-2", "+3.5", "-.5"],
    "a-5": ["a", "-", "5"],
    "f(1)-2, b[1]+3": ["f", "(", "1", ")", "-", "2", ",", "b", "[", "1", "]", "+", "3"],
    "[-1,-2] x^-3 'é-4' - 5": ["[", "-1", ",", "-2", "]", "x", "^", "-3", "'", "é", "-", "4", "'", "-", "5"],
    "é = \u22125": ["é", "=", "\u22125"],
    "2026-11-28 1e-5 -1e-5": ["2026-11-28", "1e-5", "-1e-5"],
    "한국어 단어": ["한국어", "단어"],
    "नमस्ते दुनिया": ["नमस्ते", "दुनिया"],
    "สวัสดี x": ["สวัสดี", "x"],
}


@pytest.mark.parametrize("text", TEXTS)
def test_the_words_of_a_text(text: str) -> None:
    found = Words.of(text)
    assert [word for word in found.words if word] == TEXTS[text]
    assert found.text(0, len(found.words)) == text


def test_a_mark_is_no_letter() -> None:
    """A run of characters that are both could be cut in as many ways as there are sums."""
    marks = re.compile(f"[{words._MARKS}]")
    assert not [code for code in range(0x110000) if marks.match(chr(code)) and re.match(r"\w", chr(code))]


def test_what_was_put_behind_a_line_that_is_gone_is_not_before_the_next_one() -> None:
    base = "def f(a):\n    one(a)\n    two(a)\n    three(a)\n"
    ours = base.replace(":\n", ":  # new\n")
    theirs = base.replace("def f(a):\n", "").replace("    ", "\t")
    for first, second in ((ours, theirs), (theirs, ours)):
        assert "one(a)" in [line.strip() for line in merge("a.txt", base, first, second).text.split("\n")]
