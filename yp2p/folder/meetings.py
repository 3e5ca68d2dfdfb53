"""Histories that meet: a peer's updates, or a save made of an older version, are looked at before they are applied.

Theory of operation
    `documents/meeting.py` decides; this module gathers what it needs, and sees to it that nothing happens meanwhile.
    What came is applied together with its repair, so no document and no file ever shows the union without it.
    Where the peer's text has characters of which nothing but their deletion is known here, nothing of it is taken: the
    provider asks for them, and what it gets says all again (`documents/conversation.py`).
    Deciding may take a while (a worker process parses), so the document may have changed by then: then it is decided
    anew. After some tries it is decided on the spot, as a text of no language.

    What a program wrote while no daemon ran may come twice: from the program, and in a file that was saved there. The
    text of that save is then what the program went on from, whichever of the two comes first (`shown_texts.py`).

Invariants
    * What came has passed the wall before the library sees it, here as everywhere.
    * Update and repair are one step: applied between two awaits, durable together, told to others together. Who was
      told of the update alone would take the union for a text that somebody made.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import trio

from yp2p.documents.gone_back import GoneBack
from yp2p.documents.meeting import (
    Decision,
    Joined,
    Meeting,
    Side,
    are_whole,
    decide,
    join,
    lacking,
    meeting_of,
    repair_for,
)
from yp2p.documents.removals import deleted_at
from yp2p.documents.synced import PeerState
from yp2p.documents.text import TextReplica
from yp2p.errors import MissingCharacters
from yp2p.folder.authors import Maker, maker_of
from yp2p.folder.live_document import LiveDocument
from yp2p.folder.merger import Merger
from yp2p.folder.notices import NoticeKind
from yp2p.folder.recent import recall
from yp2p.folder.shown_texts import Save, Shown, WentOnFrom
from yp2p.folder.turns import Slice
from yp2p.identity import DeviceID, EntryID
from yp2p.protocol.delete_sets import without
from yp2p.protocol.deleted_ranges import DeletedRange, finish
from yp2p.protocol.dependencies import check_dependencies
from yp2p.protocol.state_vectors import StateVector
from yp2p.protocol.update_merge import without_known
from yp2p.protocol.ysync import Checked, Parsed

if TYPE_CHECKING:
    from yp2p.folder.folder import Folder

_Result = TypeVar("_Result")

# A program that types while a meeting is decided changes the document now and then.
_TRIES = 5
# Joining less than this takes a few milliseconds: 7 KB of three saves 9 ms, 27 KB of 370 saves 40.
_INLINE_LOG_BYTES = 4 << 10


@dataclass(frozen=True, slots=True)
class Settled:
    """What is to be applied beside what came: nothing, where nothing met."""

    repair: bytes | None = None
    decision: Decision | None = None
    makers: tuple[Maker, Maker] = (Maker(), Maker())
    is_put_back: bool = False  # the file had been put back to what a program went on from, which stands
    lacking: frozenset[int] = frozenset()  # whose characters are not known here, so that nothing could be decided


class Meetings:
    """The meetings of one folder's texts."""

    def __init__(self, folder: Folder, merger: Merger) -> None:
        self._folder = folder
        self.merger = merger

    async def receive(self, live: LiveDocument, updates: Sequence[Checked], source: object, theirs: PeerState) -> bool:
        """Take what a peer sent, where its history and ours met; False where they did not, and nothing was done.

        Raises:
            InvalidUpdate, MissingDependency, MissingCharacters, CrdtPanic: as `LiveDocument.receive_all`.
        """
        with live.being_changed():
            await recall(self._folder, live)  # what a repair puts in again may be others' recent text
            return await self._receive(live, updates, source, theirs)

    async def _receive(self, live: LiveDocument, updates: Sequence[Checked], source: object, theirs: PeerState) -> bool:
        settled = await self._met(live, updates, source, theirs)
        if settled is None:
            return False
        if not self._folder.membership.takes_from(source):  # it was a member when this was begun
            return True
        with self._folder.edits.as_one(live):
            for update in updates:
                self._folder.edits.accept(live, update, source)
            self._folder.edits.settle_meeting(live, settled)
        return True

    async def meet_program(
        self, live: LiveDocument, update: Checked, theirs: PeerState, shown: Shown
    ) -> Settled | None:
        """What settles the meeting of a document with what a program wrote while no daemon ran; None where nothing met.
        When this returns, the document is as it was looked at.

        Args:
            shown: the texts that it showed then.

        Raises:
            InvalidUpdate, MissingDependency: as `receive`.
        """
        known = Side(theirs.vector, update.deleted)
        self._recall_save(live)
        base = partial(live.shown.last_saved, known, shown, self._folder.texts.fork_at_base)
        return await self._met(live, [update], None, theirs, base)

    def _recall_save(self, live: LiveDocument) -> None:
        """What the file says that was saved before this text was in memory, as by the daemon before."""
        folder = self._folder
        record = folder.files.get(folder.catalogue.entry_of.get(live.id))
        if live.shown.has_saves or record is None or record.document != live.id or not record.is_own:
            return
        *_, (seq, update) = [(0, b""), *folder.texts.rows(live.id, record.base_seq)]
        if seq == record.base_seq > 0:
            live.shown.found(Save(record, update))

    async def _met(
        self, live: LiveDocument, updates: Sequence[Checked], source: object, theirs: PeerState,
        base: Callable[[], WentOnFrom | None] = lambda: None,
    ) -> Settled | None:  # fmt: skip
        """What settles a meeting; None where nothing is to be decided. When this returns, the document is as it was
        looked at.

        Args:
            base: gives the text that both sides went on from, where that is not what both have.
        """
        parsed, data = [update.parsed for update in updates], [update.data for update in updates]
        settled: Settled | None = None
        for attempt in range(_TRIES + 1):
            in_time, changes = attempt == _TRIES, live.changes
            ours = live.replica.clocks()
            meeting = meeting_of(ours, theirs.vector, apart=theirs.has_diverged)
            if meeting is None:
                return None
            union = await _made(self._union(live, parsed), in_time=in_time)
            if not are_whole(ours, theirs.vector, union):
                return None
            if self._folder.membership.is_reader:
                return None  # those who may write make the repair
            if not self._merges_alike(source):
                self._tell_other_rules(live)
                return None
            gone = await _made(_deleted(live.text), in_time=in_time)
            there = [item for update in updates for item in update.deleted]
            if not theirs.is_answer:
                there += deleted_at(theirs.vector, self._folder.texts.updates_as_made(live, theirs.vector), gone)
            if live.changes != changes:
                continue  # what is known of it is of different moments
            sides = Side(ours, gone), Side(theirs.vector, there)
            news = _without_repeats(data, theirs.repeats, ours)
            said = data if theirs.repeats else ()
            settled = await self.settle(
                live, news, source, *sides, meeting, said=said, base=base(), in_time=in_time
            )  # fmt: skip
            if settled.lacking and theirs.may_be_asked:
                raise MissingCharacters(settled.lacking)
            if live.changes == changes:
                break
        return settled

    def _merges_alike(self, source: object) -> bool:
        session = self._folder.observers.sessions.get(DeviceID(source)) if isinstance(source, bytes) else None
        return session is None or session.merges_alike

    def _tell_other_rules(self, live: LiveDocument) -> None:
        """Tell, once a text, that it was merged letter by letter: two sets of rules would take turns for ever."""
        folder, kind = self._folder, NoticeKind.OTHER_RULES
        entry = folder.catalogue.entry_of.get(live.id, EntryID(b""))
        if not any(notice.kind is kind and notice.entry == entry for notice in folder.notices):
            text = "two versions of yp2p met, which merge differently: it was merged letter by letter; look at it"
            folder.notices.add(kind, folder.catalogue.layout().path_of.get(entry, ""), text, entry)

    def _union(self, live: LiveDocument, parsed: Sequence[Parsed]) -> Generator[None, None, StateVector]:
        """The state vector with these updates, update by update. Raises InvalidUpdate, MissingDependency."""
        clocks = live.replica.clocks()
        for found in parsed:
            check_dependencies(found, clocks, live.replica.halves)
            for client, (_, stop) in found.sections.items():
                clocks[client] = max(clocks.get(client, 0), stop)
            yield
        return clocks

    async def settle(
        self, live: LiveDocument, updates: Sequence[bytes], source: object, ours: Side, theirs: Side, meeting: Meeting,
        *, said: Sequence[bytes] = (), base: WentOnFrom | None = None, there: str | None = None, in_time: bool = False,
    ) -> Settled:  # fmt: skip
        """Decide a meeting of a document with a history that these updates add to it.

        Args:
            source: the device that they come from; None for this one.
            said: updates that say again what is here, with characters that were asked for.
            base: the text that both sides went on from, where that is not what both have.
            there: the other side's text, where that is not what it is known to have.
            in_time: on the spot, without any await.
        """
        both = {client: min(clock, theirs.vector.get(client, 0)) for client, clock in ours.vector.items()}
        log = [*self._folder.texts.updates_as_made(live, both), *updates]
        entry = self._folder.catalogue.entry_of.get(live.id)
        path = self._folder.catalogue.layout().path_of.get(entry, "") if entry is not None else ""
        is_quick = in_time or sum(map(len, log)) <= _INLINE_LOG_BYTES
        joined = await _in_worker(partial(join, said=said), log, ours, theirs, in_time=is_quick)
        if joined is None:
            return Settled(lacking=frozenset(await _in_worker(lacking, log, ours, theirs, in_time=is_quick)))
        if base is not None:
            joined = replace(joined, base=base.text, back=frozenset())
        if there is not None:
            joined = replace(joined, theirs=there)
        decision = decide("", joined, meeting) if in_time else await self._decide(path, joined, meeting)
        repair = repair_for(joined, decision.text, meeting)
        is_put_back = base is not None and base.is_put_back
        if not decision.told:
            return Settled(repair, decision, is_put_back=is_put_back)
        vectors = ours.vector, theirs.vector
        makers = (
            maker_of(self._folder, live.id, (), None, *vectors),
            maker_of(self._folder, live.id, updates, source, *vectors[::-1]),
        )
        return Settled(repair, decision, makers, is_put_back)

    async def meet_save(
        self, live: LiveDocument, update: bytes, fork: TextReplica, gone_back: GoneBack | None = None,
        *, written_at_s: float, in_time: bool = False,
    ) -> Settled:  # fmt: skip
        """Look at a save that was made on an older version of the document, before it is applied.

        Args:
            update: the save.
            fork: the older version with it.
            gone_back: what the file lacked of that version.
            written_at_s: when its file was written, in seconds since 1970.
            in_time: on the spot, without any await.
        """
        ours, theirs = live.replica.clocks(), fork.clocks()
        base: WentOnFrom | None
        if gone_back is not None:
            seen = Side(gone_back.seen(theirs), without(fork.deleted(), gone_back.lost))
            sides, meeting = (Side(ours, live.replica.deleted()), seen), Meeting.THREE_TEXTS
            base = WentOnFrom(gone_back.base)
        else:
            found = meeting_of(ours, theirs, apart=True)
            if found is None:
                return Settled()
            sides, meeting = (Side(ours, live.replica.deleted()), Side(theirs, fork.deleted())), found
            live.shown.load(self._folder.database.rows, self._folder.id, live.id)
            base = live.shown.of_save(fork, update, written_at_s, ours)
        there = fork.text() if gone_back is not None else None
        settled = await self.settle(live, [update], None, *sides, meeting, base=base, there=there, in_time=in_time)
        return replace(settled, decision=_exchanged(settled.decision), makers=settled.makers[::-1])

    async def _decide(self, path: str, joined: Joined, meeting: Meeting) -> Decision:
        if meeting is not Meeting.THREE_TEXTS:
            return decide(path, joined, meeting)
        merged = await self.merger.merge(path, joined.base, joined.ours, joined.theirs, joined.back)
        return Decision(merged.text, merged.told)


async def _in_worker(
    look: Callable[[Sequence[bytes], Side, Side], _Result], log: Sequence[bytes], ours: Side, theirs: Side, *,
    in_time: bool,
) -> _Result:  # fmt: skip
    """What a look at both histories gives; `in_time`: on the spot, without any await."""
    return look(log, ours, theirs) if in_time else await trio.to_thread.run_sync(look, log, ours, theirs)


def _without_repeats(updates: Sequence[bytes], clients: Collection[int], known: StateVector) -> Sequence[bytes]:
    """Updates as they would be if nothing had been asked for again: what both had is told by what they add."""
    if not clients:
        return updates
    clocks = {client: known.get(client, 0) for client in clients}
    return [without_known(update, clocks) for update in updates]


def _exchanged(decision: Decision | None) -> Decision | None:
    """A decision with the sides exchanged: what was saved here is this device's version."""
    if decision is None or not decision.told:
        return decision
    return replace(decision, told=[replace(told, ours=told.theirs, theirs=told.ours) for told in decision.told])


def _deleted(replica: TextReplica) -> Generator[None, None, list[DeletedRange]]:
    found: list[DeletedRange] = []
    for some in replica.deleted_parts():
        found += some
        yield
    return found


async def _made(steps: Generator[None, None, _Result], *, in_time: bool) -> _Result:
    """What is made in steps, with others in between; `in_time`: on the spot, without any await."""
    if in_time:
        return finish(steps)
    slice_ = Slice()
    while True:
        try:
            next(steps)
        except StopIteration as done:
            found: _Result = done.value
            return found
        if slice_.is_long:
            await slice_.end()
