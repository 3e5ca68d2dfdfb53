"""What an editor is shown of a file with other line ends, and its edits in the file."""

from __future__ import annotations

import pytest
from effort import many
from hypothesis import given, settings
from hypothesis import strategies as st

from yp2p.documents.diff import Hunk, apply_hunks
from yp2p.editors.line_ends import SHOWN_CR, as_shown, ends_all_with_cr, in_file, index_in_file, index_shown, shown
from yp2p.editors.operation import Operation
from yp2p.editors.view import View


@pytest.mark.parametrize(
    ("text", "hunk", "expected"),
    [
        ("a\r\nb\r\n", Hunk(1, 1, "x\ny"), "ax\r\ny\r\nb\r\n"),  # before a line end, not inside
        ("a\r\nb\r\n", Hunk(1, 2, ""), "ab\r\n"),  # the whole line end
        ("a\r\nb\r\n", Hunk(4, 4, "c\n"), "a\r\nb\r\nc\r\n"),
        ("a\nb\r\nc", Hunk(5, 5, "\n"), "a\nb\r\nc\r\n"),  # as the one before
        ("a\nb\r\nc", Hunk(2, 2, "\n"), "a\n\nb\r\nc"),
        ("a\r\nb", Hunk(0, 0, "\n"), "\r\na\r\nb"),  # or the next one
        ("a\rb\n", Hunk(1, 2, SHOWN_CR + "c"), "a\rcb\n"),  # a sign for a CR is a CR
        ("ab\n", Hunk(1, 1, SHOWN_CR), f"a{SHOWN_CR}b\n"),  # and itself where there is none
        ("a\r\n\r\nb", Hunk(2, 3, ""), "a\r\nb"),
        ("\ufeffab\n", Hunk(0, 0, "x"), "\ufeffxab\n"),  # behind the mark that no editor shows
        ("\ufeffab\n", Hunk(0, 1, ""), "\ufeffb\n"),
        ("\ufeffa\r\nb\r\n", Hunk(2, 3, "c\n"), "\ufeffa\r\nc\r\n\r\n"),
        ("\ufeff", Hunk(0, 0, "x"), "\ufeffx"),
    ],
)
def test_an_editors_edit_in_the_file(text: str, hunk: Hunk, expected: str) -> None:
    assert apply_hunks(text, in_file(text, [hunk])) == expected


@settings(max_examples=many(400), deadline=None)
@given(
    st.builds("".join, st.tuples(st.sampled_from(["", "\ufeff"]), st.text(alphabet="a\r\n", max_size=12))), st.data()
)
def test_what_is_not_edited_keeps_its_bytes(text: str, data: st.DataObject) -> None:
    seen = shown(text)
    assert "\r" not in seen
    start, stop = sorted((data.draw(st.integers(0, len(seen))), data.draw(st.integers(0, len(seen)))))
    (hunk,) = in_file(text, [Hunk(start, stop, "x")])
    assert shown(text[: hunk.start]) == seen[:start]
    assert shown(text[hunk.stop :]) == seen[stop:]
    assert (index_in_file(text, start), index_in_file(text, stop)) == (hunk.start, hunk.stop)
    assert index_shown(text, hunk.start) == start


@settings(max_examples=many(400), deadline=None)
@given(st.text(alphabet="a\r\n", max_size=12), st.text(alphabet="b\r\n", max_size=4), st.data())
def test_a_change_of_the_file_is_shown_as_it_is_or_said_to_be_another(text: str, new: str, data: st.DataObject) -> None:
    start, stop = sorted((data.draw(st.integers(0, len(text))), data.draw(st.integers(0, len(text)))))
    operation = as_shown(text, [Hunk(start, stop, new)])
    if operation is None:
        assert "\r\n" in (text[start - 1 : start + 1], text[stop - 1 : stop + 1])
    elif text[max(0, start - 1) : start] != "\r" and not new.endswith("\r") and text[stop : stop + 1] != "\n":
        assert operation.makes(shown(text), shown(text[:start] + new + text[stop:]))


def test_which_editors_write_cr_lf() -> None:
    assert ends_all_with_cr("a\r\nb\r\n")
    for content in ("", "a", "a\nb\r\n", "a\rb\r\n"):
        assert not ends_all_with_cr(content)


def test_a_byte_order_mark_is_not_shown_and_stays() -> None:
    """Editors have it as an option of the file: shown, it would be saved as a second one, and a third one then."""
    view = View("a\nb\n", is_neovim=False)
    view.become("\ufeffa\nb\n")
    assert view.shown == "a\nb\n"
    view.write(apply_hunks(view.text, view.edit(view.shown, Operation.of([Hunk(0, 3, "c")]))))
    assert (view.text, view.shown, view.saved(view.shown)) == ("\ufeffc\n", "c\n", "\ufeffc\n")
    operation = view.change([Hunk(1, 2, "d")])
    assert operation is not None
    assert operation.apply("c\n") == view.shown == "d\n"
    view.change([Hunk(0, 1, "")])
    assert (view.text, view.shown, view.saved(view.shown)) == ("d\n", "d\n", "d\n")
