"""A file's text as it is shown to an editor that knows one kind of line end, and its edits as edits of the file's text.

Theory of operation
    A file may end lines with CR LF, or some of them, or have a CR alone. Neovim's plugin makes a line end of every CR
    that it is sent, and VS Code one kind of line end of all in a file. So what is shown has LF for CR LF, and a sign
    (`SHOWN_CR`) for a CR that is alone; the file's text keeps what it has. Every character that is shown stands for one
    character of the file's text, or for CR LF, so places are found by counting.

    A byte order mark at the beginning is no part of an editor's text: it is an option of the file there, and written
    with it. Shown it would be a second one. What an editor puts in at the beginning stands behind it.

    A line end that an editor adds is of the kind of the one before it, or of the next one. Where CRs are alone in the
    file, a sign that an editor adds is a CR, so that an editor's own undo brings back what was there.

Invariants
    * What is not edited keeps its line ends to the byte.
    * A text without CR is shown as it is, and its edits are the same.
"""

from __future__ import annotations

from yp2p.documents.diff import Hunk
from yp2p.editors.operation import Operation

SHOWN_CR = "\u240d"  # the symbol for carriage return
MARK = "\ufeff"  # the byte order mark


def shown(text: str) -> str:
    """What an editor is shown of a file's text."""
    text = text.removeprefix(MARK)
    return text.replace("\r\n", "\n").replace("\r", SHOWN_CR) if "\r" in text else text


def _is_as_shown(text: str) -> bool:
    return "\r" not in text and not text.startswith(MARK)


def ends_all_with_cr(content: str) -> bool:
    """Whether an editor's content has CR LF at the end of every line: then that is how it writes a line end."""
    count = content.count("\r\n")
    return count > 0 and count == content.count("\n") == content.count("\r")


def in_file(text: str, changes: list[Hunk]) -> list[Hunk]:
    """Replacements in what is shown of a file's text, as such in that text."""
    if _is_as_shown(text):
        return changes
    has_single = "\r" in text.replace("\r\n", "")
    found: list[Hunk] = []
    at = shown_at = 0
    for hunk in changes:
        start = _advanced(text, at, hunk.start - shown_at)
        at = _advanced(text, start, hunk.stop - hunk.start)
        shown_at = hunk.stop
        found.append(Hunk(start, at, _written(text, start, hunk.text, has_single=has_single)))
    return found


def as_shown(text: str, hunks: list[Hunk]) -> Operation | None:
    """Replacements in a file's text, as an operation on what is shown of it; None where one is between CR and LF.

    Where a replacement makes or breaks a CR LF with what is around it, the operation gives something else than what is
    shown then: whoever has the text compares.
    """
    if _is_as_shown(text) and all(_is_as_shown(hunk.text) for hunk in hunks):
        return Operation.of(hunks)
    found: list[Hunk] = []
    at = shown_at = 0
    for hunk in hunks:
        if _is_inside(text, hunk.start) or _is_inside(text, hunk.stop):
            return None
        start = shown_at + _size_shown(text, at, hunk.start)
        shown_at = start + _size_shown(text, hunk.start, hunk.stop)
        at = hunk.stop
        found.append(Hunk(start, shown_at, shown(hunk.text)))
    return Operation.of(found)


def _is_inside(text: str, place: int) -> bool:
    return place > 0 and text[place - 1 : place + 1] == "\r\n"


def _size_shown(text: str, start: int, stop: int) -> int:
    has_mark = start == 0 < stop and text.startswith(MARK)
    return stop - start - text.count("\r\n", start, stop) - has_mark


def _advanced(text: str, start: int, count: int) -> int:
    """The place that is so many shown characters behind another one."""
    if start == 0 and text.startswith(MARK):
        start = 1
    place = start + count
    while (missing := count - _size_shown(text, start, place)) > 0:
        place += missing
    return place + 1 if _is_inside(text, place) else place


def _written(text: str, place: int, new: str, *, has_single: bool) -> str:
    """What is put into a file's text where an editor puts in a text."""
    if has_single:
        new = new.replace(SHOWN_CR, "\r")
    if "\n" not in new:
        return new
    end = text.rfind("\n", 0, place)
    if end < 0:
        end = text.find("\n", place)
    return new.replace("\r\n", "\n").replace("\n", "\r\n") if end > 0 and text[end - 1] == "\r" else new


def index_in_file(text: str, index: int) -> int:
    """A place in what is shown of a file's text, as one in that."""
    return index if _is_as_shown(text) else _advanced(text, 0, index)


def index_shown(text: str, index: int) -> int:
    """A place in a file's text, as one in what is shown of it."""
    return index if _is_as_shown(text) else _size_shown(text, 0, index)
