"""The rules that hold it all together, taken out one at a time: the simulation has to notice each.

`python -m simulation 0 100 --without RULE` runs without one of them; `python -m simulation.mutation` measures how many
seeds it takes until that is noticed. docs/mutation-score.md has the numbers.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

import trio
from simulation.beacons import find
from simulation.hooks import SimulatedWriter, current_host

from yp2p.disk.ingest.meaning import Meaning
from yp2p.documents.conversation import Conversation
from yp2p.documents.registers import Deletion
from yp2p.documents.save_evidence import Replaces
from yp2p.documents.text import TextReplica
from yp2p.files import temporary_files
from yp2p.files.inspect import Found
from yp2p.files.replace import Outcome
from yp2p.files.root import TRASH
from yp2p.folder.client_ids import ClientIDs
from yp2p.folder.records import FileRecord
from yp2p.folder.telling import Telling
from yp2p.folder.texts import Texts
from yp2p.identity import DeviceID, DocumentID, EntryID
from yp2p.store.writer import Commit

Taken = AbstractContextManager[Any]


@dataclass(frozen=True, slots=True)
class Ablation:
    """A rule that is taken out: of which invariant, and what holds no more; `theme`: which seeds are about it."""

    invariant: str
    what: str
    take_out: Callable[[], Taken]
    theme: str = ""

    def __call__(self) -> Taken:
        return self.take_out()


# --- ways of taking out ---------------------------------------------------------------------------------------------


def _with(target: str, new: Any) -> Callable[[], Taken]:
    """`new` in the place of what is at `module:name`."""

    def take_out() -> Taken:
        owner, name = find(target)
        return patch.object(owner, name, new)

    return take_out


def _around(target: str, change: Callable[..., Any]) -> Callable[[], Taken]:
    """`change` in its place, with what is there as the first argument."""

    def take_out() -> Taken:
        owner, name = find(target)
        original = getattr(owner, name)
        return patch.object(owner, name, lambda *args, **options: change(original, *args, **options))

    return take_out


def _gives(target: str, value: Any) -> Callable[[], Taken]:
    return _with(target, lambda *args, **options: value)


def _property(target: str, value: Any) -> Callable[[], Taken]:
    return _with(target, property(lambda self: value))


def _later(target: str, value: Any = None) -> Callable[[], Taken]:
    """Of what is awaited: it does nothing."""

    async def nothing(*args: Any, **options: Any) -> Any:
        await trio.lowlevel.checkpoint()
        return value

    return _with(target, nothing)


def _all(*ways: Callable[[], Taken]) -> Callable[[], Taken]:
    def take_out() -> Taken:
        stack = ExitStack()
        for way in ways:
            stack.enter_context(way())
        return stack

    return take_out


# --- those that take more than a line -------------------------------------------------------------------------------


def _without_persisting_first() -> Taken:
    """On slow disks, where that matters: what a device lost was gone on with by others."""
    wait = Commit.wait

    async def go_on(commit: Commit) -> None:
        host = current_host.get()
        if host is None or not host.is_watching:  # what makes a folder is read back from the store
            await wait(commit)

    def tell(telling: Telling, step: list[Any]) -> None:
        for untold in step:
            for listener in [*telling._listeners.values(), *telling.early.values()]:
                listener(untold.update, untold.source, untold.vector)

    stack = ExitStack()
    stack.enter_context(patch.object(Commit, "wait", go_on))
    stack.enter_context(patch.object(Telling, "_are_applied", tell))
    stack.enter_context(patch.object(SimulatedWriter, "delays_s", (3.0,)))
    return stack


def _without_forking_at_the_base() -> Taken:
    def fork_at_head(texts: Texts, record: FileRecord, client_id: int | None = None) -> TextReplica:
        fork = texts._clients.fork_of(record.document) if client_id is None else client_id
        return texts.open(record.document).text.fork(fork)

    return patch.object(Texts, "fork_at_base", fork_at_head)


def _with_echo() -> Taken:
    on_update = Conversation._on_update

    def echo(conversation: Conversation, update: bytes, source: object, vector: bytes | None = None) -> None:
        on_update(conversation, update, None, vector)

    return patch.object(Conversation, "_on_update", echo)


def _with_old_client_ids() -> Taken:
    def same_as_ever(device: DeviceID) -> ClientIDs:
        host = current_host.get()
        number = zlib.crc32(host.identity.device_id) if host is not None else 1
        return ClientIDs(number, number ^ 1, device)

    return patch.object(ClientIDs, "fresh", same_as_ever)


def _with_deletes_that_win() -> Taken:
    def counts(deletion: Deletion, document: DocumentID, clocks: Any) -> bool:
        return deletion.document == document

    return patch.object(Deletion, "counts", counts)


def _replace_whatever_is_there(original: Any, root: Any, path: str, base: Any, stamp: Any, kind: Any) -> Any:
    return original(root, path, None, stamp, kind)


async def _forget_replacement(self: Any, purpose: Any, temporary: Any) -> None:
    await trio.lowlevel.checkpoint()
    temporary_files.discard(self._root, temporary.name)


def _removed_for_good(original: Any, root: Any, path: str, target: str, *args: Any, **options: Any) -> Any:
    result = original(root, path, target, *args, **options)
    if target.startswith(TRASH) and result.outcome is Outcome.DONE and root.lstat(target) is not None:
        (root.path / target).unlink()
    return result


async def _serve_without_a_boundary(self: Any, device: Any, secured: Any, address: Any, confirmed: Any) -> None:
    await self._run_link(device, secured, address, confirmed)


def _random_id(*_: Any) -> EntryID:
    return EntryID(_RANDOM.randbytes(16))


def _random_client(writer: Any, *_: bytes) -> int:
    return int(writer.client_id(_RANDOM.getrandbits(32)))


def _by_host(original: Any, path: str, entry: EntryID, *args: Any, **options: Any) -> str:
    host = current_host.get()
    mark = zlib.crc32(host.name.encode()) if host is not None else 0
    return str(original(path, EntryID(bytes([mark % 256]) + entry[1:]), *args, **options))


def _is_told_yes(original: Any, exchange: Any, message: Any) -> None:
    question = exchange._question
    original(exchange, replace(message, entries=tuple(question.leaves)) if question is not None else message)


def _keeps_what_is_here(self: Any, entry: EntryID, leaf: Any) -> bool:
    return bool(entry in self._folder.files and self._folder.leaf(entry) == leaf)


def _is_never_extended(original: Any, record: Any, finding: Any, what: Any) -> Any:
    return original(record, finding, replace(what, extends_base=False))


def _nothing_displaced(original: Any, *args: Any, **options: Any) -> Any:
    found = original(*args, **options)
    return Meaning.UNCHANGED if found is Meaning.DISPLACED else found


def _stripped(found: Any) -> Any:
    return replace(found, text=found.text.removesuffix("\n")) if found.text else found


def _missing(found: Any) -> Any:
    return replace(found, found=Found.MISSING, is_out_of_sight=False) if found.found is Found.DENIED else found


def _unregister(session: Any) -> None:
    session._folder.observers.sessions.pop(session.peer, None)
    session._presence.left(session.peer, session)
    session._folder.observers.links_changed()
    session._folder.state.touch()


_RANDOM = random.Random(1)
_RENDER, _INGEST = "yp2p.disk.render", "yp2p.disk.ingest"
_SESSION = "yp2p.peers.session:FolderSession"


ABLATIONS: dict[str, Ablation] = {
    "persist-before-send": Ablation(
        "1",
        "nobody waits for what was submitted to be durable",
        _without_persisting_first,
        theme="killed-after-saves",
    ),
    "fork-at-the-base": Ablation(
        "2", "a save is made of what the document says now", _without_forking_at_the_base, theme="stale-editors"
    ),
    "evidence-of-an-older-base": Ablation(
        "2",
        "a save always replaces what was on the disk",
        _gives(f"{_INGEST}.save_base:decide", Replaces()),
        theme="stale-editors",
    ),
    "reading-tells": Ablation(
        "2",
        "nobody is known to have read anything",
        _gives(f"{_INGEST}.read_tracker:ReadTracker.was_read", None),
        theme="stale-editors",
    ),
    "a-moved-file-is-remembered": Ablation(
        "2",
        "a save over what was moved away is a new file",
        _gives("yp2p.folder.former_files:FormerFiles.at", None),
        theme="editors-of-moved-files",
    ),
    "a-name-that-was-renamed-to": Ablation(
        "2",
        "what is renamed to a name has the saves of what stood there",
        _gives(f"{_INGEST}.read_tracker:ReadTracker.was_moved", []),
        theme="editors-of-moved-files",
    ),
    "three-texts": Ablation(
        "2b", "Yjs alone merges what was apart", _gives("yp2p.folder.meetings:meeting_of", None), theme="texts-apart"
    ),
    "repairs-are-alike": Ablation(
        "2b",
        "repairs have client IDs of their own",
        _with("yp2p.documents.joined:client_id_from", _random_client),
        theme="texts-apart",
    ),
    "compare-before-the-exchange": Ablation(
        "3",
        "a file is replaced whatever it holds",
        _around("yp2p.files.replace:_holding", _replace_whatever_is_there),
        theme="saves-into-an-exchange",
    ),
    "late-saves": Ablation(
        "3",
        "what came out is not looked at again",
        _later(f"{_RENDER}.displaced_files:DisplacedFiles._merge_displaced"),
        theme="late-saves",
    ),
    "exchange-known-after-a-crash": Ablation(
        "3",
        "what was being replaced when it crashed is forgotten",
        _with(f"{_RENDER}.crash_recovery:CrashRecovery._recover_replacement", _forget_replacement),
        theme="crashes-after-writes",
    ),
    "intents": Ablation(
        "3",
        "new files of before a crash are unknown",
        _gives("yp2p.files.replace:was_installed", False),
        theme="crashes-after-writes",
    ),
    "damage-is-no-edit": Ablation(
        "3",
        "an empty file after a power cut is an edit",
        _gives(f"{_INGEST}.damage:Damage._is_damaged", False),
        theme="power-cuts",
    ),
    "an-append-is-no-damage": Ablation(
        "3",
        "an old file with more behind is what a power cut left",
        _around(f"{_INGEST}.known_files:state_of", _is_never_extended),
        theme="an-append-before-a-power-cut",
    ),
    "a-power-cut-is-noticed": Ablation(
        "3",
        "every start is one after a stop in order",
        _gives("yp2p.store.tables.last_run:read_last", None),
        theme="power-cuts",
    ),
    "byte-for-byte": Ablation(
        "4",
        "a newline at the end is lost",
        _around(
            f"{_INGEST}.inspector:inspect_all", lambda call, *a, **o: [_stripped(found) for found in call(*a, **o)]
        ),
    ),
    "equal-files-are-one": Ablation(
        "5",
        "the entry of a new file is random",
        _with(f"{_INGEST}.new_entries:entry_id_for", _random_id),
        theme="the-same-while-stopped",
    ),
    "equal-scans-are-one": Ablation(
        "5",
        "what a scan finds is written anew",
        _with(f"{_INGEST}.local_edits:client_id_from", _random_client),
        theme="the-same-while-stopped",
    ),
    "files-are-reused": Ablation(
        "5",
        "a joiner keeps nothing that it has",
        _later("yp2p.peers.reconciliation:adopt", 0),
        theme="a-joiner-with-the-same-files",
    ),
    "fresh-client-ids": Ablation(
        "6", "each start writes with the same client IDs", _with_old_client_ids, theme="a-store-goes-back"
    ),
    "edit-beats-delete": Ablation("7", "a delete counts whatever was written", _with_deletes_that_win),
    "mass-deletions-ask": Ablation(
        "8", "nobody is asked", _gives("yp2p.folder.guard:DeletionGuard.refuses", ""), theme="many-are-removed"
    ),
    "deleted-is-in-the-trash": Ablation(
        "8",
        "what others delete is gone",
        _around("yp2p.files.replace:move_away", _removed_for_good),
        theme="deleted-elsewhere",
    ),
    "no-marker-no-folder": Ablation(
        "8a",
        "a root without its marker is the folder",
        _gives("yp2p.disk.root_check:check_marker", None),
        theme="the-root-is-gone",
    ),
    "sight": Ablation(
        "8a",
        "what was left out or mounted over and is missing was deleted",
        _with("yp2p.folder.file_index:FileIndex.lose_sight", lambda self, entries, sight: self._database.pending()),
        theme="left-out-or-locked",
    ),
    "unreadable-is-not-missing": Ablation(
        "8a",
        "what cannot be looked at is missing",
        _around(f"{_INGEST}.inspector:inspect_all", lambda call, *a, **o: [_missing(found) for found in call(*a, **o)]),
        theme="left-out-or-locked",
    ),
    "divergence-is-repaired": Ablation(
        "9",
        "equal versions are equal texts",
        _gives("yp2p.peers.reconciliation:has_diverged", False),
        theme="two-with-one-client-id",
    ),
    "a-paused-folder-is-not-in-sync": Ablation(
        "10",
        "a folder says that it is settled",
        _property("yp2p.folder.state:FolderState.pause_reason", ""),
        theme="a-file-that-is-held-open",
    ),
    "paths-are-checked": Ablation(
        "14",
        "a path may be anything",
        _all(_gives("yp2p.protocol.names:path_problem", None), _gives("yp2p.files.ignore:path_problem", None)),
        theme="a-hostile-member",
    ),
    "a-fault-ends-at-its-peer": Ablation(
        "15",
        "a fault of a peer is one of the daemon",
        _with("yp2p.peers.peers:Peers._serve", _serve_without_a_boundary),
        theme="a-hostile-member",
    ),
    "a-delete-stands": Ablation(
        "7",
        "the delete of who had seen less takes the place of one that counted",
        _gives("yp2p.folder.catalogue:Catalogue._deleted_again", []),
        theme="deleted-while-others-replace",
    ),
    "clients-are-counted": Ablation(
        "12k",
        "a document has any number of clients, however alike",
        _gives("yp2p.protocol.dependencies:check_crowd", None),
        theme="a-hostile-member",
    ),
    "who-owes-rests": Ablation(
        "12j",
        "the work for a member takes what it takes",
        _later("yp2p.folder.budget:Budget.rest"),
        theme="a-hostile-member",
    ),
    "no-echo": Ablation("16", "what came from a peer goes back to it", _with_echo),
    "removal-takes-back": Ablation(
        "11g",
        "what a device did after it was removed stays where it came to",
        _gives("yp2p.folder.uncounted:Uncounted.removed", None),
        theme="a-lost-device",
    ),
    "a-removal-is-acknowledged": Ablation(
        "11f",
        "nobody says that it heard of a removal, nor what it had then",
        _gives("yp2p.folder.members:answers", {}),
        theme="two-remove-each-other",
    ),
    "who-is-out-is-told": Ablation(
        "11j",
        "who is out has nothing to say and is told nothing",
        _later("yp2p.peers.removed:FormerDevices._talk"),
        theme="two-remove-each-other",
    ),
    "claims-are-signed": Ablation(
        "11i",
        "a client ID is whose anybody says it is",
        _gives("yp2p.folder.authorship:has_signed_client", True),
        theme="a-lost-device",
    ),
    "readers-are-refused": Ablation(
        "11h",
        "what comes from a reader is taken",
        _with("yp2p.folder.members:Membership.takes_from", lambda self, source: True),
        theme="a-device-that-only-reads",
    ),
    "a-reader-registers-nothing": Ablation(
        "11h",
        "what people change on the disk of a reader is an edit",
        _property(f"{_INGEST}.kept_local:KeptLocal.is_on", False),
        theme="a-device-that-only-reads",
    ),
    "what-was-not-sent-is-withdrawn": Ablation(
        "11h",
        "what a device had not sent when it was made a reader stays in its documents",
        _gives("yp2p.folder.unsent:Unsent.begin", None),
        theme="a-device-that-only-reads",
    ),
    "links-are-told": Ablation(
        "16", "everybody relays to everybody", _gives("yp2p.peers.relaying:Relaying.tell", None)
    ),
    "relaying": Ablation(
        "16", "nobody relays", _gives("yp2p.peers.relaying:Relaying.must_relay", False), theme="a-line-of-devices"
    ),
    "other-names-are-others": Ablation(
        "a name is not a file",
        "what is written under another name is a save",
        _gives("simulation.disk:SimulatedDisk.has_other_names", False),
        theme="other-names-outside",
    ),
    "a-directory-takes-the-place": Ablation(
        "a name is not a file",
        "a file that became a directory is unchanged",
        _around(f"{_INGEST}.ingest:meaning_of", _nothing_displaced),
        theme="a-directory-in-the-place-of-a-file",
    ),
    "content-before-inode": Ablation(
        "a name is not a file",
        "inodes alone tell renames",
        _gives(f"{_INGEST}.departures:_of_equal_content", {}),
        theme="renames-while-others-edit",
    ),
    "renames": Ablation(
        "a name is not a file",
        "a rename is a deletion",
        _gives(f"{_INGEST}.departures:Departures.renamed", {}),
        theme="renames-while-others-edit",
    ),
    "a-newer-session-stays": Ablation(
        "10",
        "an older session takes the newer one away",
        _with(f"{_SESSION}._unregister", _unregister),
        theme="links-that-were-cut",
    ),
    "blobs-met-are-kept": Ablation(
        "2b", "of two blobs one is lost", _gives(f"{_RENDER}.plan:holds_unreplaced_save", False), theme="blobs-apart"
    ),
    "what-a-blob-replaces": Ablation(
        "2b",
        "a blob says nothing of the one before",
        _with("yp2p.protocol.entries:Content.after", lambda self, content, before: self.named()),
        theme="blobs-apart",
    ),
    "one-layout": Ablation(
        "14",
        "each device names conflicts its own way",
        _around("yp2p.documents.layout:conflict_path", _by_host),
        theme="the-same-name-twice",
    ),
    "copies-are-one": Ablation(
        "5a",
        "what steps aside on two devices under two names is two files",
        _gives("yp2p.disk.ingest.new_entries:copy_id_of", None),
        theme="blobs-apart",
    ),
    "names-say-whose": Ablation(
        "14",
        "nobody says whose a file is that lost its name",
        _later(f"{_RENDER}.conflict_names:ConflictNames.write"),
        theme="the-same-name-twice",
    ),
    "leaves-when-it-is-kept": Ablation(
        "8c",
        "what is not chosen leaves, whoever has it",
        _around("yp2p.peers.keeping:KeepExchange.take", _is_told_yes),
        theme="some-files-on-some-disks",
    ),
    "who-chose-otherwise-says-no": Ablation(
        "8c",
        "a device says that it keeps what it has, chosen or not",
        _with("yp2p.peers.keeping:KeepExchange._keeps", _keeps_what_is_here),
        theme="some-files-on-some-disks",
    ),
    "not-chosen-is-not-deleted": Ablation(
        "8c",
        "that a file is missing which is not chosen is a deletion",
        _gives(f"{_INGEST}.departures:Departures._is_unchosen", False),
        theme="some-files-on-some-disks",
    ),
    "what-comes-back-is-one": Ablation(
        "5a",
        "a text that others made again is another file than the one that was made again here",
        _gives("yp2p.folder.catalogue:Catalogue.came_back", False),
        theme="the-same-name-twice",
    ),
    "bases-are-kept": Ablation(
        "2",
        "the history of a base is thinned",
        _gives("yp2p.history.retention:Retention._in_use", set()),
        theme="the-past-is-thinned",
    ),
    "compared-again": Ablation(
        "16",
        "nothing is compared when all is quiet",
        _with("yp2p.peers.announcements:HEARTBEAT_S", 1e9),
        theme="links-that-were-cut",
    ),
}
