"""Acts on what a known file holds now, as `meaning.state_of` classifies it.

An older version in a file is no edit after a power cut, or when a person decided so (`put_back.py`). Neither is a
version that is newer than what the file held, and that a program had open: an editor saved what it shows, or showed
when it was closed, and has told of all of that letter by letter. Taken for a change of what the file held it would come
a second time.

Versions are looked up in the store, which has them a commit later than the document in memory has. So what is on its
way there is waited for first, and then it is asked anew what the document says: it may have gone on meanwhile.
"""

from __future__ import annotations

from dataclasses import replace

from yp2p.disk.ingest.damage import Damage
from yp2p.disk.ingest.file_status import take_status
from yp2p.disk.ingest.kept_local import KeptLocal
from yp2p.disk.ingest.local_edits import LocalEdits
from yp2p.disk.ingest.meaning import Circumstances, FileState, ScanContext, state_of
from yp2p.disk.ingest.opaque_entries import OpaqueEntries
from yp2p.disk.ingest.put_back import PutBack
from yp2p.disk.ingest.read_tracker import ReadTracker
from yp2p.documents.diff import hunks
from yp2p.files.inspect import Finding
from yp2p.folder.client_ids import fresh_client_id
from yp2p.folder.folder import Folder
from yp2p.folder.live_document import LiveDocument
from yp2p.folder.notices import NoticeKind
from yp2p.folder.old_versions import version_found
from yp2p.folder.records import FileRecord
from yp2p.folder.screens import OnScreen
from yp2p.protocol.entries import Kind

# A diff of more than that is for a worker; an editor that shows so much is not that far behind.
_MOST_CHARS = 200_000
# A document that is typed into has gone on after each wait. What was there when the file was read is stored after one.
_TRIES = 5


class KnownFiles:
    """The files of one folder that have an entry."""

    def __init__(
        self,
        folder: Folder,
        readers: ReadTracker,
        edits: LocalEdits,
        opaque: OpaqueEntries,
        damage: Damage,
        put_back: PutBack,
        kept: KeptLocal,
    ) -> None:
        self._folder = folder
        self._readers = readers
        self._edits = edits
        self._opaque = opaque
        self._damage = damage
        self._put_back = put_back
        self._kept = kept

    async def take(self, record: FileRecord, finding: Finding, context: ScanContext) -> None:
        """Take what the file of a record holds."""
        state, old = await self._state(record, finding, context)
        seen = None
        if state is FileState.EDITED and not self._folder.membership.is_reader:
            state, old, seen = await self._edited(record, finding, context)
        if self._kept.is_on and self._is_change(state, record, finding):
            await self._kept.changed(record, finding)
            return
        if state is FileState.BASE:
            await take_status(self._folder, record, finding)
            return
        if context.is_first and state in (FileState.OPAQUE, FileState.EDITED):
            self._put_back.note(record, finding)
        made_of = None
        is_undone = record.entry in self._put_back.undone
        self._put_back.undone.discard(record.entry)
        match state:
            case FileState.OPAQUE:
                is_before = context.after_power_cut and finding.stamp.mtime_ns < record.stamp.mtime_ns
                await self._opaque.changed(record, finding, may_be_older=is_undone or is_before)
            case FileState.CURRENT:
                await self._advance_base(record, finding)
            case FileState.OTHER_VERSION:
                assert old is not None
                self._restore_newest(old, finding, is_older=seen is None and old.base_seq <= record.base_seq)
            case FileState.DAMAGED:
                await self._damage.repair(record, finding)
                if finding.kind is record.kind is Kind.TEXT:
                    return
            case FileState.EDITED:
                former = self._readers.foreign_base(record)
                if former is not None and await self._edits.merge_save_of_former(record, former, finding):
                    return
                with self._folder.texts.open(record.document).shown.screens.taking(seen):
                    made_of = await self._edits.take(record, finding, context)
        self._readers.was_saved(record.entry, made_of)

    async def _edited(
        self, record: FileRecord, finding: Finding, context: ScanContext
    ) -> tuple[FileState, FileRecord | None, OnScreen | None]:
        """What a file that was edited is, when the programs of this device were asked whether they show it."""
        seen = await self._on_screen(record, finding)
        state, old = await self._state(record, finding, context)  # what they wrote has come meanwhile
        if state is not FileState.EDITED or seen is None or not seen.is_all:
            return state, old, seen
        await self._folder.database.pending().wait()
        old = await version_found(self._folder, record, finding, may_be_older=True)
        live = self._folder.texts.open(record.document)
        if old is None and self._folder.texts.base_is_head(record, live):
            old = record  # an editor that was behind saved what it showed over what it was not told yet
        if old is None:
            old = _without_what_came(record, live, finding)
        return FileState.OTHER_VERSION if old is not None else state, old, seen

    def _is_change(self, state: FileState, record: FileRecord, finding: Finding) -> bool:
        """Whether a file holds what was made here, and others have not."""
        found = self._folder.catalogue.entries.get(record.entry)
        is_the_same = found is not None and (found.kind, found.content.hash) == (finding.kind, finding.content)
        return state is FileState.EDITED or (state is FileState.OPAQUE and not is_the_same)

    async def _state(
        self, record: FileRecord, finding: Finding, context: ScanContext
    ) -> tuple[FileState, FileRecord | None]:
        """What a known file holds now, and of which version it is, where it is another one of its document."""
        is_older = context.after_power_cut or record.entry in self._put_back.undone
        what = Circumstances(
            self._is_replaced(record),
            context.is_first or is_older,
            context.after_power_cut,
            is_live=self._is_live(record),
        )
        old: FileRecord | None = None
        stored, tries = record.base_seq, _TRIES
        while True:
            state = state_of(record, finding, what)
            if state is FileState.NEED_DOCUMENT:
                live = self._folder.texts.open(record.document)
                what = replace(what, is_current=finding.content == live.text.content())
            elif state is FileState.NEED_VERSION and tries and stored != self._last_seq(record):
                stored, tries = self._last_seq(record), tries - 1
                await self._folder.database.pending().wait()
                what = replace(what, is_current=None)
            elif state is FileState.NEED_VERSION:
                old = await version_found(self._folder, record, finding, may_be_older=is_older)
                if old is not None and not what.is_first and old.base_seq > self._shown_until(record):
                    old = None
                if old is not None or not tries or stored == self._last_seq(record):
                    what = replace(what, is_version=old is not None)
            elif state is FileState.NEED_BASE:
                base = self._folder.texts.fork_at_base(record).text()
                what = replace(what, extends_base=bool(base) and finding.text.startswith(base))
            else:
                return state, old

    async def _on_screen(self, record: FileRecord, finding: Finding) -> OnScreen | None:
        """Whether a program of this device shows what was saved; what it wrote is in the document then."""
        live = self._folder.texts.in_memory(record.document)
        if live is None or not live.is_in_programs:
            return None
        with live.being_changed():
            return await live.shown.screens.look(finding.text, finding.content)

    def _is_live(self, record: FileRecord) -> bool:
        return record.kind is Kind.TEXT and self._shown_until(record) > record.base_seq

    def _shown_until(self, record: FileRecord) -> int:
        live = self._folder.texts.in_memory(record.document)
        return live.shown_until if live is not None else 0

    def _last_seq(self, record: FileRecord) -> int:
        return self._folder.texts.open(record.document).last_seq

    def _is_replaced(self, record: FileRecord) -> bool:
        """Whether the entry of a text is another kind of thing by now."""
        found = self._folder.catalogue.entries.get(record.entry)
        return found is not None and found.kind is not Kind.TEXT

    def _restore_newest(self, old: FileRecord, finding: Finding, *, is_older: bool) -> None:
        """A file that holds another version than the store says is no edit: the newest version comes back.

        Args:
            is_older: whether it is older than what the file is known to have held; that is told.
        """
        folder = self._folder
        base = replace(old, content=finding.content, stamp=finding.stamp)
        folder.files.set(base)
        folder.database.submit([base.save(folder.id)])
        folder.render_queue.want(old.entry)
        if not is_older:
            return
        text = "the file held an older version; the newest was put back"
        folder.notices.add(NoticeKind.OLDER_VERSION, old.path, text, old.entry)

    async def _advance_base(self, record: FileRecord, finding: Finding) -> None:
        """The file holds what the document says: that version is its base now."""
        folder = self._folder
        live = folder.texts.open(record.document)
        commit = folder.database.pending()
        updated = FileRecord(
            record.entry, record.path, record.document, live.last_seq, None, finding.content,
            record.mode, finding.stamp,
        )  # fmt: skip
        folder.files.set(updated)
        await commit.wait()
        folder.database.submit([updated.save(folder.id)])
        folder.rendered([record.entry])


def _without_what_came(record: FileRecord, live: LiveDocument, finding: Finding) -> FileRecord | None:
    """The base of a file that has what a program shows, which others' changes overtook: the document without those.
    None where more than that differs.

    Made of what the document has, so that a save over it that no program shows is a change of that, like any other.
    """
    text = live.text.text()
    if max(len(text), len(finding.text)) > _MOST_CHARS:
        return None
    changed = hunks(text, finding.text)
    if any(hunk.text for hunk in changed):
        return None
    fork = live.text.fork(fresh_client_id())
    fork.edit(changed)
    return replace(record, base_seq=live.last_seq, base_state=fork.state(), content=finding.content)
