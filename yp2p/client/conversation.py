"""What a file of this process and the daemon say to each other about its text.

Theory of operation
    Each side says what it has (step 1) and answers with what the other lacks (step 2); afterwards each update goes to
    the other side when it is made. Should the daemon go, edits go on here; when it is back, both sides say again what
    they have. Updates are idempotent, so nothing is lost or doubled. `flush` is a step 1 whose answer comes after all
    that was sent before it was stored.

    What was written meanwhile may have been saved as well, by whoever shows the text. So a daemon that is back is told
    first which texts there were (`away.py`), and what is here; only then it is asked for what it has, which is then
    merged with that.

Which connection there is, and what happens where there is none, is for `in_step.py`.
"""

from __future__ import annotations

import logging
import time

import anyio

from yp2p.client.away import AwayTexts
from yp2p.client.changes import ChangeCount
from yp2p.client.connection import Connection
from yp2p.client.outgoing import Outgoing
from yp2p.client.presence import FilePresence
from yp2p.client.screen import Screen
from yp2p.documents.shared import SharedText
from yp2p.errors import FileUnavailable
from yp2p.protocol import channel
from yp2p.protocol.state_vectors import read_state_vector

# What an editor says before it saves is read by then, where both have come.
_TOLD_S = 0.1

log = logging.getLogger(__name__)


class Conversation:
    """Of one text with the daemon, over one connection after the other.

    Attributes:
        shared: the text.
        changes: counts what others change; raises FileUnavailable once this is closed.
        is_live: whether the daemon is there and was sent what is here: only then are updates sent.
    """

    def __init__(self, path: str) -> None:
        self.presence = FilePresence(path)
        self.screen = Screen(time.monotonic)
        self.changes = ChangeCount(self.check_open)
        self.shared = SharedText(self._changed, self.tell, self._before_edit)
        self.is_live = False
        self.progress = anyio.Event()  # is set, and another one, when something came or went
        self._is_closed = False
        self._connection: Connection | None = None
        self._outgoing = Outgoing()
        self._away = AwayTexts()
        self._made = self._stored = 0  # edits: how many were made here, and how many of them are known to be stored
        self._asked = self._answers = 0  # how often step 1 was said over this connection, and answered

    @property
    def unstored(self) -> int:
        """How many edits were made here that are not known to be stored."""
        return self._made - self._stored

    @property
    def is_here(self) -> bool:
        """Whether the text is here."""
        return self.is_live and self._answers > 0

    def check_open(self) -> None:
        """Raises FileUnavailable: the block of `open` is over."""
        if self._is_closed:
            raise FileUnavailable(f"{self.presence.path} is not open any more: its `async with` block is over")

    def close(self) -> None:
        self._is_closed, self.is_live = True, False
        self.shared.close()
        self.tell()  # whoever still waits is told

    def lost(self) -> None:
        """There is no connection."""
        self.is_live = False
        self.tell()

    def tell(self) -> None:
        """Something changed that others can see."""
        self.changes.add()
        self._touch()

    def _touch(self) -> None:
        """Something came or went: whoever waits looks whether it was that."""
        event, self.progress = self.progress, anyio.Event()
        event.set()

    def tell_presence(self) -> None:
        """Tell the daemon what was said here of who edits, if anything was."""
        if (message := self.presence.message(self.shared.doc.client_id)) is not None:
            self._outgoing.add(message)

    # --- what is written here -----------------------------------------------------------------------------------

    def _before_edit(self) -> None:
        """Raises FileUnavailable."""
        self.check_open()
        if self._away.is_away:
            self._away.note(str(self.shared))

    def _changed(self, update: bytes) -> None:
        self._made += 1
        self._touch()
        if self.is_live and self._connection is not None:
            self._outgoing.add_update(update, self._connection)
        # Else it is part of step 2, once the daemon says what it has.

    async def flush(self) -> None:
        """Return when everything written here so far is stored by the daemon, which may have to come back first."""
        wanted, made = None, self._made
        while wanted is None or self._answers < wanted:
            self.check_open()
            if self.is_live and wanted is None:
                self._ask()
                wanted, made = self._asked, self._made
            elif not self.is_live:
                wanted = None
            await self.progress.wait()
        self._stored = max(self._stored, made)

    # --- with the daemon ----------------------------------------------------------------------------------------

    async def talk(self, connection: Connection) -> None:
        """Until the connection ends. Raises, in a group, what that ended with."""
        self._outgoing.clear()
        self._connection = connection
        self._asked = self._answers = 0
        connection.wake_sender = self._outgoing.wake
        try:
            async with connection, anyio.create_task_group() as tasks:
                tasks.start_soon(self._outgoing.send, connection)
                if not self._away.is_away:
                    self._ask()
                self.tell_presence()
                async for data in connection:
                    if (message := self._take(data)) is not None:
                        tasks.start_soon(self._tell_shown, message)
                    self._touch()
                tasks.cancel_scope.cancel()
        finally:
            self.is_live, self._connection = False, None
            self._away.begin(str(self.shared), is_stored=not self.unstored)

    def _ask(self) -> None:
        self._asked += 1
        self._outgoing.add(channel.encode(channel.Step1(self.shared.state_vector())))

    def _answer(self, state_vector: bytes) -> None:
        """Say what the daemon lacks; after a while without it, what was shown here, and then ask what it has."""
        update = channel.Step2(self.shared.update_since(state_vector))
        if not self._away.is_away:
            self._outgoing.add(channel.encode(update))
            return
        self._away.note(str(self.shared))
        self._away.is_away = False
        have, shown = channel.Have(self.shared.state_vector()), channel.Shown(self._away.hashes)
        for message in (shown, channel.Since(self._away.since_ms), have, update):
            self._outgoing.add(channel.encode(message))
        self._ask()

    async def _tell_shown(self, message: channel.Saved) -> None:
        """Answer whether a save is of what is shown here. What was told before it was saved may be on its way."""
        number = self.screen.number_of(message.contents, str(self.shared))
        with anyio.move_on_after(_TOLD_S):
            while self.is_live and self.screen.is_told and not number:
                await self.progress.wait()
                number = self.screen.number_of(message.contents, str(self.shared))
        clocks = read_state_vector(self.shared.state_vector())
        self._outgoing.add(channel.encode(channel.Showed(number, clocks.get(self.shared.doc.client_id, 0))))

    def _take(self, data: bytes) -> channel.Saved | None:
        """Take a message; gives it back where it is to be answered."""
        match message := channel.decode(data):
            case channel.Saved():
                return message
            case channel.Step1(state_vector):
                self._answer(state_vector)
                if not self.is_live:
                    self.is_live = True
                    self.tell()
            case channel.Step2(update):
                self.shared.receive(update)
                self._answers += 1
                self._away.forget()
            case channel.Updates(updates):
                self.shared.receive(*updates)
            case channel.Denied(reason):
                log.warning("%s: %s", self.presence.path, reason)  # and the text is what it was: an update says so
                if self._connection is not None:
                    self._connection.denied = reason
                self.tell()
            case channel.AwarenessUpdate(states):
                if self.presence.take(states):
                    self.tell()
        return None
