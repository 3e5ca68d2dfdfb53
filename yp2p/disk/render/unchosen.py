"""Files that are not chosen leave this disk (`folder/choice.py` says which those are, and why nothing is lost).

Theory of operation
    A file leaves when it is exactly what the folder knows of it, nothing is to be done for it, nobody edits it here,
    and another device that is connected says that it keeps this version. Its name goes first: into `.yp2p/tmp`, where
    it stays for a minute like a file that was replaced, as a program may still write into it (`displaced_files.py`).
    It is renamed only as long as it is what its record says.

    Before the name goes the store knows that it goes by us (`Sight.LOST`), and afterwards, once the disk has that
    durably, the record goes. After a crash in between the file is missing, and that is no deletion. The name in
    `.yp2p/tmp` has the entry and the beginning of the content's hash: the next start removes what still is that
    content, and keeps everything else in the trash (`crash_recovery.py`).

Invariants
    * Nothing here makes a deletion, counts as one, or fills the trash.
    * What is looked at, and what is done, is one batch of the disk actor: nobody chooses otherwise in between.
"""

from __future__ import annotations

import math
from collections.abc import Container
from dataclasses import dataclass, replace

import structlog
import trio

from yp2p.disk.ingest.ingest import Ingest
from yp2p.disk.render.displaced_files import DisplacedFiles
from yp2p.disk.render.moves import Moves
from yp2p.disk.render.retries import Retries
from yp2p.files import replace as disk
from yp2p.files.editor_locks import lock_of
from yp2p.files.replace import Outcome, Result
from yp2p.files.root import Root, is_ours
from yp2p.files.syscalls import sync_file_system
from yp2p.files.temporary_names import left_name
from yp2p.folder.folder import Folder
from yp2p.folder.records import FileRecord, Sight
from yp2p.identity import EntryID
from yp2p.protocol.entries import Kind
from yp2p.protocol.reconcile import Leaf

BATCH = 256
# What somebody edits is looked at again after this long.
_AGAIN_S = 10.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is known of a file that may have to leave.

    Attributes:
        is_unchosen: nobody chose it.
        is_on_disk: the file is what the folder says of its entry, at its path.
        is_wanted: it is to be rendered, or waits for something.
        is_changed_here: this device only reads, and somebody changed the file.
        is_edited: somebody has it open in an editor, or saved it a moment ago, or a program is connected.
        leaf: the version that the folder has of it.
        kept: the version that a connected device says it keeps.
    """

    is_unchosen: bool = True
    is_on_disk: bool = True
    is_wanted: bool = False
    is_changed_here: bool = False
    is_edited: bool = False
    leaf: Leaf | None = None
    kept: Leaf | None = None


def may_leave(what: Circumstances) -> bool:
    """Whether a file leaves now."""
    if not what.is_unchosen or not what.is_on_disk:
        return False
    if what.is_wanted or what.is_changed_here or what.is_edited:
        return False
    return what.leaf is not None and what.leaf == what.kept


class UnchosenFiles:
    """Removes the files of one folder that are not chosen."""

    def __init__(
        self,
        folder: Folder,
        root: Root,
        moves: Moves,
        displaced: DisplacedFiles,
        retries: Retries,
        ingest: Ingest,
    ) -> None:
        self._folder = folder
        self._root = root
        self._moves = moves
        self._displaced = displaced
        self._retries = retries
        self._edits, self._readers = ingest.edits, ingest.readers
        self._again_at = math.inf
        self._choice = -1  # for which the directories were looked at

    def next_deadline(self) -> float:
        """When to look again at what somebody edits."""
        return self._again_at

    async def run(self) -> None:
        """Have the files leave that may by now, one batch of them."""
        folder = self._folder
        if not folder.state.is_scanned or folder.state.pause_reason:
            return
        self._again_at = math.inf
        edited = self._edits.recently_edited()
        leaving: list[FileRecord] = []
        for entry in folder.files.choice.kept.keys() & folder.files.keys():
            if len(leaving) == BATCH:
                folder.render_queue.want(entry)  # in the next round
                break
            if may_leave(self._circumstances(entry, edited)):
                leaving.append(folder.files[entry])
            else:
                self._again_at = trio.current_time() + _AGAIN_S
        if leaving:
            await self._leave(leaving)
        if leaving or self._choice != folder.files.choice.number:
            self._choice = folder.files.choice.number
            await self._remove_directories()

    def _circumstances(self, entry: EntryID, edited: Container[EntryID]) -> Circumstances:
        folder, choice, record = self._folder, self._folder.files.choice, self._folder.files[entry]
        leaf, keeper = choice.kept[entry]
        return Circumstances(
            is_unchosen=entry in choice.unchosen,
            is_on_disk=not is_ours(record.path) and folder.is_on_disk(entry),
            is_wanted=entry in folder.render_queue or entry in self._retries or entry in folder.files.waiting.entries,
            is_changed_here=folder.files.local.keeps(record.path),
            is_edited=entry in edited or self._is_open(record),
            leaf=folder.leaf(entry),
            kept=leaf if keeper in folder.observers.sessions else None,
        )

    def _is_open(self, record: FileRecord) -> bool:
        live = self._folder.texts.in_memory(record.document) if record.kind is Kind.TEXT else None
        return (live is not None and live.is_in_programs) or lock_of(self._root, record.path) is not None

    async def _leave(self, records: list[FileRecord]) -> None:
        folder = self._folder
        lost = [replace(record, sight=Sight.LOST) for record in records]
        for record in lost:
            folder.files.set(record)
        await folder.database.submit([record.save(folder.id) for record in lost]).wait()
        results = await trio.to_thread.run_sync(self._move_away, lost)
        gone = [(record, result) for record, result in zip(lost, results, strict=True) if _is_done(result)]
        for record, result in zip(lost, results, strict=True):
            if not _is_done(result):
                self._retries.not_moved(record, left_name(record.entry, record.content), result)
        if not gone:
            return
        self._readers.moved_away([record for record, _ in gone])  # who has one open may save it still
        for record, result in gone:
            assert result.stamp is not None
            self._readers.forget(record.entry)
            folder.files.drop(record.entry)
            self._displaced.add(left_name(record.entry, record.content), result.stamp, record)
        folder.database.submit([record.delete(folder.id) for record, _ in gone])
        for record, _ in gone:
            folder.files.choice.kept.pop(record.entry, None)
            await self._moves.remove_empty_parents(record.path)
        folder.state.touch()
        log.info("files_left", folder=folder.label, count=len(gone))

    def _move_away(self, records: list[FileRecord]) -> list[Result]:
        """Blocks. What is done is durable."""
        results = [
            disk.move_away(
                self._root, r.path, left_name(r.entry, r.content), r.content, r.stamp, r.kind
            )
            for r in records
        ]  # fmt: skip
        # A rename that a power cut took back would look like a file that somebody made here.
        sync_file_system(self._root.descriptor)
        return results

    async def _remove_directories(self) -> None:
        """Directories that are entries, and not chosen: what is left of them is a name."""
        folder, choice = self._folder, self._folder.files.choice
        for entry in list(choice.unchosen & folder.files.keys()):
            record = folder.files.get(entry)
            if record is None or record.kind is not Kind.DIRECTORY or not self._root.is_empty_directory(record.path):
                continue
            folder.files.drop(entry)
            await folder.database.submit([record.delete(folder.id)]).wait()
            await trio.to_thread.run_sync(self._root.remove_directory, record.path)
            await self._moves.remove_empty_parents(record.path)


def _is_done(result: Result) -> bool:
    return result.outcome is Outcome.DONE and result.stamp is not None
