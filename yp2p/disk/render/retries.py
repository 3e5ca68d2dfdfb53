"""When entries that could not be rendered are tried again, and why they wait.

Theory of operation
    What could not be done is tried again, and each time after twice as long. It is tried at once when something happens
    at its path, or to a directory above it: that may have been what was in the way. An entry that waits here gets
    back into the render queue by news of it or when its time has come, never by its own failure: so none is given up,
    and none is tried in a loop.
"""

from __future__ import annotations

import math
import stat
from collections.abc import Callable, Iterable, Set

import trio

from yp2p.files.replace import Outcome, Result
from yp2p.files.root import TMP, TRASH, Root
from yp2p.files.watch import is_at_or_beneath
from yp2p.folder.folder import Folder
from yp2p.folder.records import FileRecord
from yp2p.identity import EntryID

# What is busy is so for a moment, as a rule; what is blocked waits for a person.
RETRY_S, _LONGEST_S = 0.25, 2.0
BLOCKED_RETRY_S, _LONGEST_BLOCKED_S = 5.0, 20.0
_MOST_DOUBLINGS = 8


class Retries:
    """Entries of one folder that are rendered again later, each at its time.

    Args:
        look: asks for a path to be looked at before it is rendered.
    """

    def __init__(self, folder: Folder, root: Root, look: Callable[[str], None]) -> None:
        self._folder = folder
        self._root = root
        self.look = look
        self._due_at: dict[EntryID, float] = {}
        self._failures: dict[EntryID, int] = {}  # how often in succession each could not be rendered
        resting = folder.render_queue.want_resting()
        self._waiting = resting & folder.files.waiting.entries.keys()  # those of which `status` says that they wait

    def __contains__(self, entry: EntryID) -> bool:
        return entry in self._due_at

    def __len__(self) -> int:
        return len(self._due_at)

    def next_deadline(self) -> float:
        return min(self._due_at.values(), default=math.inf)

    def take_due(self, now: float) -> None:
        """Have rendered what is due."""
        for entry, at in list(self._due_at.items()):
            if at <= now:
                del self._due_at[entry]
                self._folder.render_queue.want(entry)

    def schedule(self, entry: EntryID, due_at: float) -> None:
        self._due_at[entry] = due_at
        self._folder.render_queue.rest(entry)

    def retry_soon(self, entry: EntryID) -> None:
        """Something is in the way for a moment."""
        self._failed(entry, RETRY_S, _LONGEST_S)

    def wait(self, entry: EntryID, reason: str, *, is_busy: bool = False) -> None:
        """Try again later, and have `status` say why."""
        path = self._folder.catalogue.layout().path_of.get(entry)
        self._folder.note_waiting(entry, reason if path is None else self._root.why_not(path, reason))
        self._waiting.add(entry)
        if is_busy:
            self.retry_soon(entry)
        else:
            self._failed(entry, BLOCKED_RETRY_S, _LONGEST_BLOCKED_S)

    def _failed(self, entry: EntryID, first_s: float, longest_s: float) -> None:
        failures = self._failures.get(entry, 0)
        self._failures[entry] = failures + 1
        self.schedule(entry, trio.current_time() + min(longest_s, first_s * 2.0 ** min(failures, _MOST_DOUBLINGS)))

    def forget_failures(self, entries: Iterable[EntryID]) -> None:
        """Of these, those that do not wait now have not failed."""
        for entry in entries:
            if entry not in self._due_at:
                self._failures.pop(entry, None)

    def retry_at_paths(self, paths: Set[str], directories: Set[str]) -> None:
        """Something happened at these paths, and to these directories: what waits there is tried at once."""
        waiting = self._failures.keys() & self._due_at.keys()
        if not waiting:
            return
        now, path_of = trio.current_time(), self._folder.catalogue.layout().path_of
        for entry in waiting:
            record = self._folder.files.get(entry)
            at = {path_of.get(entry, ""), record.path if record is not None else ""}
            if at & paths or any(is_at_or_beneath(path, above) for path in at for above in directories):
                self._due_at[entry] = now

    def done(self, entry: EntryID) -> None:
        """Nothing is left to be done for an entry: it does not wait any more."""
        if entry in self._waiting:
            self._waiting.discard(entry)
            self._folder.files.waiting.done(entry)

    def not_done(self, entry: EntryID, path: str, result: Result) -> None:
        """Something is busy or in the way of `path`."""
        self.wait(entry, result.reason, is_busy=result.outcome is Outcome.BUSY)
        self.inspect_parents(path)

    def not_moved(self, record: FileRecord, target: str, result: Result) -> None:
        """A file could not be renamed to `target`."""
        if result.outcome is not Outcome.CHANGED:
            self.not_done(record.entry, target, result)
            return
        self.look(record.path)
        if not target.startswith((TMP, TRASH)):
            self.look(target)
        self.retry_soon(record.entry)

    def inspect_parents(self, path: str) -> None:
        """Have a file inspected that stands where a directory is needed: once known it becomes a conflict copy."""
        above = path.rpartition("/")[0]
        while above:
            try:
                status = self._root.lstat(above)
            except OSError:
                return  # the reason that was given for what waits says why
            if status is not None:
                if not stat.S_ISDIR(status.st_mode):
                    self.look(above)
                return
            above = above.rpartition("/")[0]

    def is_twin(self, entry: EntryID, path: str) -> bool:
        """Whether the file system takes this name for another one: the entry waits until that is gone."""
        try:
            if not self._root.is_twin(path):
                return False
        except OSError:
            return False  # putting the file there will say why it does not work
        self.wait(entry, "the disk here takes its name for that of another file; rename one of them")
        return True
