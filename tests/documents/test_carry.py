"""A file that knows more than its base: what the document has already does not come twice, and nothing is lost."""

from __future__ import annotations

import random

import pytest

from yp2p.documents.carry import carry_over
from yp2p.documents.diff import apply_hunks


def _carried(base: str, file: str, document: str) -> str | None:
    found = carry_over(base, file, document)
    return None if found is None else apply_hunks(document, found)


@pytest.mark.parametrize(
    ("base", "file", "document", "expected"),
    [
        # A pull on both, and a change of one's own on each side.
        ("a\n", "a\npulled line here\nmine\n", "a\npulled line here\ntheirs\n", "a\npulled line here\ntheirs\nmine\n"),
        # A store from before: the file has what was written since, and something new.
        ("one\n", "one\nwritten since then\nnew\n", "one\nwritten since then\n", "one\nwritten since then\nnew\n"),
        # What the file took out goes, what others took out does not come back.
        ("a\nb\nc\n", "a\nc\nshared words here\n", "a\nb\nshared words here\n", "a\nshared words here\n"),
        # Nothing of its own.
        ("a\n", "a\nshared words here\n", "a\nshared words here\nmore\n", "a\nshared words here\nmore\n"),
    ],
)
def test_what_both_have_comes_once(base: str, file: str, document: str, expected: str) -> None:
    assert _carried(base, file, document) == expected


@pytest.mark.parametrize(
    ("base", "file", "document"),
    [
        ("log\n", "log\n12:00:01 job A finished\n", "log\n12:00:02 job B finished\n"),
        ("", "def first(): return None\n", "def second(): return None\n"),
        ("a\n", "a\n## Heading of both\nb\nc\nd\n", "a\n## Heading of both\nx\ny\nz\n"),
        ("a\n", "a\nmine\n", "a\ntheirs\n"),
        ("a\n", "a\n}\n", "a\n}\nb\n"),
        ("a\n", "a\nb\n", "a\n"),
        ("", "x", ""),
    ],
)
def test_without_news_in_common_it_is_a_merge_like_any_other(base: str, file: str, document: str) -> None:
    assert _carried(base, file, document) is None


def test_every_word_is_there_once() -> None:
    for seed in range(500):
        rng = random.Random(seed)
        number = iter(range(10_000))
        base = [f"base{next(number):04} line\n" for _ in range(rng.randint(0, 8))]
        shared, mine, theirs = (
            [f"{who}{next(number):04} line\n" for _ in range(3)] for who in ("both", "mine", "them")
        )
        common = base.copy()
        for line in shared:
            common.insert(rng.randint(0, len(common)), line)
        file, document = common.copy(), common.copy()
        for text, lines in ((file, mine), (document, theirs)):
            for line in lines:
                text.insert(rng.randint(0, len(text)), line)
        result = _carried("".join(base), "".join(file), "".join(document))
        assert result is not None
        words = [line.split()[0] for line in base + shared + mine + theirs]
        assert {word: result.count(word) for word in words} == dict.fromkeys(words, 1), f"seed {seed}"
