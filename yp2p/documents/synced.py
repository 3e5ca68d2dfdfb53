"""What two ends that synchronise a document have to be: the document, as the provider sees it, and the channel.

Documents of folders, of programs and of their clients are such documents; links, sockets and programs of others are the
channels (`conversation.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, Self, runtime_checkable


class Durable(Protocol):
    """Something that becomes durable."""

    async def wait(self) -> None: ...


class Channel(Protocol):
    """A path and an ordered stream of messages (as `pycrdt.Channel`)."""

    @property
    def path(self) -> str: ...

    async def send(self, message: bytes) -> None: ...

    def __aiter__(self) -> Self: ...

    async def __anext__(self) -> bytes: ...


# Takes an update, its source, and the state vector right after it where it is no keystroke (None where it is).
Listener = Callable[[bytes, object, bytes | None], None]
# In the place of that vector: the next update is told at once, and says it for both. They are sent together.
FOLLOWS = b""


@dataclass(frozen=True, slots=True)
class PeerState:
    """What a peer had when it sent something, which comes with it: its state vector.

    `is_answer`: it answers our step 1, and names all that is deleted there. `has_diverged`: keystrokes that one of us
    has and the other lacks may have been made while we did not see each other, and are not merely on their way.
    `may_be_asked`: it will say again what is asked for, so who lacks characters of its text can have them first.
    `repeats`: the clients of which it was asked to say everything, also what is here.
    """

    vector: dict[int, int]
    is_answer: bool
    has_diverged: bool = False
    may_be_asked: bool = False
    repeats: frozenset[int] = frozenset()


class SyncedDocument(Protocol):
    """What a provider needs of a document. `source` says where an update came from; None is this device."""

    def state_vector(self) -> bytes: ...

    def cut(self, state_vector: bytes) -> tuple[bytes, Durable]:
        """What a holder of `state_vector` lacks now, and when that is durable."""

    async def receive_all(self, updates: Sequence[bytes], source: object, theirs: PeerState | None) -> None:
        """Validate and apply updates, in order; they become durable later, those of one call in one commit.

        `theirs` is what the sender has with these updates, where it says so.

        Raises:
            MissingDependency, InvalidUpdate: of the first that cannot be taken; those before it are.
            MissingCharacters: where the sender may be asked for them; none of the updates is taken.
        """

    def receive_nowait(self, updates: Sequence[bytes], source: object) -> bool:
        """The same without waiting, for what is small; False where that cannot be: `receive_all` says what is wrong."""

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Be told of every update once it is durable; gives the way to unsubscribe."""


@runtime_checkable
class CutInParts(Protocol):
    """A document that says what a peer lacks in several updates."""

    async def updates_as_made(self, state_vector: bytes) -> Sequence[bytes]:
        """Updates that go before what `cut` gives; all of them are in that as well."""

    def is_too_much(self, update: bytes) -> bool:
        """Whether a peer takes an update in parts only."""

    def in_messages(self, updates: tuple[bytes, ...]) -> Sequence[tuple[bytes, ...]]:
        """Updates, at least one, as they go in one message or in several."""

    async def to_send(self, updates: Sequence[bytes]) -> tuple[bytes, ...]:
        """Updates as a peer takes them."""
