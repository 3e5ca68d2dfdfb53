"""What this device wrote that nobody else may have, once it was made a reader.

A reader's content is taken by nobody. What it wrote as a member, offline or before it heard, and no member has, would
stay in its documents alone: they would never be those of others again. So the first member that is there is told of the
role and asked what it has (`peers/withdrawal.py`), and what that lacks is withdrawn (`withdrawing.py`): the documents
are what others have, and the files, which are left as they are, are local changes.

Which changes are in question is told by the log: rows of this device's own behind that up to which some member is known
to have had everything. Nothing of that is asked while this device may write.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import trio

from yp2p.identity import DeviceID, DocumentID
from yp2p.store import tables

if TYPE_CHECKING:
    from yp2p.folder.folder import Folder

_OWN_ROWS = DeviceID(b"")


class Unsent:
    """The changes of one folder that may be nowhere else. `withdrawing` is held by who finds that out.

    Attributes:
        is_pending: whether this device only reads, and has not found out yet.
        when_pending: is called when that begins.
    """

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._sent = 0  # up to which row of the log all that there is of this device others have
        self.is_pending = False
        self.withdrawing = trio.Lock()
        self.when_pending: Callable[[], None] = lambda: None
        self._was_reader = False

    def load(self) -> None:
        """Read what is stored; call once, before use, when the membership is known."""
        own = self._folder.clients.device
        for device, seq, _ in tables.agreement.read_all(self._folder.database.rows, self._folder.id):
            if device == own:
                self._sent = seq
        self._was_reader = self._folder.membership.is_reader
        self.is_pending = self._was_reader and bool(self.documents())

    def role_changed(self) -> None:
        """This device may have been made a reader, or may write by now: then all of it is sent."""
        was_reader, self._was_reader = self._was_reader, self._folder.membership.is_reader
        if self._was_reader != was_reader:
            self.is_pending = self._was_reader
            self._folder.state.touch()
            if self.is_pending:
                self.when_pending()

    @property
    def first(self) -> int:
        """The first row of the log that is in question."""
        return max(self._sent, self._folder.observers.uncounted.agreed_last()) + 1

    def documents(self) -> list[DocumentID]:
        """The documents in question. Call when all that was submitted is stored."""
        folder = self._folder
        return tables.log.documents_from(folder.database.rows, folder.id, _OWN_ROWS, self.first)

    def problem(self) -> str:
        """What people should know as long as it is not found out; else empty."""
        if not self.is_pending:
            return ""
        return (
            "this device was made a reader: what was changed here before that, and nobody else has, is told apart from"
            " what all have as soon as a member is connected"
        )

    def done(self) -> None:
        """Nothing of this device is in its documents that no member has."""
        folder, own = self._folder, self._folder.clients.device
        self.is_pending, self._sent = False, folder.database.last_seq
        folder.database.submit([tables.agreement.save(folder.id, own, self._sent, is_doubted=False)])
        folder.state.touch()
