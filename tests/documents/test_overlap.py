"""How much of a newer version is in a save, and how much of what it left alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yp2p.documents.overlap import Overlap, overlap

ALL = Overlap(lacks=0.0, keeps=1.0, covers=False)
NONE = Overlap(lacks=1.0, keeps=1.0, covers=False)


@pytest.mark.parametrize(
    ("older", "newer", "save", "expected"),
    [
        ("one\n", "far two\none\n", "far two\none\nmine\n", ALL),
        ("one\n", "far two\none\n", "near two\none\n", NONE),  # alike, but of who had not read it
        ("one\n", "far two\none\n", "far more two\none\n", ALL),
        ("one\n", "far two\none\n", "one\n", NONE),
        ("limit = 1200\n", "limit = 1800\n", "limit = 2400\n", Overlap(1.0, 1.0, covers=True)),
        ("limit = 1200\n", "limit = 1800\n", "limit = 1800\nmine\n", Overlap(0.0, 1.0, covers=True)),
        ("limit = 1200\n", "limit = 1800\n", "limit = 1200\nmine\n", NONE),
        ("one\n", "one\nfar away, far away\nto\n", "one\nfar away, far away\n", Overlap(0.125, 1.0, covers=False)),
        ("one\nfar\n", "one\n", "one\nmine\n", Overlap(0.0, 1.0, covers=True)),
        ("one\nfar\n", "one\n", "one\nfar\nmine\n", NONE),
        ("one\nfour\n", "one\nfour\nnew\n", "four\n", Overlap(1.0, 4 / 7, covers=False)),
        ("a\n", "a\n}\n", "a\nb\n", NONE),  # only punctuation came: then that counts
        ("a\n", "a\n}\n", "a\n}\nb\n", ALL),
        ("one\n}\n", "one\n)\n", "one\n]\n", Overlap(1.0, 1.0, covers=True)),
        ("one\n", "one\n", "two\n", Overlap(0.0, 0.0, covers=False)),
        ("", "far\n", "mine\n", NONE),
        ("", "", "", ALL),
        ("one\nfar away\n", "one\n", "one\nfar is away\n", NONE),  # it was removed there, and edited here
        ("one two\nfar\n", "one two\r\nfar\r\n", "one too\nfar\n", Overlap(1.0, 1 / 3, covers=False)),
        ("one\nfar\n", "one\r\nfar\r\n", "one\r\nfar\r\nmine\r\n", ALL),
        ("one\nfar\n", "one\nfur\n", "one\r\nfar\r\n", NONE),
        ("if a:\n    b\n", "if a:\n    c\n", "if a:\n\tb\n", NONE),
        ("one two\nthree\n", "one two\nthree four\n", "three\none two\n", NONE),  # moved, not lost
        ("first\n", "first\nfrom elsewhere\n", "first and much more of that\n", NONE),  # it was added to
        ("first day\n", "first day\nfrom elsewhere\n", "day of rest\n", Overlap(1.0, 0.0, covers=False)),
        ("eins\nzwei äöü\n", "eins\nzwei äöü 😀 neu\n", "null\neins\nzwei äöü\n", NONE),
    ],
)
def test_what_a_save_has_of_two_versions(older: str, newer: str, save: str, expected: Overlap) -> None:
    found = overlap(older, newer, save)
    assert (found.lacks, found.covers) == (expected.lacks, expected.covers)
    assert found.keeps == pytest.approx(expected.keeps)


_TEXTS = st.lists(st.sampled_from(["one", "two words", "three words here", "}", "", "δέλτα", "😀 x"]), max_size=8).map(
    lambda lines: "".join(line + "\n" for line in lines)
)


@given(_TEXTS, _TEXTS, _TEXTS)
def test_shares_are_shares_and_the_versions_themselves_are_at_the_ends(older: str, newer: str, save: str) -> None:
    found = overlap(older, newer, save)
    assert 0.0 <= found.lacks <= 1.0
    assert 0.0 <= found.keeps <= 1.0
    own = overlap(older, newer, newer)
    assert (own.lacks, own.keeps) == (0.0, 1.0)
    same = overlap(older, newer, older)
    assert same.keeps == 1.0
    assert not same.covers
