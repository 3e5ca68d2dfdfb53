"""Local edits: a saved file becomes operations on its document.

Theory of operation
    A save is diffed against the version that it was made of (`save_base.py`), the operations are applied to a fork of
    that base, and the fork's update is merged. Where the base is all of the document there is nothing to fork: the
    save is an edit of the document itself. Where the document has moved on since, the save and what it got meanwhile
    are two histories that meet (`folder/meetings.py`).

Invariants
    * The base advances in the same transaction that stores the update.
    * All operations of the fork client are in the base, so the fork client never writes one clock twice. A save
      against an older base writes with a client ID of its own.
    * What a save removes of others' recent text, and what it brings back of what they removed, is told
      (`taken_back.py`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import structlog
import trio

from yp2p.disk.ingest.file_status import observable_mode, take_status
from yp2p.disk.ingest.meaning import ScanContext
from yp2p.disk.ingest.read_tracker import ReadTracker
from yp2p.disk.ingest.save_base import SaveBases
from yp2p.disk.ingest.taken_back import BeforeSave
from yp2p.documents.diff import Hunk, extent, hunks, split_lines
from yp2p.documents.gone_back import GoneBack
from yp2p.documents.meeting import Decision
from yp2p.documents.save_evidence import met_places
from yp2p.documents.text import TextReplica
from yp2p.files.inspect import Finding, Found
from yp2p.folder.authors import Maker, maker_of
from yp2p.folder.client_ids import fresh_client_id
from yp2p.folder.folder import Folder
from yp2p.folder.gone_back import gone_back
from yp2p.folder.live_document import LiveDocument
from yp2p.folder.meetings import Settled
from yp2p.folder.notices import NoticeKind
from yp2p.folder.old_versions import nearest_version
from yp2p.folder.recent import recall
from yp2p.folder.records import Candidate, FileRecord
from yp2p.folder.shown_texts import Save
from yp2p.identity import EntryID
from yp2p.protocol.clients import Writer, client_id_from
from yp2p.store.sql import Statement
from yp2p.threeway.merge import Told

# A former file that is shorter is like anything.
_MIN_FORMER_CHARS = 8
_NOTHING = TextReplica(1).state()
# Below this a diff takes less than a worker thread's round trip.
_THREAD_DIFF_CHARS = 200_000
_RECENT_S = 60.0
# Client IDs of scanned files that are written down with their author: a thousand would stay in the manifest for ever.
_MAX_CLAIMS = 100
# A document that is typed into while a save is looked at has changed by then.
_TRIES = 5
# An editor that does not load what came saves again and again.
_TELL_AGAIN_S = 600.0

log = structlog.get_logger()


class LocalEdits:
    """Takes the saves of one folder.

    Args:
        bases: finds out what saves were made of.
    """

    def __init__(self, folder: Folder, readers: ReadTracker, bases: SaveBases) -> None:
        self._folder = folder
        self._readers = readers
        self.bases = bases
        self._edited: dict[EntryID, tuple[float, float]] = {}  # since when (1970), and when last (trio)

    def recently_edited(self) -> dict[EntryID, float]:
        """Files that were saved here in the last minute, and since when, in seconds since 1970."""
        earliest = trio.current_time() - _RECENT_S
        self._edited = {entry: edited for entry, edited in self._edited.items() if edited[1] > earliest}
        return {entry: since for entry, (since, _) in self._edited.items()}

    def _is_edited(self, entry: EntryID) -> None:
        self._edited[entry] = self.recently_edited().get(entry, round(time.time())), trio.current_time()

    async def take(self, record: FileRecord, finding: Finding, context: ScanContext) -> Candidate | None:
        """A person or program saved a file: merge that, as a change of what it was made of (`save_base.py`).

        Returns:
            The older version that it was made of, where it was not made of `record`.
        """
        if context.after_power_cut:
            nearest = await nearest_version(self._folder, record, self._readers.oldest_base(record), finding.text)
            base, lacked = await gone_back(self._folder, record, nearest, finding.text)
            await self.save(nearest, base, finding, context, lacked=lacked)
            return None
        made_of = await self.bases.find(record, finding)
        if not made_of.is_edit:
            self._is_unchanged(record, made_of.record, finding)
            return made_of.older
        stands_over = made_of.stands_over
        told = self._stands_over(record, stands_over.base, finding) if stands_over is not None else None
        await self.save(record, made_of.record, finding, context, told)
        if made_of.older is not None:
            self._tell_older(record)
        return made_of.older

    def _stands_over(
        self, record: FileRecord, base: FileRecord, finding: Finding
    ) -> tuple[Decision, tuple[Maker, Maker]] | None:
        """What to tell of a save that stands over a newer version; of many saves in a row, once."""
        folder, earliest = self._folder, time.time() - _TELL_AGAIN_S
        kind = NoticeKind.BOTH_CHANGED
        if any(one.kind is kind and one.entry == record.entry and one.at > earliest for one in folder.notices):
            return None
        older, newer = (folder.texts.fork_at_base(one) for one in (base, record))
        told: list[Told] = []
        for place in met_places(older.text(), newer.text(), finding.text):
            ours = "".join(place.ours)
            told.append(Told(place.ours_at + 1, ours, ours, "".join(place.theirs)))
        made_here = Maker((folder.clients.device,), time.time())
        made_there = maker_of(folder, record.document, (), None, newer.clocks(), older.clocks())
        return Decision(finding.text, told), (made_here, made_there)

    def _is_unchanged(self, record: FileRecord, base: FileRecord, finding: Finding) -> None:
        """The file holds an older version, and nobody changed that: the newer one comes back."""
        folder = self._folder
        back = replace(base, path=record.path, mode=record.mode, content=finding.content, stamp=finding.stamp)
        folder.files.set(back)
        folder.database.submit([back.save(folder.id)])
        folder.render_queue.want(record.entry)

    def _tell_older(self, record: FileRecord) -> None:
        """Tell that a save was merged which was made of an older version; of many saves in a row, once."""
        notices = self._folder.notices
        earliest = time.time() - _TELL_AGAIN_S
        kind = NoticeKind.OLDER_SAVE_MERGED
        if not any(one.kind is kind and one.entry == record.entry and one.at > earliest for one in notices):
            text = "a save that was made of an older version was merged with what other devices had changed since"
            notices.add(kind, record.path, text, record.entry)

    async def save(
        self, record: FileRecord, base: FileRecord, finding: Finding, context: ScanContext,
        told: tuple[Decision, tuple[Maker, Maker]] | None = None, lacked: GoneBack | None = None,
    ) -> None:  # fmt: skip
        """A person or program saved what was made of `base`: fork there, apply, merge.

        Args:
            told: what the save stands over, and who made it.
            lacked: what the file lacked of `base` when it was saved.
        """
        live = self._folder.texts.open(record.document)
        with live.being_changed():
            settled = await self._save(live, record, base, finding, context, told, lacked)
        if lacked is not None and not (settled.decision is not None and settled.decision.told):
            text = "the file lacked what had been saved shortly before the power went; it was put back"
            self._folder.notices.add(NoticeKind.OLDER_VERSION, record.path, text, record.entry)

    async def _save(
        self, live: LiveDocument, record: FileRecord, base: FileRecord, finding: Finding, context: ScanContext,
        told: tuple[Decision, tuple[Maker, Maker]] | None, lacked: GoneBack | None,
    ) -> Settled:  # fmt: skip
        folder = self._folder
        await recall(folder, live)
        fork, found = await self._changes(live, base, finding)
        fork, update, is_head, settled = await self._made_on(
            live, base, fork, found, context, lacked, _written_at_s(finding)
        )
        # no await from here: whether the base is the head, and what met, is decided together with the merge
        before = BeforeSave.of(live, is_doubtful=bool(self._readers.candidates(record.entry)))
        if is_head and not context.is_scan:
            news = update = fork.edit(found)
        else:
            news = folder.edits.apply_own(live, update) if update is not None else None
        if news is None or update is None:
            self._is_unchanged(record, base, finding)
            return settled
        claims = folder.edits.own_claims.to_publish
        if context.is_scan and len(claims) < _MAX_CLAIMS:
            claims.add(fork.client_id)  # of a few files, everybody is to know whose edits they are
        seq = folder.database.last_seq + 1
        updated = FileRecord(
            record.entry, record.path, record.document, seq, None if is_head else fork.state(), finding.content,
            record.mode, finding.stamp, is_own=True,
        )  # fmt: skip
        extra = [updated.save(folder.id), *record.keep_base(folder.id)]
        taken = before.taken_by(update, live.text.text() if settled.repair is None else "")
        with folder.edits.as_one(live):
            commit = folder.edits.record(live, news, None, extra=extra, undo_gap_s=0.0)
            assert live.last_seq == seq, "the base ends at the row that holds the save"
            folder.edits.settle_meeting(live, settled)
        folder.files.set(updated)
        live.shown.found(Save(updated, update))
        self._is_edited(record.entry)
        if not is_head:
            folder.render_queue.want(record.entry)
        await commit.wait()
        log.debug(
            "file_ingested", path=record.path, hunks=len(found), base=base.base_seq, head=is_head,
            unread=self._readers.is_unread(record.entry),
        )  # fmt: skip
        folder.rendered([record.entry])
        if observable_mode(record, finding.mode) != record.mode:
            await take_status(folder, replace(updated, mode=record.mode), finding)
        if told is not None:
            for message in folder.notices.tell_meeting(record.path, record.entry, *told):
                folder.observers.both_changed(message)
        elif taken is not None:
            await taken.tell(folder, record, seq)
        return settled

    async def _made_on(
        self, live: LiveDocument, base: FileRecord, fork: TextReplica, found: list[Hunk], context: ScanContext,
        lacked: GoneBack | None, written_at_s: float,
    ) -> tuple[TextReplica, bytes | None, bool, Settled]:  # fmt: skip
        """Make a save on its base: the fork with it, its update, whether it is an edit of the document itself, and what
        settles its meeting with what the document has got since. When this returns, the document is as it was looked
        at.
        """
        folder = self._folder
        for attempt in range(_TRIES + 1):
            is_head = folder.texts.base_is_head(base, live)
            if is_head and not context.is_scan:
                return live.text, None, True, Settled()
            if attempt or fork is live.text or fork.client_id != folder.clients.fork_of(live.id):
                fork = folder.texts.fork_at_base(base)
            if context.is_scan:
                # Found by a scan: the same change made on another device while apart becomes the same operations.
                fork = fork.fork(client_id_from(Writer.SAVED, b"scan", live.id, fork.version(), repr(found).encode()))
            update = fork.edit(found)
            if update is None:
                return fork, None, False, Settled()
            changes = live.changes
            settled = await folder.edits.meetings.meet_save(
                live, update, fork, lacked, written_at_s=written_at_s, in_time=attempt == _TRIES
            )
            if live.changes == changes:
                break
        return fork, update, False, settled

    async def _changes(
        self, live: LiveDocument, base: FileRecord, finding: Finding
    ) -> tuple[TextReplica, list[Hunk]]:  # fmt: skip
        """A fork at `base`, or the document itself where it has not moved on; and what the save changed there."""
        is_head = self._folder.texts.base_is_head(base, live)
        fork = live.text if is_head else self._folder.texts.fork_at_base(base)
        old = fork.text()
        if max(len(old), len(finding.text)) > _THREAD_DIFF_CHARS:
            return fork, await trio.to_thread.run_sync(hunks, old, finding.text)
        return fork, hunks(old, finding.text)

    async def merge_save_of_former(self, record: FileRecord, former: FileRecord, finding: Finding) -> bool:
        """Somebody saved where another file was when they read it: the save is that file's. False when it is not so."""
        folder = self._folder
        own, was = (
            folder.texts.open(record.document).text.text(),
            folder.texts.fork_at_base(former, fresh_client_id()).text(),
        )
        removed = sum(hunk.stop - hunk.start for hunk in hunks(was, finding.text))
        is_alike = len(was) >= _MIN_FORMER_CHARS and 2 * removed <= len(was)
        if not is_alike or is_made_of(own, was, finding.text):
            return False  # an appender, which need not read, or something that was never here
        made_of = await self.bases.find(former, finding)
        # The path is the other file's, which nobody has read: as if its text had never been there. A row number of its
        # own tells this base from that of any replacement before.
        back = replace(
            record, base_seq=folder.database.next_seq(), base_state=_NOTHING, content=finding.content,
            stamp=finding.stamp,
        )  # fmt: skip
        folder.files.set(back)
        folder.render_queue.want(record.entry)
        base = await self.merge_late_save(
            made_of.record,
            finding,
            lambda after: [back.save(folder.id), Candidate(after, 0.0).save(folder.id, record.entry, is_read=False)],
        )
        self._readers.keep_foreign(record.entry, base)
        return True

    async def merge_late_save(
        self, base: FileRecord, finding: Finding, also: Callable[[FileRecord], list[Statement]] = lambda after: []
    ) -> FileRecord:
        """A save that turned up after its file was replaced: merge it, made on `base` as it was then.

        Args:
            also: what becomes durable with it, given the base of the next save of the same writer.

        Returns:
            That base.
        """
        folder = self._folder
        if finding.found is not Found.TEXT or finding.content == base.content:
            folder.database.submit(also(base))
            return base
        live = folder.texts.open(base.document)
        with live.being_changed():
            return await self._merge_late_save(live, base, finding, also)

    async def _merge_late_save(
        self, live: LiveDocument, base: FileRecord, finding: Finding, also: Callable[[FileRecord], list[Statement]]
    ) -> FileRecord:
        folder = self._folder
        client = folder.edits.own_claims.fresh_client()
        for attempt in range(_TRIES + 1):
            fork = folder.texts.fork_at_base(base, client)
            update = fork.edit(hunks(fork.text(), finding.text))
            changes = live.changes
            settled = Settled()
            if update is not None:
                settled = await folder.edits.meetings.meet_save(
                    live, update, fork, written_at_s=_written_at_s(finding), in_time=attempt == _TRIES
                )
            if live.changes == changes:
                break
        news = folder.edits.apply_own(live, update) if update is not None else None
        after = replace(base, base_state=fork.state(), content=finding.content)
        if news is None:
            folder.database.submit(also(after))
            return after
        with folder.edits.as_one(live):
            commit = folder.edits.record(live, news, None, extra=also(after), undo_gap_s=0.0)
            folder.edits.settle_meeting(live, settled)
        folder.render_queue.want(base.entry)
        log.info("late_save_merged", folder=folder.label)
        await commit.wait()
        return after


def is_made_of(own: str, was: str, text: str) -> bool:
    """Whether a text was made of `own` rather than of `was`: whole lines tell first, which of them it has."""
    lines = set(split_lines(text))
    own_lines, was_lines = set(split_lines(own)) & lines, set(split_lines(was)) & lines
    kept_own, kept_was = sum(map(len, own_lines - was_lines)), sum(map(len, was_lines - own_lines))
    if kept_own != kept_was:
        return kept_own > kept_was
    return _distance(own, text) <= _distance(was, text)


def _distance(old: str, new: str) -> int:
    """How much of a text is taken out and put in."""
    return extent(hunks(old, new))


def _written_at_s(finding: Finding) -> float:
    """When a file was written, or put at its path, in seconds since 1970: nobody sets that time."""
    return finding.stamp.ctime_ns / 1e9
