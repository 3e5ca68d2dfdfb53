"""Blocks and diffs are applied exactly where they belong, or not at all, with the reason."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yp2p.agents.patches import MAX_PIECES, Block, Patched, read_blocks, with_blocks, with_diff
from yp2p.documents.diff import unified
from yp2p.errors import UsageError

_LINES = st.lists(
    st.sampled_from(["a", "b", "", "é😀", "-- x", "++ y", "@@ z", " w", "\\ v", "same", "same"]), max_size=12
)


def _text(lines: list[str], end: str, is_ended: bool) -> str:
    text = "".join(line + end for line in lines)
    return text if is_ended else text.removesuffix(end)


def test_a_block_replaces_what_stands_once() -> None:
    blocks = read_blocks(
        "<<<<<<< SEARCH\nb\n=======\nB\nBB\n>>>>>>> REPLACE\n\n<<<<<<< SEARCH\nBB\n=======\n>>>>>>> REPLACE\n"
    )
    assert blocks == [Block("b\n", "B\nBB\n"), Block("BB\n", "")]
    assert with_blocks("a\nb\nc\n", blocks).text == "a\nB\nc\n"


@pytest.mark.parametrize(
    ("base", "block", "reason"),
    [
        ("a\n", Block("b", "c"), "not in the version"),
        ("aXaX", Block("X", "c"), "more than once"),
        ("aaa", Block("aa", "c"), "more than once"),
        ("a\n", Block("", "c"), "searches for nothing"),
    ],
)
def test_a_block_that_does_not_fit_changes_nothing(base: str, block: Block, reason: str) -> None:
    patched = with_blocks(base, [Block("\x7f", ""), block])
    assert patched.text == base
    assert [one.number for one in patched.refused] == [1, 2]
    assert reason in patched.refused[1].reason


def test_an_empty_text_is_filled_and_line_ends_are_kept() -> None:
    assert with_blocks("", [Block("", "new\n")]).text == "new\n"
    assert with_blocks("a\r\nb\r\n", [Block("a\nb\n", "c\nd\n")]).text == "c\r\nd\r\n"
    assert with_blocks("a\nb", [Block("b\n", "c\n")]).text == "a\nc"
    assert with_diff("a\r\nb\r\n", "@@ -2 +2,2 @@\n-b\n+c\n+d\n").text == "a\r\nc\r\nd\r\n"


@pytest.mark.parametrize("text", ["", "x\n", "<<<<<<< SEARCH\na\n", "<<<<<<< SEARCH\na\n=======\nb\n", "\0"])
def test_what_is_no_block_is_told(text: str) -> None:
    with pytest.raises(UsageError):
        read_blocks(text)


@pytest.mark.parametrize(
    ("blocks", "number"),
    [
        # A heading that is underlined so: where the block is divided cannot be told.
        ("<<<<<<< SEARCH\nTitle\n=======\nold\n=======\nTitle\n=======\nnew\n>>>>>>> REPLACE\n", 5),
        # One that has no end, and the next one.
        ("<<<<<<< SEARCH\na\n=======\nb\n<<<<<<< SEARCH\nc\n=======\nd\n>>>>>>> REPLACE\n", 5),
        ("<<<<<<< SEARCH\na\n<<<<<<< SEARCH\nc\n=======\nd\n>>>>>>> REPLACE\n", 3),
        ("<<<<<<< SEARCH\na\n>>>>>>> REPLACE  \n=======\nd\n>>>>>>> REPLACE\n", 3),
    ],
)
def test_a_mark_inside_a_block_is_told_and_is_no_text(blocks: str, number: int) -> None:
    with pytest.raises(UsageError, match=f"line {number} of the blocks .* as JSON"):
        read_blocks(blocks)


def test_a_line_end_alone_means_no_place_of_a_text_without_one() -> None:
    patched = with_blocks("abc", [Block("\n", "X\n")])
    assert patched.text == "abc"
    assert "not in the version" in patched.refused[0].reason


@pytest.mark.parametrize(
    ("base", "diff", "wanted"),
    [
        ("f\n 1\ng\n", "@@ -1,2 +1,2 @@\n f\n- 1\n+ 2", "f\n 2\ng\n"),
        ("f\r\n1\r\ng\r\n", "@@ -1,2 +1,2 @@\r\n f\r\n-1\r\n+2", "f\r\n2\r\ng\r\n"),
        ("f\r\n1\ng\n", "@@ -1 +1,2 @@\r\n f\r\n+2", "f\r\n2\r\n1\ng\n"),
        ("f\ng\nh\n", "@@ -1,2 +1 @@\n f\n-g", "f\nh\n"),
        ("f\ng\nh\n", "@@ -1,2 +1,3 @@\n f\n+x\n g", "f\nx\ng\nh\n"),
        ("a\nb", "@@ -2,0 +3 @@\n+c\n", "a\nb\nc\n"),
        ("a\nb", "@@ -2,0 +3 @@\n+c\n\\ No newline at end of file\n", "a\nb\nc"),
        ("a\r\nb", "@@ -2,0 +3 @@\n+c\n", "a\r\nb\r\nc\r\n"),
        ("a\nb", "@@ -2 +2 @@\n-b\n+B\n\\ No newline at end of file\n@@ -2,0 +3 @@\n+c\n", "a\nB\nc\n"),
        ("a\nb", "@@ -2 +2 @@\n-b\n\\ No newline at end of file\n+B\n\\ No newline at end of file", "a\nB"),
    ],
)
def test_no_line_of_a_diff_is_joined_with_another_one(base: str, diff: str, wanted: str) -> None:
    assert with_diff(base, diff) == Patched(wanted)


@pytest.mark.parametrize(
    ("base", "diff", "wanted"),
    [
        ("f\ng\n", "@@ -1,2 +1,2 @@\n f\n-g\n+h\n-- \n2.39.2\n\n", "f\nh\n"),
        ("f\r\ng\r\n", "@@ -1,2 +1,2 @@\r\n f\r\n-g\r\n+h\r\n-- \r\n2.39.2\r\n", "f\r\nh\r\n"),
        ("f\n- \ng\n", "@@ -1,3 +1,2 @@\n f\n-- \n g\n", "f\ng\n"),
        ("f\n- \n", "@@ -1,2 +1 @@\n f\n-- \n-- \n2.39.2\n", "f\n"),
        ("f\n- \ng\n", "@@ -1 +1 @@\n f\n-- \n g\n", "f\ng\n"),  # whose head counts wrong
        ("f\n- \n", "@@ -1 +1 @@\n f\n-- \n", "f\n"),
    ],
)
def test_the_signature_behind_a_mailed_diff_is_none_of_it(base: str, diff: str, wanted: str) -> None:
    """`git format-patch` ends its mails so; a removed line that is `- ` looks the same."""
    assert with_diff(base, diff) == Patched(wanted)


@pytest.mark.parametrize("hunk", ["@@ -1,0 +2 @@\n+x\n", "@@ -1 +1 @@\n-a\n+x\n"])
def test_a_last_line_in_the_middle_of_a_text_is_refused(hunk: str) -> None:
    patched = with_diff("a\nb\n", hunk + "\\ No newline at end of file\n")
    assert patched.text == "a\nb\n"
    assert "the text goes on there" in patched.refused[0].reason


@given(_LINES, _LINES, st.sampled_from(["\n", "\r\n"]), st.booleans(), st.booleans(), st.integers(0, 3))
def test_a_diff_makes_of_the_old_text_the_new_one(
    old: list[str], new: list[str], end: str, old_ended: bool, new_ended: bool, context: int
) -> None:
    base, wanted = _text(old, end, old_ended), _text(new, end, new_ended)
    if base == wanted:
        return
    diff = "".join(line + "\n" for line in unified(base, wanted, context))
    patched = with_diff(base, "--- a/f\n+++ b/f\n" + diff)
    assert (patched.text, patched.refused) == (wanted, ())


def test_numbers_that_are_wrong_do_no_harm_where_the_lines_stand_once() -> None:
    base = "".join(f"line {number}\n" for number in range(20))
    for head in ("@@ -1,9 +1,2 @@", "@@ -900 +1 @@", "@@ @@", "@@ ... @@", "@@"):
        assert with_diff(base, f"{head}\n line 11\n-line 12\n+LINE 12\n").text == base.replace("line 12", "LINE 12")
    twice = "a\nb\na\nb\n"
    assert "more than once" in with_diff(twice, "@@ -9 +9 @@\n a\n-b\n+c\n").refused[0].reason
    assert with_diff(twice, "@@ -3,2 +3,2 @@\n a\n-b\n+c\n").text == "a\nb\na\nc\n"


def test_hunks_that_do_not_fit_are_refused_and_the_others_are_not() -> None:
    patched = with_diff(
        "a\nb\nc\n", "@@ -1 +1 @@\n-a\n+A\n@@ -2 +2 @@\n-x\n+X\n@@ -1 +1 @@\n-a\n+AA\n@@ -3 +3 @@\n-c\n+C\n"
    )
    assert patched.text == "A\nb\nC\n"
    assert [one.number for one in patched.refused] == [2, 3]
    assert "overlaps" in patched.refused[1].reason


def test_a_diff_without_hunks_or_of_two_files_is_told() -> None:
    for diff in (
        "",
        "nothing",
        "--- a\n+++ b\n",
        "--- a\n+++ b\n@@ -1 +1 @@\n-a\n+b\n--- c\n+++ d\n@@ -1 +1 @@\n-a\n+b\n",
    ):
        with pytest.raises(UsageError):
            with_diff("a\n", diff)


def test_the_work_is_bounded() -> None:
    base = "same\n" * 100_000
    many = "".join(f"@@ -{n} +{n} @@\n" + " same\n" * 50 + "-other\n" for n in range(1, 100))
    assert all("too much" in one.reason for one in with_diff(base, many).refused[10:])
    with pytest.raises(UsageError, match="at most"):
        with_blocks("a", [Block("a", "a")] * (MAX_PIECES + 1))


@given(st.text(st.sampled_from("-+ @\\\n\rab"), max_size=60), st.text(st.sampled_from("ab\n\r"), max_size=30))
def test_any_text_is_a_diff_or_is_told(diff: str, base: str) -> None:
    try:
        with_diff(base, diff)
    except UsageError:
        pass
