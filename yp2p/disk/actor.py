"""The disk actor: the one task that brings a folder's files and documents together.

It takes what the watcher reports and what the documents ask for, ingests first and renders after, one batch at a time.
For each batch it holds `FileIndex.writing`: what puts files back for a person (from the trash, or of a former moment)
does so between two batches. Who else works below `.yp2p/` is in docs/concurrency.md.

The folder is paused while its root or its marker is missing: an unmounted disk must not look like a deleted folder.
"""

from __future__ import annotations

import itertools
import math
from functools import partial

import structlog
import trio

from yp2p.config import Files, Trash
from yp2p.disk import housekeeping, mass_deletion
from yp2p.disk.housekeeping import Housekeeping
from yp2p.disk.ingest.agreed_rules import AgreedRules
from yp2p.disk.ingest.ignored import apply_rules, is_ignored_entry, rules_document_is_missing, rules_text
from yp2p.disk.ingest.ingest import Ingest
from yp2p.disk.ingest.save_base import WAVE_WAIT_S
from yp2p.disk.pause import Pause
from yp2p.disk.render.crash_recovery import CrashRecovery
from yp2p.disk.render.render import Render
from yp2p.errors import DamagedError, FolderError, PeerFault, YpError, first_of
from yp2p.files.changed_paths import ChangedPaths
from yp2p.files.ignore import IGNORE_FILE, IgnoreRules
from yp2p.files.ignore_file import read_rules
from yp2p.files.mounts import mounts_below
from yp2p.files.new_directories import gone
from yp2p.files.root import Root
from yp2p.files.watch import Batch, Watcher, is_at_or_beneath, open_watcher
from yp2p.folder.folder import Folder
from yp2p.folder.records import FileRecord
from yp2p.machine import Patience, reason

_SCAN_BATCH = 1000
# Without enough watches the folder is scanned this often, or so many times as long as a scan takes.
_POLL_S, _POLL_SHARE = 10.0, 10
# Whether a disk is there again is seen at a glance; to begin on a root that does not let us takes a scan each time.
_ROOT_RETRY_S, _LONGEST_RETRY_S = 1.0, 30.0
# A root that could be used for so long has not failed at its start.
_WORKED_S = 60.0
_ASK_PEERS_S = 2.0
# How long a first scan waits for the folder's rules on what is left out.
_RULES_LIMIT_S = 10.0

log = structlog.get_logger()


class Disk:
    """Runs ingest and render of one folder."""

    def __init__(
        self, folder: Folder, settings: Files, trash: Trash, *, after_power_cut: bool = False, is_paused: bool = False
    ) -> None:
        self._folder = folder
        self._settings = settings
        self._housekeeping = Housekeeping(folder, trash, self._drop_caches)
        self._after_power_cut = after_power_cut
        self.scanned = trio.Event()  # set once what a power cut may have left has been looked at
        if not after_power_cut:
            self.scanned.set()
        self._accepts: bool | None = None  # what a person said of the deletions that wait: whether to accept them
        self._confirmation = mass_deletion.Confirmation(folder)
        self._changed = ChangedPaths()
        self._agreed = AgreedRules(folder)
        self._first_scan = True
        self._ingest: Ingest | None = None
        self._render: Render | None = None
        self._gone = ""
        self._scan_at = 0.0
        self._poll_at = math.inf  # when to scan without having been told of anything
        self._patience = Patience(_ROOT_RETRY_S, _LONGEST_RETRY_S)
        self.pause = Pause(folder.render_queue.wake, folder.state.store_pause, is_wanted=is_paused)
        self._task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED

    @property
    def recently_edited(self) -> dict[str, float]:
        """Paths that somebody saves here, and since when, in seconds since 1970."""
        if self._ingest is None:
            return {}
        edited, files = self._ingest.edits.recently_edited(), self._folder.files
        return {files[entry].path: since for entry, since in edited.items() if entry in files}

    def bases(self) -> list[FileRecord]:
        """What a save that turns up may have been made of, beside what the files are known to hold."""
        found = self._ingest.readers.bases() if self._ingest is not None else []
        return [*found, *(self._render.displaced.bases() if self._render is not None else ())]

    async def run(  # noqa: ASYNC128 (`_report_started` calls it)
        self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Work until cancelled; `started` once the root is open or known to be missing."""
        self._task_status = task_status
        while True:
            began = trio.current_time()
            has_root = self.pause.is_wanted or await self._run_once()
            retry_s = _ROOT_RETRY_S if has_root else self._patience.next_s()
            self._report_started()
            self._pause(self._wished_pause() or self._gone)
            if trio.current_time() > began + _WORKED_S:
                self._patience.reset()
            await self.pause.rest(retry_s)

    def _report_started(self) -> None:
        status, self._task_status = self._task_status, trio.TASK_STATUS_IGNORED
        status.started()

    async def _run_once(self) -> bool:
        """Work on the root until it is gone; `_gone` says why. False: it is there, but cannot be used."""
        self._gone = ""
        try:
            root = Root(self._folder.path)
        except OSError as error:
            self._gone = f"{self._folder.path} cannot be opened: {reason(error)}"
            return True
        can_be_used = True
        try:
            if self._has_marker(root):
                await self._run_on(root)
        except* FolderError as group:
            can_be_used, self._gone = False, str(first_of(group))
        except* OSError as failed:
            first = first_of(failed)
            assert isinstance(first, OSError)
            can_be_used, self._gone = False, f"{self._folder.path} cannot be used: {reason(first)}"
            log.debug("folder_failed", folder=self._folder.label, exc_info=first)
        except* (PeerFault, DamagedError) as failed:
            can_be_used, self._gone = False, self._fault(failed)
        except* YpError:
            raise  # the store's
        except* Exception as failed:
            can_be_used, self._gone = False, self._fault(failed)
        finally:
            root.close()
        return can_be_used

    def _wished_pause(self) -> str:
        path = self._folder.path
        return f"paused by a person: `yp2p folder resume {path}` goes on" if self.pause.is_wanted else ""

    def _fault(self, failed: BaseExceptionGroup[BaseException]) -> str:
        """The last catch: what is wrong with one folder is wrong with no other."""
        first = first_of(failed)
        log.error("folder_failed", folder=self._folder.label, exc_info=first)
        return f"{self._folder.path} waits for a fault of yp2p to be mended: {first!r}; it is tried again"

    def _pause(self, reason: str) -> None:
        if self._folder.state.problem != reason:
            self._folder.state.problem = reason
            log.warning("folder_paused", folder=self._folder.label, reason=reason)
            self._folder.state.touch()

    def _has_marker(self, root: Root) -> bool:
        folder = self._folder
        if root.marker() == folder.id:
            return True
        self._gone = (
            f"{folder.path} has lost its marker .yp2p/marker; put the folder's disk back, or take it up as it is now: "
            f"`yp2p share {folder.path}`"
        )
        return False

    async def _ignore_rules(self, root: Root) -> IgnoreRules:
        # What others leave out is left out from the start, before the file that says so is put in place.
        is_to_come = self._first_scan or IGNORE_FILE not in self._folder.files.at
        to_come = rules_text(self._folder) if is_to_come else ""
        agreed = self._agreed.text
        rules, problem = await trio.to_thread.run_sync(read_rules, root, self._settings, to_come, agreed)
        if problem:
            log.warning("ignore_file_refused", folder=self._folder.label, reason=problem)
            problem = f"{IGNORE_FILE}: {problem}"
        self._folder.files.ignore_problem = problem
        return rules

    async def _apply_ignore_rules(self, root: Root, watcher: Watcher) -> None:
        """The file that says what is left out may have changed: that takes effect, and removes nothing."""
        limit, is_damaged = self._settings.max_text_bytes, self._after_power_cut and self._first_scan
        await self._agreed.look(root, limit, is_damaged=is_damaged)
        try:
            watcher.ignore = await self._ignore_rules(root)
        except FolderError as error:  # what was left out so far still is
            log.warning("ignore_file_refused", folder=self._folder.label, reason=str(error))
            self._folder.files.ignore_problem = str(error)
            return
        await apply_rules(self._folder, watcher.ignore)
        if self._ingest is not None:
            missing = self._ingest.pending.missing
            for path in [path for path in missing if is_ignored_entry(self._folder, path)]:
                del missing[path]

    async def _run_on(self, root: Root) -> None:
        folder = self._folder
        housekeeping.make_own_directories(folder, root)
        root.probe()
        self._first_scan = True
        rules = await self._ignore_rules(root)
        folder.state.settled = False
        folder.state.problem = ""
        folder.state.touch()
        folder.state.file_system = root.capabilities
        self._changed.scan_wanted = self._first_scan = True
        self._scan_at = trio.current_time() + _ASK_PEERS_S
        async with open_watcher(root, rules) as watcher, trio.open_nursery() as nursery:
            ingest = Ingest(
                folder,
                root,
                self._settings.max_text_bytes,
                watcher,
                lambda path: nursery.start_soon(ingest.long_files.read, path),
                partial(trio.sleep, WAVE_WAIT_S),
            )
            self._ingest = ingest
            self._ingest.damage.is_expected = self._after_power_cut
            self._render = Render(folder, root, self._ingest, self._changed.add, watcher.expecting)
            watcher.watch_kept()
            await apply_rules(folder, watcher.ignore)
            async with folder.files.writing:
                await CrashRecovery(folder, root, self._ingest).recover()
            nursery.start_soon(self._watch, watcher, nursery.cancel_scope)
            nursery.start_soon(self._watch_reads, watcher)
            nursery.start_soon(self._tick, root, nursery.cancel_scope)
            self._report_started()
            try:
                while True:
                    async with folder.files.writing:
                        if not await self._step(root, watcher):
                            break
                    await self._wait_for_work()
                nursery.cancel_scope.cancel()
            finally:
                folder.state.is_scanned = False
                folder.texts.digests.save()
                with trio.move_on_after(1, shield=True):
                    await self._render.displaced.finish()

    async def _step(self, root: Root, watcher: Watcher) -> bool:
        """Ingest, then render, one batch; False when the root is gone."""
        folder, ingest, render = self._folder, self._ingest, self._render
        assert ingest is not None
        assert render is not None
        # no await: work that comes in from now on sets the event again
        folder.render_queue.start()
        if self.pause.is_wanted:
            return False
        if folder.state.confirmation_reason and not await self._is_answered(root, watcher, ingest):
            return True
        if self._changed.scan_wanted and folder.state.adopted and self._may_scan():
            await self._scan(root, watcher)
        await self._look_at_changed(root, watcher, ingest)
        if ingest.pending:
            if not self._has_marker(root):
                return False  # what is missing was not deleted, the disk is gone
            had_rules = IGNORE_FILE in folder.files.at
            await ingest.decide()
            if had_rules and IGNORE_FILE not in folder.files.at:
                self._agreed.was_removed_here()
                self._changed.add(IGNORE_FILE)
        self._note_first_scan(ingest)
        if folder.state.confirmation_reason:
            return True
        if folder.edits.own_claims.to_publish:
            await folder.edits.own_claims.publish()
        if self._may_touch and (folder.render_queue or render.next_deadline() <= trio.current_time()):
            folder.state.settled = False
            await render.run()
        busy = any(
            (
                self._changed.is_waiting, folder.render_queue, ingest.pending.requeued, ingest.pending,
                not render.is_idle, folder.render_queue.is_woken,
            )
        )  # fmt: skip
        folder.state.settled = not busy
        return True

    async def _is_answered(self, root: Root, watcher: Watcher, ingest: Ingest) -> bool:
        """Whether a folder that waits for a person may go on: they said how, or what was missing is back."""
        if self._accepts is not None:
            ingest.put_back.answer(accept=self._accepts)
            await self._scan(root, watcher)
            await mass_deletion.decide(self._folder, ingest, accept=self._accepts)
            self._accepts = None
            return True
        if not await self._confirmation.is_over(root, ingest.put_back):
            return False
        ingest.put_back.let_go()
        mass_deletion.let_go(self._folder)
        self._changed.scan_wanted = True
        return True

    async def _look_at_changed(self, root: Root, watcher: Watcher, ingest: Ingest) -> None:
        """Ingest the paths that something was reported of, or whose time has come."""
        folder = self._folder
        self._changed.rest(trio.current_time())
        if listed := self._changed.take_listed():
            known = list(folder.files.at)
            self._changed.update(await trio.to_thread.run_sync(gone, root, listed, known))
        if not (self._may_touch and folder.state.adopted):
            return
        due = ingest.pending.take_due(trio.current_time())
        if not due and not self._changed:
            return
        paths = self._changed.take(due)
        folder.state.settled = False
        if IGNORE_FILE in paths:
            await self._apply_ignore_rules(root, watcher)
            self._changed.scan_wanted = True
        ordered = sorted(path for path in paths if not is_ignored_entry(folder, path))
        for start in range(0, len(ordered), _SCAN_BATCH):
            await ingest.inspect(ordered[start : start + _SCAN_BATCH])

    def _note_first_scan(self, ingest: Ingest) -> None:
        """After a power cut: whether everything that it may have left has been looked at by now."""
        if self._after_power_cut and not (self._first_scan or ingest.pending.missing or ingest.pending.reading):
            self._after_power_cut = False
            self.scanned.set()
            ingest.damage.end()

    def agree(self) -> bool:
        """A person agrees to what others loosened of the rules; False: nothing waits for that."""
        if not self._agreed.agree():
            return False
        self._changed.add(IGNORE_FILE)
        self._folder.render_queue.wake()
        return True

    def resume(self, *, accept: bool) -> None:
        """Do the deletions that wait for a person, or bring back what was deleted.

        Raises FolderError while an answer is being carried out: another one would be that to the next question.
        """
        if self._accepts is not None:
            answer = "the deletions are carried out" if self._accepts else "what was deleted is brought back"
            raise FolderError(f"the folder {self._folder.label!r} does not wait for a decision any more: {answer}")
        self._accepts = accept
        self._folder.render_queue.wake()

    @property
    def _may_touch(self) -> bool:
        """What the first scan has not looked at may be older than the store, and is not to be taken for an edit."""
        return not (self._first_scan and self._folder.state.adopted)

    def _may_scan(self) -> bool:
        """At a start, what changed meanwhile waits for the peers in reach, or two seconds: it may be what they have."""
        if not self._first_scan or len(self._folder.membership.members) < 2:
            return True
        if rules_document_is_missing(self._folder) and trio.current_time() < self._scan_at + _RULES_LIMIT_S:
            return False
        return self._folder.observers.is_compared() or trio.current_time() >= self._scan_at

    async def _scan(self, root: Root, watcher: Watcher) -> None:
        """Look at everything that is there and everything that is known."""
        folder, ingest = self._folder, self._ingest
        assert ingest is not None
        folder.state.settled = False
        self._changed.scan_wanted = False
        if self._first_scan:
            await self._apply_ignore_rules(root, watcher)  # those that came meanwhile
        began = trio.current_time()
        present = await trio.to_thread.run_sync(watcher.scan)
        there = set(present)
        for path in set(folder.files.waiting.skipped) - there:
            del folder.files.waiting.skipped[path]
        folder.files.waiting.skipped.update(watcher.passed_over)
        known = (p for p in folder.files.at if not p.startswith(".yp2p/") and not is_ignored_entry(folder, p))
        paths = [*present, *(p for p in known if p not in there)]
        reason = await ingest.preview(paths)
        if reason:
            folder.state.hold(f"{reason} here")
            return
        for start in range(0, len(paths), _SCAN_BATCH):
            await ingest.inspect(paths[start : start + _SCAN_BATCH], is_scan=True, is_first=self._first_scan)
        self._poll(watcher, trio.current_time() - began)
        if self._first_scan:
            log.info("folder_scanned", folder=folder.label, files=len(present))
        self._first_scan = False
        folder.state.is_scanned = True

    def _poll(self, watcher: Watcher, scan_s: float) -> None:
        """Where the kernel does not tell of everything, scan again before long; a scan took `scan_s`."""
        pause_s = max(_POLL_S, _POLL_SHARE * scan_s)
        self._poll_at = trio.current_time() + pause_s if watcher.exhausted else math.inf
        limitation = f"{watcher.advice}; until then the folder is scanned" if watcher.exhausted else ""
        if self._folder.state.limitation != limitation:
            self._folder.state.limitation = limitation
            self._folder.state.touch()
            if limitation:
                log.warning("watches_exhausted", folder=self._folder.label, advice=limitation, every_s=round(pause_s))

    async def _wait_for_work(self) -> None:
        folder, ingest, render = self._folder, self._ingest, self._render
        assert ingest is not None
        assert render is not None
        if folder.state.confirmation_reason and self._accepts is None:
            await folder.render_queue.wait(self._confirmation.looks_at())
            return
        has_work = folder.render_queue or (folder.state.adopted and (self._changed or ingest.pending.requeued))
        if (self._may_touch and has_work) or (folder.state.adopted and self._changed.scan_wanted and self._may_scan()):
            await trio.lowlevel.checkpoint()
            return
        render_at = render.next_deadline() if self._may_touch else math.inf
        deadline = min(ingest.pending.next_deadline(), render_at, self._changed.next_deadline())
        if self._changed.scan_wanted and folder.state.adopted:
            now = trio.current_time()
            deadline = min(deadline, self._scan_at if now < self._scan_at else self._scan_at + _RULES_LIMIT_S)
        await folder.render_queue.wait(deadline)

    async def _watch(self, watcher: Watcher, scope: trio.CancelScope) -> None:
        while True:
            batch = await watcher.next_batch()
            if batch.root_gone:
                self._gone = f"{self._folder.path} was moved or removed"
                scope.cancel()
                return
            self._take(batch)
            self._changed.is_listing = bool(batch.new_directories)
            for directory in batch.new_directories:
                found = await trio.to_thread.run_sync(watcher.scan, directory)
                self._note_passed_over(directory, watcher)
                if self._ingest is not None:
                    self._ingest.readers.opened.may_be(found)
                self._changed.list_directory(directory, found)
            self._changed.is_listing = False
            self._folder.render_queue.wake()

    async def _watch_reads(self, watcher: Watcher) -> None:
        while True:
            await watcher.reads.wait()
            if self._ingest is not None:
                await self._ingest.readers.opened.take_pending()

    def _note_passed_over(self, directory: str, watcher: Watcher) -> None:
        """A directory was listed beside a scan of everything: what cannot be read in it is known."""
        skipped = self._folder.files.waiting.skipped
        skipped.pop(directory, None)
        skipped.update((path, why) for path, why in watcher.passed_over.items() if is_at_or_beneath(path, directory))
        if watcher.exhausted:
            self._poll(watcher, 0.0)

    def _take(self, batch: Batch) -> None:
        fresh = self._ingest.pending.fresh if self._ingest is not None else ()
        self._changed.note(batch, itertools.chain(self._folder.files.at, fresh), trio.current_time())
        if self._ingest is not None:
            self._ingest.readers.take(batch)
        if self._render is not None:
            self._render.displaced.written(batch.kept)
            self._render.happened_at(batch.finished | batch.removed_directories, batch.changed_directories)
        if batch.overflow:
            log.warning("watch_overflow", folder=self._folder.label, advice="the folder is scanned again")
        self._folder.state.settled = False

    async def _tick(self, root: Root, scope: trio.CancelScope) -> None:
        """The slow scan, letting go of idle documents, and noticing that the root is another directory now."""
        next_scan = trio.current_time() + self._settings.scan_interval_s
        mounts = await trio.to_thread.run_sync(mounts_below, root.path)
        while True:
            await trio.sleep(housekeeping.EVERY_S)
            await self._housekeeping.give_back_memory()
            if trio.current_time() >= min(next_scan, self._poll_at):
                self._poll_at = math.inf  # the scan says when the next one is due
                next_scan = trio.current_time() + self._settings.scan_interval_s
                self._changed.scan_wanted = True
                self._folder.render_queue.wake()
            mounts, before = await trio.to_thread.run_sync(mounts_below, root.path), mounts
            if mounts != before:
                self._changed.scan_wanted = True
                self._folder.render_queue.wake()
            if not root.is_in_place():
                self._gone = f"{self._folder.path} was moved or removed"
            if self._gone or not self._has_marker(root):
                scope.cancel()
                return
            self._folder.texts.digests.save()
            if self._ingest is not None:
                self._ingest.readers.forget_old()
            await self._housekeeping.look_in_trash(root)
            await self._housekeeping.prune(root)

    def _drop_caches(self) -> None:
        if self._render is not None:
            self._render.drop_caches()
