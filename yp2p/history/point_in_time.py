"""A folder as it was at a moment: what was deleted since, and making a directory what it was.

Theory of operation
    What the folder was is what the manifest's log says up to that moment. Texts are made anew from their own logs, by
    edits of today. Of everything else the manifest has the hash; the content is looked for in the trash and among the
    files that are there. What stands at its place goes into the trash first, then it is put there as a person would:
    the daemon sees a file that changed. What came since stays.
"""

from __future__ import annotations

import hashlib
import os
import shlex
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from yp2p.documents.history import Row
from yp2p.documents.manifest_replica import ManifestReplica
from yp2p.documents.registers import Change, Entry
from yp2p.errors import FolderError, UsageError
from yp2p.files import replace as disk
from yp2p.files import temporary_files, trash
from yp2p.files.inspect import MAX_TEXT_BYTES, NO_STAMP, Found, Stamp, inspect
from yp2p.files.replace import Outcome, Result
from yp2p.files.root import TRASH, Root
from yp2p.files.temporary_files import Filling
from yp2p.files.temporary_names import Temporary
from yp2p.folder.authors import rows_of
from yp2p.folder.catalogue import manifest_document_id
from yp2p.folder.folder import Folder
from yp2p.folder.records import FileRecord
from yp2p.folder.turns import Slice
from yp2p.history.trash import on_root
from yp2p.history.undo import settle
from yp2p.history.versions import When, set_text, text_of
from yp2p.identity import DeviceID, EntryID
from yp2p.machine import reason as reason_of
from yp2p.protocol.entries import Content, Kind
from yp2p.protocol.messages import MANIFEST_DOCUMENTS
from yp2p.store import tables

# A person looks at what would change before anything does, while others type.
_SLICE_S = 0.001


@dataclass(frozen=True, slots=True)
class _Past:
    """An entry as it was."""

    entry: Entry
    deleted: bool


async def _folder_at(folder: Folder, at: float | None) -> tuple[dict[EntryID, _Past], dict[EntryID, float]]:
    """What the manifest said at a moment, and when each entry was deleted last."""
    await folder.database.pending().wait()
    past: dict[EntryID, _Past] = {}
    deleted_at: dict[EntryID, float] = {}
    part = Slice(_SLICE_S)
    for index in range(MANIFEST_DOCUMENTS):
        replica = ManifestReplica(1)
        entries: dict[EntryID, Entry] = {}
        for received, data in _manifest_rows(folder, index, at):
            replica.apply(data)
            for entry in folder.catalogue.manifest.read(replica, index):
                known = entries.get(entry.id)
                if entry.deletion is not None and (known is None or known.deletion != entry.deletion):
                    deleted_at[entry.id] = received
                entries[entry.id] = entry
            await part.end_if_long()
        # A delete that an edit has beaten since did not last.
        past.update({found.id: _Past(found, not folder.catalogue.is_alive(found)) for found in entries.values()})
    return past, deleted_at


def _manifest_rows(folder: Folder, index: int, at: float | None) -> Iterator[tuple[float, bytes]]:
    stored = tables.log.rows(folder.database.rows, folder.id, manifest_document_id(index))
    rows = [(received, data) for _, received, _, data in stored]
    count = max((number for number, (received, _) in enumerate(rows, 1) if at is None or received <= at), default=0)
    yield from rows[:count]


async def deleted(folder: Folder) -> list[dict[str, Any]]:
    """The texts that were deleted, the last one first."""
    _, deleted_at = await _folder_at(folder, None)
    found = [
        {"path": entry.path, "at": deleted_at.get(entry.id, 0.0), "folder": folder.label}
        for entry in folder.catalogue.entries.values()
        if entry.kind is Kind.TEXT
        and not folder.catalogue.is_alive(entry)
        and entry.path not in folder.catalogue.layout().entry_at
        and entry.document in folder.texts.digests
    ]
    return sorted(found, key=lambda item: float(str(item["at"])), reverse=True)


@dataclass(frozen=True, slots=True)
class _File:
    """A file that is not what it was, and is or was no text."""

    path: str  # where it belongs now
    content: Content  # what it was
    text: str
    stands_there: FileRecord | None
    copy_of: FileRecord | None  # a file that holds what it was

    def told(self, reason: str = "") -> dict[str, str]:
        return _told(self.path, "change" if self.stands_there is not None else "bring back", reason)


def _told(path: str, action: str, reason: str = "") -> dict[str, str]:
    return {"path": path, "action": "skipped", "reason": reason} if reason else {"path": path, "action": action}


async def restore_directory(
    folder: Folder, directory: str, at: float, *, dry_run: bool, only: Collection[str] = ()
) -> list[dict[str, str]]:
    """Make a directory what it was at a moment, as far as the contents are here; tells what was done to which path.

    Args:
        only: paths in the folder, as they are told: nothing is done to others, so of texts that have each other's names
            either all get them back or none; empty: all.

    Raises:
        UsageError: this device knew nothing of that directory then.
        FolderError: the folder is paused, or its trash cannot be used.
    """
    await settle(folder)
    if not folder.state.is_scanned:
        raise FolderError(f"{folder.path} was not looked at yet since the start; try again in a moment")
    past, _ = await _folder_at(folder, at)
    beneath = directory and f"{directory}/"
    wanted, moved = await _wanted(folder, past, directory, beneath)
    exchanged, done = _exchanged_texts(folder, moved), list[dict[str, str]]()
    if only:
        wanted, exchanged, done = _chosen(folder, wanted, exchanged, beneath, only)
    if not wanted and not done:
        raise UsageError(f"this device knew nothing of {directory or folder.path} at that moment")
    done += [_told(was.path, "change") for was in exchanged]
    if exchanged and not dry_run:
        await folder.catalogue.write([Change(was.id, path=was.path) for was in exchanged]).wait()
    files: list[_File] = []
    part = Slice(_SLICE_S)
    for was in wanted:
        await part.end_if_long()
        if _stands_there(folder, was) if was.kind is not Kind.TEXT else _is_as_it_was(folder, was, at):
            continue
        path = folder.catalogue.layout().path_of.get(was.id, was.path)
        rows = rows_of(folder, was.document, When(at=at).unpack) if was.kind is Kind.TEXT else []
        text = text_of(rows, When(at=at)) if was.kind is Kind.TEXT else ""
        now = folder.catalogue.entries.get(was.id, was)
        if not path.startswith(beneath):
            done.append(_told(was.path, "", f"it is {path} now"))
        elif text is None:
            done.append(_told(path, "", "its text came later to this device"))
        elif was.kind is now.kind is Kind.TEXT:
            done += await _restore_text(folder, now, path, text, When(at=at).rows(rows), dry_run=dry_run)
        elif not folder.catalogue.is_alive(now) or (now.kind, now.content.hash) != (was.kind, was.content.hash):
            source = folder.files.blobs.file_with(was.content.hash) if was.kind is Kind.BLOB else None
            copy_of = folder.files[source] if source is not None else None
            files.append(_File(path, was.content, text, folder.files.by_path(path), copy_of))
    if files:
        done += await on_root(folder, lambda root: _restore_files(root, files, dry_run=dry_run))
    return sorted({item["path"]: item for item in done}.values(), key=lambda item: item["path"])


async def _wanted(
    folder: Folder, past: Mapping[EntryID, _Past], directory: str, beneath: str
) -> tuple[list[Entry], list[Entry]]:
    """What was in a directory then, and those of it that are elsewhere now. Raises UsageError: it was a file."""
    wanted: list[Entry] = []
    moved: list[Entry] = []
    part = Slice(_SLICE_S)
    for was in past.values():
        await part.end_if_long()
        entry = was.entry
        if entry.path == directory and entry.kind is not Kind.DIRECTORY:
            restore = f"yp2p restore {shlex.quote(str(folder.path / directory))}@WHEN"
            raise UsageError(f"{directory} was a file then; `{restore}` restores one")
        if entry.path.startswith(beneath) and not was.deleted:
            wanted.append(entry)
            if folder.catalogue.layout().path_of.get(entry.id, entry.path) != entry.path:
                moved.append(entry)
    return wanted, moved


def _chosen(
    folder: Folder, wanted: Sequence[Entry], exchanged: Sequence[Entry], beneath: str, only: Collection[str]
) -> tuple[list[Entry], list[Entry], list[dict[str, str]]]:
    """What of it is told at these paths, with which names are exchanged, and what is told of those that have to stay.

    A text that has the name of another one gets its own back only together with that one.
    """
    path_of, ids = folder.catalogue.layout().path_of, {was.id for was in exchanged}
    chosen: list[Entry] = []
    for was in wanted:
        now = path_of.get(was.id, was.path)
        if (was.path if was.id in ids or not now.startswith(beneath) else now) in only:
            chosen.append(was)
    possible = _exchanged_texts(folder, [was for was in exchanged if was.path in only])
    staying = ids - {was.id for was in possible}
    done = [
        _told(was.path, "", f"it is {path_of[was.id]} now, and what has its name would have to get another one")
        for was in chosen
        if was.id in staying
    ]
    return [was for was in chosen if was.id not in staying], possible, done


def _is_as_it_was(folder: Folder, was: Entry, at: float) -> bool:
    """Whether a text is where it was, and nothing was written into it since: so are most, and none of these is read."""
    now = folder.catalogue.entries.get(was.id)
    if now is None or now.document != was.document or folder.catalogue.layout().path_of.get(was.id) != was.path:
        return False
    rows = rows_of(folder, was.document)
    return bool(rows) and now.document in folder.texts.digests and len(When(at=at).rows(rows)) == len(rows)


def _exchanged_texts(folder: Folder, wanted: Sequence[Entry]) -> list[Entry]:
    """The texts that have the names of each other by now: those get their names back, as no name is free for them.

    A file that was only renamed since stays where it is, and is made there what it was.
    """
    catalogue, layout = folder.catalogue, folder.catalogue.layout()
    moved = {
        was.id: was
        for was in wanted
        if was.kind is Kind.TEXT and (now := catalogue.entries.get(was.id)) is not None and now.kind is Kind.TEXT
        if layout.path_of.get(was.id, was.path) != was.path
    }
    while stays := [was.id for was in moved.values() if layout.entry_at.get(was.path) not in moved]:
        for entry in stays:
            del moved[entry]
    return list(moved.values())


def _stands_there(folder: Folder, was: Entry) -> bool:
    """Whether something with that content is at the path where it was, if under another entry: names may be swapped."""
    now = folder.catalogue.entries.get(folder.catalogue.layout().entry_at.get(was.path, was.id))
    return (
        now is not None
        and folder.catalogue.is_alive(now)
        and (now.kind, now.content.hash) == (was.kind, was.content.hash)
    )


async def _restore_text(
    folder: Folder, now: Entry, path: str, text: str, rows: Sequence[Row[DeviceID]], *, dry_run: bool
) -> list[dict[str, str]]:
    is_alive, digest = folder.catalogue.is_alive(now), folder.texts.digests.get(now.document)
    if is_alive and digest is not None and digest.content == hashlib.sha256(text.encode()).digest():
        return []
    if not dry_run:
        await set_text(folder, now, path, text, rows)
    return [_told(path, "change" if is_alive else "bring back")]


def _restore_files(root: Root, files: Sequence[_File], *, dry_run: bool) -> list[dict[str, str]]:
    """Blocks: in a worker thread."""
    in_trash: dict[int, list[trash.Item]] = defaultdict(list)
    for known in reversed(trash.items(root)):
        in_trash[known.size].append(known)
    done: list[dict[str, str]] = []
    ready: list[tuple[_File, Temporary | None]] = []  # made before anything moves: one may be what another needs
    taken: set[str] = set()
    for file in sorted(files, key=lambda file: file.path):
        is_blob = file.content.kind is Kind.BLOB
        item = _find(root, file, in_trash[file.content.size], taken) if is_blob else None
        reason = ""
        if is_blob and item is None and file.copy_of is None:
            reason = "what it held is neither in the trash of this device nor in another file"
        elif file.stands_there is not None and file.stands_there.kind is Kind.DIRECTORY:
            reason = "a directory stands at its place"
        elif not dry_run:
            try:
                ready.append((file, _make(root, file, item, is_taken=item is not None and item.name in taken)))
            except OSError as error:
                reason = reason_of(error)
        if reason or dry_run:
            done.append(file.told(reason))
        if item is not None:
            taken.add(item.name)
    done += [file.told(_put(root, file, temporary)) for file, temporary in ready]
    return done


def _find(root: Root, file: _File, items: Sequence[trash.Item], taken: Set[str]) -> trash.Item | None:
    """What holds a content, of files in the trash with that size: most likely the one that was at the same path."""
    base = (Kind.BLOB, file.content.hash)
    for item in sorted(items, key=lambda item: (item.name in taken, item.path != file.path)):
        found = inspect(root, f"{TRASH}/{item.name}", None, MAX_TEXT_BYTES, trust_stamp=False, base=base)
        if found.found is Found.BLOB and found.content == file.content.hash:
            return item
    return None


def _put(root: Root, file: _File, temporary: Temporary | None) -> str:
    """Put a file in place, and what stands there into the trash; tells why not, if it cannot."""
    if temporary is None:
        try:
            root.make_directory(file.path)
        except OSError as error:
            return reason_of(error)
        return ""
    there, aside = file.stands_there, f"{trash.new_place()}/{file.path}"
    result = Result(Outcome.DONE)
    if there is not None:
        result = disk.move_away(root, there.path, aside, there.content, there.stamp, there.kind)
    if result.outcome is Outcome.DONE:
        result = disk.install_new(root, temporary, file.path)
        if result.outcome is not Outcome.DONE and there is not None:
            disk.move_away(root, aside, there.path, None, NO_STAMP)
    if temporary.name.startswith(TRASH):
        root.remove_empty_parents(temporary.name, keep=TRASH)
    elif result.outcome is not Outcome.DONE:
        temporary_files.discard(root, temporary.name)
    return "" if result.outcome is Outcome.DONE else result.reason or "it is being changed just now"


def _make(root: Root, file: _File, item: trash.Item | None, *, is_taken: bool) -> Temporary | None:
    """A file with the content, durable; None for a directory. Raises OSError."""
    if file.content.kind is Kind.DIRECTORY:
        return None
    if item is not None and not is_taken:
        return temporary_files.take_over(root, f"{TRASH}/{item.name}")
    if file.content.kind is Kind.SYMLINK:
        return temporary_files.make_symlink(root, file.path, file.content.target)
    copy = (file.copy_of.path, file.copy_of.stamp, file.content.hash) if file.copy_of is not None else None
    if item is not None:
        with root.parent(f"{TRASH}/{item.name}") as (directory, name):
            stamp = Stamp.of(os.stat(name, dir_fd=directory, follow_symlinks=False))
        copy = f"{TRASH}/{item.name}", stamp, file.content.hash
    temporary = temporary_files.create_temporary(root, file.path)
    data = file.text.encode() if file.content.kind is Kind.TEXT else None
    [failure] = temporary_files.fill_temporaries(
        root, [Filling(temporary, None, data, file.content.mode, copy_of=copy)]
    )
    if failure is not None:
        temporary_files.discard(root, temporary.name)
        raise failure
    return temporary
