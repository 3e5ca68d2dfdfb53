"""Taking back all that somebody did by name, and nothing of what anybody else did.

Theory of operation
    Whoever edits by name writes with client IDs of its own (`folder/named_writers.py`), so the log tells what is
    theirs: what was inserted with those IDs, and what was deleted by the updates that have operations of them alone
    (an edit that only deletes leaves a mark of its ID). That is taken back as any change is (`documents/undo.py`).

    It is noted up to which row of the log that was done. Done again, only what came since is taken back: what others
    have made of the text since stays. Taking back is a change of whoever asked for it: `yp2p undo` undoes it, and then
    nothing has been taken back. (A file that went comes back by `yp2p redo`.)

    A file that it made, and of which nothing would be left, goes: its text began with operations of that name.

    A log that was thinned tells what was inserted, and of several updates that are one by now not who deleted what.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from yp2p.documents.diff import unified
from yp2p.documents.registers import Entry
from yp2p.documents.undo import operations, taken_back
from yp2p.errors import CrdtPanic, UsageError, YpError
from yp2p.folder.client_ids import fresh_client_id
from yp2p.folder.folder import Folder
from yp2p.folder.live_document import LiveDocument
from yp2p.folder.packs import Single, stored_rows
from yp2p.history.undo import REDO, all_stored, clients_to_publish, on_disk, settle
from yp2p.identity import DocumentID
from yp2p.protocol.deleted_ranges import DeletedRange
from yp2p.protocol.entries import Kind
from yp2p.protocol.ysync import Shape, UpdateParser, parse_update
from yp2p.store import tables


@dataclass(slots=True)
class _Done:
    """What somebody did to a text.

    Attributes:
        deleting: which updates of the log are theirs alone and deleted something, by number.
        last: the last row that has something of theirs.
        is_coarse: whether the log does not tell of all of it what was deleted.
        is_maker: whether the text began with what they wrote.
    """

    log: list[bytes] = field(default_factory=list)
    inserted: list[DeletedRange] = field(default_factory=list)
    deleted: list[DeletedRange] = field(default_factory=list)
    deleting: list[int] = field(default_factory=list)
    last: int = 0
    is_coarse: bool = False
    is_maker: bool = False


async def take_back(folder: Folder, path: str, name: str, *, until_on_disk: bool = True) -> list[dict[str, Any]]:
    """Take back what somebody did to the text at a path, or to all beneath it.

    Raises:
        UsageError: there is nothing, or nobody of that name.
        FolderError: this device only reads.
    """
    folder.membership.check_may_write()
    clients = folder.edits.named.clients(name)
    await settle(folder)
    found: list[dict[str, Any]] = []
    for entry, where in _texts(folder, path):
        if clients & folder.texts.clocks(entry.document).keys():
            found += await _take_back(folder, entry, where, name, clients)
    if not found:
        raise UsageError(f"there is nothing of {name!r} to take back in {path or folder.path}")
    for one in found if until_on_disk else ():
        if (entry_id := folder.catalogue.layout().entry_at.get(one["path"])) is not None:
            await on_disk(folder, entry_id)
    return found


def _texts(folder: Folder, path: str) -> list[tuple[Entry, str]]:
    """The texts at a path or beneath it, with their paths. Raises UsageError: there is nothing."""
    places = sorted(folder.catalogue.layout().entry_at.items())
    found = [
        (folder.catalogue.entries[entry], where)
        for where, entry in places
        if not path or where == path or where.startswith(f"{path}/")
    ]
    if not found:
        raise UsageError(f"there is no file {path!r} in {folder.path}")
    return [(entry, where) for entry, where in found if entry.kind is Kind.TEXT]


async def _take_back(
    folder: Folder, entry: Entry, path: str, name: str, clients: set[int]
) -> list[dict[str, Any]]:  # fmt: skip
    async with folder.edits.undoing:
        await all_stored(folder)
        # no await until the change is applied: the log is what the document says, and it can be recorded
        folder.membership.check_may_write()
        live = folder.texts.open(entry.document)
        before = live.text.text()
        done = _done(folder, entry.document, clients, tables.undone_by.until(
            folder.database.rows, folder.id, entry.document, name
        ))  # fmt: skip
        if not done.inserted and not done.deleted:
            return []
        try:
            update = taken_back(done.log, done.inserted, done.deleted, fresh_client_id(), done.deleting)
            if done.is_maker and update is not None and _is_empty(live, update):
                note = tables.undone_by.insert(folder.id, entry.document, name, done.last, folder.database.last_seq + 1)
                await folder.edits.take_away(entry, REDO, [note]).wait()
                return [{"path": path, "diff": unified(before, ""), "coarse": done.is_coarse}]
            with folder.texts.reloading(live):
                news = live.replica.apply(update) if update is not None else None
        except CrdtPanic as panic:
            raise YpError(
                f"{path} could not be taken back: the CRDT library failed ({panic}); it was not changed"
            ) from panic
        if news is None:
            return []
        folder.edits.own_claims.to_publish |= clients_to_publish(news)
        seq = folder.database.last_seq + 1
        note = tables.undone_by.insert(folder.id, entry.document, name, done.last, seq)
        commit = folder.edits.record(live, news, None, extra=[note], undo_gap_s=0.0)
        folder.render_queue.want(entry.id)
        after = live.text.text()
        await commit.wait()
    return [{"path": path, "diff": unified(before, after), "coarse": done.is_coarse}]


def _is_empty(live: LiveDocument, update: bytes) -> bool:
    """Whether nothing is left of a text with an update."""
    fork = live.text.fork(fresh_client_id())
    fork.apply(update)
    return not fork.text()


def _done(folder: Folder, document: DocumentID, clients: set[int], until: int) -> _Done:
    """What was written with these client IDs behind a row of the log."""
    done = _Done()
    for row in _rows(folder, document, clients):
        done.log.append(row.data)
        parser = UpdateParser(row.data, Shape.TEXT)
        sections = parser.parse().sections
        if len(done.log) == 1:
            done.is_maker = bool(sections) and sections.keys() <= clients
        own = {client: section for client, section in sections.items() if client in clients}
        if not own or row.seq <= until:
            continue
        done.last = row.seq
        done.inserted += operations(own)
        if len(own) == len(sections):
            done.deleted += parser.ranges
            done.deleting += [len(done.log) - 1] if parser.ranges else []
        else:
            done.is_coarse = done.is_coarse or bool(parser.ranges)
    return done


def _rows(folder: Folder, document: DocumentID, clients: set[int]) -> Iterator[Single]:
    """The log of a document, row by row where these client IDs wrote."""
    read = folder.database.rows
    for stored in stored_rows(read, folder.id, document):
        if stored.is_pack and clients & parse_update(stored.data).sections.keys():
            stored = replace(stored, rows=tables.pack.rows_of(read, stored.seq))
        yield from stored.singles()
