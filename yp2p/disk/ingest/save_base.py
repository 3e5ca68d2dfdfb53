"""Finds out what a save was made of: gathers the evidence for `documents/save_evidence.py` from the disk, the store and
the documents.

Most saves are of a file that no program can have an older version of open: for those it costs a look into a dict.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog
import trio

from yp2p.disk.ingest.read_tracker import ReadTracker
from yp2p.documents.save_evidence import Circumstances, MadeOf, NoEdit, Older, Stands, decide, may_be_open
from yp2p.files.inspect import Finding
from yp2p.folder.folder import Folder
from yp2p.folder.old_versions import older_version
from yp2p.folder.records import Candidate, FileRecord

# After this it shows whether cp, tar or rsync write other files at the same time, which makes the save one of a wave.
# Only saves that look as if they were made of an older version wait.
WAVE_WAIT_S = 0.1
# Comparing longer texts takes longer than a worker thread's round trip, and is noticed on the loop.
_THREAD_CHARS = 20_000

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class SaveBase:
    """What a save was made of.

    Attributes:
        record: the version to take the save for a change of.
        older: where that is not what was on the disk, the evidence for it.
        is_edit: False where an editor saved what it had opened, unchanged.
        stands_over: where it was made of this one, and its lines stand nevertheless.
    """

    record: FileRecord
    older: Candidate | None = None
    is_edit: bool = True
    stands_over: Candidate | None = None


class SaveBases:
    """Decides for the saves of one folder.

    Args:
        wait: lets `WAVE_WAIT_S` pass, in which the watcher tells more.
    """

    def __init__(
        self, folder: Folder, readers: ReadTracker, wait: Callable[[], Awaitable[None]] = trio.lowlevel.checkpoint
    ) -> None:
        self._folder = folder
        self._readers = readers
        self._wait = wait

    async def find(self, record: FileRecord, finding: Finding) -> SaveBase:
        """What the save `finding` of the file `record` was made of."""
        readers, entry = self._readers, record.entry
        now = trio.current_time()
        candidates = readers.candidates(entry)
        if not candidates:
            return SaveBase(record)
        was_read = readers.was_read_since(entry)
        suspects = [
            (one, Older("", now - one.opened_at, has_lock, one.base.content == finding.content))
            for one, has_lock in candidates
        ]
        suspects = [(one, older) for one, older in suspects if may_be_open(older, was_read=was_read)]
        if not suspects:
            return SaveBase(record)
        if not readers.writes.waves.includes(finding.path):
            await self._wait()
        texts = [self._text(one.base) for one, _ in suspects]
        older = [
            Older(text, one.opened_ago_s, one.has_lock, one.is_save)
            for text, (_, one) in zip(texts, suspects, strict=True)
        ]
        newer = self._text(record)
        found = Circumstances(
            was_read=was_read,
            in_git=readers.writes.is_in_git(finding.path),
            in_wave=readers.writes.waves.includes(finding.path),
        )
        if max(len(text) for text in (newer, finding.text, *texts)) > _THREAD_CHARS:
            decision = await trio.to_thread.run_sync(decide, older, newer, finding.text, found)
        else:
            decision = decide(older, newer, finding.text, found)
        log.debug(
            "save_base", path=record.path, decision=type(decision).__name__, candidates=len(older),
            read=was_read, locks=sum(one.has_lock for one in older), wave=found.in_wave, git=found.in_git,
        )  # fmt: skip
        if isinstance(decision, NoEdit):
            return SaveBase(suspects[decision.number][0].base, suspects[decision.number][0], is_edit=False)
        if isinstance(decision, MadeOf) and not await self._is_former(record, finding):
            return SaveBase(suspects[decision.number][0].base, suspects[decision.number][0])
        if isinstance(decision, Stands) and not await self._is_former(record, finding):
            return SaveBase(record, stands_over=suspects[decision.number][0])
        return SaveBase(record)

    def _text(self, record: FileRecord) -> str:
        return self._folder.texts.fork_at_base(record).text()

    async def _is_former(self, record: FileRecord, finding: Finding) -> bool:
        """Whether the save is a former version, byte for byte. Asked last: it may replay the document's log, when all
        that is on its way there is stored."""
        await self._folder.database.pending().wait()
        return await older_version(self._folder, record, finding.content, finding.stamp.size) is not None
