"""Comparing everything with one peer because a person asked (`yp2p check --peers`), and believing nothing that it says.

The trees are compared as in every reconciliation. A peer that is at rest and says that it has the same as we do can
still have something else: so its texts are asked for as well, where that is wanted, and what it sends has to be what
it says it has. Nothing of that is taken; the session goes on as before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import trio

from yp2p.documents.text import TextReplica
from yp2p.errors import CrdtPanic, MissingDependency
from yp2p.folder.folder import Folder
from yp2p.folder.incoming import checked_parts
from yp2p.folder.turns import turn
from yp2p.identity import DocumentID, EntryID
from yp2p.peers.questions import Questions
from yp2p.peers.tree_comparison import compare_trees
from yp2p.protocol.entries import Kind
from yp2p.protocol.messages import Documents, Pull
from yp2p.protocol.reconcile import Leaf
from yp2p.protocol.ysync import Shape

# Texts that are asked for at a time.
_TEXTS_AT_ONCE = 32
_SLICE = 512
# A peer that does not answer within this time, and a second a text, is left.
_LIMIT_S = 30.0


@dataclass(frozen=True, slots=True)
class Audit:
    """What came of it.

    Attributes:
        differing: the entries that are not the same, with our leaf and the peer's.
        untrue: the entries whose text is not what the peer says it has.
        texts: how many texts were asked for.
    """

    differing: tuple[tuple[EntryID, Leaf | None, Leaf | None], ...] = ()
    untrue: tuple[EntryID, ...] = ()
    texts: int = 0


class Audits:
    """Asks one peer about one folder, when the session asks nothing else.

    Args:
        questions: those of the session.
        wake: has `run` called when they are free.
    """

    def __init__(self, folder: Folder, questions: Questions, wake: Callable[[], None]) -> None:
        self._folder = folder
        self._questions = questions
        self._wake = wake
        self._wanted: list[tuple[bool, trio.Event, list[Audit]]] = []

    @property
    def is_wanted(self) -> bool:
        return bool(self._wanted)

    async def ask(self, *, read: bool) -> Audit | None:
        """Compare with the peer now; None when it does not answer in time, or as it should.

        Args:
            read: whether its texts are to be asked for as well.
        """
        done, found = trio.Event(), list[Audit]()
        wanted = (read, done, found)
        self._wanted.append(wanted)
        self._wake()
        with trio.move_on_after(_LIMIT_S + (len(self._folder.catalogue.entry_of) if read else 0)):
            await done.wait()
        if wanted in self._wanted:
            self._wanted.remove(wanted)
        return found[0] if found else None

    async def run(self) -> None:
        """Do what was asked for. Raises trio.TooSlowError, LinkClosed, PeerFault: the session ends."""
        while self._wanted:
            read, done, found = self._wanted[0]
            try:
                audit = await self._compare(read=read)
                found += [audit] if audit is not None else []
            finally:
                self._wanted = [one for one in self._wanted if one[1] is not done]
                done.set()

    async def _compare(self, *, read: bool) -> Audit | None:
        difference = await compare_trees(self._folder, self._questions)
        if difference is None:
            return None
        differing: list[tuple[EntryID, Leaf | None, Leaf | None]] = []
        for bucket in difference.buckets:
            differing += [pair for pair in difference.pairs(self._folder, bucket) if pair[1] != pair[2]]
            await turn()
        if not read:
            return Audit(tuple(differing))
        texts = await self._equal_texts({entry for entry, _, _ in differing})
        untrue: list[EntryID] = []
        for start in range(0, len(texts), _TEXTS_AT_ONCE):
            untrue += await self._untrue(texts[start : start + _TEXTS_AT_ONCE])
        return Audit(tuple(differing), tuple(untrue), len(texts))

    async def _equal_texts(self, differing: set[EntryID]) -> list[tuple[EntryID, Leaf]]:
        """The texts of which the peer says that it has them as we do."""
        found: list[tuple[EntryID, Leaf]] = []
        for number, entry in enumerate(list(self._folder.catalogue.entries.values())):
            if number % _SLICE == 0:
                await turn()
            leaf = self._folder.leaf(entry.id) if entry.kind is Kind.TEXT and entry.id not in differing else None
            if leaf is not None:
                found.append((entry.id, leaf))
        return found

    async def _untrue(self, texts: Sequence[tuple[EntryID, Leaf]]) -> list[EntryID]:
        """Which of these texts the peer sends otherwise, or not at all."""
        wanted = {leaf.document: (entry, leaf) for entry, leaf in texts}
        sent: dict[DocumentID, list[bytes]] = {}
        await self._questions.tell(Pull(self._folder.id, tuple(wanted)))
        while sent.keys() < wanted.keys():
            reply = await self._questions.reply()
            if not isinstance(reply, Documents):
                break
            for document, state in reply.states:
                sent.setdefault(document, []).append(state)
        self._questions.close()
        return [
            entry
            for document, (entry, leaf) in wanted.items()
            if self._folder.leaf(entry) == leaf and await _content(sent.get(document, [])) != leaf.content
        ]


async def _content(states: Sequence[bytes]) -> bytes:
    """The hash of the text that a peer sent; empty where it is none. Raises InvalidUpdate."""
    replica = TextReplica(1)
    if not states or not all(states):
        return b""
    try:
        for state in states:
            for part in await checked_parts(state, Shape.TEXT, {}):
                replica.take(part)
                await turn()
    except (MissingDependency, CrdtPanic):
        return b""
    return hashlib.sha256(replica.text().encode()).digest()
