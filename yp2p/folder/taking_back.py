"""Taking back what does not count: changes that came from a device that had been removed (`uncounted.py`).

Theory of operation
    Of a text, what those changes inserted is deleted, and what they deleted is brought back where it was: by operations
    that every device makes that takes back the same (`documents/undo.py`). Where that leaves a line with pieces of what
    was written here since, the text is the three-way merge of what it is now and what it would be without those
    changes, over what it would be without what was written since. So no piece of a line stays behind where somebody
    typed into theirs. A text that was deleted without them is deleted again. A deletion has no author: of those that
    came together with what others wrote, what these replaced stays replaced, and all else comes back.

    What repaired a meeting with their changes (`meetings.py`) holds pieces of them, and is undone as well.

    What is taken back of the manifest is told in `taking_back_entries.py`, and whose an operation is in `brought.py`.

    It is an edit of this device: it is in the log, can be undone, and is told.

Invariants
    * What others have changed since stands.
    * What is not among the operations of a member that had heard of the removal, and only that, is taken back.
    * What is written to a document is worked out of its log, and is right beside whatever comes to that meanwhile.
    * A text is changed once, also where that is cut short and begun again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass

import structlog
import trio

from yp2p.documents.diff import hunks
from yp2p.documents.registers import Change, Deletion, Entry
from yp2p.documents.text import MAX_HUNKS, TextReplica
from yp2p.documents.undo import taken_back
from yp2p.errors import CrdtPanic
from yp2p.folder.brought import Counted, Operations, every_operation, imports_in, is_repair, operations_of
from yp2p.folder.catalogue import MANIFEST_INDEX
from yp2p.folder.client_ids import fresh_client_id
from yp2p.folder.folder import Folder
from yp2p.folder.packs import Single, stored_rows
from yp2p.folder.taking_back_entries import Rewritten, rewritten, take_back_entries, tell_taken_back
from yp2p.folder.turns import Slice
from yp2p.identity import DeviceID, DocumentID, EntryID
from yp2p.protocol.clients import Writer
from yp2p.protocol.state_vectors import StateVector
from yp2p.protocol.ysync import parse_update
from yp2p.store import tables
from yp2p.store.sql import Statement
from yp2p.store.tables.log import ALL
from yp2p.threeway.lines import split_lines

# Of more client IDs it is told by who sent them which device wrote with them.
_MAX_CLAIMS = 16
# The two edits that a text takes are undone as one.
_ONE_STEP_S = 1.0

log = structlog.get_logger()


async def take_back(
    folder: Folder,
    rows: Mapping[DocumentID, Sequence[Single]],
    counted: Mapping[DocumentID, Counted],
    device: DeviceID,
) -> int:
    """Take back what rows of the log did that came from a removed device, and does not count.

    Call when all that was submitted is stored.

    Returns:
        How many texts and entries that changed.
    """
    entries: dict[EntryID, Rewritten] = {}
    for document in rows.keys() & MANIFEST_INDEX.keys():
        entries |= await rewritten(folder, document, {row.seq for row in rows[document]}, counted[document], device)
    first = min((row.seq for found in rows.values() for row in found), default=0)
    done = await take_back_entries(folder, entries, first)
    before_a_crash = {DocumentID(one) for (one,) in tables.judgement.documents(folder.database.rows, folder.id, device)}
    for document in rows.keys() - MANIFEST_INDEX.keys() - before_a_crash:
        entry = folder.catalogue.entries.get(folder.catalogue.entry_of.get(document, EntryID(b"")))
        if entry is not None and entry.document == document:
            made = entries.get(entry.id)
            is_made = made is not None and made.is_made
            if is_made and not folder.catalogue.is_alive(entry):
                continue
            # Imports have computed client IDs: what was made under these is theirs who made the entry.
            is_of_others = not is_made and not counted[document].is_there
            imports = await imports_in(folder, rows[document]) if is_of_others else set[int]()
            found = await _operations(folder, rows[document], device, imports)
            change = counted[document].beyond(found)
            if change:
                lacking = [row for row in rows[document] if counted[document].lacks(row)]
                gone = {row.seq for row in lacking or rows[document]}
                done += await _take_back_text(folder, entry, change, gone, device)
        await trio.lowlevel.checkpoint()
    if done:
        log.warning("changes_taken_back", folder=folder.label, count=done)
    return done


async def _operations(folder: Folder, rows: Sequence[Single], device: DeviceID, imports: Set[int]) -> Operations:
    """`operations_of`, in slices."""
    found, slice_ = Operations(), Slice()
    for row in rows:  # of some a signature is checked for each client ID
        found.extend(operations_of(folder, [row], device, imports))
        if slice_.is_long:
            await slice_.end()
    return found


@dataclass(frozen=True, slots=True)
class _Plan:
    """How a text is taken back: `update` undoes the operations; `three` are to be merged where lines are mixed then."""

    update: bytes
    three: tuple[str, str, str] | None


async def _take_back_text(
    folder: Folder, entry: Entry, change: Operations, gone: Collection[int], device: DeviceID
) -> bool:
    """Take operations of a text back, which came with the rows `gone`; tells whether anything of them was left.

    It is worked out in a thread, of the text as it is now. Whatever people here write meanwhile is beside that.
    """
    path = folder.catalogue.layout().path_of.get(entry.id, entry.path)
    every = await _stored(folder, entry.document)
    updates = [row.data for row in every]
    repairs = [
        row for row, before in zip(every[1:], every, strict=False) if is_repair(row, before) and before.seq in gone
    ]
    change += every_operation(row.data for row in repairs)
    gone = {*gone, *(row.seq for row in repairs)}
    since = [row.data for row in every if row.seq > min(gone) and row.seq not in gone]
    try:
        plan = await trio.to_thread.run_sync(_plan, updates, since, change)
        if plan is None:
            return False
        made = [plan.update]
        if plan.three is not None:
            merged = await folder.edits.meetings.merger.merge(path, *plan.three)
            made += await trio.to_thread.run_sync(_made_to, [*updates, plan.update], merged.text)
        return await _write(folder, entry, made, tables.judgement.insert(folder.id, device, entry.document), change)
    except CrdtPanic as panic:
        log.error("not_taken_back", path=path, reason=str(panic))
        return False


def _plan(updates: Sequence[bytes], since: Sequence[bytes], change: Operations) -> _Plan | None:
    """Args: `since` are those of the updates with which people here went on. None: there is nothing to take back."""
    change = change.settled(updates)
    update = taken_back(updates, change.inserted, change.deleted, fresh_client_id(Writer.TAKEN_BACK))
    update = _marked(updates, update) if update is not None else None
    if update is None or not since:
        return _Plan(update, None) if update is not None else None
    ours = every_operation(since)
    now, without = _text_of(updates), _text_without(updates, ours + change)
    if _is_of_whole_lines(_text_of([*updates, update]), now, without):
        return _Plan(update, None)
    return _Plan(update, (_text_without(updates, ours), now, without))


def _marked(updates: Sequence[bytes], update: bytes) -> bytes | None:
    """The update, with a mark by which others can tell it from an edit (`while_out.py`)."""
    return TextReplica.from_updates(fresh_client_id(Writer.TAKEN_BACK), updates).apply_marked(update)


def _made_to(updates: Sequence[bytes], text: str) -> list[bytes]:
    """The updates that make a document say something else."""
    replica, made = TextReplica.from_updates(fresh_client_id(Writer.TAKEN_BACK), updates), list[bytes]()
    while (now := replica.text()) != text:
        news = replica.edit(hunks(now, text, limit=MAX_HUNKS))
        if news is None:
            break
        made.append(news)
    return made


async def _stored(folder: Folder, document: DocumentID) -> list[Single]:
    await folder.database.pending().wait()
    rows = stored_rows(folder.database.rows, folder.id, document, ALL)
    return [single for stored in rows for single in stored.singles()]


def _text_without(updates: Sequence[bytes], what: Operations) -> str:
    update = taken_back(updates, what.inserted, what.deleted, fresh_client_id())
    return _text_of([*updates, *([update] if update is not None else [])])


def _text_of(updates: Sequence[bytes]) -> str:
    return TextReplica.from_updates(1, updates).text()


def _is_of_whole_lines(undone: str, now: str, without: str) -> bool:
    """Whether no line has pieces of both: then nobody wrote in a line in which they did."""
    return set(split_lines(undone)) <= {*split_lines(now), *split_lines(without)}


async def _write(
    folder: Folder, entry: Entry, updates: Sequence[bytes], is_done: Statement, change: Operations
) -> bool:
    """Apply updates as one step that can be undone.

    Args:
        is_done: is stored with them. What was taken back once is written text: it could not be taken back again.
    """
    live = folder.texts.open(entry.document)
    was_deleted = _was_deleted(folder.catalogue.entries.get(entry.id, entry), live.replica.clocks(), change)
    folder.edits.end_undo_group(entry.document)
    with folder.texts.reloading(live):
        news = list(filter(None, map(live.replica.apply, updates)))
    wrote = {client for one in news for client in parse_update(one).sections}
    if len(wrote) <= _MAX_CLAIMS:
        folder.edits.own_claims.to_publish |= wrote
    with folder.edits.as_one(live):
        for one in news:
            folder.edits.record(live, one, None, [is_done], undo_gap_s=_ONE_STEP_S)
        if was_deleted:
            deletion = Deletion(entry.document, live.replica.state_vector())
            folder.catalogue.take_back([Change(entry.id, deletion=deletion)])
    folder.edits.end_undo_group(entry.document)
    folder.render_queue.want(entry.id)
    if news:
        tell_taken_back(folder, entry, "what it changed here after that was taken back; `yp2p undo` brings it in again")
        await folder.database.pending().wait()
    return bool(news)


def _was_deleted(entry: Entry, clocks: StateVector, change: Operations) -> bool:
    """Whether a text would be deleted without a change: neither that nor taking it back brings it to life."""
    before = dict(clocks)
    for client, start, _ in change.inserted:
        before[client] = min(start, before.get(client, 0))
    return entry.deletion is not None and entry.deletion.counts(
        entry.document, {client: clock for client, clock in before.items() if clock}
    )
