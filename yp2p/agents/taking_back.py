"""Taking back all that somebody did by name, and nothing of what anybody else did.

Theory of operation
    Whoever edits by name writes with client IDs of its own (`folder/named_writers.py`), so the log tells what is
    theirs: what was inserted with those IDs, and what was deleted by the updates that have operations of them alone
    (an edit that only deletes leaves a mark of its ID). That is taken back as any change is (`documents/undo.py`).

    It is noted up to which row of the log that was done. Done again, only what came since is taken back: what others
    have made of the text since stays. Taking back is a change of whoever asked for it: `yp2p undo` undoes it, and then
    nothing has been taken back. (A file that went comes back by `yp2p redo`.)

    A file that it made, and of which nothing would be left, goes: its text began with operations of that name.

    A long log is looked at in a thread, and the text may go on meanwhile: then it is looked at anew, since lines are to
    stay whole as they stand now.

    A log that was thinned tells what was inserted, and of several updates that are one by now not who deleted what.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import trio

from yp2p.documents.diff import unified
from yp2p.documents.registers import Entry
from yp2p.documents.undo import operations, taken_back
from yp2p.errors import CrdtPanic, UsageError, YpError
from yp2p.folder.client_ids import fresh_client_id
from yp2p.folder.folder import Folder
from yp2p.folder.live_document import LiveDocument
from yp2p.folder.packs import Single, Stored, stored_rows
from yp2p.history.undo import REDO, all_stored, clients_to_publish, on_disk, settle
from yp2p.protocol.deleted_ranges import DeletedRange
from yp2p.protocol.entries import Kind
from yp2p.protocol.ysync import Shape, UpdateParser, parse_update
from yp2p.store import tables
from yp2p.store.tables.log import ALL
from yp2p.store.writer import Commit

# So many bytes of a log, or characters, are looked at in a few milliseconds.
_INLINE_SIZE = 16 << 10
# How often it is looked at anew where the text goes on meanwhile.
_TRIES = 5

_Result = TypeVar("_Result")


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
        live = folder.texts.open(entry.document)
        try:
            with live.being_changed():
                done, update = await _worked_out(folder, live, name, clients)
                # no await until the change is applied: it is of the text as it is
                folder.membership.check_may_write()
                before = live.text.text()
                taken = _take(folder, entry, live, name, done.last, update, may_go=done.is_maker) if update else None
        except CrdtPanic as panic:
            raise YpError(
                f"{path} could not be taken back: the CRDT library failed ({panic}); it was not changed"
            ) from panic
        if taken is None:
            return []
        commit, after = taken
        await commit.wait()
    diff = await _aside_if_long(len(before) + len(after), unified, before, after)
    return [{"path": path, "diff": diff, "coarse": done.is_coarse, "note": folder.state.note}]


def _take(
    folder: Folder, entry: Entry, live: LiveDocument, name: str, last: int, update: bytes, *, may_go: bool
) -> tuple[Commit, str] | None:
    """Apply what takes something back; gives the commit, and the text then. None: it is no news. Raises CrdtPanic.

    Args:
        last: the last row that it takes something back of.
        may_go: whether the file is to go where nothing is left of it.
    """
    seq = folder.database.last_seq + 1
    note = tables.undone_by.insert(folder.id, entry.document, name, last, seq)
    if may_go and _is_empty(live, update):
        return folder.edits.take_away(entry, REDO, [note]), ""
    with folder.texts.reloading(live):
        news = live.replica.apply(update)
    if news is None:
        return None
    folder.edits.own_claims.to_publish |= clients_to_publish(news)
    commit = folder.edits.record(live, news, None, extra=[note], undo_gap_s=0.0)
    folder.render_queue.want(entry.id)
    return commit, live.text.text()


async def _worked_out(
    folder: Folder, live: LiveDocument, name: str, clients: set[int]
) -> tuple[_Done, bytes | None]:  # fmt: skip
    """What somebody did to a text, and the update that takes it back. When this returns, all of the text is in the log,
    and it is as it was looked at. Raises CrdtPanic."""
    for attempt in range(_TRIES + 1):
        await all_stored(folder)
        read, changes = folder.database.rows, live.changes
        until = tables.undone_by.until(read, folder.id, live.id, name)
        stored = stored_rows(read, folder.id, live.id, ALL)
        # People who go on typing are not waited for for ever: then it is done on the spot.
        size = sum(len(one.data) + len(one.rows or b"") for one in stored) if attempt < _TRIES else 0
        found = await _aside_if_long(size, _plan, stored, clients, until)
        if live.changes == changes:
            break
    return found


async def _aside_if_long(size: int, work: Callable[..., _Result], *arguments: Any) -> _Result:
    """Do what takes long where there is much in a thread."""
    return await trio.to_thread.run_sync(work, *arguments) if size > _INLINE_SIZE else work(*arguments)


def _plan(stored: Sequence[Stored], clients: set[int], until: int) -> tuple[_Done, bytes | None]:
    done = _done(stored, clients, until)
    if not done.inserted and not done.deleted:
        return done, None
    return done, taken_back(done.log, done.inserted, done.deleted, fresh_client_id(), done.deleting)


def _is_empty(live: LiveDocument, update: bytes) -> bool:
    """Whether nothing is left of a text with an update."""
    fork = live.text.fork(fresh_client_id())
    fork.apply(update)
    return not fork.text()


def _done(stored: Sequence[Stored], clients: set[int], until: int) -> _Done:
    """What was written with these client IDs behind a row of the log."""
    done = _Done()
    for row in _rows(stored, clients):
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


def _rows(stored: Sequence[Stored], clients: set[int]) -> Iterator[Single]:
    """A log, row by row where these client IDs wrote."""
    for one in stored:
        is_coarse = one.is_pack and not clients & parse_update(one.data).sections.keys()
        yield from (replace(one, rows=None) if is_coarse else one).singles()
