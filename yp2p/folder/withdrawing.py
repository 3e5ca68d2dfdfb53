"""Withdrawing what no member has, on a device that only reads (`unsent.py`): what it wrote before, mostly.

Theory of operation
    A member has told what it has of the documents in question. This device's own rows of the log which that lacks are
    taken out of the log, with whatever was built on them: so a document is what it would be had they never been made.
    What the member had and has taken back (`taking_back.py`) goes as well: else that would come to the file. What is
    taken out too much, because other members have it, comes from these like all they have.

    The files stay as they are. The base of each becomes what it was made of without those changes: so the next scan
    finds that a file is otherwise, and notes that as it does for everything that people change on the disk of a reader
    (`disk/ingest/kept_local.py`). If the device may write again, it is an edit of that base.

    What was written and has not reached a file, or was removed again, goes to the trash. Where nothing that goes of an
    entry was made here, its file is no change of anybody here: it is rendered anew.

    Nothing is deleted and nothing undone by this: an update that does so would be one that nobody takes, either.

Invariants
    * Only operations go that the member lacks or has deleted, or that are built on such.
    * Nothing is written with a client ID again whose operations were taken out: another member may have them.
    * The rows of a document, and the base of its file, are replaced in one step and one commit. What is cut short is
      begun again; what was done by then is told at once, as it is not found once more.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import trio

from yp2p.documents.manifest_replica import ManifestReplica
from yp2p.documents.text import TextReplica
from yp2p.errors import CrdtPanic, InvalidUpdate, MissingDependency
from yp2p.files.inspect import NO_STAMP
from yp2p.files.root import Root, write_all
from yp2p.files.trash import new_place
from yp2p.folder.brought import Counted, operations_in
from yp2p.folder.catalogue import MANIFEST_INDEX
from yp2p.folder.folder import Folder
from yp2p.folder.live_document import LiveDocument
from yp2p.folder.notices import NoticeKind
from yp2p.folder.packs import Single, Stored, stored_rows
from yp2p.folder.records import FileRecord
from yp2p.folder.turns import turn
from yp2p.folder.withdrawing_entries import Withdrawn, bring_in_line
from yp2p.identity import DeviceID, DocumentID, EntryID
from yp2p.protocol.delete_sets import shared, without
from yp2p.protocol.deleted_ranges import DeletedRange
from yp2p.protocol.entries import Kind
from yp2p.protocol.ysync import Shape, check
from yp2p.store import tables
from yp2p.store.sql import Statement
from yp2p.store.tables.log import ALL

_IN_TRASH = (
    "this device was made a reader; what was written here before, and neither others nor the file have, is in the"
    " trash: `yp2p trash list` shows it"
)

_LastRows: TypeAlias = "Mapping[DeviceID, int]"


async def withdraw(folder: Folder, counted: Mapping[DocumentID, Counted]) -> int:
    """Take out of these documents what a member lacks; gives how many that changed. Raises OSError: the trash is not
    there."""
    last, done, is_cut_short = folder.observers.unsent.in_question(), 0, True
    async with folder.texts.rewriting, folder.files.writing:
        # One that went when this was begun before is not here any more, and not to be opened, empty as it is.
        texts = [document for document in counted if document in folder.texts.digests]
        for document in texts:
            await _keep_what_no_file_has(folder, document, counted[document], last)
        try:
            for document in [document for document in counted if document in MANIFEST_INDEX]:
                done += await _withdraw_entries(folder, document, counted[document], last)
            for document in texts:
                done += await _withdraw_text(folder, document, counted[document], last)
            is_cut_short = False
        finally:
            if done or is_cut_short:
                folder.observers.start_over()
                folder.files.local.begin_anew()
                folder.render_queue.wake()
    return done


@dataclass(frozen=True, slots=True)
class _Lacks:
    """Whether a member lacks something of a row that is in question, or has taken it back.

    Args:
        last: the last row that is not in question, of each device.
        deleted: what is deleted here.
    """

    counted: Counted
    last: _LastRows
    deleted: Sequence[DeletedRange]
    shape: Shape

    @classmethod
    def of(cls, counted: Counted, last: _LastRows, live: LiveDocument) -> _Lacks:
        return cls(counted, last, live.replica.deleted(), live.replica.shape)

    def __call__(self, row: Single) -> bool:
        if row.seq <= self.last.get(DeviceID(row.origin), row.seq):
            return False
        made = operations_in(row.data, self.shape)
        if self.counted.beyond(made):
            return True
        # Where that was heard of already, the row is what there is of it in the history.
        return self.counted.has_deleted(made) and bool(without(made.inserted, self.deleted))


@dataclass(slots=True)
class Split:
    """The rows of a document that stay, and those that are taken out."""

    kept: list[Single] = field(default_factory=list)
    dropped: list[Single] = field(default_factory=list)


def split(
    rows: Sequence[Single],
    replica: TextReplica | ManifestReplica,
    lacks: Callable[[Single], bool],
    decided: Callable[[Single, bool], None] = lambda row, is_kept: None,
) -> Split:
    """Which rows stay. Those go that are lacked, and those that cannot be without such.

    Args:
        replica: an empty one, gets what stays.
        decided: is told of each row from the first one that goes on.
    """
    before = next((number for number, row in enumerate(rows) if lacks(row)), len(rows))
    found = Split(list(rows[:before]))
    replica.load(row.data for row in found.kept)
    for row in rows[before:]:
        is_kept = not lacks(row) and not _has_lost(row, replica.shape) and _takes(replica, row)
        (found.kept if is_kept else found.dropped).append(row)
        decided(row, is_kept)
    return found


def _has_lost(row: Single, shape: Shape) -> bool:
    """Whether a register that others wrote may have lost here against one that goes: then the row has it as deleted.

    It comes again, as it was made. Nobody deletes a register but by writing it.
    """
    if shape is not Shape.MANIFEST:
        return False
    made = operations_in(row.data, shape)
    return bool(shared(made.inserted, made.deleted))


def _takes(replica: TextReplica | ManifestReplica, row: Single) -> bool:
    try:
        replica.take(check(row.data, replica.shape))
    except (InvalidUpdate, MissingDependency, CrdtPanic):
        return False
    return True


async def _stored(folder: Folder, live: LiveDocument) -> list[Stored]:
    """The log of a document, when all that was applied is in it."""
    while True:
        await folder.database.pending().wait()
        if not live.untold_updates():
            return stored_rows(folder.database.rows, folder.id, live.id, ALL)
        await turn()


def _singles(stored: Sequence[Stored]) -> list[Single]:
    return [single for row in stored for single in row.singles()]


def _replacing(folder: Folder, document: DocumentID, stored: Sequence[Stored], found: Split) -> list[Statement]:
    """The statements that take rows out of the log, and whatever speaks of them."""
    gone = {row.seq for row in found.dropped}
    statements: list[Statement] = []
    for row in stored:
        singles = row.singles()
        if gone.isdisjoint(single.seq for single in singles):
            continue
        statements += [tables.log.delete(row.seq), tables.pack.delete(row.seq)]
        statements += [
            tables.log.insert(one.seq, folder.id, document, one.origin, one.at, one.data)
            for one in singles
            if one.seq not in gone
        ]
    return [
        *statements,
        tables.step.delete_groups_from(folder.id, document, min(gone)),
        tables.digest.forget(folder.id, document),
        tables.base.forget(folder.id, document),
        tables.shown.forget(folder.id, document),
    ]


# --- entries ----------------------------------------------------------------------------------------------------


async def _withdraw_entries(folder: Folder, document: DocumentID, counted: Counted, last: _LastRows) -> bool:
    live = folder.catalogue.documents[MANIFEST_INDEX[document]]
    with live.being_changed():
        stored = await _stored(folder, live)
        # no await: what comes from others meanwhile would be lost
        rows, lacks = _singles(stored), _Lacks.of(counted, last, live)
        withdrawn = Withdrawn(MANIFEST_INDEX[document])
        found = split(rows, withdrawn.replica, lacks, withdrawn.decided)
        if not found.dropped:
            return False
        was = {entry: folder.catalogue.entries[entry] for entry in withdrawn.goes if entry in folder.catalogue.entries}
        claimed = folder.edits.own_claims.written()
        with folder.database.as_one():
            kept = [row.data for row in found.kept]
            commit = folder.catalogue.set_back(withdrawn.index, kept, _replacing(folder, document, stored, found))
            bring_in_line(folder, withdrawn.goes, was)
        folder.edits.own_claims.to_publish |= claimed - folder.edits.own_claims.written()
        await commit.wait()
    return True


# --- texts ------------------------------------------------------------------------------------------------------


async def _withdraw_text(folder: Folder, document: DocumentID, counted: Counted, last: _LastRows) -> bool:
    live = folder.texts.open(document)
    with live.being_changed():  # until it is stored nobody loads it again
        stored = await _stored(folder, live)
        # no await: what comes from others meanwhile would be lost
        replica = TextReplica(1)
        found = split(_singles(stored), replica, _Lacks.of(counted, last, live))
        if not found.dropped:
            return False
        with folder.database.as_one():
            folder.database.submit(_replacing(folder, document, stored, found))
            commit = folder.edits.set_back(live, replica, found.kept[-1].seq if found.kept else 0)
            _set_base(folder, live, found)
        await commit.wait()
    return True


def _set_base(folder: Folder, live: LiveDocument, found: Split) -> None:
    """The file of a text was made of what is left of what it was made of."""
    entry = folder.catalogue.entry_of.get(live.id, EntryID(b""))
    record, known = folder.files.get(entry), folder.catalogue.entries.get(entry)
    if record is None or record.kind is not Kind.TEXT or record.document != live.id:
        return
    folder.database.submit([tables.unread.forget(folder.id, entry)])
    if known is None or not folder.catalogue.is_alive(known) or not found.kept:
        folder.files.drop(entry)
        folder.database.submit([record.delete(folder.id)])
        return
    if record.base_state is None:
        base = TextReplica.from_updates(1, [row.data for row in found.kept if row.seq <= record.base_seq])
    else:
        base = _without_others(record.base_state, found.kept)
    if any(not row.origin for row in found.dropped):
        state = base.state() if record.base_state is not None else None
        content = base.content()
        stamp = record.stamp if content == record.content else NO_STAMP
        record = replace(record, base_state=state, content=content, stamp=stamp, is_own=False)
    else:  # the file is what was put in place, and something else is to be
        record = replace(record, base_state=base.state())
    folder.files.set(record)
    folder.database.submit([record.save(folder.id)])


def _without_others(state: bytes, rows: Sequence[Single]) -> TextReplica:
    """The rows that a state has, without all that is none of them."""
    known, base = Counted(), TextReplica(1)
    known.add(check(state, Shape.TEXT), Shape.TEXT)
    for row in rows:
        if not known.beyond(operations_in(row.data, Shape.TEXT)):
            _takes(base, row)
    return base


async def _keep_what_no_file_has(folder: Folder, document: DocumentID, counted: Counted, last: _LastRows) -> None:
    """Into the trash with what goes of a text and is in no file: it has not come there, or others took it out again."""
    live = folder.texts.open(document)
    with live.being_changed():
        rows, replica = _singles(await _stored(folder, live)), TextReplica(1)
        found = split(rows, replica, _Lacks.of(counted, last, live))
        own = [row for row in found.dropped if not row.origin]
        text, is_taken_out = live.text.text(), _took_out([row for row in rows if row.origin], own)
        if is_taken_out:
            text = TextReplica.from_updates(1, [row.data for row in rows if row.seq <= own[-1].seq]).text()
    if not own or text in ("", replica.text()):
        return
    entry = folder.catalogue.entries.get(folder.catalogue.entry_of.get(document, EntryID(b"")))
    record: FileRecord | None = folder.files.get(entry.id) if entry is not None else None
    if entry is None or (not is_taken_out and record is not None and record.content == live.text.content()):
        return
    path = folder.catalogue.layout().path_of.get(entry.id, entry.path)
    await trio.to_thread.run_sync(_into_trash, folder, path, text)
    folder.notices.add(NoticeKind.TAKEN_BACK, path, _IN_TRASH, entry.id)


def _took_out(theirs: Sequence[Single], own: Sequence[Single]) -> bool:
    """Whether rows of others deleted what rows of this device inserted."""
    made = [operation for row in own for operation in operations_in(row.data, Shape.TEXT).inserted]
    return any(shared(made, operations_in(row.data, Shape.TEXT).deleted) for row in theirs) if made else False


def _into_trash(folder: Folder, path: str, text: str) -> None:
    """Blocks. Raises OSError."""
    root = Root(folder.path)
    try:
        place = f"{new_place()}/{path}"
        root.make_parents(place)
        descriptor = root.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            write_all(descriptor, text.encode())
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)
    finally:
        root.close()
