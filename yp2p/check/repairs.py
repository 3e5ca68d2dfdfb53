"""What is done about a finding: one function a kind, each for what has one right answer (`check/__init__.py`)."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import structlog
import trio

from yp2p.check.findings import Finding, Kind
from yp2p.disk.actor import Disk
from yp2p.disk.damaged_files import Outcome, is_odd, read_in_steps
from yp2p.files.inspect import NO_STAMP
from yp2p.files.root import TRASH
from yp2p.files.trash import new_place
from yp2p.folder.catalogue import MANIFEST_INDEX
from yp2p.folder.folder import Folder
from yp2p.folder.records import FileRecord, load_log, log_row
from yp2p.identity import ID_BYTES, DocumentID, EntryID, Identity
from yp2p.peers.divergence import digest_again
from yp2p.peers.session import FolderSession
from yp2p.protocol.entries import Kind as EntryKind
from yp2p.store import tables
from yp2p.store.database import Database
from yp2p.store.salvage import first_gap
from yp2p.store.tables.log import rows_from
from yp2p.trust.keyfile import text_of, write_new

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Place:
    """Where repairs of one folder work: what is known of it, its files, and its sessions with other devices."""

    folder: Folder
    disk: Disk
    sessions: tuple[FolderSession, ...]

    def record(self, found: Finding) -> FileRecord | None:
        record: FileRecord | None = self.folder.files.get(EntryID(found.subject))
        return record


async def _look(place: Place, found: Finding) -> bool:
    place.disk.look_again([found.path])
    return True


async def restore(place: Place, found: Sequence[Finding]) -> list[bool]:
    """Damaged files, all at a time (`disk/damaged_files.py`); tells of each whether anything could be done."""
    at, folder = place.disk.open_root, place.folder
    records = [record for one in found if (record := place.record(one)) is not None]
    outcomes: dict[EntryID, Outcome] = {}
    if at is not None:
        known = folder.files.blobs.wanted  # those are looked for already
        new = [record for record in records if record.entry not in known]
        taken = await place.disk.scrub.damaged.take(at, *new)
        outcomes = {record.entry: outcome for record, outcome in zip(new, taken, strict=True)}
        folder.render_queue.want_all(outcomes)
    folder.observers.fetch()
    begun = Outcome.FETCHED if place.sessions else Outcome.TOLD
    results = [outcomes.get(EntryID(one.subject), Outcome.FETCHED) for one in found]
    return [result is Outcome.RESTORED or (result is Outcome.FETCHED and begun is result) for result in results]


async def _write_file(place: Place, found: Finding) -> bool:
    place.folder.render_queue.want(EntryID(found.subject))
    place.folder.observers.fetch()
    return True


async def _bring_in_step(place: Place, found: Finding) -> bool:
    """The row of a file that is no text may have the right content under the name of another version."""
    folder, record = place.folder, place.record(found)
    entry = folder.catalogue.entries.get(EntryID(found.subject))
    if record is None or entry is None:
        return False
    if record.kind is entry.kind is not EntryKind.TEXT and record.content == entry.content.hash:
        record = replace(record, document=entry.document)
        folder.files.set(record)
        folder.database.submit([record.save(folder.id)])
    folder.render_queue.want(entry.id)
    return True


async def _forget_row(place: Place, found: Finding) -> bool:
    folder, record = place.folder, place.record(found)
    if record is not None:
        folder.database.submit([record.delete(folder.id)])
        folder.files.drop(record.entry)
        place.disk.look_again([record.path])
    return record is not None


async def _read_again(place: Place, found: Finding) -> bool:
    record = place.record(found)
    if record is not None:
        record = replace(record, stamp=NO_STAMP)
        place.folder.files.set(record)
        place.folder.database.submit([record.save(place.folder.id)])
        place.disk.look_again([record.path])
    return record is not None


async def _store_row(place: Place, found: Finding) -> bool:
    record, folder = place.record(found), place.folder
    entry = EntryID(found.subject)
    statement = record.save(folder.id) if record is not None else tables.file.delete(folder.id, entry)
    await folder.database.submit([statement]).wait()
    return True


async def _list_blob(place: Place, found: Finding) -> bool:
    folder, entry, blob = place.folder, EntryID(found.subject[:ID_BYTES]), found.subject[ID_BYTES:]
    record, blobs, at = folder.files.get(entry), folder.files.blobs, place.disk.open_root
    if record is not None and record.kind is EntryKind.BLOB and record.content == blob:
        if at is None:
            return False
        (_, now), *_ = await read_in_steps(at, [record])
        if is_odd(record, now) or folder.files.get(entry) != record:
            return False  # what is listed is copied
        blobs.add_file(blob, entry)
    else:
        blobs.remove_file(blob, entry)
        blobs.downloaded.pop(blob, None)
    folder.render_queue.want_all(blobs.who_wants([blob]))
    folder.observers.fetch()
    return True


def _is_certain(folder: Folder, document: DocumentID) -> bool:
    """Whether it does not matter any more which device brought which row of a document: whoever is removed later,
    nothing of it has to be taken back (`folder/uncounted.py`)."""
    uncounted = folder.observers.uncounted
    last = tables.log.last_row(folder.database.rows, folder.id, document)
    is_certain = last is None or last[0] <= uncounted.certain()
    return is_certain and not uncounted.doubted and not folder.observers.unsent.is_pending


def _can_take_history(place: Place, document: DocumentID) -> bool:
    """Whether a device has all that is here of a text, nobody has it open, and it is certain whose all of it is."""
    folder = place.folder
    entry = folder.catalogue.entry_of.get(document, EntryID(b""))
    live = folder.texts.in_memory(document)
    known = folder.catalogue.entries.get(entry)
    is_alive = known is not None and folder.catalogue.is_alive(known)  # of others nobody says that he has the text
    has_it = is_alive and any(session.compared and entry not in session.agreement.behind for session in place.sessions)
    return has_it and not (live is not None and live.is_needed) and _is_certain(folder, document)


async def _take_history(place: Place, found: Finding) -> bool:
    """The log of a text goes aside, and a device that has acknowledged this very text sends it."""
    folder, document = place.folder, DocumentID(found.subject)
    if not _can_take_history(place, document):
        return False
    async with folder.texts.rewriting, folder.files.writing:
        await folder.database.pending().wait()
        if not _can_take_history(place, document):  # it was saved, or opened, while this waited
            return False
        entry = folder.catalogue.entry_of[document]
        # no await: nobody reads the rows while they go
        with folder.database.as_one():
            where = f"folder = x'{folder.id.hex()}' AND document = x'{document.hex()}'"
            for table in ("log", "pack", "base", "step"):
                folder.database.set_aside(table, where)
            record = folder.files.get(entry)
            if record is not None and record.document == document:
                folder.database.submit([record.delete(folder.id)])
                folder.files.drop(entry)
            folder.texts.forget(document)
        folder.catalogue.touched(entry)
        folder.count(entry)
        folder.leaves.set(entry)
        await folder.database.pending().wait()
    folder.observers.entry_changed(entry)
    folder.state.touch()
    return True


def _can_take_manifest(place: Place, document: DocumentID) -> bool:
    """Whether what is to stand there is in memory, or comes from a device that is connected."""
    folder = place.folder
    is_there = not folder.catalogue.manifest.replicas[MANIFEST_INDEX[document]].is_resting
    return (is_there or any(session.compared for session in place.sessions)) and _is_certain(folder, document)


async def _take_manifest(place: Place, found: Finding) -> bool:
    """What is in memory is written as one row; where it is not, what can be read of the rows is used, and other devices
    send the rest."""
    folder, document = place.folder, DocumentID(found.subject)
    if not _can_take_manifest(place, document):
        return False
    async with folder.texts.rewriting:
        await folder.database.pending().wait()
        # no await: what comes meanwhile would be lost
        if not _can_take_manifest(place, document):
            return False
        index = MANIFEST_INDEX[document]
        live, replica = folder.catalogue.documents[index], folder.catalogue.manifest.replicas[index]
        everything = rows_from(folder.id, document, 0)
        if not replica.is_resting:
            with folder.database.as_one():
                folder.database.set_aside("log", everything)
                live.last_seq = folder.database.next_seq()
                folder.database.submit([log_row(folder.id, document, live.last_seq, None, replica.state())])
        else:
            kept = _usable(folder, document)
            first = kept[-1][0] + 1 if kept else 0
            with folder.database.as_one():
                folder.database.set_aside("log", rows_from(folder.id, document, first))
                folder.catalogue.set_back(index, [data for _, data in kept], [])
        await folder.database.pending().wait()
    folder.observers.start_over()
    folder.state.touch()
    return True


def _usable(folder: Folder, document: DocumentID) -> list[tuple[int, bytes]]:
    """The rows before the first one that is damaged."""
    read = folder.database.rows
    broken = tables.log.first_broken(read, folder.id, document)
    end = broken or first_gap(read, folder.id, document) or 0
    return [row for row in load_log(folder.database, folder.id, document) if not end or row[0] < end]


async def _pull(place: Place, found: Finding) -> bool:
    for session in place.sessions:
        session.pull()
    return bool(place.sessions)


async def _make_digest(place: Place, found: Finding) -> bool:
    digest_again(place.folder, DocumentID(found.subject))
    return True


async def _set_pack_aside(place: Place, found: Finding) -> bool:
    seq, first = (int.from_bytes(found.subject[at : at + 8], "big") for at in (0, 8))
    document, database = found.subject[16:], place.folder.database
    where = f"folder = x'{place.folder.id.hex()}' AND document = x'{document.hex()}'"
    database.set_aside("pack", f"seq = {seq}")
    await database.set_aside("step", f"{where} AND seq BETWEEN {first} AND {seq - 1}").wait()
    return True


async def _set_step_aside(place: Place, found: Finding) -> bool:
    await place.folder.database.set_aside("step", f"seq = {int.from_bytes(found.subject, 'big')}").wait()
    return True


async def _set_notice_aside(place: Place, found: Finding) -> bool:
    number = int.from_bytes(found.subject, "big")
    place.folder.notices.forget(lambda notice: notice.id == number)  # its row is kept aside
    await place.folder.database.set_aside("notice", f"id = {number}").wait()
    return True


async def _set_statement_aside(place: Place, found: Finding) -> bool:
    where = f"folder = x'{place.folder.id.hex()}' AND body = x'{found.subject.hex()}'"
    await place.folder.database.set_aside("statement", where).wait()
    return True


async def _list_trash(place: Place, found: Finding) -> bool:
    at = place.disk.open_root
    if at is None:
        return False
    name = os.fsdecode(found.subject)

    def move() -> None:
        target = f"{new_place()}/{name}"
        at.root.make_parents(target)
        with at.root.parent(f"{TRASH}/{name}") as (old, base), at.root.parent(target) as (new, kept):
            os.rename(base, kept, src_dir_fd=old, dst_dir_fd=new)

    async with place.folder.files.writing:
        await trio.to_thread.run_sync(move)
    return True


async def _compare_again(place: Place, found: Finding) -> bool:
    place.folder.observers.start_over()
    place.folder.observers.fetch()
    return bool(place.sessions)


OF_FOLDER: Mapping[Kind, Callable[[Place, Finding], Awaitable[bool]]] = {
    Kind.LOST_FILE: _write_file,
    Kind.UNSEEN_CHANGE: _look,
    Kind.STRAY_ROW: _forget_row,
    Kind.STALE_ROW: _bring_in_step,
    Kind.SHARED_INODE: _read_again,
    Kind.UNSTORED_ROW: _store_row,
    Kind.LOST_BLOB: _list_blob,
    Kind.DAMAGED_HISTORY: _take_history,
    Kind.DAMAGED_MANIFEST: _take_manifest,
    Kind.MISSING_DOCUMENT: _pull,
    Kind.WRONG_DIGEST: _make_digest,
    Kind.DAMAGED_PACK: _set_pack_aside,
    Kind.STRAY_STEP: _set_step_aside,
    Kind.STRAY_NOTICE: _set_notice_aside,
    Kind.BAD_STATEMENT: _set_statement_aside,
    Kind.STRAY_TRASH: _list_trash,
    Kind.BEHIND: _compare_again,
    Kind.DIVERGED: _compare_again,
}
# First what others follow from: a row that is stored again must not be one that is forgotten a moment later.
ORDER = (Kind.UNSOUND_ROWS, Kind.DAMAGED_MANIFEST, Kind.DAMAGED_HISTORY, Kind.STRAY_ROW, Kind.SHARED_INODE)


async def of_folder(place: Place, found: Finding) -> bool:
    """Do what a finding of a folder asks for; tells whether anything could be done."""
    act = OF_FOLDER.get(found.kind)
    if act is None:
        return False
    done = await act(place, found)
    if done:
        log.info("check_repairs", folder=place.folder.label, kind=found.kind.value)
    return done


async def of_device(database: Database, key: Path | None, identity: Identity, found: Finding) -> bool:
    """The same for what is of no folder. A damaged store is left to a start (`Checker`)."""
    match found.kind:
        case Kind.UNSOUND_ROWS:
            await database.set_aside(found.subject.decode(), "").wait()
        case Kind.WRONG_CHUNKS:
            await database.set_aside("chunks", f"hash = x'{found.subject.hex()}'").wait()
        case Kind.OPEN_KEY if key is not None:
            await trio.to_thread.run_sync(key.chmod, 0o600)
        case Kind.LOST_KEY if key is not None:
            await trio.to_thread.run_sync(write_new, key, text_of(identity))
        case _:
            return False
    log.info("check_repairs", folder="", kind=found.kind.value)
    return True


def in_order(found: Finding) -> int:
    """Where a finding stands in the order of repairs."""
    return ORDER.index(found.kind) if found.kind in ORDER else len(ORDER)
