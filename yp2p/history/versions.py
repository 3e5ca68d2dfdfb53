"""Looking back: the versions that this device had of a file, who wrote what, and bringing a version back.

Theory of operation
    The store keeps every update of every document, so a version is the sum of the rows up to some row, and the number
    of that row is the name of the version. What was typed within a minute is one row (`folder/packs.py`); its
    single rows are read where somebody asks for a version in the middle of it. Each device shows the versions that *it*
    had: what others typed while it was away came to it as one. The time of a version is when its last row was stored
    here; the author is who claimed the client ID that wrote it (`manifest.Claim`), else the device that the row came
    from.

    A file that was deleted still has its entry in the manifest, and its document in the log. Whole directories at a
    moment are in `point_in_time.py`.

    Bringing a version back is an edit of today that can be undone, never a rewind: the others get it as they get any
    edit, and whatever was there is in the history. What is no text is in the trash, as long as that keeps it.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from yp2p.documents.diff import Hunk, hunks, unified
from yp2p.documents.history import Row, blame
from yp2p.documents.registers import Entry
from yp2p.documents.text import MAX_HUNKS, TextReplica
from yp2p.documents.undo import returned
from yp2p.errors import CrdtPanic, UsageError, YpError
from yp2p.folder.authors import named_author_of, named_rows, rows_of
from yp2p.folder.client_ids import fresh_client_id
from yp2p.folder.folder import Folder
from yp2p.folder.live_document import LiveDocument
from yp2p.folder.lookup import entry_at
from yp2p.history.undo import Undone, all_stored, clients_to_publish, settle
from yp2p.identity import DeviceID
from yp2p.store.sql import Statement
from yp2p.store.tables.log import NOTHING, around, at_moment

# What a restored file holds is undone together with its coming back.
_ONE_STEP_S = 60.0


@dataclass(frozen=True, slots=True)
class When:
    """Which version is meant: the one with this number, the one at this moment (seconds since 1970), or the newest."""

    version: int | None = None
    at: float | None = None

    def rows(self, rows: Sequence[Row[DeviceID]]) -> list[Row[DeviceID]]:
        """Those of all rows of a text that the version is made of. A clock that went back leaves none out."""
        if self.version is not None:
            return [row for row in rows if row.seq <= self.version]
        last = max((row.seq for row in rows if self.at is None or row.at <= self.at), default=0)
        return [row for row in rows if row.seq <= last]

    @property
    def unpack(self) -> Statement:
        """The packs that the version is in the middle of."""
        if self.version is not None:
            return around(self.version)
        return at_moment(self.at) if self.at is not None else NOTHING

    def describe(self) -> str:
        return f"no version {self.version}" if self.version is not None else "no version that old"


async def stored_rows(
    folder: Folder, entry: Entry, path: str, when: When | None = None
) -> list[Row[DeviceID]]:  # fmt: skip
    """The log of a text, with what was saved just now. Raises UsageError: there is nothing of it."""
    await settle(folder)
    while not folder.database.pending().is_done:
        await folder.database.pending().wait()
    rows = rows_of(folder, entry.document, when.unpack if when is not None else NOTHING)
    if not rows and not folder.catalogue.is_alive(entry):
        raise UsageError(f"{path} was deleted so long ago that its text is kept no longer")
    if not rows:
        raise UsageError(f"the text of {path} has not come to this device yet")
    return rows


def text_of(rows: Sequence[Row[DeviceID]], when: When) -> str | None:
    """What a text was; None where there is no such version, or no longer."""
    if when.version is not None and all(row.seq != when.version for row in rows):
        return None
    covered = [row.data for row in when.rows(rows)]
    return TextReplica.from_updates(1, covered).text() if covered else None


async def show(folder: Folder, path: str, when: When) -> str:
    """A version of a text. Raises UsageError: there is no such text, or it was not here then."""
    return _text_of(folder, path, await stored_rows(folder, entry_at(folder, path), path, when), when)


def _text_of(folder: Folder, path: str, rows: Sequence[Row[DeviceID]], when: When) -> str:
    text = text_of(rows, when)
    if text is None:
        log = f"`yp2p log {shlex.quote(str(folder.path / path))}`"
        raise UsageError(f"this device has {when.describe()} of {path}; {log} shows those it has")
    return text


async def diff(folder: Folder, path: str, one: When, two: When) -> list[str]:
    """What became of a text between two versions, as a unified diff."""
    return unified(await show(folder, path, one), await show(folder, path, two))


async def blame_lines(folder: Folder, path: str, when: When) -> list[dict[str, Any]]:
    """Who touched each line of a version last, and when."""
    every = await stored_rows(folder, entry_at(folder, path), path, when)
    rows = when.rows(every)
    text = _text_of(folder, path, every, when)
    lines = blame(named_rows(rows), text, lambda client: named_author_of(folder, client))
    return [
        {
            "text": line.text, "device": folder.name_of(line.author.device), "name": line.author.name or None,
            "at": line.at, "version": line.seq,
            "merged": list(dict.fromkeys(folder.name_of(author.device) for author in line.merged)),
        }
        for line in lines
    ]  # fmt: skip


async def restore(folder: Folder, path: str, when: When) -> Undone:
    """Make a text what it was, also one that was deleted. Raises UsageError."""
    entry = entry_at(folder, path)
    rows = await stored_rows(folder, entry, path, when)
    return await set_text(folder, entry, path, _text_of(folder, path, rows, when), when.rows(rows))


async def set_text(
    folder: Folder, entry: Entry, path: str, text: str, then: Sequence[Row[DeviceID]] = ()
) -> Undone:  # fmt: skip
    """Make a text, also one that was deleted, this one; as a step that can be undone. Raises YpError.

    Args:
        then: the rows of its log that the text is of: what was deleted since comes back as that.
    """
    live = folder.texts.open(entry.document)
    before = live.text.text()
    folder.edits.end_undo_group(entry.document)
    is_revived = not folder.catalogue.is_alive(entry)
    if is_revived:
        await folder.edits.bring_back(entry, path).wait()
    await all_stored(folder)
    # no await until the change is applied: the log is what the document says, and it can be recorded
    folder.membership.check_may_write()
    live = folder.texts.open(entry.document)
    try:
        with folder.texts.reloading(live):
            update = _return(folder, live, text, then) or live.text.edit(_whole(live.text.text(), text))
    except CrdtPanic as panic:
        raise YpError(
            f"{path} could not be restored: the CRDT library failed ({panic}); nothing was changed"
        ) from panic
    if update is not None:
        commit = folder.edits.record(live, update, None, undo_gap_s=_ONE_STEP_S if is_revived else 0.0)
        folder.render_queue.want(entry.id)
        await commit.wait()
    folder.edits.end_undo_group(entry.document)
    return Undone(before, text, int(is_revived or update is not None), is_there=True, came_or_went=is_revived)


def _return(folder: Folder, live: LiveDocument, text: str, then: Sequence[Row[DeviceID]]) -> bytes | None:
    """Bring back what was deleted since; None where that does not make the text what it was, and nothing was done."""
    rows = [data for _, data in folder.texts.rows(live.id)] if then and live.text.text() != text else []
    update = returned(rows, [row.data for row in then], fresh_client_id()) if rows else None
    if update is None or TextReplica.from_updates(1, [live.replica.state(), update]).text() != text:
        return None
    news = live.replica.apply(update)
    folder.edits.own_claims.to_publish |= clients_to_publish(news) if news is not None else set()
    return news


def _whole(before: str, after: str) -> list[Hunk]:
    return hunks(before, after, limit=MAX_HUNKS)
