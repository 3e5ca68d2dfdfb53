"""New files: first imports.

Theory of operation (invariant 5)
    Equal files on two devices must be one file (`new_entries.py`). What stands at a path that another device's entry
    has, or that a deleted one had, is decided file by file (`occupied_paths.py`); what is simply new is imported many
    at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

import structlog
import trio

from yp2p.disk.ingest.kept_local import KeptLocal
from yp2p.disk.ingest.meaning import ScanContext
from yp2p.disk.ingest.new_entries import NewEntries
from yp2p.disk.ingest.occupied_paths import OccupiedPaths
from yp2p.disk.ingest.pending_paths import PendingPaths
from yp2p.documents.registers import index_of
from yp2p.files.inspect import Finding
from yp2p.folder.folder import Folder
from yp2p.folder.turns import Slice
from yp2p.identity import EntryID
from yp2p.memory import keep_from_the_collector
from yp2p.store.writer import Commit

# So many files are imported before those of the batch before have to be in the store: they hold all their texts.
_BATCH = 500
_MOST_ON_THEIR_WAY = 2
# And so many in one step, which nothing comes between: some milliseconds. The store takes fifty rows of a kind at once.
_AT_ONCE = 50

log = structlog.get_logger()


class FirstImports:
    """Brings new files of one folder into the manifest."""

    def __init__(
        self, folder: Folder, pending: PendingPaths, kept: KeptLocal, new: NewEntries, occupied: OccupiedPaths
    ) -> None:
        self._folder = folder
        self._pending = pending
        self._kept = kept
        self._new = new
        self._occupied = occupied
        self._on_their_way: deque[Commit] = deque()  # batches

    async def take(self, findings: Sequence[Finding], context: ScanContext) -> None:
        """Bring new files into the manifest, many at once.

        In two passes: first all that awaits, each file by itself; then what is simply new, some together and without
        an await, so that nobody sees a document that is in no commit yet.
        """
        ordered = findings
        if len(findings) > _AT_ONCE:
            ordered = await trio.to_thread.run_sync(lambda: sorted(findings, key=self._manifest_index))
        for start in range(0, len(ordered), _BATCH):
            await self._take_batch(ordered[start : start + _BATCH], context)

    def _manifest_index(self, finding: Finding) -> int:
        return index_of(self._new.first_id(finding))

    async def _take_batch(self, findings: Sequence[Finding], context: ScanContext) -> None:
        if len(self._on_their_way) == _MOST_ON_THEIR_WAY:
            await self._on_their_way.popleft().wait()
        part = Slice()
        plain: list[Finding] = []
        for finding in findings:
            await part.end_if_long()
            if self._occupied.is_free(finding):
                plain.append(finding)
                continue
            await self._occupied.take(finding, context)
            self._is_imported(finding)
        commit, count = None, 0
        for start in range(0, len(plain), _AT_ONCE):
            await part.end()
            # no await from here to `make`: meanwhile this device may be one that only reads
            some = plain[start : start + _AT_ONCE]
            if self._kept.is_on:
                self._keep(some)
            elif imports := self._imports(some):
                commit, count = self._new.make(imports), count + len(imports)
        if commit is not None:
            self._on_their_way.append(commit)
            keep_from_the_collector(count)
            await trio.lowlevel.checkpoint()
            log.info("files_imported", folder=self._folder.label, count=count)

    def _keep(self, findings: Iterable[Finding]) -> None:
        for finding in findings:
            if self._occupied.is_free(finding):
                self._pending.fresh.pop(finding.path, None)
                self._kept.is_new(finding)

    def _imports(self, findings: Iterable[Finding]) -> list[tuple[EntryID, Finding]]:
        """What of these is still simply new, with the entries that it becomes."""
        # what is not submitted yet nobody may see
        imports: list[tuple[EntryID, Finding]] = []
        chosen: set[EntryID] = set()
        for finding in findings:
            if not self._occupied.is_free(finding):
                continue  # another device's entry came meanwhile: it is still fresh, and decided in the next round
            entry = self._new.id_for(finding, chosen)
            chosen.add(entry)
            imports.append((entry, finding))
            self._is_imported(finding)
        return imports

    def _is_imported(self, finding: Finding) -> None:
        self._pending.fresh.pop(finding.path, None)
        # It may have moved on while it was imported, before anybody knew that it is ours.
        self._pending.requeue(finding.path)
