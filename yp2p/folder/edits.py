"""What is done to the texts of a folder: applied, stored and told, whoever did it.

Every method is synchronous: what it does is one step to everybody. A change is applied to the document in memory and
submitted to the store; sessions and programs hear of it when that is durable (invariant 1; `live_document.py`).
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import trio

from yp2p.documents.registers import Change, Deletion, Entry
from yp2p.documents.removals import as_logged
from yp2p.documents.text import TextReplica, read_first_import
from yp2p.errors import InvalidUpdate
from yp2p.folder.budget import account, bring, is_at_work
from yp2p.folder.burden import RENEWED_BYTES, of_text
from yp2p.folder.live_document import LiveDocument
from yp2p.folder.meetings import Meetings, Settled
from yp2p.folder.named_writers import NamedWriters
from yp2p.folder.notices import NoticeKind
from yp2p.folder.own_claims import OwnClaims
from yp2p.folder.recent import new_sections
from yp2p.folder.records import Digest, Steps, log_row
from yp2p.identity import ID_BYTES, DeviceID, DocumentID, EntryID
from yp2p.protocol.dependencies import written_beyond
from yp2p.protocol.insertions import Insertion
from yp2p.protocol.ysync import Checked, Shape, check, deleted_ranges, parse_update
from yp2p.store.sql import Statement
from yp2p.store.writer import Commit

if TYPE_CHECKING:
    from yp2p.folder.folder import Folder
    from yp2p.folder.merger import Merger

_PUT_BACK = (
    "while no daemon ran it was put back to an older text of a program that has it open; what the program shows stands"
)
# A program writes with one client ID; a file that it makes of others' has many, which are not its own.
_MAX_CLIENTS_OF_PROGRAM = 1


class Edits:
    """Takes what changes the texts of one folder.

    Args:
        entries_changed: is told of entries that live again by an edit.
    """

    def __init__(self, folder: Folder, merger: Merger, entries_changed: Callable[[set[EntryID]], None]) -> None:
        self._folder = folder
        self._entries_changed = entries_changed
        self._steps = Steps()
        self.meetings = Meetings(folder, merger)
        self.own_claims = OwnClaims(folder)
        self.named = NamedWriters(folder)
        self.undoing = trio.Lock()
        self._in_our_name = False  # whether people were told of that since this start

    def accept(self, live: LiveDocument, update: Checked, source: object) -> Commit | None:
        """Apply and store what a peer sent for a text. Raises InvalidUpdate, MissingDependency, CrdtPanic."""
        folder = self._folder
        with folder.texts.reloading(live):
            before = live.replica.clocks()
            news = live.replica.take(update)
            if written_beyond(update.parsed, before, folder.clients.ids):
                folder.texts.disown(live)
                bring(RENEWED_BYTES)
        if news is None:
            return None
        burden = account()
        self._weigh(live, burden.text_came(update) if burden is not None else 0)
        if not self._in_our_name and written_beyond(update.parsed, before, folder.clients.earlier):
            self._tell_in_our_name(live.id)
        is_at_work(source)
        folder.texts.waking_time.note()
        removed = deleted_ranges(news) if update.deleted else ()
        live.recent.add(time.time(), new_sections(update.parsed.sections, before), removed)
        commit = self.record(live, as_logged(update, before, news), source)
        folder.observers.while_out.came(live.id, update.parsed.sections)
        return commit

    def _weigh(self, live: LiveDocument, weight: int) -> None:
        """Whoever brought what was news owes what it makes this device hold (`burden.py`)."""
        burden = account()
        if burden is not None:
            self._folder.texts.held.brought(live.id, burden, weight)

    def _tell_in_our_name(self, document: DocumentID) -> None:
        """Somebody brought what this device would have written before it was started, and does not know."""
        folder, self._in_our_name = self._folder, True
        entry = folder.catalogue.entry_of.get(document, EntryID(bytes(ID_BYTES)))
        path = folder.catalogue.layout().path_of.get(entry, "")
        text = (
            "another device brought edits of this file, and maybe of others, as written by this device, which does"
            " not know them: somebody writes in its name, or its store is from a backup; `yp2p log` shows them"
        )
        folder.notices.add(NoticeKind.IN_OUR_NAME, path, text, entry)

    def accept_from_program(
        self,
        live: LiveDocument,
        update: Checked,
        source: object,
        undo_gap_s: float,
        client: int | None = None,
    ) -> Commit | None:
        """Take what a program of this device wrote into a text.

        Args:
            client: what it says it writes with. Operations of others it may have heard of before they were stored here.

        Raises:
            InvalidUpdate, MissingDependency, HistoriesDiffer: the wall refused it, and nothing was changed.
            CrdtPanic: the library panicked; the document was loaded anew.
        """
        folder = self._folder
        before = live.replica.clocks()
        if written_beyond(update.parsed, before, folder.clients.ids):
            raise InvalidUpdate("operations of this device's own client ID that it never made")
        with folder.texts.reloading(live):
            news = live.replica.take(update)
        if news is None:
            return None
        clocks = live.replica.clocks()
        wrote = {writer for writer, clock in clocks.items() if clock != before.get(writer, 0)}
        fresh = {writer for writer in wrote if writer not in before}
        if client is not None:
            brought, own = wrote - {client}, fresh & {client}
        else:
            own = {writer for writer in fresh if not folder.catalogue.authorship.claimants(writer)}
            brought = own if len(own) > _MAX_CLIENTS_OF_PROGRAM else set()
            own -= brought
        self.own_claims.to_publish |= own
        live.recent_here.add(time.time(), {one: (before.get(one, 0), clocks[one]) for one in wrote})
        return self.record(live, news, source, undo_gap_s=None if brought else undo_gap_s)

    @contextmanager
    def as_one(self, live: LiveDocument) -> Iterator[None]:
        """What is done to a text until this ends is one step: to the store, and to everybody who is told."""
        with self._folder.database.as_one(), live.as_one():
            yield

    def record(
        self,
        live: LiveDocument,
        news: bytes,
        source: object,
        extra: Iterable[Statement] = (),
        *,
        undo_gap_s: float | None = None,
    ) -> Commit:
        """Store what was news in a text document, and tell of it.

        Args:
            extra: statements that become durable with it.
            undo_gap_s: for a change that this device's people or programs made, which can be undone: together with the
                change before, when that was no longer ago. A save is a step of its own, with a gap of 0.

        Raises:
            FolderError: this device only reads, and nobody sent it that.
        """
        folder, database = self._folder, self._folder.database
        if not isinstance(source, bytes):
            folder.membership.check_may_write()
        live.last_seq = database.next_seq()
        live.used_at = trio.current_time()
        if undo_gap_s is not None:
            is_at_work(None)
        origin = DeviceID(source) if isinstance(source, bytes) else None
        gap_s, now = undo_gap_s, time.time()
        step = self._steps.save(folder.id, live.id, live.last_seq, now, gap_s) if gap_s is not None else []
        commit = database.submit([log_row(folder.id, live.id, live.last_seq, origin, news), *step, *extra])
        live.applied(news, source, commit)
        folder.texts.digests.document_changed(live.id)
        if origin is None:
            self.own_claims.wrote()
        entry = folder.catalogue.entry_of.get(live.id)
        if entry is not None:
            self._text_changed(entry)
        folder.observers.document_changed(live.id, source, entry)
        self._have_rendered(live, entry if source is not None else None, commit)
        return commit

    def _text_changed(self, entry: EntryID) -> None:
        folder = self._folder
        folder.leaves.entry_changed(entry)
        if entry not in folder.catalogue.layout().path_of:
            self._entries_changed({entry})  # an edit beats a delete

    def _have_rendered(self, live: LiveDocument, entry: EntryID | None, commit: Commit) -> None:
        """Args: `entry` None: what came from its file is there already."""
        folder = self._folder
        if live.is_in_programs:  # everything else can wait until the other programs have it
            if entry is not None:
                folder.render_queue.want_typed(entry, commit)
            commit.then(folder.state.touch)
            return
        if entry is not None:
            folder.render_queue.want(entry)
        folder.state.touch()

    def settle_meeting(self, live: LiveDocument, settled: Settled) -> Commit | None:
        """Apply what repairs a meeting of two histories, and tell where a person would have been asked.

        Nothing is told of a document that is no entry's any more (its file is a blob by now): it is in no file.
        """
        folder = self._folder
        entry = folder.catalogue.entry_of.get(live.id)
        if settled.decision is not None and entry is not None:
            path = folder.catalogue.layout().path_of.get(entry, "")
            for message in folder.notices.tell_meeting(path, entry, settled.decision, settled.makers):
                folder.observers.both_changed(message)
        if settled.is_put_back and entry is not None:
            path, kind = folder.catalogue.layout().path_of.get(entry, ""), NoticeKind.OLDER_SAVE_MERGED
            folder.notices.add(kind, path, _PUT_BACK, entry)
        news = self.apply_own(live, settled.repair) if settled.repair is not None else None
        if news is None:
            return None
        if entry is not None:
            folder.render_queue.want(entry)
        if live.recent.overlap(deleted_ranges(news)):  # what others wrote is put in again, and is theirs as before
            live.recent.add(time.time(), parse_update(news).sections)
        return self.record(live, news, None)

    def apply_own(self, live: LiveDocument, update: bytes) -> bytes | None:
        """Apply a save of an older version, or a repair; gives what is to be recorded, None where nothing was news.

        Raises:
            FolderError: this device only reads, and nothing was applied: what is not recorded is in no document.
        """
        self._folder.membership.check_may_write()
        before = live.replica.clocks()
        news = live.replica.apply(update)
        return as_logged(check(update, Shape.TEXT), before, news) if news is not None else None

    def set_back(self, live: LiveDocument, replica: TextReplica, last_seq: int) -> Commit:
        """A text has less from now on, as its log has: what a replica says. It is written with other client IDs, as
        what was left out may be somewhere."""
        folder = self._folder
        folder.texts.set_back(live, replica, last_seq)
        entry = folder.catalogue.entry_of.get(live.id)
        if entry is not None:
            self._entries_changed({entry})
        return folder.database.pending()

    # --- undo steps ---------------------------------------------------------------------------------------------

    def bring_back(self, entry: Entry, path: str, stack: int = 0, extra: Iterable[Statement] = ()) -> Commit:
        """Make a deleted text live again, as a step that can be undone (or on another stack, see `history/undo.py`)."""
        forget_redo = self._steps.cannot_be_redone(self._folder.id, entry.document)
        return self._come_or_go(Change(entry.id, path=path, revive=True), entry, stack, [forget_redo, *extra])

    def make(self, entry: Entry, *, is_step: bool) -> Commit:
        """Make a new file of a text that is about to be written, or a deleted one live again.

        Args:
            is_step: it can be undone, with what is written into it at once.
        """
        content = entry.content if entry.deletion is None else None
        change = Change(entry.id, path=entry.path, content=content, revive=content is None)
        self._folder.files.choice.was_made_here(entry.id, entry.path)
        forget_redo = self._steps.cannot_be_redone(self._folder.id, entry.document)
        if is_step:
            return self._come_or_go(change, entry, 0, [forget_redo])
        return self._folder.catalogue.write([change], [forget_redo])

    def take_away(self, entry: Entry, stack: int, extra: Iterable[Statement] = ()) -> Commit:
        """Delete a text, as a step on a stack. What others write meanwhile revives it."""
        deletion = Deletion(entry.document, self._folder.texts.open(entry.document).state_vector())
        return self._come_or_go(Change(entry.id, deletion=deletion), entry, stack, extra)

    def _come_or_go(self, change: Change, entry: Entry, stack: int, extra: Iterable[Statement]) -> Commit:
        folder = self._folder
        # Less than the rows of the manifest, which are committed with it: never used again.
        seq = folder.database.next_seq()
        step = self._steps.file_moved(folder.id, entry.document, seq, time.time(), stack)
        return folder.catalogue.write([change], [*extra, step])

    def end_undo_group(self, document: DocumentID) -> None:
        """What is written next is undone by itself."""
        self._steps.end(document)

    # --- documents that were missing ----------------------------------------------------------------------------

    def take_pulled(self, document: DocumentID, state: Checked, source: DeviceID) -> Commit | None:
        """Take the full state of a document that was missing here. Raises InvalidUpdate, MissingDependency."""
        folder = self._folder
        if document not in folder.catalogue.entry_of or document in folder.texts.digests:
            return None
        if not folder.membership.takes_from(source):
            return None
        first = read_first_import(state.data)
        if first is not None and self.take_first_imports([(document, *first)], source):
            return folder.database.pending()
        folder.catalogue.awaited.content_came([folder.catalogue.entry_of[document]])
        live = folder.texts.open(document)
        with folder.texts.reloading(live):
            before = live.replica.clocks()
            news = live.replica.take(state)
            if written_beyond(state.parsed, before, folder.clients.ids):
                folder.texts.disown(live)
        self._weigh(live, of_text(state))  # no keystroke: there are thousands of them in a first synchronisation
        folder.catalogue.named.wanted.discard(document)
        # The document of an empty file has no operations, but it is here from now on.
        return self.record(live, news if news is not None else state.data, source)

    def take_first_imports(
        self, found: Sequence[tuple[DocumentID, str, Insertion]], source: DeviceID
    ) -> set[DocumentID]:  # fmt: skip
        """Take documents that are one insertion each, as almost all are at a first meeting: they need not be opened.

        Args:
            found: what was missing here, some dozens in one step: the text, and the insertion of it.

        Returns:
            Those that were taken; the others came meanwhile, are open, or are named by no entry any more.
        """
        folder, entry_of = self._folder, self._folder.catalogue.entry_of
        if not folder.membership.takes_from(source):
            return set()
        new = {
            document: (entry_of[document], text, made)
            for document, text, made in found
            if document in entry_of
            and document not in folder.texts.digests
            and folder.texts.in_memory(document) is None
        }  # fmt: skip
        if not new:
            return set()
        statements: list[Statement] = []
        for document, (_, text, made) in new.items():
            digest = Digest(made.version, hashlib.sha256(text.encode()).digest(), made.state_vector)
            seq = folder.database.next_seq()
            statements += (
                log_row(folder.id, document, seq, source, made.update),
                digest.save(folder.id, document, seq),
            )
            folder.texts.digests.learn(document, digest)
            folder.texts.submitted(document, seq, made.update)
        folder.database.submit(statements)
        self._have_come({document: entry for document, (entry, _, _) in new.items()})
        return set(new)

    def _have_come(self, entries: Mapping[DocumentID, EntryID]) -> None:
        """The texts of these entries are here, and nobody has heard of them."""
        folder = self._folder
        folder.catalogue.awaited.content_came(entries.values())
        folder.catalogue.named.wanted.difference_update(entries)
        for entry in entries.values():
            self._text_changed(entry)
            folder.leaves.set(entry)  # its digest is known, and thousands may follow
            folder.observers.entry_changed(entry)
        folder.render_queue.want_all(entries.values())
        folder.state.touch()
