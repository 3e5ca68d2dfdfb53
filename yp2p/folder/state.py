"""How a folder is doing: why it waits, whether its disk is settled, what its disk can do, how fast it comes in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import structlog
import trio

from yp2p.files.capabilities import Capabilities
from yp2p.folder.guard import DeletionGuard
from yp2p.folder.progress import Progress
from yp2p.folder.transfers import Transfers
from yp2p.identity import FolderID
from yp2p.machine import Until
from yp2p.store import tables
from yp2p.store.database import Database
from yp2p.store.writer import Commit

_DEFAULT_TRASH_BYTES = 2 << 30

log = structlog.get_logger()


class Activity(Enum):
    """What a folder does, in a word; the value is what `status` says."""

    PAUSED = "paused"  # `FolderState.pause_reason` says why
    WAITING = "waiting for the first device"
    WORKING = "working"
    IDLE = "idle"


@dataclass(slots=True)
class Question:
    """What a person has to say before the folder goes on.

    Attributes:
        reason: why they are asked; empty when they are not.
        since: trio's clock; None: since before the start, or not at all.
        asked: is told of the reason.
    """

    reason: str
    since: float | None = None
    asked: Callable[[str], None] = lambda reason: None


class FolderState:
    """The state of one folder.

    Attributes:
        adopted: whether it has been compared with the device it was joined through, or was shared here.
        problem: why the root cannot be used; empty when it can.
        limitation: what works less well than it should here, and what helps; empty when nothing does.
        question: what a person has to answer (a mass deletion).
        is_left_alone: whether a person paused it.
        left_alone_until: when that ends by itself, in seconds since 1970; None: it does not.
        is_scanned: whether the files were scanned since the root is open.
        file_system: what the disk of this folder can do.
    """

    def __init__(
        self, folder: FolderID, label: str, database: Database, *, adopted: bool, confirmation_reason: str
    ) -> None:
        self._folder = folder
        self._label = label
        self._database = database
        self.adopted = adopted
        self.problem = ""
        self.limitation = ""
        self.question = Question(confirmation_reason)
        self._settled = False
        self.is_left_alone = False
        self.left_alone_until: float | None = None
        self.is_scanned = False
        self.file_system = Capabilities()
        self.guard = DeletionGuard(_DEFAULT_TRASH_BYTES)
        self.progress = Progress()
        self.transfers = Transfers()
        self._changed = trio.Event()
        database.writability.when_changed(self.touch)

    def rename(self, label: str) -> None:
        """It is called otherwise from now on."""
        self._label = label
        self.touch()

    @property
    def pause_reason(self) -> str:
        """Why what comes is not read, stored or written to the disk now; empty when all is well."""
        return self.problem or self.question.reason or self._database.writability.problem

    @property
    def note(self) -> str:
        """What whoever reads or changes a text is to know of its file; empty when all is well."""
        if not self.pause_reason:
            return ""
        return f"the file may have another text for now: it gets this one when its folder goes on ({self.pause_reason})"

    @property
    def settled(self) -> bool:
        """Whether everything that was seen on the disk is in the documents, and the reverse.

        Never while the folder is paused: whatever it had come to, nobody knows what the disk holds by now, and what
        comes in is not written to it.
        """
        return self._settled and not self.pause_reason

    @settled.setter
    def settled(self, settled: bool) -> None:
        if self._settled != settled:
            self._settled = settled
            self.touch()

    @property
    def activity(self) -> Activity:
        if self.pause_reason:
            return Activity.PAUSED
        if not self.adopted:
            return Activity.WAITING
        return Activity.IDLE if self.settled else Activity.WORKING

    def adopt(self) -> None:
        """The first comparison with another device came to its end."""
        if not self.adopted:
            self.adopted = True
            self._database.submit([tables.folder.set_adopted(self._folder)])

    def pause_for_confirmation(self, reason: str) -> None:
        """Stop touching the disk until a person says how to go on; with an empty reason, go on."""
        self._settled = False
        self.question.reason = reason
        self.question.since = trio.current_time() if reason else None
        if reason:
            log.warning("mass_deletion_paused", folder=self._label, reason=reason, advice="yp2p status")
            self.question.asked(reason)
        self._database.submit([tables.folder.set_confirmation_reason(self._folder, reason)])
        self.touch()

    def store_pause(self, wanted: bool, until: Until | None = None) -> Commit:
        """Remember whether a person wants the directory left alone, and until when."""
        self.is_left_alone, self.left_alone_until = wanted, until.at if until is not None else None
        return self._database.submit(
            [tables.folder.set_paused(self._folder, self.left_alone_until or 0.0, paused=wanted)]
        )

    @property
    def changed(self) -> trio.Event:
        """Set at the next change of any kind, in the folder as well."""
        if self._changed.is_set():
            self._changed = trio.Event()
        return self._changed

    def touch(self) -> None:
        """Something changed: wake whoever waits for that."""
        self._changed.set()
