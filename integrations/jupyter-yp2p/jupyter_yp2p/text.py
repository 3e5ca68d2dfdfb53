"""A text in a room and a file of yp2p, character by character.

Both are changed in the loop of the server, and each tells of a change in the moment in which it has it. So the other
one is changed in the same moment, at the same places: they are equal whenever anything else runs. Their histories have
nothing to do with each other, because rooms are seeded in a way in which two texts can have the same operations.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from pycrdt import Text

from yp2p.client import File, FileUnavailable, Received
from yp2p.documents.diff import Hunk, hunks
from yp2p.documents.received import hunks_of

log = logging.getLogger(__name__)


class TextCoupling:
    """Couples them until `close`. The room is made what the file is."""

    def __init__(self, document: Any, file: File) -> None:
        self._text: Text = document.ydoc.get("source", type=Text)
        self._doc = document.ydoc
        self._file = file
        self._before = str(self._text)  # what the room was before the change that it tells of
        self._is_ours = False
        self._change_room(hunks(self._before, str(file)))
        self._subscription = self._text.observe(self._room_changed)
        self._unfollow = file.follow(self._file_changed)

    def close(self) -> None:
        self._unfollow()
        self._text.unobserve(self._subscription)

    def exchange(self) -> None:
        """They are equal already; where the file did not take something, the room gets what the file has."""
        self._change_room(hunks(str(self._text), str(self._file)))

    def _file_changed(self, received: Received) -> None:
        self._change_room(received.changes)

    def _change_room(self, changes: Any) -> None:
        if not changes:
            return
        before = str(self._text)
        self._is_ours = True
        try:
            with self._doc.transaction():
                for change in reversed(changes):
                    start = len(before[: change.start].encode())
                    stop = start + len(before[change.start : change.stop].encode())
                    if stop > start:
                        del self._text[start:stop]
                    if change.text:
                        self._text.insert(start, change.text)
        finally:
            self._is_ours = False
        self._before = str(self._text)

    def _room_changed(self, event: Any) -> None:
        if self._is_ours:
            return
        before, self._before = self._before, str(self._text)
        self._change_file(hunks_of(before, event.delta))

    def _change_file(self, changes: tuple[Hunk, ...]) -> None:
        try:
            with self._file.transaction():
                for change in reversed(changes):
                    self._file.edit(change.start, change.stop, change.text)
        except (ValueError, FileUnavailable) as error:
            log.warning("%s does not take what was typed: %s", self._file.path, error)
            asyncio.get_running_loop().call_soon(self.exchange)  # not while the room tells of a change
