"""Files whose bytes changed while nobody wrote to them: made whole again, and never taken for an edit.

Theory of operation
    What is known to have become of a file (`files/verify.py`) is looked at a second time, with the disk actor held
    back. Then its record says what the file holds now, as something that was rendered here and not saved. Everything
    else follows: the entry's content is not on this disk any more, so no device is told that it is, the text is
    rendered from its document, and the content of any other file is looked for in the files here and asked of the other
    devices. What comes takes the place of the damaged file by an atomic exchange, with the same owner and permissions.
    The damaged bytes are in the trash: of a text as a copy made before, of any other file once it is replaced.

    A file that no device gives stays as it is, under its name: most of it may be good. It is named in `status` and
    `yp2p notices` until another one stands there.

What it cannot tell
    A program that maps a file can change it without that its times show it, for half a minute. Of a file that was read
    meanwhile nothing is said until it is closed (`ingest/open_files.py`); should the daemon end in between, what was
    written then looks like damage. It is in the trash, and told.

Invariants
    * What was damaged is never written into a document or the manifest.
    * Nothing is replaced before its bytes are in the trash, or go there in the same step.
    * Where it is not certain that nobody wrote (no lease is to be had), it is told and nothing is done.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from enum import Enum, auto

import structlog
import trio

from yp2p.disk.open_root import OpenRoot
from yp2p.files.copies import copy_to
from yp2p.files.root import Root, is_ours
from yp2p.files.trash import new_place
from yp2p.files.verify import STEP_BYTES, Held, Look, held, reading
from yp2p.folder.folder import Folder
from yp2p.folder.notices import NoticeKind
from yp2p.folder.records import FileRecord
from yp2p.identity import EntryID
from yp2p.machine import reason
from yp2p.protocol.entries import Kind
from yp2p.store import tables

NOT_CERTAIN = "its bytes differ from what it is known to hold, and it cannot be told whether a program wrote to it"

log = structlog.get_logger()


class Outcome(Enum):
    """What was done about a file."""

    SOUND = auto()  # it is as it should be, or is being looked after otherwise
    RESTORED = auto()  # it is made whole of what is here
    FETCHED = auto()  # its content is asked of the other devices
    TOLD = auto()  # nothing is done


@dataclass(frozen=True, slots=True)
class Damaged:
    """A file that is damaged, as `status` names it: `at` in seconds since 1970 is when that was seen."""

    path: str
    at: float


class DamagedFiles:
    """Looks after the damaged files of one folder."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        known = tables.damage.read_all(folder.database.rows, folder.id)
        self._known: dict[EntryID, tuple[bytes, float]] = {EntryID(e): (content, at) for e, content, at in known}
        self._told: set[tuple[EntryID, bytes]] = set()  # of which nothing is certain

    def known(self) -> list[Damaged]:
        """Those that are damaged still, by path."""
        files, found = self._folder.files, []
        for entry, (content, at) in list(self._known.items()):
            record = files.get(entry)
            if record is not None and record.content == content:
                found.append(Damaged(self._folder.shown_path(record), at))
            else:
                del self._known[entry]
                self._folder.database.submit([tables.damage.forget(self._folder.id, entry)])
        return sorted(found, key=lambda damaged: damaged.path)

    def may_be_read(self, record: FileRecord) -> bool:
        """Whether what the file holds is known, and nothing else is about to be done with it."""
        folder = self._folder
        is_wanted = record.entry in folder.render_queue or record.entry in folder.files.waiting.entries
        is_file = record.kind in (Kind.TEXT, Kind.BLOB, Kind.SYMLINK) and not is_ours(record.path)
        return is_file and not is_wanted and not folder.files.local.keeps(record.path)

    async def take(self, at: OpenRoot, *records: FileRecord) -> list[Outcome]:
        """Look at files that seemed damaged once more, and do what is right; of several at a time one can be made of
        what another one holds in its place. Others that seem damaged meanwhile are looked at in the same way.

        Whoever waits for it can be cancelled between two files."""
        odd: dict[EntryID, FileRecord] = {}
        outcomes: list[Outcome] = []
        begun: set[EntryID] = set()
        async with self._folder.files.writing:
            while more := [record for record in (*records, *odd.values()) if record.entry not in begun]:
                for record in more:
                    begun.add(record.entry)
                    await trio.lowlevel.checkpoint_if_cancelled()
                    with trio.CancelScope(shield=True):  # else its record would say it, and nothing would follow
                        outcomes.append(await self._take(at, record, odd))
        return outcomes[: len(records)]

    async def _take(self, at: OpenRoot, record: FileRecord, odd: dict[EntryID, FileRecord]) -> Outcome:
        """Args: `odd`: others that held something else than they are known to; what is found of such is added."""
        folder = self._folder
        if folder.files.get(record.entry) != record or not self.may_be_read(record) or folder.state.pause_reason:
            return Outcome.SOUND
        if record.path in at.ingest.deferred.read_open():
            return Outcome.SOUND  # its stamp says nothing: it is read again when it is closed
        with at.ingest.readers.reading_beside([record]):
            now = await trio.to_thread.run_sync(held, at.root, record.path, record.stamp, record.kind)
        if now.look is Look.UNREADABLE:
            return self._unreadable(record, now)
        if now.look is not Look.READ or now.content == record.content:
            return Outcome.SOUND
        if not now.is_certain:
            return self._tell_once(record, now.content, NOT_CERTAIN)
        return await self._restore(at, record, now, odd)

    async def _restore(self, at: OpenRoot, record: FileRecord, now: Held, odd: dict[EntryID, FileRecord]) -> Outcome:
        folder = self._folder
        found = folder.catalogue.entries.get(record.entry)
        is_entry = found is not None and folder.catalogue.is_alive(found) and found.document == record.document
        if found is None or not is_entry or not self._is_whole_here(record):
            return self._tell_once(record, now.content, "its bytes changed on the disk, and nobody wrote them")
        if record.kind is Kind.TEXT:
            try:
                await trio.to_thread.run_sync(_copy_to_trash, at.root, record)
            except OSError as error:
                return self._tell_once(record, now.content, f"its bytes changed on the disk; {reason(error)}")
        damaged = replace(record, content=now.content, is_own=False, base_state=None)
        folder.files.set(damaged)
        self._known[record.entry] = now.content, time.time()
        seen = tables.damage.save(folder.id, record.entry, now.content, time.time())
        await folder.database.submit([damaged.save(folder.id), seen]).wait()
        folder.render_queue.want(record.entry)
        folder.observers.entry_changed(record.entry)
        is_here = record.kind is not Kind.BLOB or await self._has_good_copy(at, record, odd)
        how = (
            "it is made again of what is here"
            if is_here
            else "it is asked of the other devices, and stays until one gives it"
        )
        text = f"its bytes changed on the disk, and nobody wrote them: {how}; the damaged ones go to the trash"
        folder.notices.add(NoticeKind.DAMAGED, record.path, text, record.entry)
        log.warning("bit_rot_found", folder=folder.label, kind=record.kind.name.lower(), here=is_here)
        folder.state.touch()
        return Outcome.RESTORED if is_here else Outcome.FETCHED

    def _is_whole_here(self, record: FileRecord) -> bool:
        """Whether the document of a text gives the content that the file had, or a later one."""
        if record.kind is not Kind.TEXT:
            return True
        texts = self._folder.texts
        digest = texts.digests.get(record.document)
        return digest is not None and texts.open(record.document).text.content() == digest.content

    async def _has_good_copy(self, at: OpenRoot, record: FileRecord, odd: dict[EntryID, FileRecord]) -> bool:
        """Whether another file here holds the same: such a one is copied then, and none that is not known to."""
        files = self._folder.files
        for entry in files.blobs.files_with(record.content):
            other = files[entry]
            with at.ingest.readers.reading_beside([other]):
                found = await trio.to_thread.run_sync(held, at.root, other.path, other.stamp, other.kind)
            if found.look is Look.READ and found.content == record.content:
                return True
            files.blobs.remove_file(record.content, entry)  # nothing is copied of it until it is known again
            if found.look is Look.READ:
                odd[entry] = other
        return False

    def _unreadable(self, record: FileRecord, now: Held) -> Outcome:
        return self._tell_once(record, b"", f"the disk does not give it back: {now.reason}; look after the disk")

    def _tell_once(self, record: FileRecord, content: bytes, text: str) -> Outcome:
        if (record.entry, content) not in self._told:
            self._told.add((record.entry, content))
            self._folder.notices.add(NoticeKind.DAMAGED, record.path, text, record.entry)
            log.warning("bit_rot_found", folder=self._folder.label, kind=record.kind.name.lower(), here=False)
        return Outcome.TOLD


def _copy_to_trash(root: Root, record: FileRecord) -> None:
    """Blocks. Raises OSError."""
    place = f"{new_place()}/{record.path}"
    root.make_parents(place)
    copy_to(root, record.path, record.stamp, place)


def is_odd(record: FileRecord, now: Held) -> bool:
    """Whether a file holds something else than it is known to, or cannot be read."""
    return now.look is Look.UNREADABLE or (now.look is Look.READ and now.content != record.content)


async def read_in_steps(at: OpenRoot, records: Sequence[FileRecord]) -> list[tuple[FileRecord, Held]]:
    """What these files hold, read in a thread; whoever waits for it can be cancelled between two steps."""
    with closing(reading_all(at.root, records)) as work, at.ingest.readers.reading_beside(records):
        while True:
            found = await trio.to_thread.run_sync(next, work)
            if isinstance(found, list):
                return found


def reading_all(
    root: Root, records: Sequence[FileRecord]
) -> Generator[int | list[tuple[FileRecord, Held]], None, None]:
    """Read files in steps; gives after each how many bytes were read, and what all hold as the last value. Blocks."""
    found: list[tuple[FileRecord, Held]] = []
    unyielded = 0
    for record in records:
        steps = reading(root, record.path, record.stamp, record.kind)
        while True:
            try:
                unyielded += next(steps)
            except StopIteration as done:
                found.append((record, done.value))
                break
            if unyielded >= STEP_BYTES:
                yield unyielded
                unyielded = 0
    yield found
