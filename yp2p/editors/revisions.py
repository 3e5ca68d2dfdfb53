"""What one editor and the document have of each other, for one open file: operational transformation, without I/O.

Theory of operation
    Both change the text at any time and tell each other without waiting. The protocol has two counters. An editor's
    edit names how many edits of ours it had *accepted*; ours names how many of the editor's we had seen, and the
    editor accepts it only if that is all that it has made, and otherwise drops it without a word. So when an edit of
    the editor comes, what it was made of is known exactly: of what was sent, the edits that it counts were accepted,
    and all others have been dropped or will be.

    ::

        editor's text --accepted--> shadow --sent, each its own--> told --not sent yet--> text (the document's)

    * The document changed: the change is composed into what is not sent yet. It is sent when the writer is ready, so
      an editor that reads slowly is sent few large edits and not many small ones.
    * The editor's edit counts r of ours: what it accepted moves the shadow on. Everything else is composed into *one*
      operation, which was dropped for certain; the edit is carried over it, and it over the edit, to be sent again.
      So a burst of n edits against m waiting ones costs n + 1 messages, and not n times m.
    * An editor that reads its file again when the disk has something else tells what it read as if it had been typed.
      Where lines of an edit make the text what the document had become meanwhile, it is that, and changes nothing.
    * Where the document does not take an edit (a NUL, a text that is too large), the way back is a change as any other.

    Both sides' texts at one place: the document's goes first.

Invariants
    * applying what was sent to the shadow gives `told`; applying what was not sent to that gives `text`.
    * Everything that was sent and is not known to be accepted names the same revision, the number of edits seen.
    * Replacements of one edit do not touch: editors differ in which of two at one place they apply first.
    * The editor's text is the shadow with the first k of what was sent, for a k that only the editor knows.

An editor that never types accepts without telling. What it was sent is kept, each edit its own, as any of them may be
the last that it accepts before it types; beyond `_MOST_SENT` the older half becomes one, as nobody is that far behind.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice

from yp2p.documents.diff import Hunk
from yp2p.editors.lines import Lines
from yp2p.editors.operation import Operation, compose, compose_all, transform
from yp2p.errors import UsageError

# An edit takes about 200 bytes. Sent at most a hundred times a second, so an editor would have to be minutes behind.
_MOST_SENT = 20_000
# An editor reads its file a moment after it changed. Each is a copy of the text.
_MOST_LOOKED_AT = 64


class OutOfStep(UsageError):
    """The editor's text is not known any more."""


@dataclass(frozen=True, slots=True)
class Edit:
    """An edit to be sent: `lines` finds places in the text that it is a change of."""

    revision: int
    hunks: list[Hunk]
    lines: Lines


class Revisions:
    """One open file of one editor.

    Args:
        content: what the editor has.
        reads_again: whether the editor may read the file from the disk while it is open.
    """

    def __init__(self, content: str, *, reads_again: bool = False) -> None:
        self.text = content
        self._reads_again = reads_again
        self._shadow = Lines(content)
        self._told = Lines(content)
        self._sent: deque[Operation] = deque()
        self._merged = 0  # of how many edits the first of those consists, beyond one
        self._unsent = Operation()
        self._accepted = 0  # edits of ours that are in the shadow
        self._seen = 0  # edits of the editor

    @property
    def has_news(self) -> bool:
        """Whether something is to be sent."""
        return bool(self._unsent)

    @property
    def shadow(self) -> str:
        """The editor's text, if it accepts nothing more of what it was sent."""
        return self._shadow.text

    @property
    def told(self) -> Lines:
        """The editor's text, if it accepts everything that it was sent."""
        return self._told

    def become(self, text: str, operation: Operation | None = None) -> None:
        """The document's text is this; `operation` is what changed, or most of it, where that is known."""
        if text == self.text:
            return
        made = operation.apply(self.text) if operation is not None else self.text
        change = compose(operation or Operation(), Operation.between(made, text))
        self._unsent = compose(self._unsent, change)
        self.text = text

    def next_edit(self) -> Edit | None:
        """What is to be sent to the editor now."""
        if not self._unsent:
            return None
        changes = self._unsent.changes_in(self._told.text)
        hunks = _joined([_for_editors(self._told.text, hunk) for hunk in changes])
        edit = Edit(self._seen, hunks, self._told)
        operation, self._unsent = self._unsent, Operation()
        if not hunks:
            return None  # what was removed was put in again
        self._sent.append(operation)
        self._told = self._told.after(operation, self.text)
        self._keep_short()
        return edit

    def nothing_at(self, index: int) -> Edit:
        """An edit that puts nothing in at a place of what the editor has; for when there are no news."""
        self._sent.append(Operation())
        self._keep_short()
        return Edit(self._seen, [Hunk(index, index, "")], self._told)

    def edit(self, revision: int, made: Callable[[Lines], Operation]) -> Operation:
        """The editor's next edit, as an operation on `text`, which it has become.

        Args:
            revision: how many edits of ours the editor has accepted.
            made: gives the edit, when it is told what the editor's text is. May raise UsageError.

        Raises:
            OutOfStep: it does not fit to what the editor was told.
        """
        self._seen += 1
        count = revision - self._accepted
        if count < 0 or count > len(self._sent) + self._merged or 0 < count <= self._merged:
            raise OutOfStep(f"revision {revision} is none that this file was sent, or was minutes ago")
        if count:
            accepted = [self._sent.popleft() for _ in range(count - self._merged)]
            self._shadow = self._shadow.after(compose_all(accepted))
        dropped = [*self._sent, self._unsent]
        self._sent.clear()
        self._accepted, self._merged = revision, 0
        before = self._shadow
        try:
            operation = made(before)
        except UsageError as error:
            raise OutOfStep(str(error)) from None
        self._shadow = self._told = before.after(operation)
        if self._reads_again and _is_of_lines(before.text, operation):
            count = _reached(before.text, dropped, self._shadow.text)
            if count:
                self._unsent = compose_all(dropped[count:])
                return Operation()
        operation, self._unsent = transform(operation, compose_all(dropped))
        self.text = operation.apply(self.text)
        return operation

    def _keep_short(self) -> None:
        if len(self._sent) > _MOST_SENT:
            count = _MOST_SENT // 2
            older = compose_all(islice(self._sent, count))
            self._sent = deque([older, *islice(self._sent, count, None)])
            self._merged += count - 1


def _is_of_lines(text: str, operation: Operation) -> bool:
    """Whether it puts in, or takes out, more than what is typed with one key."""
    return any(
        "\n" in some and some.strip()
        for hunk in operation.hunks()
        for some in (hunk.text, text[hunk.start : hunk.stop])
    )


def _reached(text: str, operations: Sequence[Operation], wanted: str) -> int:
    """How many of these operations make this text the wanted one, the most that do; 0: none, or too many to look."""
    found = 0
    for number, operation in enumerate(operations[:_MOST_LOOKED_AT], 1):
        text = operation.apply(text)
        if text == wanted:
            found = number
    return found


def _for_editors(text: str, hunk: Hunk) -> Hunk:
    """The same replacement, so that an editor takes it right that has the last line end as an option of the file.

    What is removed to the end, with the line end of the line before, begins with that; what is put in behind the last
    line end, and has none, begins with that line end itself.
    """
    start, stop, new = hunk.start, hunk.stop, hunk.text
    if stop < len(text) or not text.endswith("\n"):
        return hunk
    if start < stop and new.endswith("\n"):
        return Hunk(start, stop - 1, new[:-1])
    if start < stop and not new and text[start - 1 : start] == "\n":
        return Hunk(start - 1, stop - 1, "")
    if start == stop and not new.endswith("\n"):
        return Hunk(start - 1, stop, "\n" + new)
    return hunk


def _joined(hunks: list[Hunk]) -> list[Hunk]:
    """Replacements in order, with those that touch as one."""
    found: list[Hunk] = []
    for hunk in hunks:
        if found and found[-1].stop == hunk.start:
            last = found.pop()
            hunk = Hunk(last.start, hunk.stop, last.text + hunk.text)
        found.append(hunk)
    return found
