"""Documents in memory: applied, stored, and told to whoever listens, in that order.

An update is applied at once (so the next one finds it), submitted to the store with it, and told to the listeners
when its commit is durable. Listeners hear of the updates of one document in the order in which they were applied,
whichever task happens to wake first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from yp2p.documents.manifest import ManifestReplica
from yp2p.documents.text import TextReplica
from yp2p.identity import DocumentID
from yp2p.store.database import Commit
from yp2p.sync.provider import Listener


class LiveDocument:
    """One document in memory.

    Args:
        accept: takes a peer's update and its source; applies and submits it, gives the commit (None: no news).
    """

    def __init__(
        self,
        document: DocumentID,
        replica: TextReplica | ManifestReplica,
        accept: Callable[[LiveDocument, bytes, object], Commit | None],
        pending: Callable[[], Commit],
        last_seq: int = 0,
    ) -> None:
        self.id = document
        self.replica = replica
        self.last_seq = last_seq
        self.used_at = 0.0
        self._accept = accept
        self._pending = pending
        self._listeners: dict[int, Listener] = {}
        self._next_listener = 0
        self._untold: deque[tuple[bytes, object, Commit]] = deque()

    @property
    def is_listened_to(self) -> bool:
        return bool(self._listeners) or bool(self._untold)

    @property
    def text(self) -> TextReplica:
        assert isinstance(self.replica, TextReplica)
        return self.replica

    def state_vector(self) -> bytes:
        return self.replica.state_vector()

    def cut(self, state_vector: bytes) -> tuple[bytes, Commit]:
        """What a holder of `state_vector` lacks, and the commit that makes it durable."""
        return self.replica.update_since(state_vector), self._pending()

    async def receive(self, update: bytes, source: object) -> None:
        """Take a peer's update; returns when it is durable. Raises MissingDependency, InvalidUpdate."""
        commit = self._accept(self, update, source)
        if commit is not None:
            await self.told(commit)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        number = self._next_listener
        self._next_listener += 1
        self._listeners[number] = listener
        return lambda: self._listeners.pop(number, None) and None

    def applied(self, update: bytes, source: object, commit: Commit) -> None:
        """An update was applied and will be durable with `commit`: tell the listeners then."""
        self._untold.append((update, source, commit))

    async def told(self, commit: Commit) -> None:
        """Wait for `commit`, then tell the listeners all that is durable."""
        await commit.wait()
        while self._untold and self._untold[0][2].is_done:
            update, source, _ = self._untold.popleft()
            for listener in list(self._listeners.values()):
                listener(update, source)
