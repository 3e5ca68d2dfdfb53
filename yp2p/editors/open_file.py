"""A file that an editor has open, coupled with its live document.

Theory of operation
    `Revisions` has what the editor and the document say of each other; `View` how one is shown as the other;
    `yp2p.client` keeps the document in step with the daemon, over restarts of it as well. This module carries changes
    between them, and survives what happens to the file:

    * Until the document is there (the daemon is away, or the file is new) the editor's edits wait.
    * The file was renamed: it stays the one that the editor has open.
    * It was deleted, or became another document: where a text is at its path, the editor gets that. Where none is, it
      stays away until the editor changes something: an edit beats a deletion, and makes the file again.
    * It is no text any more: the editor is told at its next edit.

Invariants
    * `View.text` is what the file says, and `View.shown` what `Revisions` takes for the document's text.
    * An edit of the editor is in the document, or waits here, when the editor is answered.
    * Nothing is sent of a file before the editor was told that it is open, nor after it closed it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from functools import partial
from typing import Any

import trio

from yp2p.client import Device, File, Received
from yp2p.documents.diff import Hunk, apply_hunks, hunks
from yp2p.editors import messages
from yp2p.editors.carets import Cursors
from yp2p.editors.hindrances import Hindrances
from yp2p.editors.lines import Lines
from yp2p.editors.operation import Operation
from yp2p.editors.rescue import Unsaved, merged_into
from yp2p.editors.revisions import Edit, OutOfStep, Revisions
from yp2p.editors.stored import Stored
from yp2p.editors.view import View
from yp2p.errors import FileUnavailable, NotRunning, UsageError, first_of

# The daemon says at once what hinders a file.
_HEAR_LIMIT_S = 0.5
_FIRST_RETRY_S, _LONGEST_RETRY_S = 0.05, 1.0


class OpenFile:
    """See above.

    Args:
        view: what the editor has, and is shown.
        name: what the editor's person is called.
        wake: is called when there is something to be sent.
        make: makes a file with a text where there is none. Raises FileUnavailable.
    """

    def __init__(
        self, uri: str, view: View, *, name: str, wake: Callable[[], None], make: Callable[[str, str], None]
    ) -> None:  # fmt: skip
        self.uri = uri
        self.path = messages.path_of(uri)
        self.may_send = False  # whether the editor was told that the file is open
        self.reason = ""  # why it is not (any more)
        self.hindrances = Hindrances()
        self._view = view
        self._revisions = Revisions(view.content, reads_again=view.reads_again)
        self._wake = wake
        self._make = make
        self._file: File | None = None
        self._is_doubtful = False  # whether the editor may have another text than it told
        self._held: list[messages.Edit] | None = []  # edits, until it is known what the file says
        self._cursors = Cursors(name, uri)
        self._stored = Stored()
        self._changed = trio.Event()

    # --- from the editor ----------------------------------------------------------------------------------------

    def edit(self, edit: messages.Edit) -> None:
        """Take an edit. Raises UsageError: it is not taken, and why."""
        if self.reason:
            raise UsageError(f"{self.path} is not open: {self.reason}")
        if self._held is not None:
            self._held.append(edit)
            text = "".join(one.replacement for one in edit.delta)
            self.hindrances.check(self.path, text, changes_something=bool(edit.delta))
            return
        self._take(edit)

    def _take(self, edit: messages.Edit) -> None:
        """Raises UsageError, OutOfStep."""
        if self._file is not None:
            self._follow_text(self._file)
        before = self._revisions.text
        try:
            operation = self._revisions.edit(edit.revision, partial(self._operation, edit))
        except OutOfStep as error:
            self.reason = f"{error}; open it again"
            raise OutOfStep(f"{self.path}: {self.reason}") from None
        self._shows(self._revisions.shadow)
        try:
            self._write(self._view.edit(before, operation))
        finally:
            self._revisions.become(self._view.shown)
            self._is_doubtful = True
            self._wake()

    def cursor(self, ranges: Sequence[messages.Range]) -> None:
        """Take where its cursors are."""
        self._cursors.say(ranges)
        if self._view.doubtful(self._revisions.told.text):
            self._is_doubtful = True
            self._wake()

    def _operation(self, edit: messages.Edit, lines: Lines) -> Operation:
        operation = messages.operation_of(edit.delta, lines, self._view.line_end)
        return self._view.put_right(lines.text, operation)

    def _write(self, changes: list[Hunk]) -> None:
        """Raises UsageError: the file cannot hold it."""
        text = "".join(hunk.text for hunk in changes)
        self.hindrances.check(self.path, text, changes_something=bool(changes))
        try:
            if self._file is not None:
                self._write_into(self._file, changes)
                return
        except FileUnavailable:
            self._file = None  # it has gone in this moment: the edit is one after that
        except (TypeError, ValueError) as error:
            raise UsageError(f"{self.path}: {error}") from None
        self._stored.edit(self._view.text, changes, is_connected=False)
        self._view.write(apply_hunks(self._view.text, changes))
        self._touch()

    def _write_into(self, file: File, changes: list[Hunk]) -> None:
        with file.transaction() if len(changes) > 1 else nullcontext():
            for hunk in reversed(changes):
                file.edit(hunk.start, hunk.stop, hunk.text)
        self._stored.edit(self._view.text, changes, is_connected=file.is_connected)
        self._view.write(str(file))

    # --- to the editor ------------------------------------------------------------------------------------------

    def next_messages(self) -> list[tuple[str, dict[str, Any]]]:
        """What is to be sent now: methods and parameters."""
        if not self.may_send or self._held is not None or self.reason:
            return []
        edits = [edit] if (edit := self._revisions.next_edit()) is not None else []
        if edits:
            self._shows(self._revisions.told.text)
        if self._is_doubtful:
            self._is_doubtful = False
            edits += map(self._revisions.nothing_at, self._view.doubtful(self._revisions.told.text))
        found: list[tuple[str, dict[str, Any]]] = [("edit", self._as_message(edit)) for edit in edits]
        if self._file is not None:
            found += [("cursor", cursor) for cursor in self._cursors.news(self._file, self._revisions.told)]
        return found

    def _shows(self, text: str) -> None:
        """The editor has this, and may save it."""
        if self._file is not None:
            self._file.screen.shows(self._view.saved(text))

    def _as_message(self, edit: Edit) -> dict[str, Any]:
        delta = messages.delta_of(edit.hunks, edit.lines, self._view.line_end)
        return {"uri": self.uri, "revision": edit.revision, "delta": delta}

    def last_messages(self) -> list[tuple[str, dict[str, Any]]]:
        """What takes away what the editor shows of others."""
        return [("cursor", cursor) for cursor in self._cursors.end()]

    # --- the document -------------------------------------------------------------------------------------------

    async def run(self, device: Device) -> None:
        """Keep it in step until cancelled; what was written is stored then.

        Raises:
            NotRunning: it could not be stored.
        """
        retry_s = _FIRST_RETRY_S
        while not self.reason:
            file: File | None = None
            try:
                async with device.open(self.path) as file:
                    retry_s = _FIRST_RETRY_S
                    with trio.move_on_after(_HEAR_LIMIT_S):
                        while file.is_reader is None:
                            await file.changed()
                    self.hindrances.hear(self.path, file)
                    await self._keep_in_step(file)
            except NotRunning:
                if file is not None:
                    raise
            except FileUnavailable as error:
                await self._without(error)
            finally:
                self._file = None
                if file is not None and not file.unstored:
                    self._stored.become_all()
            self._touch()
            await trio.sleep(retry_s)
            retry_s = min(2 * retry_s, _LONGEST_RETRY_S)

    def fail(self, reason: str) -> None:
        """It is open no longer."""
        self.reason = reason
        self._touch()

    def unsaved(self) -> Unsaved | None:
        """What the daemon does not have of what the editor wrote; None where that is nothing. For the end."""
        if self._held is not None:
            self._stored.become_all()
            self._take_held()
        text = self._view.text
        known = self._stored.texts(text)
        return Unsaved(self.path, known, text) if known else None

    async def wait_known(self) -> None:
        """Return when the document is there, or will not be."""
        while self._held is not None and not self.reason:
            await self._changed.wait()

    async def _keep_in_step(self, file: File) -> None:
        """Couple the two until the file is not available any more. Raises FileUnavailable."""
        self._attach(file)
        end = file.follow(self._received)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._cursors.tell_others, file, lambda: self._revisions.told)
                nursery.start_soon(self._stored.follow, file)
                async for _ in file.changed():
                    self.path = file.path
                    self._follow_text(file)
                    if self.hindrances.hear(self.path, file):
                        nursery.cancel_scope.cancel()  # what was typed and not taken is in this document alone
                    self._wake()
        except* FileUnavailable as group:
            raise first_of(group) from None
        finally:
            end()

    def _attach(self, file: File) -> None:
        """Go on with a document: what it says is what others have changed, since it was known what the file says."""
        self._file, self.path, text = file, file.path, str(file)
        unsaved = Unsaved(self.path, known, self._view.text) if (known := self._stored.texts(self._view.text)) else None
        self._stored.become_all()
        self._shows(self._revisions.shadow)
        self._shows(self._revisions.told.text)
        if self._held is not None:
            self._view.become(text)
            changed = hunks(self._revisions.text, self._view.shown)
            self._revisions.become(self._view.shown, Operation.of(changed))
            self._take_held()
        elif text != self._view.text:
            operation = self._view.change(hunks(self._view.text, text))
            self._revisions.become(self._view.shown, operation)
        if unsaved is not None and unsaved.text != unsaved.known[0] and not self.hindrances.refusal:
            self._write_again(file, merged_into(text, unsaved))
        self._touch()

    def _write_again(self, file: File, text: str) -> None:
        """Write what no document has, as another one is here than the one that it was written into."""
        with suppress(TypeError, ValueError, FileUnavailable):  # it is taken back before the editor's eyes
            self._write_into(file, hunks(str(file), text))
        self._revisions.become(self._view.shown)

    def _take_held(self) -> None:
        """Take the edits that have waited, whatever became of the file: the editor was told that they are taken."""
        held, self._held = self._held or [], None
        self._revisions.become(self._view.shown)
        for edit in held:
            try:
                self._take(edit)
            except OutOfStep:
                break  # what those behind it are changes of is not known
            except UsageError:
                pass  # it is taken back before the editor's eyes

    def _received(self, received: Received) -> None:
        """Others have changed the text."""
        operation = self._view.change(received.changes)
        self._stored.receive(received.changes)
        self._revisions.become(self._view.shown, operation)
        self._wake()

    def _follow_text(self, file: File) -> None:
        """What is known of the text is what the file says, whatever has happened."""
        if (text := str(file)) != self._view.text:
            self._stored.receive(hunks(self._view.text, text))
            self._view.become(text)
            self._revisions.become(self._view.shown)

    # --- without a document -------------------------------------------------------------------------------------

    async def _without(self, error: FileUnavailable) -> None:
        """The file is not available: return when it is to be tried again, or it has a reason not to be open."""
        self._file = None
        try:
            if os.path.lexists(self.path):  # noqa: ASYNC240 (at once)
                if not error.is_later:
                    self.reason = str(error)
            else:
                await self._make_again()
        except FileUnavailable as reason:
            self.reason = str(reason)
        self._touch()

    async def _make_again(self) -> None:
        """Make the file: a new one at once, one that is gone when something was written. Raises FileUnavailable."""
        while self._held is None and self._stored.is_all(self._view.text):
            await self._changed.wait()
            if os.path.lexists(self.path):  # noqa: ASYNC240 (at once)
                return
        self._make(self.path, self._view.text)

    def _touch(self) -> None:
        changed, self._changed = self._changed, trio.Event()
        changed.set()
        self._wake()
