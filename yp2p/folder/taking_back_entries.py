"""Taking back what does not count of the manifest: see `taking_back.py`.

Registers that still say what a removed device wrote, or that nobody can read since, are written as they were before.
What it made goes, unless somebody else wrote into it; what it deleted is live again, and the disk, or another device,
has it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from yp2p.documents.manifest import Manifest
from yp2p.documents.manifest_replica import ManifestReplica
from yp2p.documents.registers import Change, Deletion, Entry, index_of
from yp2p.folder.brought import Counted, is_anothers
from yp2p.folder.catalogue import MANIFEST_INDEX, manifest_document_id
from yp2p.folder.folder import Folder
from yp2p.folder.notices import NoticeKind
from yp2p.folder.packs import stored_rows
from yp2p.folder.turns import Slice, turn
from yp2p.identity import DeviceID, DocumentID, EntryID
from yp2p.protocol.entries import Kind
from yp2p.protocol.state_vectors import encode_state_vector
from yp2p.protocol.update_parts import single_registers
from yp2p.store import tables
from yp2p.store.tables.log import ALL

_NO_CLOCKS = b"\x00"


@dataclass(frozen=True, slots=True)
class Rewritten:
    """An entry before and after the first and last of the changes to be taken back; None where it cannot be read.

    Attributes:
        is_of_others: whether registers of somebody else came with the changes: what these said may not be left.
    """

    before: Entry | None
    after: Entry | None
    is_of_others: bool = False

    @property
    def is_made(self) -> bool:
        """Whether there was no such entry without the changes."""
        return self.before is None and not self.is_of_others


async def take_back_entries(folder: Folder, entries: Mapping[EntryID, Rewritten], first: int) -> int:
    """Write registers as they were; gives how many entries that changed.

    Args:
        first: the first row of the log that is taken back.
    """
    changes: list[Change] = []
    gone: list[Entry] = []
    for entry, change in entries.items():
        now = folder.catalogue.entries.get(entry)
        if now is None or change.after is None:
            if now is None and change.before is not None:
                changes.append(_all_of(change.before))
        elif change.before is not None:
            changes += _as_before(entry, change.before, change.after, now)
        elif change.is_made and folder.catalogue.is_alive(now) and not _is_used_by_others(folder, now, change.after):
            changes.append(Change(entry, deletion=Deletion(now.document, _clocks(folder, now))))
            gone.append(now)
    changes += _joined_with(folder, gone, first)
    if changes:
        await folder.catalogue.take_back(changes).wait()
    for change_back in changes:
        what = (
            "this file, which it made after that, was taken back and goes to the trash: `yp2p trash restore` brings it"
            " in again"
            if change_back.deletion
            else "what it did to this file after that was undone"
        )
        changed = folder.catalogue.entries.get(change_back.entry)
        if changed is not None:
            tell_taken_back(folder, changed, what)
    return len(changes)


async def rewritten(
    folder: Folder, document: DocumentID, seqs: Collection[int], counted: Counted, device: DeviceID
) -> dict[EntryID, Rewritten]:
    """What some rows of a manifest document did to its entries that does not count.

    They are applied to what counts: so the entries change by nothing else, and are as they should be before.
    """
    index, replica = MANIFEST_INDEX[document], ManifestReplica(1)
    for state in counted.states:
        replica.take(state)
        await turn()
    entries = Manifest.read_changed(replica, index)
    found: dict[EntryID, Rewritten] = {}
    of_others: set[EntryID] = set()
    slice_ = Slice()
    for seq, at, _, data in tables.log.rows(folder.database.rows, folder.id, document):
        for client, part in single_registers(data) if seq in seqs else [(None, data)]:
            replica.apply(part)
            for one, entry in Manifest.read_changed(replica, index).items():
                if client is not None and not is_anothers(folder, client, device, at):
                    first = found.get(one)
                    found[one] = Rewritten(first.before if first else entries.get(one), entry)
                elif client is not None:
                    of_others.add(one)
                entries[one] = entry
            if slice_.is_long:
                await slice_.end()
    return {one: replace(change, is_of_others=one in of_others) for one, change in found.items()}


def _joined_with(folder: Folder, gone: Sequence[Entry], first: int) -> list[Change]:
    """Brings back the entries that stood at the paths of these, with the same content.

    Of two such entries one is let go of (`disk/render/equal_entries.py`): whoever makes a second one has the first one
    go, and would take the file along.
    """
    at = {entry.path: entry for entry in gone}
    found: list[Change] = []
    for entry in folder.catalogue.entries.values() if at else ():
        made = at.get(entry.path)
        if made is None or made.id == entry.id or folder.catalogue.is_alive(entry):
            continue
        if _content(folder, made) == _content(folder, entry) and _was_alive(folder, entry, first):
            found.append(Change(entry.id, revive=True))
    return found


def _content(folder: Folder, entry: Entry) -> tuple[Kind, bytes]:
    if entry.kind is not Kind.TEXT:
        return entry.kind, entry.content.hash
    digest = folder.texts.digests.get(entry.document)
    return entry.kind, digest.content if digest is not None else b""


def _was_alive(folder: Folder, entry: Entry, first: int) -> bool:
    """Whether an entry was not deleted before a row of the log."""
    index, replica = index_of(entry.id), ManifestReplica(1)
    rows = tables.log.rows(folder.database.rows, folder.id, manifest_document_id(index))
    replica.load(data for seq, _, _, data in rows if seq < first)
    before = Manifest.read_changed(replica, index).get(entry.id)
    return before is not None and before.deletion != entry.deletion and folder.catalogue.is_alive(before)


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


def tell_taken_back(folder: Folder, entry: Entry, what: str) -> None:
    path = folder.catalogue.layout().path_of.get(entry.id, entry.path)
    folder.notices.add(NoticeKind.TAKEN_BACK, path, f"a device was removed from the folder, and {what}", entry.id)
