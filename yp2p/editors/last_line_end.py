"""How Neovim is shown the end of a file, of which the last line end is an option and no character.

Theory of operation
    Neovim's plugin adds the last line end to the text while the option ('endofline') is on. It is on unless the file
    was empty, or had none, when it was opened, and goes off for good with an edit of ours that leaves none. While it
    is off, the plugin tells wrongly what is put in behind the last line. So it is never made to go off:

    * While it is on, a text without a last line end is shown with one. What Neovim writes behind it leaves the file
      without one, as Neovim itself would have it.
    * While it is off, the last line end of a text is not shown. A text that was empty gets one with its first line.

    What the plugin tells wrongly is put right where it is known what was meant (`put_right`):

    * Of many lines that were deleted, to the last one, it says that the last line end has gone as well. While the
      option is on it stays.
    * While it is off, lines that were put in behind the last line are told as put in at its end, in front of their own
      line end. What is put in at once behind words, and ends with a line end, is taken for such lines.

What it does not tell at all is that one of the empty lines of a buffer that has no others was deleted (`doubtful`). An
edit of ours that puts nothing in, where the last line begins, makes a line there if there is none, and else nothing.

Found with the plugin of June 2026 on Neovim 0.7.2 and 0.11.4.
"""

from __future__ import annotations

from yp2p.documents.diff import Hunk
from yp2p.editors.operation import Operation, compose

# More empty lines, and nothing else, nobody has.
_MOST_EMPTY = 20


class LastLineEnd:
    """Of one file that one Neovim has open.

    Args:
        content: what it has.
    """

    def __init__(self, content: str) -> None:
        self._is_on = content.endswith("\n")
        self._is_hidden = not self._is_on

    def shown(self, text: str) -> str:
        """What is to be shown of a text."""
        if self._is_on:
            return text if text.endswith("\n") else text + "\n"
        return text.removesuffix("\n") if self._is_hidden else text

    def follow(self, before: str, text: str) -> None:
        """The text has been changed by others."""
        if not text.endswith("\n") or not before.endswith("\n"):
            self._is_hidden = not self._is_on

    def doubtful(self, text: str) -> range:
        """Where Neovim is to be told that there is nothing to be put in, while it has this: it may have fewer lines."""
        is_empty = self._is_on and not text.strip("\n")
        return range(1, len(text)) if is_empty and len(text) <= _MOST_EMPTY else range(0)

    def edited(self, before: str, seen: str) -> str:
        """The text, when Neovim has made what it was shown into `seen`."""
        if not self._is_on:
            if not before and seen:
                self._is_hidden = True
                return seen + "\n"
            if before.endswith("\n") and self._is_hidden:
                return seen + "\n"
            self._is_hidden = not seen.endswith("\n")  # an empty line that it has put in stays
            return seen
        has_none = bool(before) and not before.endswith("\n") and not seen.endswith("\n\n")
        return seen.removesuffix("\n") if has_none or (not before and seen == "\n") else seen

    def put_right(self, text: str, operation: Operation) -> Operation:
        """What Neovim has made of its text, of what its plugin says."""
        if self._is_on:
            after = operation.apply(text)
            end = Operation.of([Hunk(len(after), len(after), "\n")])
            return operation if after.endswith("\n") else compose(operation, end)
        hunks = operation.hunks()
        if hunks and hunks[-1].stop == len(text) and _is_of_lines(text, hunks[-1]):
            start, new = hunks[-1].start, hunks[-1].text
            hunks[-1] = Hunk(start, len(text), "\n" + new[:-1])
        return Operation.of(hunks)


def _is_of_lines(text: str, hunk: Hunk) -> bool:
    """Whether what is put in at the end of a line, and at the end of the text, was put in as lines below that one."""
    is_at_end = hunk.start == len(text) or text[hunk.start] == "\n"
    is_behind_words = hunk.start > 0 and text[hunk.start - 1] != "\n"
    return is_at_end and is_behind_words and len(hunk.text) > 1 and hunk.text.endswith("\n") and hunk.text[0] != "\n"
