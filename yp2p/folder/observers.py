"""Who is told what happens in a folder: its sessions with other devices, and who follows its files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from yp2p.folder.away import Away
from yp2p.folder.claims import Claims
from yp2p.folder.long_blobs import LongBlob
from yp2p.folder.newcomers import Newcomers
from yp2p.folder.purges import Purges
from yp2p.folder.quarantine import Quarantine
from yp2p.folder.uncounted import Uncounted
from yp2p.folder.unsent import Unsent
from yp2p.folder.while_out import WhileOut
from yp2p.histogram import Histogram
from yp2p.identity import DeviceID, DocumentID, EntryID
from yp2p.protocol.messages import BothChanged, PurgeNews


class Session(Protocol):
    """What a folder tells the sessions with its peers."""

    peer: DeviceID

    @property
    def compared(self) -> bool: ...

    @property
    def merges_alike(self) -> bool: ...

    def document_changed(self, document: DocumentID, source: object, entry: EntryID | None) -> None: ...

    def entry_changed(self, entry: EntryID) -> None: ...

    def on_disk(self, entry: EntryID) -> None: ...

    def fetch(self) -> None: ...

    def pull(self) -> None: ...

    def both_changed(self, message: BothChanged) -> None: ...

    def purge_news(self, message: PurgeNews) -> None: ...

    def links_changed(self) -> None: ...

    def doubt(self) -> None: ...

    def start_over(self) -> None: ...


class Watcher(Protocol):
    """What a folder tells whoever follows what becomes of its files; the calls are those of a session."""

    def document_changed(self, document: DocumentID, source: object, entry: EntryID | None) -> None: ...

    def entry_changed(self, entry: EntryID) -> None: ...

    def on_disk(self, entry: EntryID) -> None: ...


class Observers:
    """The sessions of one folder, by peer, and what they have to know of one another.

    `watcher` hears of files as well, while it is there. `document_claims` and `blob_claims` say who was asked for what;
    `long_blobs` are being put together from chunks; `uncounted` says whether what is here may be handed on, `unsent`
    whether some of it may be nowhere else. `purges` are what devices ask each other to remove the past of, `newcomers`
    who was let in lately, `while_out` what this device did when it was not.
    """

    def __init__(
        self, uncounted: Uncounted, unsent: Unsent, purges: Purges, newcomers: Newcomers, while_out: WhileOut
    ) -> None:
        self.uncounted, self.unsent, self.purges, self.newcomers = uncounted, unsent, purges, newcomers
        self.while_out = while_out
        uncounted.when_doubted = unsent.when_pending = self._doubt
        self.sessions: dict[DeviceID, Session] = {}
        self.away = Away()  # what the devices lack that have no session
        self.watcher: Watcher | None = None
        self.quarantine = Quarantine()
        # What a device is called here, where that is known from elsewhere than the statements; empty where it is not.
        self.called: Callable[[DeviceID], str] = lambda device: ""
        self.document_claims = Claims()
        self.blob_claims = Claims()
        self.long_blobs: dict[bytes, LongBlob] = {}
        self.acknowledged = Histogram()  # from a change here until a peer has it on its disk

    def is_compared(self) -> bool:
        """Whether some peer is linked, and all that are have been compared with."""
        return bool(self.sessions) and all(session.compared for session in self.sessions.values())

    def document_changed(self, document: DocumentID, source: object, entry: EntryID | None = None) -> None:
        """A document has an update.

        Args:
            source: where it is from: a peer, a program, or None for this device's disk.
            entry: whose text it is, where the manifest names it.
        """
        for session in self.sessions.values():
            session.document_changed(document, source, entry)
        if entry is not None:
            self.away.changed(entry, self.sessions.keys())
        if self.watcher is not None:
            self.watcher.document_changed(document, source, entry)

    def entry_changed(self, entry: EntryID) -> None:
        """What an entry is is another by now, or its text has just come."""
        for session in self.sessions.values():
            session.entry_changed(entry)
        self.away.changed(entry, self.sessions.keys())
        if self.watcher is not None:
            self.watcher.entry_changed(entry)

    def on_disk(self, entry: EntryID) -> None:
        """The file of an entry was brought in step."""
        for session in self.sessions.values():
            session.on_disk(entry)
        if self.watcher is not None:
            self.watcher.on_disk(entry)

    def fetch(self) -> None:
        """Some blob is wanted, or wanted again."""
        for session in self.sessions.values():
            session.fetch()

    def pull(self, *, but: DeviceID) -> None:
        """Some documents are not left to the session with this peer any more."""
        for device, session in self.sessions.items():
            if device != but:
                session.pull()

    def links_changed(self) -> None:
        """A session began or ended."""
        for session in self.sessions.values():
            session.links_changed()

    def _doubt(self) -> None:
        """What is here may not count, or all of it does from now on; or this device was made a reader."""
        for session in list(self.sessions.values()):
            session.doubt()

    def start_over(self) -> None:
        """Some documents are less than they were: what others have of them is not here any more."""
        for session in list(self.sessions.values()):
            session.start_over()

    def both_changed(self, message: BothChanged) -> None:
        """Tell those who made one of the versions of a place that was changed apart."""
        for session in self.sessions.values():
            session.both_changed(message)

    def purge_news(self, message: PurgeNews) -> None:
        """Hand on what devices ask to be purged, or answer; to who has it already it says nothing new."""
        for session in self.sessions.values():
            session.purge_news(message)
