"""Ends the pause of a folder after a mass deletion (`folder/guard.py`): a person confirms or reverts it, or the files
come back.

While the folder is paused, its missing files are looked for: soon after something was reported, and now and then
without that, since a folder that was paused when it was opened has not been scanned, so nothing beneath it is watched.
When so many are back that nobody would have been asked, as after a checkout or a build that removes everything and
makes it again, the folder goes on by itself. After a restart nobody knows how many files were deleted before the pause,
so all of them have to be back then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import structlog
import trio

from yp2p.disk.ingest.ingest import Ingest
from yp2p.disk.ingest.put_back import PutBack
from yp2p.disk.render.replacements import replaced_by_others
from yp2p.documents.registers import Change
from yp2p.errors import FolderError
from yp2p.files.inspect import Stamp
from yp2p.files.root import Root
from yp2p.folder.folder import Folder
from yp2p.folder.records import Sight
from yp2p.identity import EntryID
from yp2p.protocol.entries import Kind

# To look for the files of a large folder takes a while: ten times that passes in between, and no less than this.
_LEAST_PAUSE_S, _PAUSE_FACTOR = 1.0, 10.0
# The same where nothing was reported.
_UNREPORTED_PAUSE_S, _UNREPORTED_FACTOR = 10.0, 100.0

log = structlog.get_logger()


class Confirmation:
    """Whether a folder still has to wait for a person.

    Attributes:
        accepts: what a person said of the deletions that wait: whether to accept them; None: nothing yet.
    """

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self.accepts: bool | None = None
        self._next_look_at = 0.0  # trio's clock
        self._unreported_look_at = 0.0  # where nothing is reported until then
        self._is_woken = False

    def answer(self, *, accept: bool) -> None:
        """A person says how to go on.

        Raises FolderError while an answer is being carried out: another one would be that to the next question; and
        where this device only reads, and so can bring back nothing for others.
        """
        if not accept:
            self._folder.membership.check_may_write()
        if self.accepts is not None:
            answer = "the deletions are carried out" if self.accepts else "what was deleted is brought back"
            raise FolderError(f"the folder {self._folder.label!r} does not wait for a decision any more: {answer}")
        self.accepts = accept
        self._folder.render_queue.wake()

    def next_check_at(self) -> float:
        """When to look again: at what has changed meanwhile, or at what nobody would report."""
        return self._next_look_at if self._is_woken else self._unreported_look_at

    async def is_over(self, root: Root, put_back: PutBack) -> bool:
        """Whether what was missing is back, so far that nobody would have to be asked."""
        began = trio.current_time()
        if began < self._next_look_at:
            self._is_woken = True
            return False
        self._is_woken = False
        paths, asked = list(self._folder.files.at), put_back.asked
        absent, unchanged = await trio.to_thread.run_sync(_look, root, paths, asked)
        ended = trio.current_time()
        self._next_look_at = ended + max(_LEAST_PAUSE_S, _PAUSE_FACTOR * (ended - began))
        self._unreported_look_at = ended + max(_UNREPORTED_PAUSE_S, _UNREPORTED_FACTOR * (ended - began))
        return not self._needs_answer(absent) and put_back.is_within_limit(unchanged)

    def _needs_answer(self, absent: Iterable[str]) -> bool:
        folder, since = self._folder, self._folder.state.question.since
        doomed = {entry: record for entry, record in folder.files.items() if not _is_alive(folder, entry)}
        missing = {record.entry: record for path in absent if (record := folder.files.by_path(path)) is not None}
        gone = {
            entry: record
            for entry, record in (missing | doomed).items()
            if not folder.files.ignored.covers(record.path, record.kind)
            and record.sight is not Sight.LOST
            and (entry in doomed or entry not in folder.files.choice.unchosen)
        }
        replaced = replaced_by_others(folder, folder.files.keys() - gone.keys())
        if since is None or any(record.sight is Sight.UNCONFIRMED for record in gone.values()):
            return bool(gone or replaced)
        sizes = {entry: record.stamp.size for entry, record in gone.items() if record.kind is not Kind.DIRECTORY}
        live = len(folder.catalogue.layout().path_of) + len(doomed)
        by_new = folder.observers.newcomers.changed(doomed.keys() | replaced.keys())
        return bool(folder.state.guard.refuses(sizes | replaced, live, since, by_new=by_new))


def _look(root: Root, paths: Iterable[str], asked: Mapping[str, Stamp]) -> tuple[list[str], int]:
    """The paths where nothing is, in a place that can be looked at, and how many files are as they were. Blocks."""
    absent: list[str] = []
    unchanged = 0
    for path in paths:
        try:
            status = root.lstat(path)
        except OSError:
            continue
        if status is None:
            absent.append(path)
        elif path in asked and Stamp.of(status) == asked[path]:
            unchanged += 1
    return absent, unchanged


def end_pause(folder: Folder) -> None:
    """What was missing is back: the folder goes on."""
    folder.state.pause_for_confirmation("")
    log.info("mass_deletion_over", folder=folder.label)


async def decide(folder: Folder, ingest: Ingest, *, accept: bool) -> None:
    """Let the deletions and replacements happen, or bring back what was deleted and keep what is here, everywhere.

    Everything on the disk has been looked at since, so what is missing here is known to `ingest`. What was replaced
    before the folder was paused is in the trash.
    """
    missing = [record for path in ingest.pending.missing if (record := folder.files.by_path(path)) is not None]
    doomed = {entry for entry in folder.files if not _is_alive(folder, entry)}
    replaced = replaced_by_others(folder, list(folder.files)).keys() - {record.entry for record in missing}
    replaced -= ingest.put_back.given_up  # they are replaced by what they were before
    if accept:
        for record in missing:
            if record.sight is Sight.UNCONFIRMED:
                folder.files.set(replace(record, sight=Sight.SEEN))
        folder.state.guard.approve(doomed | replaced | {record.entry for record in missing})
        folder.observers.newcomers.were_accepted(doomed | replaced)
    else:
        for record in missing:
            ingest.damage.recreate(record)
        done = folder.state.guard.done(trio.current_time())
        dead = {e for e in doomed | done if e in folder.catalogue.entries and not _is_alive(folder, e)}
        folder.state.guard.reset()
        folder.state.guard.approve(ingest.put_back.given_up)
        if dead:
            await folder.catalogue.write([Change(entry, revive=True) for entry in sorted(dead)]).wait()
        for entry in sorted(replaced):
            await ingest.opaque.reinstate(folder.files[entry], folder.catalogue.entries[entry])
    folder.render_queue.want_all(doomed | replaced)
    folder.state.pause_for_confirmation("")
    log.info("mass_deletion_decided", folder=folder.label, accepted=accept)


def _is_alive(folder: Folder, entry: EntryID) -> bool:
    found = folder.catalogue.entries.get(entry)
    return found is not None and folder.catalogue.is_alive(found)
