"""Asking a peer whether it keeps what is not to be here, and answering when it asks (`folder/choice.py`).

A file that is not chosen leaves this disk only while a connected device says that it keeps it. A device says so of an
entry that it has chosen, and whose file, in the version asked for, is on its disk as far as it knows: never while the
folder is paused, or has not been scanned since the root is open.

Invariants
    * A choice, and what is asked for, are durable before anybody is asked.
    * An answer counts for the one question that bears its number, in the versions asked for, and only as long as the
      choice stands that this was asked for. What a person wanted to know (`ask`) lets nothing leave.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

import trio

from yp2p.files.root import force_to_disk
from yp2p.folder.folder import Folder
from yp2p.folder.turns import turn
from yp2p.identity import DeviceID, EntryID
from yp2p.protocol.entries import Kind
from yp2p.protocol.messages import MAX_LEAVES, Keeping, KeepQuery
from yp2p.protocol.reconcile import Leaf
from yp2p.transport.link import Link

# Until a peer that does not keep something is asked for it once more, and between two questions.
AGAIN_S, _TOGETHER_S = 5.0, 0.2
_SLICE = 256


def _fresh_number() -> int:
    return secrets.randbelow(2**32 - 1) + 1


@dataclass(frozen=True, slots=True)
class _Question:
    """What the peer was asked: for which choice, by which number, until when its answer is waited for."""

    choice: int
    number: int
    until: float
    leaves: Mapping[EntryID, Leaf]


@dataclass(slots=True)
class _Poll:
    """What the peer was asked because a person wants to know it, and what it answered."""

    leaves: Mapping[EntryID, Leaf]
    kept: frozenset[EntryID] = frozenset()
    is_answered: trio.Event = field(default_factory=trio.Event)


class KeepExchange:
    """What a folder session asks and answers about what is kept."""

    def __init__(self, folder: Folder, link: Link, peer: DeviceID) -> None:
        self._folder = folder
        self._link = link
        self._peer = peer
        self._question: _Question | None = None
        self._polls: dict[int, _Poll] = {}  # by the number of the question
        self._not_before: dict[EntryID, float] = {}  # what the peer did not keep, and when to ask for it again

    async def run(self) -> None:
        """Ask for what is to leave, until cancelled."""
        folder = self._folder
        while True:
            changed, next_at = folder.state.changed, math.inf
            if self._question is None or trio.current_time() >= self._question.until:
                question = await self._next_question()
                if question is not None:
                    await folder.database.pending().wait()
                    self._question = question
                    await self._link.send(KeepQuery(folder.id, question.number, tuple(question.leaves.items())))
            if folder.files.choice.unchosen & folder.files.keys():
                next_at = trio.current_time() + AGAIN_S
            with trio.move_on_at(next_at):
                await changed.wait()
            await trio.sleep(_TOGETHER_S)

    async def _next_question(self) -> _Question | None:
        """About what is to leave, and nobody keeps yet."""
        folder, choice, now = self._folder, self._folder.files.choice, trio.current_time()
        self._question = None
        if not choice.unchosen or not folder.membership.takes_from(self._peer):
            return None
        number, wanted = choice.number, {}
        self._not_before = {entry: at for entry, at in self._not_before.items() if at > now}
        for count, entry in enumerate(choice.unchosen & folder.files.keys() - self._not_before.keys(), 1):
            leaf = self._leaf_to_leave(entry) if entry in folder.files else None
            if leaf is not None:
                wanted[entry] = leaf
            if len(wanted) == MAX_LEAVES:
                break
            if count % _SLICE == 0:
                await turn()
        if not wanted or number != choice.number:
            return None
        return _Question(number, _fresh_number(), trio.current_time() + AGAIN_S, wanted)

    def _leaf_to_leave(self, entry: EntryID) -> Leaf | None:
        """The version of an unchosen file that is as all have it, unless somebody keeps that one already."""
        folder = self._folder
        if folder.files[entry].kind is Kind.DIRECTORY or folder.is_being_typed(entry) or not folder.is_on_disk(entry):
            return None
        leaf, kept = folder.leaf(entry), folder.files.choice.kept.get(entry)
        is_kept = kept is not None and kept[0] == leaf and kept[1] in folder.observers.sessions
        return None if is_kept else leaf

    async def ask(self, leaves: Mapping[EntryID, Leaf], kept: set[EntryID]) -> None:
        """Ask which of these the peer keeps, and add them to `kept`; it takes until the peer has answered.

        Nothing follows from the answers for what may leave.
        """
        await self._folder.database.pending().wait()
        rest = list(leaves.items())
        for start in range(0, len(rest), MAX_LEAVES):
            number, poll = _fresh_number(), _Poll(dict(rest[start : start + MAX_LEAVES]))
            self._polls[number] = poll
            try:
                await self._link.send(KeepQuery(self._folder.id, number, tuple(poll.leaves.items())))
                await poll.is_answered.wait()
            finally:
                del self._polls[number]
            kept |= poll.kept

    async def answer(self, query: KeepQuery) -> None:
        """Tell the peer what of that is on this disk, and stays."""
        kept: list[EntryID] = []
        for count, (entry, leaf) in enumerate(query.leaves, 1):
            if self._keeps(entry, leaf):
                kept.append(entry)
            if count % _SLICE == 0:
                await turn()
        # What people made here may be in the memory of this machine only.
        if kept and not await trio.to_thread.run_sync(force_to_disk, self._folder.path):
            kept = []
        await self._folder.database.pending().wait()
        await self._link.send(Keeping(self._folder.id, query.number, tuple(kept)))

    def _keeps(self, entry: EntryID, leaf: Leaf) -> bool:
        folder = self._folder
        if folder.state.pause_reason or not folder.state.is_scanned or entry not in folder.files:
            return False
        if entry in folder.files.ignored or entry in folder.files.choice.unchosen or folder.is_being_typed(entry):
            return False
        return folder.is_on_disk(entry) and folder.leaf(entry) == leaf

    def take(self, message: Keeping) -> None:
        """The peer keeps these."""
        poll = self._polls.get(message.number)
        if poll is not None:
            poll.kept = frozenset(poll.leaves.keys() & set(message.entries))
            poll.is_answered.set()
            return
        question, choice, now = self._question, self._folder.files.choice, trio.current_time()
        if question is None or message.number != question.number:
            return
        self._question = None
        if question.choice == choice.number:
            kept = question.leaves.keys() & set(message.entries) & choice.unchosen
            choice.kept.update((entry, (question.leaves[entry], self._peer)) for entry in kept)
            self._folder.render_queue.want_all(kept)
            self._not_before.update(dict.fromkeys(question.leaves.keys() - kept, now + AGAIN_S))
        self._folder.state.touch()  # there may be more to ask
