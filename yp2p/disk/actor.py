"""The disk actor: what brings a folder's files and documents together, for as long as the folder is known.

While the root can be used it is open (`open_root.py`), and four tasks work on it: one looks at files and writes them
(`rounds.py`), one takes the kernel's reports of changes (`reports.py`), one those of reads, and one is housekeeping.
They end when the root is gone, on a fault, or when a person pauses the folder; then it is tried again to open the root.
Who else works below `.yp2p/` is in docs/concurrency.md.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Sequence, Set
from functools import partial
from typing import Any

import structlog
import trio

from yp2p.config import Files, Scrub, Trash
from yp2p.disk import root_check
from yp2p.disk.housekeeping import Housekeeping, make_own_directories
from yp2p.disk.ingest.ignored import apply_rules
from yp2p.disk.ingest.ingest import Ingest
from yp2p.disk.ingest.save_base import WAVE_WAIT_S
from yp2p.disk.open_root import OpenRoot
from yp2p.disk.pause import Pause
from yp2p.disk.render.crash_recovery import CrashRecovery
from yp2p.disk.render.render import Render
from yp2p.disk.reports import Reports
from yp2p.disk.revert import revert
from yp2p.disk.rounds import Rounds
from yp2p.disk.rules_in_use import RulesInUse
from yp2p.disk.scans import Phase, Scans
from yp2p.disk.scrub import Scrubber
from yp2p.errors import DamagedError, FolderError, PeerFault, RootGone, YpError, first_of
from yp2p.files.changed_paths import ChangedPaths
from yp2p.files.ignore import IGNORE_FILE
from yp2p.files.root import Root
from yp2p.files.watch import Watcher, open_watcher
from yp2p.folder.folder import Folder
from yp2p.folder.records import FileRecord
from yp2p.identity import EntryID
from yp2p.machine import Patience, Until, reason
from yp2p.printable import clock_text

# Whether a disk is there again is seen at a glance; to begin on a root that does not let us takes a scan each time.
_ROOT_RETRY_S, _LONGEST_RETRY_S = 1.0, 30.0
# A root that could be used for so long has not failed at its start.
_WORKED_S = 60.0
# Other rules are in force when the batch ends that is worked on.
_RULES_LIMIT_S = 10.0

log = structlog.get_logger()


class Disk:
    """The files of one folder."""

    def __init__(
        self,
        folder: Folder,
        settings: Files,
        trash: Trash,
        scrub: Scrub | None = None,
        *,
        after_power_cut: bool = False,
        is_paused: bool = False,
        paused_until: float = 0.0,
    ) -> None:
        self._folder = folder
        self._settings = settings
        until = Until(paused_until) if paused_until else None
        folder.state.is_left_alone, folder.state.left_alone_until = is_paused, paused_until or None
        self.pause = Pause(folder.render_queue.wake, folder.state.store_pause, is_wanted=is_paused, until=until)
        self._changed = ChangedPaths()
        self._rules = RulesInUse(folder, settings)
        self._scans = Scans(
            folder, self._changed, self._rules,
            interval_s=settings.scan_interval_s, after_power_cut=after_power_cut,
        )  # fmt: skip
        self._rounds = Rounds(folder, self._changed, self._rules, self._scans, self.pause)
        self._housekeeping = Housekeeping(folder, trash)
        self.scrub = Scrubber(folder, scrub or Scrub())
        self._open: OpenRoot | None = None  # the root that is open, or was last
        self._patience = Patience(_ROOT_RETRY_S, _LONGEST_RETRY_S)
        self._task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED

    # --- what others ask, and what people say -------------------------------------------------------------------

    @property
    def scanned(self) -> trio.Event:
        """Set once what a power cut may have left has been looked at."""
        return self._scans.scanned

    @property
    def phase(self) -> Phase:
        """What may be done with the files by now."""
        return self._scans.phase

    @property
    def recently_edited(self) -> dict[str, float]:
        """Paths that somebody saves here, and since when, in seconds since 1970."""
        if self._open is None:
            return {}
        edited, files = self._open.ingest.edits.recently_edited(), self._folder.files
        return {files[entry].path: since for entry, since in edited.items() if entry in files}

    def bases(self) -> list[FileRecord]:
        """What a save that turns up may have been made of, beside what the files are known to hold."""
        if self._open is None:
            return []
        return [*self._open.ingest.readers.bases(), *self._open.render.displaced.bases()]

    async def forget_versions(self, entries: Set[EntryID], has_name: Callable[[str], bool]) -> list[str]:
        """Have no save be made of a former version of these files any more; gives the paths of those of which a program
        writes one still. `FileIndex.writing` is held.

        Args:
            has_name: whether they have or had a path.
        """
        if self._open is None:
            return []
        busy = await self._open.render.displaced.end(entries)
        if not busy:
            self._open.ingest.readers.forget_versions(entries, has_name)
        return busy

    @property
    def open_root(self) -> OpenRoot | None:
        """The root, while it can be used."""
        return self._open if self._open is not None and not self._folder.state.problem else None

    def look_again(self, paths: Iterable[str]) -> None:
        """Look at these paths as if somebody had saved there."""
        for path in paths:
            self._changed.add(path)
        self._folder.render_queue.wake()

    def agree(self) -> bool:
        """A person agrees to what others loosened of the rules; False: nothing waits for that."""
        if not self._rules.agreed.agree():
            return False
        self._changed.add(IGNORE_FILE)
        self._folder.render_queue.wake()
        return True

    @property
    def rules(self) -> RulesInUse:
        """What is ignored."""
        return self._rules

    def use(self, settings: Files, trash: Trash) -> None:
        """Work with other settings from now on. Texts may still be as long as when the folder was opened."""
        rules_before, self._settings = self._settings.ignore, settings
        self._rules.use(settings)
        self._scans.use(settings.scan_interval_s)
        self._housekeeping.use(trash)
        self._folder.state.guard.use(trash.max_bytes)
        if settings.ignore != rules_before:
            self._changed.add(IGNORE_FILE)
            self._folder.render_queue.wake()

    async def ignore_here(self, patterns: Sequence[str]) -> None:
        """Ignore these on this device; returns when that is so, or will be once the folder goes on.

        Raises ValueError: one is no pattern.
        """
        stored = self._rules.ignore_here(patterns)
        wanted, state = self._rules.here, self._folder.state
        self._changed.add(IGNORE_FILE)
        self._folder.render_queue.wake()
        await stored.wait()
        with trio.move_on_after(_RULES_LIMIT_S):
            while self._rules.in_force != wanted and not state.pause_reason:
                await state.changed.wait()

    def decide(self, *, accept: bool) -> None:
        """Do the deletions that wait for a person, or bring back what was deleted. Raises FolderError: that is done."""
        self._rounds.confirmation.answer(accept=accept)

    async def revert(self, names: Sequence[str]) -> dict[str, Any]:
        """Bring back what all have, where this device only reads. Raises FolderError, UsageError."""
        if self._folder.state.problem or self._open is None:
            raise FolderError(self._folder.state.problem or "the folder is not open yet; try again in a moment")
        return await revert(self._folder, self._open, names)

    # --- the root, for as long as it can be used ----------------------------------------------------------------

    async def run(  # noqa: ASYNC128 (`_report_started` calls it)
        self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Work until cancelled; `started` once the root is open or known to be missing."""
        self._task_status = task_status
        self.pause.end_if_over()
        while True:
            began = trio.current_time()
            problem, is_away = ("", True) if self.pause.is_wanted else await self._run_once()
            retry_s = _ROOT_RETRY_S if is_away else self._patience.next_s()
            self._report_started()
            self._tell(self._pause_reason() or problem)
            if trio.current_time() > began + _WORKED_S:
                self._patience.reset()
            await self.pause.rest(retry_s)

    def _report_started(self) -> None:
        status, self._task_status = self._task_status, trio.TASK_STATUS_IGNORED
        status.started()

    async def _run_once(self) -> tuple[str, bool]:
        """Work on the root until it cannot be used; gives why, and whether it is away or a pause is wanted."""
        path = self._folder.path
        try:
            root = Root(path)
        except FileNotFoundError:
            return (
                f"{path} is not there; put its disk back, or say where it is now:"
                f" `yp2p folder move {shlex.quote(str(path))} DIR`",
                True,
            )
        except OSError as error:
            return f"{path} cannot be opened: {reason(error)}", True
        problem, is_away = "", True
        try:
            await self._run_on(root)
        except* RootGone as group:
            problem = str(first_of(group))
        except* FolderError as group:
            problem, is_away = str(first_of(group)), False
        except* OSError as group:
            first = first_of(group)
            assert isinstance(first, OSError)
            problem, is_away = f"{path} cannot be used: {reason(first)}", False
            log.debug("folder_failed", folder=self._folder.label, exc_info=first)
        except* (PeerFault, DamagedError) as group:
            problem, is_away = self._fault(group), False
        except* YpError:
            raise  # the store's
        except* Exception as group:
            problem, is_away = self._fault(group), False
        finally:
            root.close()
        return problem, is_away

    def _pause_reason(self) -> str:
        if not self.pause.is_wanted:
            return ""
        until = f" until {clock_text(self.pause.until.at)}" if self.pause.until is not None else ""
        ends = "ends that sooner" if until else "ends that"
        return f"paused by a person{until}: `yp2p folder unpause {shlex.quote(str(self._folder.path))}` {ends}"

    def _fault(self, group: BaseExceptionGroup[BaseException]) -> str:
        """The last catch: what is wrong with one folder is wrong with no other."""
        first = first_of(group)
        log.error("folder_failed", folder=self._folder.label, exc_info=first)
        return f"{self._folder.path} waits for a fault of yp2p to be mended: {first!r}; it is tried again"

    def _tell(self, problem: str) -> None:
        if self._folder.state.problem != problem:
            self._folder.state.problem = problem
            log.warning("folder_paused", folder=self._folder.label, reason=problem)
            self._folder.state.touch()

    async def _run_on(self, root: Root) -> None:
        """Work on a root that is there, until the tasks end. Raises RootGone: it is the folder's no more."""
        folder = self._folder
        root_check.check_marker(folder, root)
        make_own_directories(folder, root)
        await root_check.check_choice(folder, root)
        root.probe()
        self._scans.begin()
        rules = await self._rules.read(root, self._scans.context)
        folder.state.settled = False
        folder.state.file_system = root.capabilities
        async with open_watcher(root, rules) as watcher, trio.open_nursery() as nursery:
            folder.state.problem = ""
            folder.state.touch()
            at = self._open = self._opened(root, watcher, nursery)
            watcher.watch_kept()
            await apply_rules(folder, watcher.ignore)
            async with folder.files.writing:
                await CrashRecovery(folder, root, at.ingest).recover()
            nursery.start_soon(Reports(folder, self._changed, self._scans, at).run)
            nursery.start_soon(at.ingest.readers.last_opened.follow)
            nursery.start_soon(self._housekeeping.run, at, self._scans)
            nursery.start_soon(self.scrub.run, at)
            nursery.start_soon(self._rounds.run, at, nursery.cancel_scope)
            self._report_started()

    @property
    def watched_directories(self) -> int:
        """How many directories inotify watches."""
        return self._open.watcher.watched_directories if self._open is not None else 0

    def _opened(self, root: Root, watcher: Watcher, nursery: trio.Nursery) -> OpenRoot:
        ingest = Ingest(
            self._folder,
            root,
            self._settings.max_text_bytes,
            watcher,
            lambda path: nursery.start_soon(ingest.deferred.read, path),
            partial(trio.sleep, WAVE_WAIT_S),
        )
        ingest.damage.is_expected = self._scans.after_power_cut
        return OpenRoot(root, watcher, ingest, Render(self._folder, root, ingest, self._changed.add, watcher.expecting))
