"""Undoing what this device did to a text (`documents/undo.py` says how).

Every row of the log that a save or a program of this device made is a step. A save is a group of its own; what a
program typed without a pause is one group, and is undone together. Undoing takes a group off the stack and puts its own
row on the other one, from which it can be redone; whatever is written next empties that other one.

What undoing brings back has new operations (the same ones on every device that brings it back), so a group cannot be
taken back alone: all later steps, undos and redos, which cancel each other out by then, are taken back with it.
Together they are the change between the text before the group and the text as this device left it.

That a deleted file was brought back is a group as well, with what was written into it at once: undoing it deletes the
file again, redoing brings it back. Once others have changed the file it is theirs as well, and not to be taken away.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterable
from dataclasses import dataclass

import trio

from yp2p.documents.registers import Entry
from yp2p.documents.undo import undone
from yp2p.errors import CrdtPanic, UsageError, YpError
from yp2p.folder.client_ids import fresh_client_id
from yp2p.folder.folder import Folder
from yp2p.folder.packs import stored_rows
from yp2p.identity import DocumentID, EntryID
from yp2p.protocol.ysync import parse_update
from yp2p.store import tables
from yp2p.store.sql import Statement

_UNDO, REDO, _SPENT = 0, 1, 2
# A save that was made a moment ago is waited for so long.
_SETTLE_S = 1.0
# A claim is 50 bytes of the manifest for ever, and each line that comes back has a client ID of its own.
_MAX_CLAIMS = 8
# A file that cannot be written now is not waited for.
_RENDER_S = 2.0


@dataclass(frozen=True, slots=True)
class Undone:
    """What undoing or redoing did to a text, and how many steps that were."""

    before: str
    after: str
    steps: int
    is_there: bool = True  # whether the file is there now
    came_or_went: bool = False  # whether it was brought back, or went


async def undo(folder: Folder, entry: Entry, path: str, steps: int) -> Undone:
    """Take back this device's last changes of a text. Raises UsageError: there are none."""
    return await _turn(folder, entry, path, steps, _UNDO)


async def redo(folder: Folder, entry: Entry, path: str, steps: int) -> Undone:
    """Make what was undone last again. Raises UsageError: nothing was, or something was written since."""
    return await _turn(folder, entry, path, steps, REDO)


def can_turn(folder: Folder, entry: Entry) -> dict[str, bool]:
    """Whether there is something that `undo` and `redo` would find, as far as it is stored."""
    may_write = not folder.membership.is_reader
    return {
        "can_undo": may_write and bool(_last_group(folder, entry.document, _UNDO)[1]),
        "can_redo": may_write and bool(_last_group(folder, entry.document, REDO)[1]),
    }


async def _turn(folder: Folder, entry: Entry, path: str, steps: int, stack: int) -> Undone:
    await settle(folder)
    async with folder.edits.undoing:
        await all_stored(folder)
        group, _ = _last_group(folder, entry.document, stack)
        if not folder.catalogue.is_alive(entry) and (stack == _UNDO or group >= 0):
            restore = f"yp2p restore {shlex.quote(str(folder.path / path))}@WHEN"
            raise UsageError(f"{path} was deleted; `{restore}` brings a version back")
        is_coming_or_going = group < 0 and folder.catalogue.is_alive(entry) == (stack == _UNDO)
        return await (_come_or_go if is_coming_or_going else _turn_alone)(folder, entry, path, steps, stack)


async def _come_or_go(folder: Folder, entry: Entry, path: str, steps: int, stack: int) -> Undone:
    """Undo or redo, as one step, that a deleted file was brought back."""
    _, group = _last_group(folder, entry.document, stack)
    text = folder.texts.open(entry.document).text.text()
    spent = _spent(folder, group)
    if stack == _UNDO:
        if _others_wrote_since(folder, entry.document, min(group)):
            raise UsageError(f"others have changed {path} since it was brought back; delete it if nobody needs it")
        await folder.edits.take_away(entry, REDO, spent).wait()
    else:
        await folder.edits.bring_back(entry, path, _UNDO, spent).wait()
    folder.edits.end_undo_group(entry.document)
    return Undone(text, text, 1, is_there=stack == REDO, came_or_went=True)


async def all_stored(folder: Folder) -> None:
    """Return when the log is what the documents say."""
    while not folder.database.pending().is_done:
        await folder.database.pending().wait()


def clients_to_publish(news: bytes) -> set[int]:
    """With which client IDs an undo wrote, for everybody to know; of many it is told by who sent them."""
    clients = set(parse_update(news).sections)
    return clients if len(clients) <= _MAX_CLAIMS else set()


def _spent(folder: Folder, group: Iterable[int]) -> list[Statement]:
    return [tables.step.spend(folder.id, old) for old in group]


async def _turn_alone(folder: Folder, entry: Entry, path: str, steps: int, stack: int) -> Undone:
    live = folder.texts.open(entry.document)
    before, done = live.text.text(), 0
    while done < steps:
        await all_stored(folder)
        # no await until the change is applied: the log is what the document says, and it can be recorded
        folder.membership.check_may_write()
        number, group = _last_group(folder, entry.document, stack)
        if not group or number < 0:
            break
        rows, change = _log_and_change(folder, entry.document, number)
        live = folder.texts.open(entry.document)
        try:
            update = undone(rows, change, fresh_client_id()) if change else None
            with folder.texts.reloading(live):
                news = live.replica.apply(update) if update is not None else None
        except CrdtPanic as panic:
            raise YpError(
                f"{path} could not be taken back: the CRDT library failed ({panic}); nothing was changed"
            ) from panic
        spent = _spent(folder, group)
        if news is None:
            # Nothing is left of it that could be taken back: others removed it, or brought it back.
            folder.database.submit(spent)
            continue
        folder.edits.own_claims.to_publish |= clients_to_publish(news)
        seq = folder.database.last_seq + 1
        extra = [*spent, tables.step.insert(seq, folder.id, entry.document, seq, time.time(), 1 - stack)]
        commit = folder.edits.record(live, news, None, extra=extra)
        folder.edits.end_undo_group(entry.document)
        folder.render_queue.want(entry.id)
        await commit.wait()
        done += 1
    if not done:
        raise UsageError(
            f"there is nothing to undo in {path}: this device did not change it, or the change is no longer in its"
            f" history; `yp2p log {shlex.quote(str(folder.path / path))}` lists the versions that there are"
            if stack == _UNDO
            else f"there is nothing to redo in {path}: nothing was undone, or the file was changed since"
        )
    return Undone(before, folder.texts.open(entry.document).text.text(), done)


async def settle(folder: Folder) -> None:
    """Wait a moment for what was saved just now."""
    with trio.move_on_after(_SETTLE_S):
        while not folder.state.settled and not folder.state.pause_reason:
            await folder.state.changed.wait()


async def on_disk(folder: Folder, entry: EntryID) -> None:
    """Wait a moment for what was changed to be in the file: whoever asked for it looks there next."""
    with trio.move_on_after(_RENDER_S):
        while not folder.state.pause_reason and not folder.is_on_disk(entry):
            await folder.state.changed.wait()


def _last_group(folder: Folder, document: DocumentID, stack: int) -> tuple[int, set[int]]:
    """The number of the last group, and its steps; none when nothing is on that stack."""
    return tables.step.last_group(folder.database.rows, folder.id, document, stack)


def _others_wrote_since(folder: Folder, document: DocumentID, seq: int) -> bool:
    rows = stored_rows(folder.database.rows, folder.id, document, tables.log.around(seq))
    return any(single.origin and single.seq > seq for stored in rows if stored.seq > seq for single in stored.singles())


def _log_and_change(folder: Folder, document: DocumentID, first: int) -> tuple[list[bytes], list[bytes]]:
    """The log of a document, and those of its updates that are steps of this device from a row on.

    A pack that has some of them is there row by row: what was before a step counts (`documents/undo.py`).
    """
    steps = tables.step.rows_from(folder.database.rows, folder.id, document, first)
    log: list[bytes] = []
    change: list[bytes] = []
    for stored in stored_rows(folder.database.rows, folder.id, document, tables.log.behind(first)):
        if stored.rows is None or (stored.alike and stored.first >= first):
            log.append(stored.data)
            change += [stored.data] if stored.seq in steps else []
        else:
            singles = list(stored.singles())
            log += [single.data for single in singles]
            change += [single.data for single in singles if single.group and single.seq >= first]
    return log, change
