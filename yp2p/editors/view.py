"""A file's text as one editor is shown it: with its kind of line ends, and its notion of the end of a file."""

from __future__ import annotations

from collections.abc import Sequence

from yp2p.documents.diff import Hunk, apply_hunks
from yp2p.editors.last_line_end import LastLineEnd
from yp2p.editors.line_ends import MARK, as_shown, ends_all_with_cr, in_file, shown
from yp2p.editors.operation import Operation, compose


class View:
    """One file for one editor.

    Args:
        content: what the editor has.

    Attributes:
        line_end: what the editor writes between lines.
        content: what it has, with LF between lines.
        text: what the file says.
        shown: what the editor is to be shown of that.
        reads_again: whether it may read the file from the disk while it is open.
    """

    def __init__(self, content: str, *, is_neovim: bool) -> None:
        self.line_end = "\r\n" if ends_all_with_cr(content) else "\n"
        self.content = content.replace("\r\n", "\n") if self.line_end != "\n" else content
        self.text = content
        self.reads_again = not is_neovim  # its plugin sees to it that it does not
        self._last = LastLineEnd(content) if is_neovim else None
        self.shown = self._of(content)

    def _of(self, text: str) -> str:
        return self._last.shown(shown(text)) if self._last is not None else shown(text)

    def saved(self, text: str) -> str:
        """What the editor writes into the file when it saves this text."""
        mark = MARK if self.text.startswith(MARK) else ""
        return mark + (text.replace("\n", self.line_end) if self.line_end != "\n" else text)

    def put_right(self, text: str, operation: Operation) -> Operation:
        """What the editor has made of its text, of what it says."""
        return self._last.put_right(text, operation) if self._last is not None else operation

    def doubtful(self, text: str) -> range:
        """Places at which the editor is to be told that nothing is put in, while it has this text."""
        return self._last.doubtful(text) if self._last is not None else range(0)

    def become(self, text: str) -> None:
        """Others have made the file's text this, whatever it was."""
        if self._last is not None:
            self._last.follow(shown(self.text), shown(text))
        self.text, self.shown = text, self._of(text)

    def write(self, text: str) -> None:
        """The editor has made the file's text this (`edit`)."""
        self.text, self.shown = text, self._of(text)

    def change(self, changes: Sequence[Hunk]) -> Operation | None:
        """Others have changed the file's text; gives what that changes, or most of it, in what is shown."""
        operation, before = as_shown(self.text, list(changes)), self.shown
        whole = shown(self.text)
        self.become(apply_hunks(self.text, changes))
        if operation is None or len(before) >= len(whole):
            return operation  # it does not reach what is shown behind the text
        return compose(Operation.between(before, whole), operation)

    def edit(self, before: str, operation: Operation) -> list[Hunk]:
        """What the editor changes in the file's text.

        Args:
            before: what is shown; the operation is on that.
        """
        if self._last is None:
            return in_file(self.text, operation.changes_in(before))
        text, after = shown(self.text), operation.apply(before)
        wanted = self._last.edited(text, after)
        whole = compose(compose(Operation.between(text, before), operation), Operation.between(after, wanted))
        return in_file(self.text, whole.changes_in(text))
