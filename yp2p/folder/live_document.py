"""Documents in memory: applied, stored, and told to whoever listens, in that order.

An update is applied at once (so the next one finds it), submitted to the store with it, and told to the listeners
when its commit is durable. Listeners hear of the updates of one document in the order in which they were applied.
Whoever brought the update need not wait for that: of a stream of updates many are in one commit.

Programs of this device hear at once of what peers and other programs wrote. Should the daemon end before that is
durable, they bring it back themselves, with the same operations. An edit that was found in the file is told to them
only when it is durable, as to everybody: after a crash it is found again and gets other operations, so a program that
had heard of it would have it twice.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TypeAlias

import trio

from yp2p.documents.manifest_replica import ManifestReplica
from yp2p.documents.synced import Listener, PeerState
from yp2p.documents.text import TextReplica
from yp2p.errors import CrdtPanic, InvalidUpdate, MissingDependency
from yp2p.folder.budget import is_heavy, until_light
from yp2p.folder.incoming import SLICED_BYTES, check_all, is_large, parts_to_send, price, weigh_nothing
from yp2p.folder.recent import Recent
from yp2p.folder.shown_texts import ShownTexts
from yp2p.folder.telling import Telling
from yp2p.folder.turns import Slice
from yp2p.identity import DocumentID
from yp2p.protocol.clients import Writer
from yp2p.protocol.state_vectors import StateVector, contains, read_state_vector  # fmt: skip
from yp2p.protocol.update_parts import in_messages, in_parts, is_too_much
from yp2p.protocol.ysync import Checked, Shape, UpdateParser, check
from yp2p.store.writer import Commit

# A program that is closed has saved by then, however busy the disk is; and what the file of a document cannot follow is
# not kept in memory for longer.
SAVED_S = 600.0
# Of a large document each update takes long, however small it is. Of messages that are taken without waiting 64 go on
# between two looks at what came in: those of a document whose last update took longer than this wait for their turn.
_NOWAIT_S = 0.002
# Updates that go to a peer one by one when it lacks a repair.
_MAX_PARTS, _MAX_PARTS_BYTES = 500, 1 << 20
# How often the log is read for them, where the document changes meanwhile.
_TRIES = 3

# Takes a peer's update and its source; applies and submits it, gives the commit (None: no news).
Accept: TypeAlias = "Callable[[LiveDocument, Checked, object], Commit | None]"
# Takes updates of a peer whose history may have gone apart from ours, and what that peer has; False: it has not.
Meet: TypeAlias = "Callable[[LiveDocument, Sequence[Checked], object, PeerState], Awaitable[bool]]"
# Each of twenty programs on a device, and each other device, hears of what they type 13 times a second, however fast
# they type; with two programs, of every keystroke.
_PACE_OF_EACH_S = 0.004


@dataclass(frozen=True, slots=True)
class Keeper:
    """What keeps a document does for it.

    Attributes:
        accept: applies and stores what comes from others.
        pending: gives the commit of what was submitted last.
        meet: takes what comes from peers whose history may have gone apart from ours.
        rows: gives all updates of the document in their order, as they were made where a state vector lacks them.
        takes_from: whether what comes from a source counts; what does not is dropped unread.
        lags: whether the file of a document is known to have held it before a row of its log, and not since.
    """

    accept: Accept
    pending: Callable[[], Commit]
    meet: Meet | None = None
    rows: Callable[[LiveDocument, StateVector], Iterable[bytes]] | None = None
    takes_from: Callable[[object], bool] = lambda source: True
    lags: Callable[[DocumentID, int], bool] = lambda document, seq: False


@dataclass(frozen=True, slots=True)
class _Left:
    """When the last program let go of a document, and the row that was the last one then."""

    seq: int = 0
    at: float = 0.0


class LiveDocument:
    """One document in memory."""

    def __init__(
        self, document: DocumentID, replica: TextReplica | ManifestReplica, keeper: Keeper, last_seq: int = 0
    ) -> None:
        self.id = document
        self.replica = replica
        self.last_seq = last_seq
        self.used_at = 0.0
        self._keeper = keeper
        self.changes = 0  # how often it was changed since it is in memory
        self.bytes = 0  # of its updates
        self._saved_clocks = _saved(replica.clocks()) if keeper.meet is not None else {}
        self._telling = Telling()
        self._changing = 0
        self._cost_s = 0.0  # of the last update, by the time of the processor: of large documents each takes long
        self.recent = Recent()  # of other devices
        self.recent_here = Recent()  # of programs of this device
        self.shown = ShownTexts()
        self._left = _Left()

    @property
    def is_needed(self) -> bool:
        """Whether it has to stay in memory: somebody listens, or is about to change it, or may have saved it."""
        return self._telling.is_needed or self._changing > 0 or self.is_shown

    @contextmanager
    def being_changed(self) -> Iterator[None]:
        """For who decides, with an await, on a change of what is in memory now: until it is applied, it stays there.

        What changes a document with an await in between does so itself: in another copy of it, loaded meanwhile, the
        rest would be lacking.
        """
        self._changing += 1
        try:
            yield
        finally:
            self._changing -= 1

    @property
    def is_in_programs(self) -> bool:
        """Whether a program of this device has it open."""
        return bool(self._telling.early)

    @property
    def shown_until(self) -> int:
        """The last row of the log that a program of this device may have shown, as far as is known; 0: none."""
        return self.last_seq if self.is_in_programs else self._left.seq

    @property
    def is_shown(self) -> bool:
        """Whether a save of what a program of this device showed may still be found: one has it open, or let go of it
        a while ago and its file lags behind that. Nothing but this document knows what was shown."""
        if self.is_in_programs or not self._left.seq:
            return self.is_in_programs
        return trio.current_time() < self._left.at + SAVED_S and self._keeper.lags(self.id, self._left.seq)

    def pace_s(self) -> float:
        """How far apart live updates of this document go to one reader: the more, the more programs have it open."""
        return _PACE_OF_EACH_S * max(0, len(self._telling.early) - 3)  # one more may listen, for the lines of cursors

    def untold_updates(self) -> list[bytes]:
        """What was applied and has not been told to the listeners, some of it on its way to the store."""
        return self._telling.updates()

    @property
    def text(self) -> TextReplica:
        assert isinstance(self.replica, TextReplica)
        return self.replica

    def state_vector(self) -> bytes:
        return self.replica.state_vector()

    def cut(self, state_vector: bytes) -> tuple[bytes, Commit]:
        """What a holder of `state_vector` lacks, and the commit that makes it durable."""
        return self.replica.update_since(state_vector), self._keeper.pending()

    async def updates_as_made(self, state_vector: bytes) -> list[bytes]:
        """The updates that a holder of `state_vector` lacks, as they were made, where there are repairs among them.

        Who merges has to know what a repair took out, and what an edit. None where that is too much. Reading a long log
        takes long, so it is read in slices; what comes meanwhile is said by `cut` alone, unless it can be read in time.
        """
        known = read_state_vector(state_vector)
        parts: list[bytes] = []
        for _ in range(_TRIES):
            changes = self.changes
            if self._keeper.rows is None or not any(
                Writer.of(client) is Writer.REPAIR and client not in known for client in self.replica.clocks()
            ):
                return []
            parts = await _lacking(self._keeper.rows(self, known), known, self.replica.shape)
            if self.changes == changes:
                break
        return parts

    def is_too_much(self, update: bytes) -> bool:
        """Whether a peer takes an update of this document in parts only."""
        return is_too_much(update, self.replica.shape)

    def in_messages(self, updates: tuple[bytes, ...]) -> Sequence[tuple[bytes, ...]]:
        """Updates of this document as they go to a peer: of a text in one message, of which it decides as one."""
        return in_messages(updates) if self.replica.shape is Shape.MANIFEST else [updates]

    async def to_send(self, updates: Sequence[bytes]) -> tuple[bytes, ...]:
        """Updates of this document as a peer takes them."""
        return await parts_to_send(updates, self.replica.shape)

    async def stored(self) -> None:
        """Return when what was applied so far is durable, and told."""
        await self._telling.wait()

    async def receive(self, update: bytes, source: object, theirs: PeerState | None = None) -> None:
        """Take a peer's update; returns when it is durable. Raises MissingDependency, InvalidUpdate."""
        await self.receive_all([update], source, theirs)
        await self._telling.wait()

    async def receive_all(
        self, updates: Sequence[bytes], source: object, theirs: PeerState | None = None
    ) -> None:  # fmt: skip
        """Take a peer's updates, in order; returns when they are applied. Raises MissingDependency, InvalidUpdate.

        Args:
            theirs: what the peer has with them, where it says so.
        """
        if not self._keeper.takes_from(source):
            return
        with self.being_changed():
            if is_heavy() and not weigh_nothing(updates, self.replica.shape):
                await until_light()
            checked = await check_all(updates, self.replica.clocks(), self.replica.shape)
            if (
                theirs is None
                or self._keeper.meet is None
                or not await self._keeper.meet(self, checked, source, theirs)
            ):
                await self.take_all(checked, source)

    def receive_nowait(self, updates: Sequence[bytes], source: object) -> bool:
        """`receive_all` where nothing has to be waited for; tells whether that was so and none was at fault.

        Those before one that is at fault are taken, as by `receive_all`, for which they are no news then.
        """
        if not self._keeper.takes_from(source):
            return True
        if is_large(updates) or self._telling.is_behind:
            return False
        if is_heavy() and not weigh_nothing(updates, self.replica.shape):
            return False
        if self._cost_s * len(updates) >= _NOWAIT_S:
            return False
        try:
            for update in [check(update, self.replica.shape) for update in updates]:
                self._accept_one(update, source)
        except (MissingDependency, InvalidUpdate, CrdtPanic):
            return False
        return True

    async def take_all(self, updates: Sequence[Checked], source: object) -> None:
        """Accept updates, in one commit where that can be; where too many wait for theirs, wait as well."""
        fault: Exception | None = None
        with self.being_changed():  # the store may have one part before the next is taken
            parts = (part for update in updates for part in in_parts(update, self.replica.clocks(), self.replica.shape))
            cost, slice_ = 0, Slice()
            for part in parts:
                try:
                    if part is not None:
                        self._accept_one(part, source)
                except (MissingDependency, InvalidUpdate, CrdtPanic) as error:
                    fault = error
                    break
                cost += price(part) if part is not None else SLICED_BYTES
                if cost >= SLICED_BYTES or slice_.is_long:
                    cost = 0
                    await slice_.end()
            if self._telling.is_behind:
                await self._telling.wait()
        if fault is not None:
            raise fault

    def _accept_one(self, update: Checked, source: object) -> None:
        if update.says_nothing or not self._keeper.takes_from(source):  # it was a member when this was begun
            return
        began = time.thread_time()
        self._keeper.accept(self, update, source)
        self._cost_s = time.thread_time() - began

    def subscribe(self, listener: Listener, *, early: bool = False) -> Callable[[], None]:
        """Be told of every update; gives the way to unsubscribe.

        Args:
            early: for programs of this device, see above.
        """
        unsubscribe = self._telling.subscribe(listener, early=early)

        def end() -> None:
            if self.is_in_programs:
                self._left = _Left(self.last_seq, trio.current_time())
            unsubscribe()

        return end

    def applied(self, update: bytes, source: object, commit: Commit) -> None:
        """An update was applied and will be durable with `commit`: tell the listeners."""
        self.changes += 1
        self.bytes += len(update)
        self._telling.applied(update, source, commit, self._vector_of_save())

    def as_one(self) -> AbstractContextManager[None]:
        """What is applied until this ends is one change to everybody else: who merges must not see a part of it.

        It becomes durable with one commit. No await in here.
        """
        return self._telling.as_one(lambda: self.replica.state_vector())

    def _vector_of_save(self) -> bytes | None:
        """The state vector, where what was just applied is no keystroke; None where it is."""
        if self._keeper.meet is None:
            return None
        saved = _saved(self.replica.clocks())
        if saved == self._saved_clocks:
            return None
        self._saved_clocks = saved
        return self.replica.state_vector()


def _saved(clocks: StateVector) -> dict[int, int]:
    """The part of a state vector that programs did not type."""
    long = {client: clock for client, clock in clocks.items() if client >> 32}  # a few: this is for each keystroke
    return {client: clock for client, clock in long.items() if Writer.of(client) is not Writer.TYPED}


async def _lacking(rows: Iterable[bytes], known: StateVector, shape: Shape) -> list[bytes]:
    """The rows that a holder of this state vector lacks, in slices; none where that is too much."""
    parts: list[bytes] = []
    size, slice_ = 0, Slice()
    for row in rows:
        parser = UpdateParser(row, shape)
        for _ in parser.steps():
            if slice_.is_long:
                await slice_.end()
        sections = parser.parsed.sections
        if sections and not contains(known, {client: stop for client, (_, stop) in sections.items()}):
            parts.append(row)
            size += len(row)
        if len(parts) > _MAX_PARTS or size > _MAX_PARTS_BYTES:
            return []
    return parts
