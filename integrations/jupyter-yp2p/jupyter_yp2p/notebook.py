"""A notebook in a room, which is cells, and its file, which is JSON.

Theory of operation
    What they had in common last is kept in both forms. A change of the room becomes replacements in the text of then,
    and a change of the file as well; the room's are moved to where these places are now, and made in the file. What the
    file is then, the room becomes, cell by cell. All that is one step without an await.

    A file that is no notebook at the moment, as while somebody edits its JSON, waits; so does what the room changes
    meanwhile, until it is one again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import nbformat

from yp2p.client import File, Received
from yp2p.documents.diff import Hunk, hunks

# A burst of changes of a cell, as an output that grows, is one change of the file.
_REST_S = 0.1


def written(notebook: dict[str, Any]) -> str:
    """A notebook as Jupyter writes it."""
    text: str = nbformat.writes(nbformat.from_dict(notebook), version=nbformat.NO_CONVERT)
    return text if text.endswith("\n") else text + "\n"


def read(text: str) -> dict[str, Any] | None:
    """The notebook that a text is, if it is one."""
    try:
        found = nbformat.reads(text, as_version=4)
        nbformat.validate(found)
    except (ValueError, KeyError, TypeError, AttributeError, nbformat.ValidationError):
        return None
    return dict(found)


def moved(changes: Sequence[Hunk], past: Sequence[Hunk]) -> list[Hunk]:
    """Replacements in a text, as they are to be made after others (`past`) were made in it.

    What the others took out is not taken out again; what was to come into the middle of it comes where it was.
    """
    return [Hunk(_place(one.start, past, after=False), _place(one.stop, past, after=True), one.text) for one in changes]


def _place(at: int, past: Sequence[Hunk], *, after: bool) -> int:
    shift = 0
    for one in past:
        if one.stop < at or (one.stop == at and (one.start < at or not after)):
            shift += len(one.text) - (one.stop - one.start)
        elif one.start < at:  # in the middle of what was replaced
            return one.start + shift + (0 if after else len(one.text))
        else:
            break
    return at + shift


class NotebookCoupling:
    """Couples them until `close`. The room is made what the file is."""

    def __init__(self, document: Any, file: File) -> None:
        self._document = document
        self._file = file
        self._room_text = written(document.get())  # what the room was last, and the file
        self._file_text = self._room_text
        self._is_ours = False
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self.exchange()
        self._subscription = document.ydoc.observe(self._room_changed)
        self._unfollow = file.follow(self._file_changed)

    def close(self) -> None:
        self._unfollow()
        self._document.ydoc.unobserve(self._subscription)
        if self._timer is not None:
            self._timer.cancel()
            self.exchange()

    def _room_changed(self, event: Any) -> None:
        if not self._is_ours:
            self._soon()

    def _file_changed(self, received: Received) -> None:
        self._soon()

    def _soon(self) -> None:
        if self._timer is None:
            self._timer = self._loop.call_later(_REST_S, self.exchange)

    def exchange(self) -> None:
        """Give each what the other one changed."""
        self._timer = None
        theirs = str(self._file)
        if theirs != self._file_text and read(theirs) is None:
            return
        ours = written(self._document.get())
        if ours != self._room_text:
            own = hunks(self._file_text, ours)
            past = hunks(self._file_text, theirs)
            with self._file.transaction():
                for one in reversed(moved(own, past)):
                    self._file.edit(one.start, max(one.start, one.stop), one.text)
        self._room_text, self._file_text = ours, theirs
        merged = str(self._file)
        found = read(merged)
        if found is None:
            return
        if merged != ours:
            self._is_ours = True
            try:
                self._document.set(found)
            finally:
                self._is_ours = False
        self._room_text, self._file_text = written(self._document.get()), merged
