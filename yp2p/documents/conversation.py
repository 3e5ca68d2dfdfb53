"""The conversation about one document with one peer: Yjs's sync, as whoever runs it gives it messages and time.

Theory of operation
    Both sides send step 1 (their state vector) and answer the other's with step 2 (what it lacks). Only after its
    step 2 went out on the channel does a side send live updates, and none while a later one is on its way, so on the
    ordered channel an update never arrives before what it depends on.

    A live update is sent once, by whoever made it. What came from somebody else is *held*: it goes in front of our
    next own update to this peer, in one message and as a list, because that update may depend on it; at once, when
    whoever it came from has no link with this peer (`must_relay`); or nowhere, when the peer turns out to have it
    (`agreed`). With n devices in a full mesh an edit so costs n - 1 messages (invariant 16).

    To one of many, live updates go at a pace: the first at once, and what comes within `pace_s` of it together. So the
    cost of a document that many write in grows with its readers, and not with readers times writers.

    A gap in what arrives is no offence: the update is dropped and step 1 sent again, at most once a second, and always
    after the last gap: who dropped something does not rest before it came.

    Where a peer's text has characters that were heard of here only as deleted, its message is dropped as well, and step
    1 goes with a state vector without those who wrote them: the answer has the characters, and all that was dropped.
    Until it comes, what the peer sends meanwhile is dropped; it is in the answer. That answer is taken as it is; of
    later messages it is asked again, at most once a second.

    A conversation has no task. `begin` and `take` are called by one, one after the other, and `send_waiting` by another
    one, whenever `on_more` is called: a link has hundreds of documents about which nothing is said most of the time
    (`peers/channels.py`). `Provider` is a conversation with two tasks of its own.

Invariants
    * What `cut` gives is durable before it is sent (invariant 1): the commit is awaited in between.
    * What waits for the peer is bounded (`outgoing.py`). When it is too much it is dropped, and instead of it goes one
      update: what the peer lacks by the last state vector it told us.
    * Nothing goes back to where it came from.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress

import trio

from yp2p.documents.outgoing import MAX_WAITING_BYTES, Outgoing, Update
from yp2p.documents.plain import PlainDoc, as_document
from yp2p.documents.resyncs import Asking, Resyncs
from yp2p.documents.synced import FOLLOWS, Channel, CutInParts, PeerState, SyncedDocument
from yp2p.errors import InvalidUpdate, MissingCharacters, MissingDependency
from yp2p.protocol.channel import (
    Answer,
    AwarenessUpdate,
    Have,
    Showed,
    Shown,
    Since,
    Step1,
    Step2,
    Unrecognised,
    Updates,
    decode,
    encode,
)
from yp2p.protocol.state_vectors import MAX_VECTOR_CLIENTS, encode_state_vector, read_state_vector

# A longer one takes more than a millisecond to read.
_MAX_VECTOR_NOWAIT_BYTES = 16 << 10


def _nothing() -> None:
    pass


def _step2(updates: tuple[bytes, ...]) -> Step2 | Answer:
    return Step2(updates[0]) if len(updates) == 1 else Answer(updates)


class Conversation:
    """Synchronises `document` with whoever is at the other end of `channel`; see above.

    Args:
        document: what is synchronised; a `pycrdt.Doc` of one text is wrapped (`plain.py`).
        log: where to say what happens, a standard logger.
        source: what the document is told as the origin of what arrives here.
        must_relay: whether an update from that source has to go to this peer at once.
        on_awareness: takes awareness updates of the peer.
        on_shown: takes what the peer says of texts that it showed, while it was away or a moment ago.
        batches: whether the peer reads lists of updates (kind 40); else each goes in a message of its own, which is
            what a provider of a `pycrdt.Doc` does unless it is told otherwise: its peer may be a stock one.
        tells_state: whether the peer is told what we have with what we send (kind 41).
        pace_s: how long after live updates no others are sent, in seconds.
        was_away: whether the peer may have been away: then its first answer is of a history made apart. A later one
            only closes a gap, while both go on typing.

    Attributes:
        started: set when step 1 went out.
        synced: set when the peer's first answer was taken.
    """

    def __init__(
        self,
        document: SyncedDocument | PlainDoc,
        channel: Channel,
        log: logging.Logger | None = None,
        *,
        source: object = None,
        must_relay: Callable[[object], bool] = lambda source: False,
        on_awareness: Callable[[bytes], None] = lambda data: None,
        on_shown: Callable[[Shown | Since | Showed], None] = lambda message: None,
        batches: bool | None = None,
        tells_state: bool = False,
        pace_s: Callable[[], float] = lambda: 0.0,
        was_away: bool = True,
    ) -> None:
        self.log = log or logging.getLogger(__name__)
        self._document: SyncedDocument = as_document(document)
        self._channel = channel
        self._source = source if source is not None else self
        self._must_relay = must_relay
        self._on_awareness = on_awareness
        self._on_shown = on_shown
        self._batches = batches if batches is not None else self._document is document
        self._tells_state = tells_state
        self._pace_s = pace_s
        self._was_away = was_away
        self._on_more: Callable[[], None] = _nothing
        self._unsubscribe: Callable[[], None] = _nothing
        self._live = False
        self._peer_vector: bytes | None = None  # what the peer had when it said so last
        self._reset()

    def _reset(self) -> None:
        """Make ready to start, also again.

        A peer that went on meanwhile does not say step 1 again. What it lacks by the last one that it said goes first.
        """
        self.started = trio.Event()
        self.synced = trio.Event()
        self._sending = trio.Lock()  # of what is cut and what waits, so that it goes in order
        self._outgoing = Outgoing(is_overrun=self._peer_vector is not None)
        self._resyncs = Resyncs()
        self._next_at = -math.inf  # when live updates may go again
        self._have: dict[int, int] | None = None  # what the peer has with its next message
        self._asking = Asking()
        self._had: dict[int, int] | None = None  # what the peer had when it was asked for characters
        self._more = trio.Event()
        if self._outgoing.is_overrun:
            self._more.set()
        self._went = trio.Event()  # set when something was sent, and then another one

    async def begin(self, on_more: Callable[[], None] = _nothing) -> None:
        """Hear of updates from now on, and send step 1. `end` follows.

        Args:
            on_more: is called when there is something for `send_waiting` to do.
        """
        self._on_more = on_more
        self._unsubscribe = self._document.subscribe(self._on_update)
        self._asking.went()
        await self._channel.send(encode(Step1(self._document.state_vector())))
        self.started.set()
        if self._more.is_set():
            on_more()

    def end(self) -> None:
        """Hear of updates no more. It can begin again."""
        self._unsubscribe()
        self._unsubscribe = self._on_more = _nothing
        self._went.set()
        self._reset()

    def _want_more(self) -> None:
        self._more.set()
        self._on_more()

    def agreed(self) -> None:
        """The peer is known to have everything we have: nothing needs to be held for it."""
        self._outgoing.agreed()

    def restart(self) -> None:
        """Send step 1 again: the peer is known to differ, whatever was said before."""
        self._resyncs.want()
        self._want_more()

    def take_nowait(self, data: bytes) -> bool:
        """Take a message before it is put into the channel, where none waits there; tells whether it was taken.

        What has to be answered, or waited for, or is at fault, is for `take`.
        """
        # What the peer has goes with the next one; and what comes before an answer that was asked for is dropped.
        if self._have is not None or self._asking.is_waiting(trio.current_time()):
            return False
        try:
            message = decode(data)
        except InvalidUpdate:
            return False
        if isinstance(message, Have):
            if len(message.state_vector) > _MAX_VECTOR_NOWAIT_BYTES:
                return False
            with suppress(InvalidUpdate):
                self._have = read_state_vector(message.state_vector, MAX_VECTOR_CLIENTS)
                return True
        return isinstance(message, Updates) and self._document.receive_nowait(message.updates, self._source)

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits to be sent."""
        return self._outgoing.is_idle

    def _on_update(self, data: bytes, source: object, vector: bytes | None = None) -> None:
        if source is self._source or source == self._source:
            return
        update, outgoing = Update(data, vector if self._tells_state else None), self._outgoing
        in_parts = self._in_parts()
        is_too_much = in_parts is not None and in_parts.is_too_much(data)  # then an answer says it
        if is_too_much:
            pass
        elif source is not None and not self._must_relay(source):
            outgoing.hold(update)
        else:
            updates, size = outgoing.with_held(update)
            if vector == FOLLOWS or size > MAX_WAITING_BYTES or not self._send_nowait(updates):
                outgoing.add(*updates)
                self._want_more()
        if is_too_much or outgoing.is_too_long():
            outgoing.clear(is_overrun=True)
            self._want_more()

    def _send_nowait(self, updates: tuple[Update, ...]) -> bool:
        """Send without waiting for a task to wake, where the channel can and nothing would be overtaken."""
        send_nowait = getattr(self._channel, "send_nowait", None)
        if send_nowait is None or not self._live or self._sending.locked() or not self.is_idle:
            return False
        now = trio.current_time()
        if now < self._next_at:
            return False
        if not all(map(send_nowait, self._messages(updates))):  # what went is said again with the rest: that is no harm
            return False
        self._next_at = now + self._pace_s()
        return True

    def _messages(self, updates: Sequence[Update]) -> Iterator[bytes]:
        """What says these updates, and what we have with the last of those for which it matters."""
        if not self._batches:
            yield from (encode(Updates((update.data,))) for update in updates)
            return
        marked = [number for number, update in enumerate(updates) if update.vector is not None]
        stop = marked[-1] + 1 if marked else 0
        if marked:
            yield encode(Have(updates[stop - 1].vector or b""))
        in_parts = self._in_parts()
        for part in filter(None, (updates[:stop], updates[stop:])):
            said = tuple(update.data for update in part)
            yield from (encode(Updates(some)) for some in (in_parts.in_messages(said) if in_parts else [said]))

    async def send_waiting(self) -> None:
        """Send what is to be sent, or will have to be soon; returns when that is nothing."""
        while self._more.is_set() or self._resyncs.due_at < math.inf:
            with trio.move_on_at(self._resyncs.due_at):
                await self._more.wait()
            self._more = trio.Event()
            if self._resyncs.take_wanted(trio.current_time()):
                await self._resync()
            if self._peer_vector is None:
                continue  # nobody has asked yet
            if self._outgoing and trio.current_time() < self._next_at:
                await trio.sleep_until(self._next_at)  # more may come meanwhile, or so much that it is dropped
            if self._outgoing.is_overrun:
                await self._answer(self._peer_vector, Updates)
            elif self._outgoing and self._live:
                async with self._sending:
                    updates = self._outgoing.take()  # what an answer did not say meanwhile
                    self._next_at = trio.current_time() + self._pace_s()
                    for message in self._messages(updates):
                        await self._channel.send(message)
                self._note_sent()

    def _note_sent(self) -> None:
        self._went.set()
        self._went = trio.Event()

    async def _answer(
        self, state_vector: bytes, message: Callable[[tuple[bytes, ...]], Step2 | Answer | Updates] | None = None
    ) -> None:
        """Send what a holder of `state_vector` lacks; step 2 is the answer to step 1 and nothing else."""
        async with self._sending:
            in_parts = self._in_parts()
            as_made = await in_parts.updates_as_made(state_vector) if in_parts is not None else []
            # no await between cut and clear: what comes later is a live update, and goes after this
            update, durable = self._document.cut(state_vector)
            have = self._document.state_vector()
            self._outgoing.clear(is_overrun=False)
            await durable.wait()
            updates = (update,) if in_parts is None else await in_parts.to_send((*as_made, update))
            *first, last = in_parts.in_messages(updates) if in_parts is not None else [updates]
            for some in first:
                await self._channel.send(encode(Updates(some)))
            if self._tells_state:
                await self._channel.send(encode(Have(have)))
            await self._channel.send(encode((message or _step2)(last)))
            self._live = True
        self._note_sent()
        if not self.is_idle:
            self._want_more()

    def _in_parts(self) -> CutInParts | None:
        return self._document if self._tells_state and isinstance(self._document, CutInParts) else None

    async def take(self, message: list[bytes]) -> None:
        """Take the one message that is in this list, and leave the list empty."""
        match decode(message.pop()):
            case Step1(state_vector):
                read_state_vector(state_vector, MAX_VECTOR_CLIENTS)
                self._peer_vector = state_vector
                await self._answer(state_vector)
            case Have(state_vector):
                self._have = read_state_vector(state_vector, MAX_VECTOR_CLIENTS)
            case Step2(update):
                await self._receive([update], is_answer=True)
            case Answer(updates):
                await self._receive(updates, is_answer=True)
            case Updates(updates):
                await self._receive(updates, is_answer=False)
            case AwarenessUpdate(states):
                self._on_awareness(states)
            case Shown() | Since() | Showed() as shown:
                self._on_shown(shown)
            case Unrecognised(kind):
                self.log.debug("message kind %d on %s is not known", kind, self._channel.path)

    async def _receive(self, updates: Sequence[bytes], *, is_answer: bool) -> None:
        have, self._have = self._have, None
        repeats = self._asking.take(trio.current_time(), is_answer=is_answer)
        if repeats is None:
            return
        has_diverged = is_answer and self._was_away and not self.synced.is_set()
        if have is None and repeats:
            have = self._had  # a program says once what it has, at least
        may_ask = not repeats
        theirs = PeerState(have, is_answer, has_diverged, may_ask, repeats) if have is not None else None
        try:
            await self._document.receive_all(updates, self._source, theirs)
        except MissingCharacters as missing:
            self._had = have
            await self._ask_for(missing.clients)
            return
        except MissingDependency as gap:
            self.log.debug("gap on %s: %s", self._channel.path, gap)
            if self._resyncs.may_after_gap(trio.current_time()):
                await self._resync()
            else:
                self._want_more()
        if is_answer:
            self.synced.set()

    async def _ask_for(self, clients: Collection[int]) -> None:
        """Send step 1 as if nothing of these clients were here."""
        await trio.sleep_until(self._asking.next_at)
        self._asking.asked(clients, trio.current_time())
        known = read_state_vector(self._document.state_vector())
        vector = encode_state_vector({client: clock for client, clock in known.items() if client not in clients})
        await self._channel.send(encode(Step1(vector)))

    async def _resync(self) -> None:
        self._resyncs.went(trio.current_time())
        self._asking.went()
        await self._channel.send(encode(Step1(self._document.state_vector())))
