"""Places that have to be reached now and then: `make simulate N=1000` fails where one never is.

That a thousand seeds pass says nothing of what they never came to. So places in the product have names here, and each
run counts how often it reached them: calls of a function, calls with a certain result, events in the log. The product
knows nothing of it; a test checks that everything that is named here exists.
"""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any
from unittest.mock import patch

from yp2p.disk.ingest.meaning import FileState, Meaning
from yp2p.disk.render.plan import Step
from yp2p.documents.save_evidence import MadeOf, Replaces, Stands
from yp2p.files.replace import Outcome

# With fewer seeds a place may not be reached by chance.
ENOUGH_SEEDS = 1000
_RENDER, _INGEST, _FILES = "yp2p.disk.render", "yp2p.disk.ingest", "yp2p.files"
_RECOVERY = f"{_RENDER}.crash_recovery:CrashRecovery"


@dataclass(frozen=True, slots=True)
class Place:
    """A function, by module and qualified name (where it is called, if it was imported), and maybe what it gives."""

    name: str
    target: str
    gives: Callable[[Any], bool] | None = None


def _is(value: object) -> Callable[[Any], bool]:
    return lambda result: result is value


def _of(kind: type) -> Callable[[Any], bool]:
    return lambda result: isinstance(result, kind)


_FOUND = f"{_INGEST}.ingest:meaning_of"
_HOLDS = f"{_INGEST}.known_files:state_of"
_NEXT = f"{_RENDER}.render:plan"
_MADE_OF = f"{_INGEST}.save_base:decide"

PLACES = (
    # What a file is found to be.
    Place("a file that somebody writes into", _FOUND, _is(Meaning.BUSY)),
    Place("a path that is missing", _FOUND, _is(Meaning.MISSING)),
    Place("a directory in the place of a file", _FOUND, _is(Meaning.DISPLACED)),
    Place("a new path", _FOUND, _is(Meaning.NEW)),
    Place("a file that holds its base", _HOLDS, _is(FileState.BASE)),
    Place("a file that a power cut damaged", _HOLDS, _is(FileState.DAMAGED)),
    Place("a changed blob", _HOLDS, _is(FileState.OPAQUE)),
    Place("a file that holds what the document says", _HOLDS, _is(FileState.CURRENT)),
    Place("a file that was edited", _HOLDS, _is(FileState.EDITED)),
    Place("whether a file is its base with more behind", _HOLDS, _is(FileState.NEED_BASE)),
    # What is done to a file.
    Place("a render has to wait", _NEXT, _is(Step.WAIT)),
    Place("a move", _NEXT, _is(Step.MOVE)),
    Place("a removal", _NEXT, _is(Step.REMOVE)),
    Place("a deleted entry comes back as what was saved", _NEXT, _is(Step.REINSTATE)),
    Place("a blob is kept beside", _NEXT, _is(Step.CONFLICT_COPY)),
    Place("a blob is written", _NEXT, _is(Step.WRITE_OPAQUE)),
    Place("a mode is looked at", _NEXT, _is(Step.SET_MODE)),
    Place("a base advances without a write", _NEXT, _is(Step.ADVANCE_BASE)),
    Place("a text is written", _NEXT, _is(Step.WRITE)),
    Place("an exchange waits for who writes", f"{_FILES}.replace:exchange", lambda r: r.outcome is Outcome.BUSY),
    Place("an exchange meets a change", f"{_FILES}.replace:exchange", lambda r: r.outcome is Outcome.CHANGED),
    Place("a new file is put in place", f"{_FILES}.replace:_install_new"),
    Place("a file goes to the trash", f"{_FILES}.replace:move_away"),
    Place("what is in the way of a write", f"{_RENDER}.staged_writes:StagedWrites._inspect_obstacle"),
    Place("a write was not placed", f"{_RENDER}.staged_writes:StagedWrites._not_installed"),
    Place("a retry comes due", f"{_RENDER}.retries:Retries.not_done"),
    Place("a move was not done", f"{_RENDER}.retries:Retries.not_moved"),
    Place("a displaced file is looked at again", f"{_RENDER}.displaced_files:DisplacedFiles.inspect"),
    Place("a save into a displaced file", f"{_RENDER}.displaced_files:DisplacedFiles._merge_displaced"),
    Place("a conflict copy in the trash", f"{_RENDER}.displaced_files:keep_in_trash"),
    # After a crash.
    Place("a replacement that a crash cut in two", f"{_RECOVERY}._recover_replacement"),
    Place("an exchange that was done when it crashed", f"{_FILES}.replace:was_exchanged", _is(True)),
    Place("an exchange that was not done when it crashed", f"{_FILES}.replace:was_exchanged", _is(False)),
    Place("a new file that was put when it crashed", f"{_FILES}.replace:was_installed", _is(True)),
    Place("a new file that was not put when it crashed", f"{_FILES}.replace:was_installed", _is(False)),
    Place("a blob that a crash cut in two", f"{_RECOVERY}._recover_opaque"),
    Place("an unread version of before a crash", f"{_RECOVERY}._recover_unread"),
    Place("what a power cut damaged is repaired", f"{_INGEST}.damage:Damage.repair"),
    Place("a file that a power cut took comes back", f"{_INGEST}.damage:Damage.recreate"),
    # What a save was made of.
    Place("a save replaces what was there", _MADE_OF, _of(Replaces)),
    Place("a save of an unread base", _MADE_OF, _of(MadeOf)),
    Place("a save whose lines stand", _MADE_OF, _of(Stands)),
    Place("a save against another version", f"{_INGEST}.local_edits:LocalEdits.merge_late_save"),
    Place("a save over a file that was moved away", f"{_INGEST}.local_edits:LocalEdits.merge_save_of_former"),
    Place("others' text that a save removed", f"{_INGEST}.taken_back:TakenBack.tell"),
    Place("somebody read what was rendered", f"{_INGEST}.read_tracker:ReadTracker.was_read"),
    Place("a version that a file had in the log", f"{_INGEST}.known_files:version_found", lambda r: r is not None),
    # Names that come and go.
    Place("a rename", f"{_INGEST}.departures:Departures.rename"),
    Place("a deletion", f"{_INGEST}.departures:Departures.delete_all"),
    Place("names that were exchanged", f"{_INGEST}.exchanged_names:ExchangedNames._rename"),
    Place("a file makes way for another", f"{_RENDER}.moves:Moves._park", lambda r: r is not None),
    Place("a file makes way for a directory of its name", f"{_RENDER}.moves:Moves._is_being_left", _is(True)),
    Place(
        "a file waits for what stays in a directory of its name", f"{_RENDER}.moves:Moves._is_being_left", _is(False)
    ),
    Place("a crash while a file makes way", f"{_RECOVERY}._recover_parked"),
    Place("a directory that others renamed", f"{_RENDER}.directory_moves:move_directory", _is(True)),
    Place("a directory that was moved", "yp2p.files.changed_paths:ChangedPaths.take_listed"),
    Place("a new file at the path of an entry", f"{_INGEST}.occupied_paths:OccupiedPaths.take"),
    Place("a new file that is an entry already", f"{_INGEST}.occupied_paths:OccupiedPaths._assign_to_entry"),
    Place("a new file meets another text", f"{_INGEST}.occupied_paths:OccupiedPaths._collides_with_text"),
    Place("a new file meets a blob", f"{_INGEST}.occupied_paths:OccupiedPaths._collides_with_opaque"),
    Place("a new file is kept beside", f"{_INGEST}.occupied_paths:OccupiedPaths._import_as_conflict_copy"),
    Place("a new file revives an entry", f"{_INGEST}.occupied_paths:OccupiedPaths._revive"),
    Place("a blob that was deleted comes back", f"{_INGEST}.opaque_entries:OpaqueEntries.reinstate"),
    # On a device that only reads.
    Place("a reader keeps a change", f"{_INGEST}.kept_local:KeptLocal.changed"),
    Place("a reader keeps a deletion", f"{_INGEST}.kept_local:KeptLocal.are_gone"),
    Place("a reader keeps a new file", f"{_INGEST}.kept_local:KeptLocal.is_new"),
    Place("what no member has is withdrawn", "yp2p.folder.withdrawing:_set_base"),
    Place("entries that no member has are withdrawn", "yp2p.folder.withdrawing:bring_in_line"),
    Place("a reader goes back to what all have", "yp2p.disk.actor:revert"),
    # Between devices.
    Place("histories meet", "yp2p.folder.meetings:Meetings.settle"),
    Place("a save meets a history", "yp2p.folder.meetings:Meetings.meet_save"),
    Place("a meeting that had no common text", "yp2p.folder.meetings:join", _is(None)),
    Place("a meeting is repaired", "yp2p.folder.meetings:repair_for", lambda r: r is not None),
    Place("the same first import from two", "yp2p.folder.edits:Edits.take_first_imports", bool),
    Place("a channel is opened anew", "yp2p.peers.channels:Channels.restart"),
    Place("a quiet channel is closed", "yp2p.peers.channels:Channels.closed_by_peer"),
    Place("a gap", "yp2p.documents.conversation:Conversation._resync"),
    Place("an edit is relayed", "yp2p.peers.relaying:Relaying.must_relay", _is(True)),
    Place("local files are reused at joining", "yp2p.peers.reconciliation:adopt"),
    Place("documents are pulled", "yp2p.peers.pulls:Pulls._take"),
    Place("what there is is announced", "yp2p.peers.announcements:Announcements.send"),
    Place("leaves are compared", "yp2p.peers.reconciliation:Reconciliation._compare"),
    Place("an entry is acknowledged", "yp2p.peers.acks:Acks.take"),
    Place("a small blob is fetched", "yp2p.peers.small_blobs:SmallBlobs.fetch"),
    Place("a long blob is fetched", "yp2p.peers.long_blobs:LongBlobs.fetch"),
    Place("a blob is made of one like it", "yp2p.peers.long_blobs:LongBlobs._copy_alike"),
    Place("equal versions with different texts", "yp2p.peers.reconciliation:has_diverged", _is(True)),
    Place("a divergence is repaired", "yp2p.peers.reconciliation:repair"),
    # What is kept.
    Place("a mass deletion is refused", "yp2p.folder.guard:DeletionGuard.refuses", bool),
    Place("a mass deletion is let happen", "yp2p.folder.guard:DeletionGuard.approve"),
    Place("a file leaves by choice", "yp2p.disk.render.unchosen:may_leave", _is(True)),
    Place("a file may not leave yet", "yp2p.disk.render.unchosen:may_leave", _is(False)),
    Place("a crash while a file leaves", f"{_RECOVERY}._recover_left"),
    Place("who left is saved still", f"{_INGEST}.occupied_paths:OccupiedPaths._is_saved_late"),
    Place("a file goes by itself while it is to leave", f"{_INGEST}.departures:Departures._is_unchosen", _is(True)),
    Place("the directory has another choice than the store", "yp2p.disk.root_check:check_choice"),
    Place("rows are thinned", "yp2p.history.retention:Retention._replace"),
    Place("a log is replaced by its present", "yp2p.history.purge:replace_log", _is(True)),
    Place("a log has changed while its present was made", "yp2p.history.purge:replace_log", _is(False)),
    Place("another device asks to purge", "yp2p.folder.purges:Purges._keep"),
    Place("what another device asks for is purged", "yp2p.device.asked_purges:AskedPurges._count_done"),
    Place("a deleted text is forgotten", "yp2p.history.retention:Retention._forget", _is(True)),
)

# By what they are called in the log, and the kind of a notice.
EVENTS = (
    "unclean_boot", "damaged_file_restored", "conflict_copy_created", "folder_paused", "mass_deletion_paused",
    "mass_deletion_decided", "device_cloned", "documents_diverged", "late_save_merged", "history_thinned",
    "files_imported", "file_renamed", "files_deleted_here", "unread_recovered", "peer_fault", "notice both-changed",
    "notice removed-others-text", "notice conflict-copy", "notice damaged", "notice older-save-merged", "link_closed",
    "changes_withdrawn",
)  # fmt: skip
# What is never reached, with the reason: named, so that it is seen.
UNREACHED: dict[str, str] = {}


def names() -> list[str]:
    return [*(place.name for place in PLACES), *EVENTS]


def find(target: str) -> tuple[Any, str]:
    """Where a function is to be replaced: an object and the name in it. Raises AttributeError."""
    module, _, path = target.partition(":")
    *owners, name = path.split(".")
    owner = importlib.import_module(module)
    for part in owners:
        owner = getattr(owner, part)
    getattr(owner, name)
    return owner, name


@contextmanager
def counting(counts: Counter[str]) -> Iterator[None]:
    """Count the places that are reached until this ends."""
    by_target: dict[str, list[Place]] = {}
    for place in PLACES:
        by_target.setdefault(place.target, []).append(place)
    with ExitStack() as stack:
        for target, places in by_target.items():
            owner, name = find(target)
            stack.enter_context(patch.object(owner, name, _counted(getattr(owner, name), places, counts)))
        yield


def _counted(call: Callable[..., Any], places: Iterable[Place], counts: Counter[str]) -> Callable[..., Any]:
    def count(result: Any) -> Any:
        for place in places:
            if place.gives is None or place.gives(result):
                counts[place.name] += 1
        return result

    @wraps(call)
    def counted(*args: Any, **options: Any) -> Any:
        return count(call(*args, **options))

    @wraps(call)
    async def awaited(*args: Any, **options: Any) -> Any:
        return count(await call(*args, **options))

    return awaited if iscoroutinefunction(call) else counted


def note_event(counts: Counter[str], event: dict[str, Any]) -> None:
    """Something was logged."""
    name = event.get("event", "")
    counts[f"notice {event.get('kind')}" if name == "notice" else name] += 1


def table(counts: Counter[str], seeds: int) -> str:
    """How often each place was reached in a thousand seeds, the rarest first."""
    rows = sorted((counts[name], name) for name in names())
    lines = [f"{count * 1000 / seeds:10.0f}  {name}" for count, name in rows]
    return "\n".join(["reached in 1,000 seeds:", *lines])


def never_reached(counts: Counter[str]) -> list[str]:
    return [name for name in names() if not counts[name] and name not in UNREACHED]
