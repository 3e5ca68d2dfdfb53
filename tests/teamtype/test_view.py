"""How Neovim is shown the end of a file, and what it makes of it."""

from __future__ import annotations

import pytest
from effort import many
from hypothesis import given, settings
from hypothesis import strategies as st

from yp2p.documents.diff import Hunk, apply_hunks
from yp2p.editors.operation import Operation
from yp2p.editors.revisions import Revisions
from yp2p.editors.view import View


def _edit(view: View, hunk: Hunk) -> str:
    """What the file says when Neovim has made this edit, as it tells it."""
    operation = view.put_right(view.shown, Operation.of([hunk]))
    view.write(apply_hunks(view.text, view.edit(view.shown, operation)))
    return view.text


@pytest.mark.parametrize(
    ("content", "hunk", "text"),
    [
        ("a\nb\n", Hunk(0, 4, ""), "\n"),  # all lines were deleted: an empty one is left
        ("a\nb\n", Hunk(4, 4, "c\n"), "a\nb\nc\n"),
        ("", Hunk(0, 0, "first"), "first\n"),  # opened empty, the option is off; Neovim would write a line end
        ("a", Hunk(1, 1, "b"), "ab"),
        ("ab", Hunk(2, 2, "c\n"), "ab\nc"),  # lines put in behind the last one
        ("a\nb", Hunk(1, 3, "x\ny\n"), "a\nx\ny"),
        ("ab", Hunk(2, 2, "\n"), "ab\n"),
        ("ab", Hunk(2, 2, "\nc"), "ab\nc"),
    ],
)
def test_what_neovims_plugin_tells(content: str, hunk: Hunk, text: str) -> None:
    assert _edit(View(content, is_neovim=True), hunk) == text


def test_the_option_never_goes_off() -> None:
    view = View("a\nb\n", is_neovim=True)
    view.change([Hunk(3, 4, "")])
    assert (view.text, view.shown) == ("a\nb", "a\nb\n")
    assert _edit(view, Hunk(4, 4, "c\n")) == "a\nb\nc"
    assert _edit(view, Hunk(0, 0, "x")) == "xa\nb\nc"
    view.become("")
    assert view.shown == "\n"
    assert _edit(view, Hunk(0, 0, "x")) == "x\n"


def test_a_last_line_end_of_others_is_not_shown_where_the_option_is_off() -> None:
    view = View("a", is_neovim=True)
    view.change([Hunk(1, 1, "\nb\n")])
    assert view.shown == "a\nb"
    assert _edit(view, Hunk(3, 3, "c")) == "a\nbc\n"


def test_two_who_add_a_line_at_the_end_of_a_file_replace_nothing() -> None:
    """A last line end that both replaced would stand there twice."""
    view = View("", is_neovim=True)
    assert _edit(view, Hunk(0, 0, "first")) == "first\n"
    operation = view.put_right(view.shown, Operation.of([Hunk(5, 5, "second\n")]))
    assert view.edit(view.shown, operation) == [Hunk(6, 6, "second\n")]


def test_a_buffer_of_empty_lines_is_looked_after() -> None:
    """Neovim's plugin does not tell that one of them was deleted."""
    view = View("\n\n\n", is_neovim=True)
    revisions = Revisions(view.content)
    edits = [revisions.nothing_at(index) for index in view.doubtful(revisions.told.text)]
    assert [(edit.revision, edit.hunks) for edit in edits] == [(0, [Hunk(1, 1, "")]), (0, [Hunk(2, 2, "")])]
    assert revisions.edit(2, lambda lines: Operation.of([Hunk(0, 0, "x")])).apply("\n\n\n") == "x\n\n\n"
    for content, is_neovim in (("\n", True), ("x\n\n", True), ("", True), ("\n\n", False), ("\n" * 100, True)):
        assert not View(content, is_neovim=is_neovim).doubtful(content)


def test_other_editors_are_shown_what_is_there() -> None:
    view = View("a\n", is_neovim=False)
    assert _edit(view, Hunk(0, 2, "")) == view.shown == ""
    view.become("a")
    assert view.shown == "a"


@settings(max_examples=many(500), deadline=None)
@given(st.data())
def test_what_is_shown_stays_what_neovim_has(data: st.DataObject) -> None:
    """Whatever both change, with any line ends: what is shown follows from the text, and ends as the option says."""
    letters = st.text(alphabet="a\n\r", max_size=5)
    view = View(data.draw(st.text(alphabet="a\n", max_size=5)), is_neovim=True)
    is_on = view.content.endswith("\n")
    for _ in range(data.draw(st.integers(0, 6))):
        if data.draw(st.booleans()):
            size = len(view.text)
            start, stop = sorted((data.draw(st.integers(0, size)), data.draw(st.integers(0, size))))
            before, new = view.shown, data.draw(letters)
            operation = view.change([Hunk(start, stop, new)])
            assert operation is None or operation.apply(before) is not None  # it fits to what was shown
        else:
            size = len(view.shown)
            start, stop = sorted((data.draw(st.integers(0, size)), data.draw(st.integers(0, size))))
            operation = view.put_right(
                view.shown, Operation.of([Hunk(start, stop, data.draw(st.text("b\n", max_size=3)))])
            )
            wanted = operation.apply(view.shown)
            view.write(apply_hunks(view.text, view.edit(view.shown, operation)))
            if "\r" not in view.text:
                assert view.shown == wanted
        assert view.shown.endswith("\n") or not is_on
