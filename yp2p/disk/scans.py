"""When the whole folder is scanned, and what has to wait for the first scan.

The first scan after a start waits until the peers in reach have been compared with, two seconds at most: what changed
here meanwhile may be what they have. It waits longer for the folder's rules on what is ignored, when these are not here
yet. Until it is through nothing is written to the files: one that it has not looked at may be older than the store.

What a scan finds is imported once all of it was found, as a new file may be a known one under another name. Where no
file is known, as when a directory is shared, it is imported as it is found: a hundred thousand are never in memory.

Later the folder is scanned when the kernel lost reports, when the rules or the mounts changed, and at intervals;
continually where the kernel allows too few watches. Times are trio's.
"""

from __future__ import annotations

import math
from collections.abc import Set
from enum import Enum, auto

import structlog
import trio

from yp2p.disk import root_check
from yp2p.disk.ingest.ignored import is_ignored_entry, rules_document_is_missing
from yp2p.disk.ingest.ingest import Ingest
from yp2p.disk.ingest.meaning import ScanContext
from yp2p.disk.open_root import OpenRoot
from yp2p.disk.rules_in_use import RulesInUse
from yp2p.files.changed_paths import ChangedPaths
from yp2p.files.root import OURS
from yp2p.files.watch import Watcher
from yp2p.folder.folder import Folder
from yp2p.folder.turns import Slice

BATCH = 1000
# Without enough watches the folder is scanned this often, or so many times as long as a scan takes.
_POLL_S, _POLL_SHARE = 10.0, 10
# What no descriptor or no memory was left for is looked for again after this, and after twice the last pause from then.
_SHORT_S, _LONGEST_SHORT_S = 5.0, 80.0
_ASK_PEERS_S = 2.0
# How long a first scan waits for the folder's rules on what is ignored.
_RULES_LIMIT_S = 10.0

log = structlog.get_logger()


class Phase(Enum):
    """What may be done with a root that is open."""

    JOINING = auto()  # files are written; what lies here is compared with the first device before it is taken
    UNSCANNED = auto()  # nothing, until everything was looked at
    WORKING = auto()

    @property
    def writes(self) -> bool:
        """Whether files may be written."""
        return self is not Phase.UNSCANNED


class Scans:
    """The scans of one folder.

    Attributes:
        after_power_cut: whether a power cut may have left what was not looked at yet.
        scanned: set once all of that has been looked at.
    """

    def __init__(
        self, folder: Folder, changed: ChangedPaths, rules: RulesInUse, *, interval_s: float, after_power_cut: bool
    ) -> None:
        self._folder = folder
        self._changed = changed
        self._rules = rules
        self._interval_s = interval_s
        self.after_power_cut = after_power_cut
        self.scanned = trio.Event()
        if not after_power_cut:
            self.scanned.set()
        self._is_first = True
        self._first_at = 0.0  # when the first scan waits for no peer any more
        # When to scan without having been told of anything: in any case, and where the kernel does not tell of all.
        self._slow_at = self._poll_at = math.inf
        self._short_s = _SHORT_S

    def use(self, interval_s: float) -> None:
        """Scan so often from now on."""
        if interval_s != self._interval_s:
            self._interval_s = interval_s
            self._slow_at = min(self._slow_at, trio.current_time() + interval_s)

    @property
    def phase(self) -> Phase:
        """What may be done by now."""
        if not self._folder.state.adopted:
            return Phase.JOINING
        return Phase.UNSCANNED if self._is_first else Phase.WORKING

    @property
    def context(self) -> ScanContext:
        """How it comes that a scan looks at something now."""
        return ScanContext(is_scan=True, is_first=self._is_first, after_power_cut=self.after_power_cut)

    def begin(self) -> None:
        """The root is open: what happened before is not known."""
        now = trio.current_time()
        self._changed.scan_wanted = self._is_first = True
        self._first_at, self._slow_at = now + _ASK_PEERS_S, now + self._interval_s

    def want_if_due(self) -> None:
        """Have everything looked at when it is time to, without anything having been told."""
        now = trio.current_time()
        if now >= min(self._slow_at, self._poll_at):
            self._slow_at, self._poll_at = now + self._interval_s, math.inf  # the scan says when to poll again
            self.want()

    def want(self) -> None:
        """Have everything looked at."""
        self._changed.scan_wanted = True
        self._folder.render_queue.wake()

    def may_begin(self) -> bool:
        """Whether a scan that is wanted may begin now."""
        if not self._folder.state.adopted:
            return False
        if not self._is_first or len(self._folder.membership.devices) < 2:
            return True
        if rules_document_is_missing(self._folder) and trio.current_time() < self._first_at + _RULES_LIMIT_S:
            return False
        return self._folder.observers.is_compared() or trio.current_time() >= self._first_at

    def next_deadline(self) -> float:
        """When a scan that waits may begin, whatever it waits for."""
        if not (self._changed.scan_wanted and self._folder.state.adopted):
            return math.inf
        return self._first_at if trio.current_time() < self._first_at else self._first_at + _RULES_LIMIT_S

    async def run(self, at: OpenRoot) -> None:
        """Look at everything that is there and everything that is known."""
        folder, context = self._folder, self.context
        folder.state.settled = False
        self._changed.scan_wanted = False
        if context.is_first:
            await self._rules.apply(at, context)  # those that came meanwhile
        began = trio.current_time()
        present = await trio.to_thread.run_sync(at.watcher.scan)
        there = set(present)
        skipped = folder.files.waiting.skipped
        for path in set(skipped) - there:
            del skipped[path]
        skipped.update(at.watcher.passed_over)
        paths = [*present, *await self._known_beside(there)]
        reason = await at.ingest.preview(paths)
        if reason:
            folder.state.pause_for_confirmation(f"{reason} here")
            return
        is_all_new = context.is_first and not context.after_power_cut and not folder.files.at
        for start in range(0, len(paths), BATCH):
            await at.ingest.inspect(paths[start : start + BATCH], is_scan=True, is_first=context.is_first)
            if is_all_new and at.ingest.pending:
                root_check.check_marker(folder, at.root)
                await at.ingest.decide()
        self._poll_at = math.inf
        self.poll(at.watcher, trio.current_time() - began)
        self._short_s = min(_LONGEST_SHORT_S, 2 * self._short_s) if at.watcher.was_short else _SHORT_S
        if context.is_first:
            log.info("folder_scanned", folder=folder.label, files=len(present))
        self._is_first = False
        folder.state.is_scanned = True

    async def _known_beside(self, there: Set[str]) -> list[str]:
        """Where files are known to be, beside these paths."""
        found: list[str] = []
        part = Slice()
        for path in [path for path in self._folder.files.at if path not in there]:
            await part.end_if_long()
            if not path.startswith(f"{OURS}/") and not is_ignored_entry(self._folder, path):
                found.append(path)
        return found

    def poll(self, watcher: Watcher, scan_s: float) -> None:
        """Where the kernel does not tell of everything, or did not let us look, scan again before long; a scan took
        `scan_s`. One that is due already is not put off."""
        pause_s = max(_POLL_S if watcher.exhausted else self._short_s, _POLL_SHARE * scan_s)
        if (watcher.exhausted or watcher.was_short) and self._poll_at == math.inf:
            self._poll_at = trio.current_time() + pause_s
        limitation = f"{watcher.advice}; until then the folder is scanned" if watcher.exhausted else ""
        if self._folder.state.limitation != limitation:
            self._folder.state.limitation = limitation
            self._folder.state.touch()
            if limitation:
                log.warning("watches_exhausted", folder=self._folder.label, advice=limitation, every_s=round(pause_s))

    def note_first(self, ingest: Ingest) -> None:
        """After a power cut: whether everything that it may have left has been looked at by now."""
        if self.after_power_cut and not (self._is_first or ingest.pending.missing or ingest.pending.reading):
            ingest.damage.end()
            if not ingest.damage.unread:
                self.after_power_cut = False
                self.scanned.set()
