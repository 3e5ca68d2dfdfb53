"""Removing the past of files, as of a secret that was saved by mistake: `yp2p purge` (docs/decisions/0032-purge.md).

Theory of operation
    Which files and which part of their past are meant is worked out in `purge_scope.py`. What a file holds now stays as
    it is. Whatever the store and `.yp2p` have of what it held before is removed:

    * The log of a text that is there becomes one row, under the number of the last one: the document as it is now,
      which knows of deleted text only how long it was (`documents/thinning.py`). State vector and delete set, and so
      the version, stay what they were: devices that have purged and devices that have not go on merging, and nothing
      has to be sent. The packs and the undo steps go with the rows.
    * The base of its file becomes that row. So every file is brought in step first and forced to the disk, what was
      replaced a moment ago is looked at once more, and it is forgotten that a save may be made of an older version.
    * Of what was deleted the documents go as a whole, as they do after `history.max_age_days`. So do those of former
      generations.
    * Items of the trash and what is left in `.yp2p/tmp` (`purge_files.py`), the chunks that are known of them, notices
      that quote a text or name a file, the names of bookmarks that are no more (`documents/former_bookmarks.py`), and
      rows that could not be read and were set aside.

    Then the file of the store is written anew (`store/writer.py`, `ERASE`): what SQLite has removed is in its free
    pages and in its write-ahead log until something else is written there.

    The files go first and then the rows, some texts at a time: a copy is told by its content as long as the rows of the
    version are there. A crash on the way leaves less of the past, and nothing else; the same command does the rest.
    What was removed and not erased yet is known by the table `purge`, and erased at the next start.

    Where a device that was away brings what it wrote on a version that is gone, there are no three texts to merge
    (`documents/joined.py`): the two are merged letter by letter. Nothing that either wrote is lost by that.

Invariants
    * The sum of a log is the same document before and after; that is computed again before it is used.
    * No save is merged on a version whose row is gone, and no power cut brings one back: nobody could tell any more
      that it is no edit.
    * What is replaced by one row counts as this device's own from then on: nothing of it can be taken back because of
      the device that brought it (`folder/uncounted.py`). So it is not done while a device is doubted.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Set
from dataclasses import dataclass, field
from typing import Any

import structlog
import trio

from yp2p.errors import FolderError
from yp2p.files.root import Root, force_to_disk, is_ours
from yp2p.folder.folder import Folder
from yp2p.folder.purges import Asked
from yp2p.history import purge_files
from yp2p.history.purge_files import Doomed
from yp2p.history.purge_scope import Scope, scope_asked, scope_of
from yp2p.history.purge_store import (
    TextLog,
    forget_rest,
    not_in_step,
    overwrite_bookmarks,
    read_logs,
    remove_bookmarks,
    replace_log,
)
from yp2p.history.purge_trash import look_up
from yp2p.history.trash import on_root
from yp2p.history.undo import all_stored, settle
from yp2p.identity import DeviceID, DocumentID, EntryID
from yp2p.protocol.entries import Kind
from yp2p.protocol.names import encode_path
from yp2p.store import tables
from yp2p.store.database import Database
from yp2p.store.writer import ERASE

# So many texts are put into the store at a time.
_AT_ONCE = 64
# While somebody types, a text is another one by the time that its past is worked out.
_TRIES = 5
# A file that was saved just now is in step in a moment.
_IN_STEP_S = 10.0

# Forgets that saves may be made of former versions of these entries, which have or had such names; gives the paths that
# a program is writing (`Disk.forget_versions`).
ForgetVersions = Callable[[Set[EntryID], Callable[[str], bool]], Awaitable[list[str]]]

log = structlog.get_logger()


@dataclass(slots=True)
class Purged:
    """What goes, or went.

    Attributes:
        texts: of how many texts the past goes; `versions`: how many versions that are, of those and of deleted ones.
        forgotten: how many texts go as a whole.
        files: in the trash, and in `.yp2p/tmp`.
        made_here: the entries of texts of which a version that goes was made here.
        made_before: documents of former generations of which that is so.
        unchanged: texts of which nothing was ever removed: what was in them is in them.
        held: files beside what is meant that hold now what a version held.
        set_aside: rows of the folder that cannot be read, and stay.
    """

    scope: Scope
    texts: int = 0
    versions: int = 0
    forgotten: int = 0
    files: Doomed = field(default_factory=Doomed)
    made_here: set[EntryID] = field(default_factory=set)
    made_before: set[DocumentID] = field(default_factory=set)
    unchanged: list[str] = field(default_factory=list)
    held: list[str] = field(default_factory=list)
    set_aside: int = 0


async def preview(folder: Folder, path: str) -> Purged:
    """What purging would remove. Raises as `purge`."""
    await settle(folder)
    await all_stored(folder)
    scope = await scope_of(folder, path)
    found = Purged(scope, files=await _files(folder, scope))
    for some in _some(scope.texts | scope.forgotten):
        _count(folder, found, await read_logs(folder, scope, some))
    _note_rest(folder, found)
    return found


async def preview_asked(folder: Folder, asked: Asked) -> Purged:
    """What another device's request would remove. Raises FolderError."""
    await all_stored(folder)
    scope = await scope_asked(folder, asked.request.entries, asked.received_at)
    found = Purged(scope, files=await _files(folder, scope))
    for some in _some(scope.texts | scope.forgotten):
        _count(folder, found, await read_logs(folder, scope, some))
    return found


async def purge(folder: Folder, path: str, forget: ForgetVersions) -> Purged:
    """Remove the past of a file, or of all that is beneath a directory. `erase` has to follow.

    Raises:
        UsageError: there is and was nothing at this path.
        FolderError: it cannot be done now. What was removed by then is removed, and the same again does the rest.
    """
    await settle(folder)
    return await _carry_out(folder, lambda: scope_of(folder, path), forget)


async def purge_asked(folder: Folder, asked: Asked, forget: ForgetVersions) -> Purged:
    """Do what another device asks for. `erase` has to follow. Raises FolderError: as `purge`."""
    request = asked.request
    scope = lambda: scope_asked(folder, request.entries, asked.received_at)  # noqa: E731
    return await _carry_out(folder, scope, forget, request.issuer_id)


async def _carry_out(
    folder: Folder,
    find_scope: Callable[[], Awaitable[Scope]],
    forget: ForgetVersions,
    issuer: DeviceID | None = None,
) -> Purged:
    async with folder.edits.undoing, folder.texts.rewriting:
        await all_stored(folder)
        scope = await find_scope()
        await _be_in_step(folder, scope)
        await remove_bookmarks(folder, scope)
        async with folder.files.writing:
            await _forget_versions(forget, scope, scope.entries)
        found = Purged(scope, files=await _files(folder, scope))
        await on_root(folder, lambda root: purge_files.remove(root, found.files))
        await folder.database.submit(
            [
                *forget_rest(folder, scope, _present(folder), time.time(), issuer),
                *(tables.trashed.forget(folder.id, encode_path(item.name)) for item in found.files.in_trash),
            ]
        ).wait()
        for some in _some(scope.texts | scope.forgotten):
            found.scope, done = await _replace(folder, found.scope, some, forget, find_scope)
            _count(folder, found, done)
        await overwrite_bookmarks(folder, found.scope)
        _note_rest(folder, found)
    log.info("past_removed", folder=folder.label, texts=found.texts + found.forgotten, versions=found.versions)
    return found


def _some(documents: Iterable[DocumentID]) -> Iterable[list[DocumentID]]:
    ordered = sorted(documents)
    return [ordered[start : start + _AT_ONCE] for start in range(0, len(ordered), _AT_ONCE)]


async def erase(database: Database) -> str:
    """Have the store's file hold nothing of what was removed; gives why it may still do, or nothing."""
    await database.submit([ERASE]).wait()
    if not database.writer.unerased:
        await database.submit([tables.purge.ALL_ERASED]).wait()
    return database.writer.unerased


async def _be_in_step(folder: Folder, scope: Scope) -> None:
    """Wait until the files hold what the documents say: then each document's last row is the base of its file."""
    state = folder.state
    with trio.move_on_after(_IN_STEP_S):
        while not state.pause_reason and (not state.is_scanned or not_in_step(folder, scope.stays)):
            await state.changed.wait()
    if state.pause_reason:
        raise FolderError(f"{folder.label!r} is paused: {state.pause_reason}; purge when it goes on")
    if folder.observers.uncounted.of_silenced:
        raise FolderError(
            f"what a removed device did in {folder.label!r} is being found out; purge when `yp2p status` says no more"
            " of that"
        )
    if not state.is_scanned:
        raise FolderError(f"{folder.path} was not looked at yet since the start; purge in a moment")
    if path := not_in_step(folder, scope.stays):
        raise FolderError(f"the file {path} is not yet what it is to be; purge when `yp2p status` says that it is")
    for document in scope.forgotten:
        live = folder.texts.in_memory(document)
        if live is not None and live.is_needed:
            raise FolderError("a program has a deleted file open that is meant; close it, and purge again")


async def _forget_versions(forget: ForgetVersions, scope: Scope, entries: Set[EntryID]) -> None:
    busy = await forget(entries, scope.has_name)
    if busy:
        raise FolderError(f"a program is writing {busy[0]}; purge when it has closed it")


async def _files(folder: Folder, scope: Scope) -> Doomed:
    """Raises FolderError: the root cannot be used."""
    present = _present(folder)
    kept = {record.path for record in folder.files.values() if is_ours(record.path)}
    lying = await look_up(folder, scope)

    def look(root: Root) -> Doomed:
        with folder.database.reader() as read:
            return purge_files.doomed(root, read, folder.id, scope, lying, present, kept)

    found: Doomed = await on_root(folder, look)
    return found


def _present(folder: Folder) -> dict[bytes, int]:
    """The hashes of what the files of the folder hold now, or are to hold, with sizes where these are known."""
    alive, at_hand = folder.catalogue.layout().path_of, folder.texts.digests.at_hand
    texts = (at_hand(document) for document in folder.catalogue.entry_of)
    found = {digest.content: 0 for digest in texts if digest is not None}
    found |= {record.content: record.stamp.size for record in folder.files.values()}
    return found | {
        entry.content.hash: entry.content.size
        for entry in folder.catalogue.entries.values()
        if entry.id in alive and entry.kind is Kind.BLOB
    }


async def _replace(
    folder: Folder,
    scope: Scope,
    documents: Collection[DocumentID],
    forget: ForgetVersions,
    find_scope: Callable[[], Awaitable[Scope]],
) -> tuple[Scope, list[TextLog]]:
    """Let the logs of these documents have their present only, or nothing; gives what is meant by now, and what the
    logs were."""
    done: list[TextLog] = []
    left, entry_of = set(documents), folder.catalogue.entry_of
    for _ in range(_TRIES):
        async with folder.files.writing:
            await _forget_versions(forget, scope, {entry_of[document] for document in left & entry_of.keys()})
            await all_stored(folder)
            await trio.to_thread.run_sync(force_to_disk, folder.path)
            logs = await read_logs(folder, scope, left)
            # no await: the logs are what was read, and each file is what its document says, until that is submitted
            with folder.database.as_one():
                replaced = [found for found in logs if replace_log(folder, found, stays=found.document in scope.texts)]
            await folder.database.pending().wait()
        done += replaced
        left = {found.document for found in logs} - {found.document for found in replaced}
        if not left:
            return scope, done
        scope = await find_scope()  # a file that was deleted may be there again
        left &= scope.texts | scope.forgotten
        await _be_in_step(folder, scope)
    raise FolderError("a text that is meant is being edited all the time; purge when nobody writes in it")


def _count(folder: Folder, found: Purged, logs: Iterable[TextLog]) -> None:
    for one in logs:
        entry = folder.catalogue.entry_of.get(one.document)
        if one.made_here and (one.has_past or one.document not in found.scope.texts):
            known = folder.catalogue.entries.get(entry) if entry is not None else None
            if known is not None and known.document == one.document:
                found.made_here.add(known.id)
            else:
                found.made_before.add(one.document)
        if one.document not in found.scope.texts:
            found.forgotten += 1
            found.versions += one.versions
            continue
        if one.has_past:
            found.texts += 1
            found.versions += one.versions - 1
        path = folder.catalogue.layout().path_of.get(entry) if entry is not None else None
        if path is not None and not one.removed:
            found.unchanged.append(path)


def _note_rest(folder: Folder, found: Purged) -> None:
    """What is not removed, and that a person should know of."""
    files, entries = folder.files, found.scope.entries
    others = found.files.held - {record.content for entry, record in files.items() if entry in entries}
    found.held = sorted(record.path for record in files.values() if record.content in others)
    found.unchanged.sort()
    found.set_aside = tables.aside.count(folder.database.rows, folder.id)


def listed(folder: Folder) -> list[Mapping[str, Any]]:
    """What was purged in a folder, the oldest first."""
    return [
        {
            "folder": folder.label, "path": path.decode("utf-8", "surrogateescape"), "at": at,
            "device": folder.name_of(issuer), "erased": bool(is_erased),
        }
        for _, issuer, at, path, _, is_erased in tables.purge.read_all(folder.database.rows, folder.id)
    ]  # fmt: skip
