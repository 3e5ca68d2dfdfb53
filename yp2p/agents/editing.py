"""Edits that are made of exactly the version that their writer had read.

Theory of operation
    The three texts decide, as wherever histories meet (`threeway/merge.py`): the version that was named, what the text
    is now, and what the writer made of that version. The result is written as an edit of the text as it is now, by the
    writer's own client ID: so its operations are what the writer changed, and can be told and taken back as such. Where
    git would ask, the answer says so, and people are told as with every such place (`folder/notices.py`).

    Whoever names no version makes a new file (`creating.py`): it is an edit of an empty text, which meets nothing.

    Several edits are all made or none: all of them are decided first, and nothing is awaited between the last look at
    the files, their texts and this device's role and the last change. Others may see them one by one.

Invariants
    * What the writer did not change is not changed by it; what it changed stands, or the answer says what became of it.
    * Nothing is answered as done before it is durable.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

import trio

from yp2p.agents.creating import check_place, find_place
from yp2p.agents.patches import Block, Patched, Refused, with_blocks, with_diff
from yp2p.agents.versions import Base, Head, base_of, check_still, find_text, head
from yp2p.documents.diff import Hunk, hunks, unified
from yp2p.documents.meeting import Decision
from yp2p.documents.registers import Entry
from yp2p.documents.text import MAX_HUNKS
from yp2p.errors import CrdtPanic, UsageError, YpError
from yp2p.folder.authors import Maker, maker_of, writers
from yp2p.folder.folder import Folder
from yp2p.history.undo import on_disk
from yp2p.protocol.clients import Writer
from yp2p.protocol.ysync import deleted_ranges, parse_update
from yp2p.threeway.merge import Merged, Told, merge

# A text that is typed into while it is merged has changed by then.
_TRIES = 5
# Comparing longer texts takes longer than a worker thread's round trip, and is noticed on the loop.
_THREAD_CHARS = 100_000
MAX_FILES = 100
_NOTHING = Head(0, "")
# A file that was made and what was written into it are one step.
_STEP_OF_FILE_S = 60.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """An edit of one file, made of a version: a whole text, a unified diff, or blocks.

    `version` None: there is no such file yet, and it is made with the text.
    """

    folder: Folder
    path: str
    version: str | None
    text: str | None = None
    diff: str | None = None
    blocks: Sequence[Block] | None = None


@dataclass(slots=True)
class _Edit:
    """One of several edits, while it is made.

    Attributes:
        patched: what the writer made of `base`.
        before: the text that it is made in.
        merged: what that becomes, by these `changes`.
    """

    wanted: Wanted
    entry: Entry
    base: Base
    patched: Patched
    before: Head
    merged: Merged
    changes: Sequence[Hunk] = ()
    clocks: dict[int, int] = field(default_factory=dict)  # of the text that it was made in
    after: Head | None = None


async def edit(
    wanted: Sequence[Wanted], name: str | None, max_text_bytes: int, *, partly: bool, until_on_disk: bool
) -> dict[str, Any]:
    """Make edits, all of them or none.

    Args:
        name: what the writer calls itself, `checked_name`; None: whoever uses this device.
        partly: leave out the pieces of a diff, and the blocks, that do not fit.
        until_on_disk: wait a moment for the files.

    Raises:
        UsageError, VersionUnknown: nothing was changed.
        FolderError: this device only reads there.
    """
    _check(wanted)
    edits = [await _prepared(one, max_text_bytes) for one in wanted]
    is_done = partly or not any(one.patched.refused for one in edits)
    if is_done:
        await _make(edits, name, max_text_bytes)
        for one in edits:
            if name is not None:
                one.wanted.folder.edits.named.is_at(name, one.entry.id, time.time())
            if until_on_disk and (one.changes or one.wanted.version is None):
                await on_disk(one.wanted.folder, one.entry.id)
    return {"done": is_done, "files": [await _answer(one, is_done=is_done) for one in edits]}


def _check(wanted: Sequence[Wanted]) -> None:
    if not 1 <= len(wanted) <= MAX_FILES:
        raise UsageError(f"{len(wanted)} files are to be edited; it can be 1 to {MAX_FILES} at a time")
    for one in wanted:
        one.folder.membership.check_may_write()
        ways = [one.text is not None, one.diff is not None, one.blocks is not None]
        if sum(ways) != 1:
            raise UsageError(f"say of {one.path} either its whole text, or a diff, or blocks")
        if one.version is None and one.text is None:
            raise UsageError(f"{one.path} is to be made: say its whole text; a diff and blocks are of a version")
    places = [(one.folder.id, one.path) for one in wanted]
    for place in places:
        if places.count(place) > 1:
            raise UsageError(f"{place[1]} is there more than once; make one edit of it")
        for directory in PurePosixPath(place[1]).parents:
            if (place[0], str(directory)) in places:
                raise UsageError(f"{place[1]} would be in {directory}, which is to be a file as well")


async def _prepared(wanted: Wanted, max_text_bytes: int) -> _Edit:
    """What the writer made of the version that it names. Raises UsageError, VersionUnknown."""
    folder = wanted.folder
    if wanted.version is None:
        return await _new_file(wanted, max_text_bytes)
    entry = await find_text(folder, wanted.path)
    base = base_of(folder, entry, wanted.path, wanted.version)
    if wanted.text is not None:
        patched = Patched(wanted.text)
    elif wanted.diff is not None:
        # Its budget is a second, which a short text can take as well.
        patched = await trio.to_thread.run_sync(with_diff, base.text, wanted.diff)
    else:
        patched = await trio.to_thread.run_sync(with_blocks, base.text, wanted.blocks or ())
    _check_text(wanted.path, patched.text, max_text_bytes)
    now = head(folder, entry)
    return _Edit(wanted, entry, base, patched, now, Merged(now.text))


async def _new_file(wanted: Wanted, max_text_bytes: int) -> _Edit:
    assert wanted.text is not None
    _check_text(wanted.path, wanted.text, max_text_bytes)
    entry = await find_place(wanted.folder, wanted.path)
    return _Edit(wanted, entry, Base("", {}), Patched(wanted.text), _NOTHING, Merged(""))


def _check_text(path: str, text: str, max_text_bytes: int) -> None:
    if "\0" in text:
        raise UsageError(
            f"the text of {path} would have a NUL, at character {text.index(chr(0))}: a file with one is no text"
        )
    size = len(text.encode())
    if size > max_text_bytes:
        raise UsageError(
            f"{path} would have {size:,} bytes, and a text has at most {max_text_bytes:,} ([files] max_text_bytes)"
        )


async def _run(sized: str, work: Any, *arguments: Any) -> Any:
    """Do what takes long for long texts in a thread."""
    if len(sized) > _THREAD_CHARS:
        return await trio.to_thread.run_sync(work, *arguments)
    return work(*arguments)


async def _make(edits: Sequence[_Edit], name: str | None, max_text_bytes: int) -> None:
    """Merge all of them with what the texts are, and write them down.

    Raises:
        UsageError, VersionUnknown, FolderError: nothing was changed.
    """
    for attempt in range(_TRIES + 1):
        for one in edits:
            await _merge(one, in_time=attempt == _TRIES)
            _check_text(one.wanted.path, one.merged.text, max_text_bytes)
        if attempt == _TRIES:
            for one in edits:
                _merge_now(one)
        # no await from here: what the edits were merged with is what the texts are
        for one in edits:
            _check_still(one)
            if name is not None and one.changes:
                one.wanted.folder.edits.named.check_room(name)
        if all(_head(one).seq == one.before.seq for one in edits):
            break
    forks = [_forked(one, name) for one in edits]
    with edits[0].wanted.folder.database.as_one():
        for one, (update, client) in zip(edits, forks, strict=True):
            _apply(one, update, client, name)
    await edits[0].wanted.folder.database.pending().wait()
    for one in edits:
        _tell(one, name)


def _check_still(one: _Edit) -> None:
    wanted = one.wanted
    if wanted.version is None:
        check_place(wanted.folder, wanted.path)
    else:
        check_still(wanted.folder, one.entry, wanted.path, wanted.version)


def _head(one: _Edit) -> Head:
    """What the text is now; nothing, where it is a new one."""
    folder = one.wanted.folder
    return head(folder, one.entry) if one.entry.document in folder.texts.digests else _NOTHING


async def _merge(one: _Edit, *, in_time: bool) -> None:
    folder, path = one.wanted.folder, one.wanted.path
    one.before = _head(one)
    base, now, new = one.base.text, one.before.text, one.patched.text
    if one.wanted.version is None:
        one.merged = Merged(new)
    elif base in (now, new) or now == new:
        one.merged = Merged(new if base == now else now)
    elif not in_time:
        one.merged = await folder.edits.meetings.merger.merge(path, base, now, new)
    one.changes = await _run(now + one.merged.text, hunks, now, one.merged.text, MAX_HUNKS)


def _merge_now(one: _Edit) -> None:
    """Merge on the spot, as a text of no language: it changes faster than it is merged."""
    one.before = _head(one)
    is_new = one.wanted.version is None
    one.merged = Merged(one.patched.text) if is_new else merge("", one.base.text, one.before.text, one.patched.text)
    one.changes = hunks(one.before.text, one.merged.text, MAX_HUNKS)


def _forked(one: _Edit, name: str | None) -> tuple[bytes | None, int]:
    """The update that makes an edit, and the client ID that it is written with."""
    folder = one.wanted.folder
    live = folder.texts.open(one.entry.document)
    one.clocks = live.replica.clocks()
    if not one.changes:
        return None, 0
    client = live.replica.client_id
    if name is not None:
        client = folder.edits.named.client(name, live.id, one.clocks)
    try:
        return live.text.fork(client).edit(one.changes), client
    except CrdtPanic as panic:
        raise YpError(
            f"{one.wanted.path} could not be edited: the CRDT library failed ({panic}); nothing was changed"
        ) from panic


def _apply(one: _Edit, update: bytes | None, client: int, name: str | None) -> None:
    folder = one.wanted.folder
    live = folder.texts.open(one.entry.document)
    if one.wanted.version is None:
        folder.edits.make(one.entry, is_step=name is None)
        if update is None and not one.before.seq:
            folder.edits.record(live, live.replica.state(), None)  # an empty text is here from now on as well
        folder.render_queue.want(one.entry.id)
    if update is not None:
        with folder.texts.reloading(live):
            news = folder.edits.apply_own(live, update)
        if news is not None:
            # Who edits by name has a way of taking back of its own (`taking_back.py`).
            gap_s = None if name is not None else _STEP_OF_FILE_S if one.wanted.version is None else 0.0
            extra = folder.edits.named.introduced(name, client) if name is not None else []
            folder.edits.record(live, news, None, extra=extra, undo_gap_s=gap_s)
            folder.render_queue.want(one.entry.id)
            if name is not None:
                # A save that takes it back is told.
                live.recent.add(time.time(), parse_update(news).sections, deleted_ranges(news))
                folder.edits.named.wrote(live.id, client, live.replica.clocks().get(client, 0))
    one.after = head(folder, one.entry)


def _tell(one: _Edit, name: str | None) -> None:
    """Tell people of the places where git would have asked."""
    if not one.merged.told:
        return
    folder = one.wanted.folder
    makers = (
        maker_of(folder, one.entry.document, (), None, one.clocks, one.base.clocks),
        Maker((folder.clients.device,), time.time(), name or ""),
    )
    decision = Decision(one.merged.text, one.merged.told)
    for message in folder.notices.tell_meeting(one.wanted.path, one.entry.id, decision, makers):
        folder.observers.both_changed(message)


# --- what is answered ----------------------------------------------------------------------------------------------


async def _answer(one: _Edit, *, is_done: bool) -> dict[str, Any]:
    after = one.after or one.before
    before, document = one.before.text, one.entry.document
    diff = await _run(before + after.text, unified, before, after.text) if is_done else []
    return {
        "path": one.wanted.path, "from": one.wanted.version, "version": after.name(document),
        "changed": after.text != before or one.wanted.version is None, "diff": diff, "between": await _between(one),
        "both": [_told(told) for told in one.merged.told] if is_done else [],
        "not_applied": [_refused(refused) for refused in one.patched.refused], "note": one.wanted.folder.state.note,
    }  # fmt: skip


async def _between(one: _Edit) -> dict[str, Any]:
    """What others changed since the version that the edit was made of, and who."""
    if one.wanted.version is None:
        return {"authors": [], "diff": []}
    folder, base, now = one.wanted.folder, one.base, one.before.text
    clocks = one.clocks or folder.texts.clocks(one.entry.document)
    clients = [
        client for client, clock in clocks.items()
        if clock > base.clocks.get(client, 0) and Writer.of(client) is not Writer.REPAIR
    ]  # fmt: skip
    found = await writers(folder, one.entry.document, clients)
    names = folder.edits.named.names
    authors = dict.fromkeys((device, names.get(client)) for client, device in found.items() if device is not None)
    return {
        "authors": [{"device": folder.name_of(device), "name": name} for device, name in authors],
        "diff": await _run(base.text + now, unified, base.text, now),
    }


def _told(told: Told) -> dict[str, Any]:
    return {"line": told.line, "stands": told.stands, "yours": told.theirs, "theirs": told.ours}


def _refused(refused: Refused) -> dict[str, Any]:
    return {"number": refused.number, "reason": refused.reason, "text": refused.text}
