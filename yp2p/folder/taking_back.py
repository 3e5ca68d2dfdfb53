"""Taking back what does not count: changes that came from a device that had been removed (`uncounted.py`).

Theory of operation
    Of a text, what those changes inserted is deleted, and what they deleted is brought back where it was: by operations
    that every device makes that takes back the same (`documents/undo.py`). Where that leaves a line with pieces of what
    was written here since, the text is the three-way merge of what it is now and what it would be without those
    changes, over what it would be without what was written since. So no piece of a line stays behind where somebody
    typed into theirs. A text that was deleted without them is deleted again. A deletion has no author: of those that
    came together with what others wrote, what these replaced stays replaced, and all else comes back.

    Of the manifest, registers that still say what those changes wrote, or that nobody can read since, are written as
    they were before. What they made goes, unless somebody else wrote into it; what they deleted is live again, and the
    disk, or another device, has it.

    It is an edit of this device: it is in the log, can be undone, and is told.

Invariants
    * What others have changed since stands.
    * What is not among the operations of a member that had heard of the removal, and only that, is taken back.
    * What is written to a document is worked out of its log, and is right beside whatever comes to that meanwhile.
    * A text is changed once, also where that is cut short and begun again.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog
import trio

from yp2p.documents.diff import hunks
from yp2p.documents.manifest import Change, Deletion, Entry, Manifest, ManifestReplica
from yp2p.documents.order import Order
from yp2p.documents.text import MAX_HUNKS, TextReplica
from yp2p.documents.undo import operations, taken_back
from yp2p.errors import CrdtPanic
from yp2p.folder.catalogue import MANIFEST_INDEX
from yp2p.folder.client_ids import fresh_client_id
from yp2p.folder.folder import Folder
from yp2p.folder.notices import NoticeKind
from yp2p.folder.packs import Single, stored_rows
from yp2p.folder.turns import turn
from yp2p.folder.uncounted import KEPT_APART_S
from yp2p.identity import DeviceID, DocumentID, EntryID
from yp2p.protocol.clients import Writer
from yp2p.protocol.delete_sets import without
from yp2p.protocol.deleted_ranges import DeletedRange
from yp2p.protocol.entries import Kind
from yp2p.protocol.update_parts import single_registers
from yp2p.protocol.ysync import Checked, Shape, StateVector, UpdateParser, encode_state_vector, parse_update
from yp2p.store import tables
from yp2p.store.sql import Statement
from yp2p.store.tables.log import ALL
from yp2p.threeway.lines import split_lines

_SLICE = 64
# Of more client IDs it is told by who sent them which device wrote with them.
_MAX_CLAIMS = 16
# The two edits that a text takes are undone as one.
_ONE_STEP_S = 1.0
_NO_CLOCKS = b"\x00"
# A day less: ages are counted in days on which the daemon ran.
_FORGED_WITHIN_S = KEPT_APART_S - 86400.0

log = structlog.get_logger()


class Counted:
    """What counts of a document: what a member has of it.

    Attributes:
        states: of a manifest document, what it has.
        is_there: whether it has anything.
    """

    def __init__(self) -> None:
        self.states: list[Checked] = []
        self.is_there = False
        self._clocks: dict[int, int] = {}
        self._deleted: list[DeletedRange] = []

    def add(self, state: Checked, shape: Shape) -> None:
        """The member has this."""
        self.is_there = self.is_there or bool(state.parsed.sections)
        if shape is Shape.MANIFEST:
            self.states.append(state)
        for client, (_, stop) in state.parsed.sections.items():
            self._clocks[client] = max(stop, self._clocks.get(client, 0))
        self._deleted += state.deleted

    def beyond(self, operations: _Operations) -> _Operations:
        """What is not among it."""
        known = [(client, 0, clock) for client, clock in self._clocks.items()]
        return _Operations(
            without(operations.inserted, known),
            without(operations.deleted, self._deleted),
            without(operations.by_either, self._deleted),
            operations.of_others,
        )


@dataclass(slots=True)
class _Operations:
    """What some rows of a text inserted and deleted.

    Attributes:
        by_either: deleted by rows in which others have a part; `of_others` is what these inserted.
    """

    inserted: list[DeletedRange] = field(default_factory=list)
    deleted: list[DeletedRange] = field(default_factory=list)
    by_either: list[DeletedRange] = field(default_factory=list)
    of_others: list[DeletedRange] = field(default_factory=list)

    def __add__(self, other: _Operations) -> _Operations:
        return _Operations(self.inserted + other.inserted, self.deleted + other.deleted)

    def __bool__(self) -> bool:
        return bool(self.inserted or self.deleted or self.by_either)

    def settled(self, updates: Sequence[bytes]) -> _Operations:
        """With what was deleted by either, but for what others replaced. Args: `updates` are all of the text."""
        if not self.by_either:
            return self
        order = Order.of(updates)
        replaced = order.replaced(self.by_either, self.of_others, self.inserted) if order is not None else []
        return _Operations(self.inserted, self.deleted + without(self.by_either, replaced))


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
    entries: dict[EntryID, _Rewritten] = {}
    for document in rows.keys() & MANIFEST_INDEX.keys():
        entries |= await _rewritten(folder, document, {row.seq for row in rows[document]}, counted[document], device)
    done = await _take_back_entries(folder, entries)
    before_a_crash = {DocumentID(one) for (one,) in tables.judgement.documents(folder.database.rows, folder.id, device)}
    for document in rows.keys() - MANIFEST_INDEX.keys() - before_a_crash:
        entry = folder.catalogue.entries.get(folder.catalogue.entry_of.get(document, EntryID(b"")))
        if entry is not None and entry.document == document:
            made = entries.get(entry.id)
            is_made = made is not None and made.before is None
            if is_made and not folder.catalogue.is_alive(entry):
                continue
            # Imports have computed client IDs: what was made under these is theirs who made the entry.
            is_of_others = not is_made and not counted[document].is_there
            found = _operations_of(folder, rows[document], device, is_of_others=is_of_others)
            change = counted[document].beyond(found)
            gone = {row.seq for row in rows[document]}
            done += bool(change) and await _take_back_text(folder, entry, change, gone, device)
        await trio.lowlevel.checkpoint()
    if done:
        log.warning("changes_taken_back", folder=folder.label, count=done)
    return done


# --- texts ------------------------------------------------------------------------------------------------------


def _operations_of(folder: Folder, rows: Iterable[Single], device: DeviceID, *, is_of_others: bool) -> _Operations:
    """What rows inserted and deleted, but for what a removed device only passed on, by the claims of others.

    Args:
        is_of_others: whether nobody's operations are theirs as well.
    """
    found = _Operations()
    for row in rows:
        parser = UpdateParser(row.data, Shape.TEXT)
        sections = parser.parse().sections
        of_others = {client for client in sections if _is_anothers(folder, client, device, row.at, is_of_others)}
        found.inserted += operations({client: sections[client] for client in sections.keys() - of_others})
        found.of_others += operations({client: sections[client] for client in of_others})
        (found.by_either if of_others else found.deleted).extend(parser.ranges)
    return found


def _every_operation(rows: Iterable[bytes]) -> _Operations:
    """What rows inserted and deleted."""
    found = _Operations()
    for data in rows:
        parser = UpdateParser(data, Shape.TEXT)
        found.inserted += operations(parser.parse().sections)
        found.deleted += parser.ranges
    return found


def _is_anothers(folder: Folder, client: int, device: DeviceID, at: float, is_of_others: bool = False) -> bool:
    """Whether operations of a client that came with a row of a removed device, at a time, are not that one's."""
    claim = folder.catalogue.claims.get(client)
    if claim is None:
        return is_of_others and Writer.of(client) is Writer.SAVED
    # What we wrote ourselves we have: nobody brings it. A row of long ago may have come to hold it all the same.
    is_forged = claim.device == folder.clients.device and time.time() - at < _FORGED_WITHIN_S
    return claim.device != device and not is_forged


@dataclass(frozen=True, slots=True)
class _Plan:
    """How a text is taken back: `update` undoes the operations; `three` are to be merged where lines are mixed then."""

    update: bytes
    three: tuple[str, str, str] | None


async def _take_back_text(
    folder: Folder, entry: Entry, change: _Operations, gone: Collection[int], device: DeviceID
) -> bool:
    """Take operations of a text back, which came with the rows `gone`; tells whether anything of them was left.

    It is worked out in a thread, of the text as it is now. Whatever people here write meanwhile is beside that.
    """
    path = folder.catalogue.layout().path_of.get(entry.id, entry.path)
    every = await _stored(folder, entry.document)
    updates = [row.data for row in every]
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


def _plan(updates: Sequence[bytes], since: Sequence[bytes], change: _Operations) -> _Plan | None:
    """Args: `since` are those of the updates with which people here went on. None: there is nothing to take back."""
    change = change.settled(updates)
    update = taken_back(updates, change.inserted, change.deleted, fresh_client_id())
    if update is None or not since:
        return _Plan(update, None) if update is not None else None
    ours = _every_operation(since)
    now, without = _text_of(updates), _text_without(updates, ours + change)
    if _is_of_whole_lines(_text_of([*updates, update]), now, without):
        return _Plan(update, None)
    return _Plan(update, (_text_without(updates, ours), now, without))


def _made_to(updates: Sequence[bytes], text: str) -> list[bytes]:
    """The updates that make a document say something else."""
    replica, made = TextReplica.from_updates(fresh_client_id(), updates), list[bytes]()
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


def _text_without(updates: Sequence[bytes], what: _Operations) -> str:
    update = taken_back(updates, what.inserted, what.deleted, fresh_client_id())
    return _text_of([*updates, *([update] if update is not None else [])])


def _text_of(updates: Sequence[bytes]) -> str:
    return TextReplica.from_updates(1, updates).text()


def _is_of_whole_lines(undone: str, now: str, without: str) -> bool:
    """Whether no line has pieces of both: then nobody wrote in a line in which they did."""
    return set(split_lines(undone)) <= {*split_lines(now), *split_lines(without)}


async def _write(
    folder: Folder, entry: Entry, updates: Sequence[bytes], is_done: Statement, change: _Operations
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
            folder.catalogue.write([Change(entry.id, deletion=Deletion(entry.document, live.replica.state_vector()))])
    folder.edits.end_undo_group(entry.document)
    folder.render_queue.want(entry.id)
    if news:
        _tell(folder, entry, "what it changed here after that was taken back; `yp2p undo` brings it in again")
        await folder.database.pending().wait()
    return bool(news)


def _was_deleted(entry: Entry, clocks: StateVector, change: _Operations) -> bool:
    """Whether a text would be deleted without a change: neither that nor taking it back brings it to life."""
    before = dict(clocks)
    for client, start, _ in change.inserted:
        before[client] = min(start, before.get(client, 0))
    return entry.deletion is not None and entry.deletion.counts(
        entry.document, {client: clock for client, clock in before.items() if clock}
    )


def _tell(folder: Folder, entry: Entry, what: str) -> None:
    path = folder.catalogue.layout().path_of.get(entry.id, entry.path)
    folder.notices.add(NoticeKind.TAKEN_BACK, path, f"a device was removed from the folder, and {what}", entry.id)


# --- entries ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Rewritten:
    """An entry before and after the first and last of the changes to be taken back; None where it cannot be read."""

    before: Entry | None
    after: Entry | None


async def _take_back_entries(folder: Folder, rewritten: Mapping[EntryID, _Rewritten]) -> int:
    """Write registers as they were; gives how many entries that changed."""
    changes: list[Change] = []
    for entry, change in rewritten.items():
        now = folder.catalogue.entries.get(entry)
        if now is None or change.after is None:
            if now is None and change.before is not None:
                changes.append(_all_of(change.before))
        elif change.before is not None:
            changes += _as_before(entry, change.before, change.after, now)
        elif folder.catalogue.is_alive(now) and not _is_used_by_others(folder, now, change.after):
            changes.append(Change(entry, deletion=Deletion(now.document, _clocks(folder, now))))
    if changes:
        await folder.catalogue.write(changes).wait()
    for change_back in changes:
        what = (
            "made here after that is in the trash" if change_back.deletion else "did to this file after that was undone"
        )
        changed = folder.catalogue.entries.get(change_back.entry)
        if changed is not None:
            _tell(folder, changed, f"what it {what} after that was taken back")
    return len(changes)


async def _rewritten(
    folder: Folder, document: DocumentID, seqs: Collection[int], counted: Counted, device: DeviceID
) -> dict[EntryID, _Rewritten]:
    """What some rows of a manifest document did to its entries that does not count.

    They are applied to what counts: so the entries change by nothing else, and are as they should be before.
    """
    index, replica = MANIFEST_INDEX[document], ManifestReplica(1)
    for state in counted.states:
        replica.take(state)
        await turn()
    entries = Manifest.read_changed(replica, index)
    found: dict[EntryID, _Rewritten] = {}
    number = 0
    for seq, at, _, data in tables.log.rows(folder.database.rows, folder.id, document):
        for client, part in single_registers(data) if seq in seqs else [(None, data)]:
            replica.apply(part)
            for one, entry in Manifest.read_changed(replica, index).items():
                if client is not None and not _is_anothers(folder, client, device, at):
                    first = found.get(one)
                    found[one] = _Rewritten(first.before if first else entries.get(one), entry)
                entries[one] = entry
            number += 1
            if number % _SLICE == 0:
                await turn()
    return found


def _all_of(entry: Entry) -> Change:
    """Writes an entry anew, in the place of what cannot be read."""
    return Change(
        entry.id, path=entry.path, content=entry.content, mode=entry.mode, deletion=entry.deletion,
        revive=entry.deletion is None,
    )  # fmt: skip


def _as_before(entry: EntryID, before: Entry, after: Entry, now: Entry) -> list[Change]:
    """What was rewritten, where nobody has rewritten it since."""
    is_moved = now.path == after.path != before.path
    is_replaced = now.content == after.content != before.content
    is_deleted = now.deletion == after.deletion != before.deletion
    has_mode = now.mode == after.mode != before.mode
    if not (is_moved or is_replaced or is_deleted or has_mode):
        return []
    content = before.content if before.kind is Kind.TEXT else before.content.after(now.content.hash, now.content.before)
    return [
        Change(
            entry,
            path=before.path if is_moved else None,
            content=content if is_replaced else None,
            mode=before.mode if has_mode else None,
            deletion=before.deletion if is_deleted else None,
            revive=is_deleted and before.deletion is None,
        )
    ]


def _is_used_by_others(folder: Folder, entry: Entry, made: Entry) -> bool:
    """Whether somebody else than the doubted devices wrote into what they made."""
    if entry.content != made.content:
        return True
    if entry.kind is not Kind.TEXT:
        return False
    uncounted = folder.observers.uncounted
    rows = stored_rows(folder.database.rows, folder.id, entry.document, ALL)
    return any(DeviceID(row.origin) not in uncounted.doubted for stored in rows for row in stored.singles())


def _clocks(folder: Folder, entry: Entry) -> bytes:
    return encode_state_vector(folder.texts.clocks(entry.document)) if entry.kind is Kind.TEXT else _NO_CLOCKS
