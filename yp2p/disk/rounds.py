"""The rounds of work on a root that is open: ingest first, render after, one batch at a time.

For each batch `FileIndex.writing` is held: what puts files back for a person (from the trash, or of a former moment)
does so between two batches.
"""

from __future__ import annotations

import math

import trio

from yp2p.disk import mass_deletion, root_check
from yp2p.disk.ingest.ignored import has_rules, is_ignored_entry
from yp2p.disk.open_root import OpenRoot
from yp2p.disk.pause import Pause
from yp2p.disk.rules_in_use import RulesInUse
from yp2p.disk.scans import BATCH, Phase, Scans
from yp2p.files.changed_paths import ChangedPaths
from yp2p.files.ignore import IGNORE_FILE
from yp2p.files.new_directories import gone
from yp2p.folder.folder import Folder


class Rounds:
    """The work on one folder's files."""

    def __init__(self, folder: Folder, changed: ChangedPaths, rules: RulesInUse, scans: Scans, pause: Pause) -> None:
        self._folder = folder
        self._changed = changed
        self._rules = rules
        self._scans = scans
        self._pause = pause
        self._was_reader = folder.membership.is_reader
        self.confirmation = mass_deletion.Confirmation(folder)

    async def run(self, at: OpenRoot, scope: trio.CancelScope) -> None:
        """Work until a person wants a pause; then cancel `scope`. Raises RootGone: the disk is away."""
        try:
            while True:
                async with self._folder.files.writing:
                    if not await self._step(at):
                        break
                await self._wait_for_work(at)
            scope.cancel()
        finally:
            self._folder.state.is_scanned = False
            self._folder.texts.digests.save()
            with trio.move_on_after(1, shield=True):
                await at.render.displaced.finish()

    async def _step(self, at: OpenRoot) -> bool:
        """Ingest, then render, one batch; False when a person wants a pause."""
        folder, ingest, render = self._folder, at.ingest, at.render
        # no await: work that comes in from now on sets the event again
        folder.render_queue.start()
        if self._pause.is_wanted:
            return False
        if folder.state.question.reason and not await self._is_answered(at):
            return True
        self._follow_role()
        if self._changed.scan_wanted and self._scans.may_begin():
            await self._scans.run(at)
        await self._look_at_changed(at)
        if ingest.pending:
            await self._decide(at)
        self._scans.note_first(ingest)
        if folder.state.question.reason:
            return True
        if folder.edits.own_claims.to_publish and not folder.membership.is_reader:
            await folder.edits.own_claims.publish()
        if self._scans.phase.writes and (folder.render_queue or render.next_run() <= trio.current_time()):
            folder.state.settled = False
            await render.run()
        elif self._scans.phase.writes:
            await render.displaced.inspect()  # as a rule nothing comes of it: no device is to hear of that
        self._rules.agreed.note_record()
        if self._rules.have_gone:
            self._changed.add(IGNORE_FILE)
        in_trash = folder.files.blobs.given_by_none(folder.observers.sessions.keys()) - folder.files.blobs.searched
        busy = any(
            (
                self._changed.is_waiting, folder.render_queue, ingest.pending.requeued, ingest.pending,
                not render.is_idle, folder.render_queue.is_woken, in_trash,
            )
        )  # fmt: skip
        folder.state.settled = not busy
        return True

    def _follow_role(self) -> None:
        """What a reader has changed is an edit as soon as it is a member; from when it is one no more, none is."""
        is_reader, local = self._folder.membership.is_reader, self._folder.files.local
        if is_reader != self._was_reader or local.is_outdated:
            self._was_reader, local.is_outdated = is_reader, False
            local.clear()
            self._changed.scan_wanted = True

    async def _is_answered(self, at: OpenRoot) -> bool:
        """Whether a folder that waits for a person may go on: they said how, or what was missing is back."""
        confirmation, put_back = self.confirmation, at.ingest.put_back
        if confirmation.accepts is not None:
            put_back.answer(accept=confirmation.accepts)
            await self._scans.run(at)
            await mass_deletion.decide(self._folder, at.ingest, accept=confirmation.accepts)
            confirmation.accepts = None
            return True
        if not await confirmation.is_over(at.root, put_back):
            return False
        put_back.forget()
        mass_deletion.end_pause(self._folder)
        self._changed.scan_wanted = True
        return True

    async def _look_at_changed(self, at: OpenRoot) -> None:
        """Ingest the paths that something was reported of, or whose time has come."""
        folder = self._folder
        self._changed.rest(trio.current_time())
        if listed := self._changed.take_listed():
            known = list(folder.files.at)
            self._changed.update(await trio.to_thread.run_sync(gone, at.root, listed, known))
        if self._scans.phase is not Phase.WORKING:
            return
        paths = self._changed.take(at.ingest.pending.take_due(trio.current_time()))
        if not paths:
            return
        folder.state.settled = False
        if IGNORE_FILE in paths:
            await self._rules.apply(at, self._scans.context)
            self._changed.scan_wanted = True
        ordered = sorted(path for path in paths if not is_ignored_entry(folder, path))
        is_all_new = folder.files.at.keys().isdisjoint(ordered)
        for start in range(0, len(ordered), BATCH):
            await at.ingest.inspect(ordered[start : start + BATCH])
            # As long as nothing known is missing, or may be, none of them is a known file under another name.
            is_open = at.ingest.pending.missing or self._changed
            if is_all_new and not is_open and start + BATCH < len(ordered):
                await self._decide(at)

    async def _decide(self, at: OpenRoot) -> None:
        """Decide on what waited long enough: renames, deletions, new files. Raises RootGone: what is missing was not
        deleted, the disk is away."""
        root_check.check_marker(self._folder, at.root)
        had_rules = IGNORE_FILE in self._folder.files.at
        await at.ingest.decide()
        if had_rules and IGNORE_FILE not in self._folder.files.at:
            if not has_rules(self._folder):  # else it is made again
                self._rules.agreed.was_removed_here()
            self._changed.add(IGNORE_FILE)

    async def _wait_for_work(self, at: OpenRoot) -> None:
        folder, pending, phase = self._folder, at.ingest.pending, self._scans.phase
        if folder.state.question.reason and self.confirmation.accepts is None:
            await folder.render_queue.wait(self.confirmation.next_check_at())
            return
        is_changed = phase is Phase.WORKING and (self._changed or pending.requeued)
        may_scan = self._changed.scan_wanted and self._scans.may_begin()
        if is_changed or may_scan or (phase.writes and folder.render_queue):
            await trio.lowlevel.checkpoint()
            return
        render_at = at.render.next_deadline() if phase.writes else math.inf
        await folder.render_queue.wait(
            min(pending.next_deadline(), render_at, self._changed.next_deadline(), self._scans.next_deadline())
        )
