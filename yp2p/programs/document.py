"""The document of a file as a program of this device sees it.

What a program writes passes the same wall as what a peer sends. Where it cannot be taken it is put right
(`corrections.py`): the document stays what it was, the program gets an update that makes its text the same, a sentence,
and goes on. Only what no Yjs client writes into a text ends its connection.

Invariants
    * A text that a program makes can be a file: no NUL, no more bytes than a text may have here.
    * Where this device only reads nothing of it is taken; the program is told so, and sees what others write.
    * Between the check and the last of the updates that put an edit right nothing is awaited.
    * What it brings when it comes back meets what was saved meanwhile as two histories do (`folder/meetings.py`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import replace
from secrets import randbits

from yp2p.documents.diff import Hunk
from yp2p.documents.joined import Side
from yp2p.documents.synced import Listener, PeerState
from yp2p.errors import CrdtPanic, FileGone, HistoriesDiffer, InvalidUpdate, MissingDependency, OtherFile, UsageError
from yp2p.folder.folder import Folder
from yp2p.folder.incoming import check_in_slices
from yp2p.folder.live_document import LiveDocument
from yp2p.folder.meetings import Settled
from yp2p.folder.shown_texts import Shown
from yp2p.programs.corrections import CAPTURE_S, Corrections
from yp2p.programs.foreign_clients import check_clients, is_alike
from yp2p.programs.programs import Program
from yp2p.programs.refusals import READS_ONLY
from yp2p.protocol import channel
from yp2p.protocol.entries import Kind
from yp2p.protocol.mending import Moved
from yp2p.protocol.state_vectors import StateVector, read_state_vector
from yp2p.protocol.ysync import Checked, Parsed, Sender, Shape
from yp2p.store.writer import Commit

# Smaller updates are parsed in a few milliseconds.
_SLICED_BYTES = 16 << 10
# Updates on their way to the store: without the cap a program that is faster than the disk fills the memory.
_MAX_UNTOLD = 512
_NUL = "\x00"


class ProgramDocument:
    """The document of a file for the provider of one program.

    Args:
        max_text_bytes: how large a text may be, in bytes of UTF-8.
        moved: see `Corrections`.
        is_synced: whether what comes now is what the program does now, and not what it brought.
        tell: takes a sentence for whoever uses the program.
    """

    def __init__(
        self,
        folder: Folder,
        live: LiveDocument,
        program: Program,
        max_text_bytes: int,
        moved: list[Moved],
        *,
        is_synced: Callable[[], bool] = lambda: True,
        tell: Callable[[str], None] = lambda reason: None,
    ) -> None:
        self._folder = folder
        self._live = live
        self._program = program
        self._max_text_bytes = max_text_bytes
        self._is_synced = is_synced
        self._tell = tell
        self._is_known = program.is_this_file  # whether the program has said what it has
        self._corrections = Corrections(folder, live, program, moved, tell)
        self._said = 0  # up to which clock the operations with the program's client ID are its own
        self._shown = Shown()  # while it was away

    # --- what a provider needs ----------------------------------------------------------------------------------

    def state_vector(self) -> bytes:
        return self._live.state_vector()

    def cut(self, state_vector: bytes) -> tuple[bytes, Commit]:
        """Raises OtherFile: the program has the text of another file, or another writer of its client ID.

        UsageError: the file has left the path that it asked for, and it has nothing of it.
        """
        self._says_it_has(read_state_vector(state_vector))
        if self._program.client is not None:
            self._check_own_id(self._live.replica.clocks())
        if not self._program.is_this_file:
            vector, earlier = read_state_vector(state_vector), self._program.earlier
            if self._program.is_former:
                self._check_is_its_own(vector)
            check_clients(self._folder, self._live.id, vector, is_all=True, earlier=earlier)
            is_reader = self._folder.membership.is_reader
            if not is_reader and any(is_alike(self._folder, self._live.id, other) for other in earlier):
                self._make_unlike()
        self._is_known = True
        return self._live.cut(state_vector)

    async def receive_all(self, updates: Sequence[bytes], source: object, theirs: PeerState | None) -> None:
        """Take what the program wrote.

        Raises:
            MissingDependency: as a peer's.
            InvalidUpdate, CrdtPanic, FileGone, OtherFile: the connection is over.
        """
        self._check_its_file()
        if theirs is not None:
            self._says_it_has(theirs.vector)
        for update in updates:
            checked = await self._checked(update)
            brings = theirs if theirs is not None and theirs.is_answer and not self._is_synced() else None
            if checked is not None and brings is not None and brings.repeats:
                brings = _with_news(brings, checked)
            settled = await self._met(checked, brings) if checked is not None and brings is not None else None
            self._check_its_file()  # it may have become another one meanwhile
            # no await: what is taken is taken into the file's text
            is_plain = checked is not None and brings is not None and self._is_plain(checked)
            if is_plain and checked is not None and brings is not None:
                self._will_bring(checked, brings)
            with self._folder.edits.as_one(self._live) if settled is not None else nullcontext():
                commit = self._take(update, checked, source)
                if settled is not None:
                    self._folder.edits.settle_meeting(self._live, settled)
            if commit is not None and (len(update) > _SLICED_BYTES or self._is_behind()):
                await commit.wait()

    def was_shown(self, message: channel.Shown | channel.Since) -> None:
        """The program says what it showed while it was away, as hashes of texts, and then since when."""
        until_ms = round(time.time() * 1000)
        if isinstance(message, channel.Shown):
            self._shown = Shown(message.contents, (), until_ms)
        elif len(message.times_ms) == len(self._shown.contents):
            self._shown = Shown(self._shown.contents, message.times_ms, until_ms)

    def _says_it_has(self, vector: StateVector) -> None:
        if self._program.client is not None:
            self._said = max(self._said, vector.get(self._program.client, 0))

    async def _met(self, update: Checked, theirs: PeerState) -> Settled | None:
        """What settles the meeting of what a program brings with what came meanwhile; None where it is merely taken.
        When this returns, the document is as it was looked at."""
        try:
            settled = await self._folder.edits.meetings.meet_program(self._live, update, theirs, self._shown)
        except (InvalidUpdate, MissingDependency, CrdtPanic):
            return None  # as will be told
        return settled if self._is_plain(update) else None

    def _will_bring(self, update: Checked, theirs: PeerState) -> None:
        """What a program brings is taken now: a save of what it showed has nothing else from then on. That is stored
        first, as a save may be found by the next daemon."""
        folder, live = self._folder, self._live
        clocks = live.replica.clocks()
        wrote = {client: stop for client, (_, stop) in update.parsed.sections.items() if stop > clocks.get(client, 0)}
        known = Side(theirs.vector, update.deleted)
        if statements := live.shown.add(self._shown, known, wrote, folder.id, live.id):
            folder.database.submit(statements)

    def _is_plain(self, update: Checked) -> bool:
        """Whether an update is taken as it is."""
        is_text = not update.has_nul and not update.has_replacement and not self._is_too_large(update)
        is_taken = is_text and not self._folder.membership.is_reader
        return is_taken and not self._corrections.is_beside_moved(update.parsed)

    def receive_nowait(self, updates: Sequence[bytes], source: object) -> bool:
        return False  # the channel of a program does not ask

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        return self._live.subscribe(listener, early=True)

    def _is_behind(self) -> bool:
        return len(self._live.untold_updates()) > _MAX_UNTOLD

    def _check_its_file(self) -> None:
        found = self._folder.catalogue.entries.get(self._program.entry)
        if found is None or found.kind is not Kind.TEXT or found.document != self._live.id:
            raise FileGone("the file is another one by now, or no text any more")

    # --- what the program wrote ---------------------------------------------------------------------------------

    async def _checked(self, update: bytes) -> Checked | None:
        """None where it has what no file has, or is none."""
        try:
            return await check_in_slices(update, Shape.TEXT, sender=Sender.PROGRAM)
        except InvalidUpdate:
            return None

    def _take(self, update: bytes, checked: Checked | None, source: object) -> Commit | None:
        if self._folder.membership.is_reader:
            self._refuse(checked)
            return None
        if checked is None:
            self._check_own_id(self._live.replica.clocks())
            commit = self._corrections.put_right(update, lambda text: _NUL in text)
            if self._program.client is not None:
                self._said = self._live.replica.clocks().get(self._program.client, 0)
            return commit
        self._check_clients(checked.parsed)
        if checked.has_nul:
            reason = "a file of text has no NUL character (U+0000)"
            if self._is_synced() and not self._is_resync(checked.parsed):
                return self._corrections.undo(update, reason)
            return self._corrections.put_right(update, lambda text: _NUL in text, reason)
        if self._is_too_large(checked):
            reason = f"the text would have more than {self._max_text_bytes} bytes ([files] max_text_bytes)"
            if self._is_synced() and not self._is_resync(checked.parsed):
                return self._corrections.undo(update, reason)
            raise InvalidUpdate(reason)  # what was written meanwhile stays where it is
        if checked.has_replacement or self._corrections.is_beside_moved(checked.parsed):
            return self._corrections.put_right(update, lambda text: False)
        try:
            return self._accept(source, checked)
        except HistoriesDiffer:
            return self._corrections.put_right(update, lambda text: False)

    def _refuse(self, update: Checked | None) -> None:
        """Nothing is taken where this device only reads; who says what is known already hears nothing of it."""
        if update is not None:
            with suppress(HistoriesDiffer, MissingDependency):
                if self._live.text.fork(1).take(update) is None:
                    return
        self._tell(READS_ONLY)

    def _check_own_id(self, clocks: StateVector) -> None:
        """Raise where somebody else wrote with the program's client ID: what it writes would be taken for known."""
        client = self._program.client
        if client is not None and clocks.get(client, 0) > self._said:
            raise OtherFile(
                f"another device writes with the client ID of this program ({client}), so what was typed here last is "
                "in this program alone; keep a copy of it, and open the file again with an empty document"
            )

    def _check_is_its_own(self, vector: StateVector) -> None:
        """Raise where a program that asks for a file by the path that this has left has nothing of it."""
        clocks = self._live.replica.clocks()
        if any(clock and client in clocks for client, clock in vector.items()):
            return
        where = self._folder.catalogue.layout().path_of.get(self._program.entry, "")
        raise UsageError(f"there is no such file any more; it is at {where} now")

    def _check_clients(self, parsed: Parsed) -> None:
        client = self._program.client
        if client in parsed.sections:
            self._check_own_id(self._live.replica.clocks())
            self._said = max(self._said, parsed.sections[client][1])
        if self._program.is_this_file:
            return
        if not self._is_known and (self._program.earlier or self._program.is_former):
            raise InvalidUpdate("a client says what it has (step 1) before it writes")
        clocks = self._live.replica.clocks()
        if any(client not in clocks for client in parsed.sections):
            sections = {client: stop for client, (_, stop) in parsed.sections.items()}
            check_clients(self._folder, self._live.id, sections, is_all=not self._is_known)

    def _is_resync(self, parsed: Parsed) -> bool:
        """Whether an update is more than an edit of this program: it has operations of several clients."""
        return len(parsed.sections) > 1

    def _is_too_large(self, update: Checked) -> bool:
        size = self._live.text.size()
        if size + len(update.data) <= self._max_text_bytes:
            return False
        fork = self._live.text.fork(1)
        try:
            fork.take(update)
        except HistoriesDiffer:
            return False  # it is looked at again when it was put right
        return fork.size() > max(size, self._max_text_bytes)

    def _accept(self, source: object, update: Checked) -> Commit | None:
        return self._folder.edits.accept_from_program(self._live, update, source, CAPTURE_S, self._program.client)

    def _make_unlike(self) -> None:
        """Mark this document with a client ID of its own: the state vector of a client that has read it shows it."""
        fork = self._live.text.fork(1 << 52 | randbits(51))
        fork.edit([Hunk(0, 0, "|")])
        fork.edit([Hunk(0, 1, "")])
        self._folder.edits.own_claims.to_publish.add(fork.client_id)
        with self._folder.texts.reloading(self._live):
            news = self._live.replica.apply(fork.update_since(self._live.state_vector()))
        if news is not None:
            self._folder.edits.record(self._live, news, None)


def _with_news(theirs: PeerState, update: Checked) -> PeerState:
    """What a program has that says all of some clients: it may have written more since it said what it had."""
    vector = dict(theirs.vector)
    for client, (_, stop) in update.parsed.sections.items():
        vector[client] = max(vector.get(client, 0), stop)
    return replace(theirs, vector=vector)
