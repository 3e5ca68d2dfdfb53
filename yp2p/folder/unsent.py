"""What this device wrote that nobody else may have, once it was made a reader.

A reader's content is taken by nobody. What it wrote as a member, offline or before it heard, and no member has, would
stay in its documents alone: they would never be those of others again. So the first member that is there is told of the
role and asked what it has (`peers/withdrawal.py`), and what that lacks is withdrawn (`withdrawing.py`): the documents
are what others have, and the files, which are left as they are, are local changes.

Which changes are in question is told by the log: rows of this device's own behind that up to which two other members
are known to have had everything. What only one had it takes back, as that of a removed device (`uncounted.py`), unless
whoever took the role has it as well. Nothing of that is asked while this device may write.

A reader withdraws as well what it took of another device that had been removed, or made a reader, before it heard.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import trio

from yp2p.identity import DeviceID, DocumentID
from yp2p.store import tables

if TYPE_CHECKING:
    from yp2p.folder.folder import Folder

# What rows of the log that this device made have as their origin.
OWN_ROWS = DeviceID(b"")


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
        if self._was_reader and not was_reader:
            self.begin()
        elif was_reader and not self._was_reader:
            self.is_pending = False
            self._folder.state.touch()

    def begin(self) -> None:
        """This device only reads, and may have what no member has."""
        self.is_pending = True
        self._folder.state.touch()
        self.when_pending()

    def in_question(self) -> Mapping[DeviceID, int]:
        """The devices whose rows of the log are in question, and behind which row; OWN_ROWS are this device's."""
        uncounted = self._folder.observers.uncounted
        return {**uncounted.of_silenced, OWN_ROWS: max(self._sent, uncounted.agreed_last())}

    def documents(self) -> list[DocumentID]:
        """The documents in question. Call when all that was submitted is stored."""
        folder = self._folder
        found: dict[DocumentID, None] = {}
        for device, last in self.in_question().items():
            found |= dict.fromkeys(tables.log.documents_from(folder.database.rows, folder.id, device, last + 1))
        return list(found)

    def problem(self) -> str:
        """What people should know as long as it is not found out; else empty."""
        if not self.is_pending:
            return ""
        return (
            "this device was made a reader: what was changed here before that, and nobody else has, is told apart from"
            " what all have as soon as a member is connected"
        )

    def done(self, silenced: Mapping[DeviceID, int]) -> None:
        """Nothing is in the documents that no member has, of this device or of these."""
        folder, own = self._folder, self._folder.clients.device
        folder.observers.uncounted.judged(silenced)
        self.is_pending, self._sent = bool(folder.observers.uncounted.of_silenced), folder.database.last_seq
        folder.database.submit([tables.agreement.save(folder.id, own, self._sent, is_doubted=False)])
        folder.state.touch()
