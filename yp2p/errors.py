"""Every exception of yp2p, and the exit code each one gives.

::

    YpError                      1  anything that went wrong
    ├── UsageError               2  the command line cannot be carried out as written
    ├── NotRunning               3  no daemon answers on the control socket
    ├── AlreadyRunning           4  another daemon holds this home
    ├── ListenError              5  the listen address or port cannot be bound
    ├── ConfigError              6  a setting is unknown or has a wrong value
    ├── DamagedError             7  the store or the device key cannot be read
    │   └── NewerStore          10  a newer yp2p wrote the store: it is left as it is
    ├── FolderError              8  a directory cannot be shared or joined
    │   └── RootGone             8  the root of a folder is away, or lost its marker: it is waited for
    ├── PairingError             9  no code, wrong code, window closed, several devices answered
    │   ├── InviteRefused        9  whoever was asked honours no such invite (any more)
    │   └── NotShown             9  what a folder has cannot be told before joining
    ├── WaitTimeout              1  `yp2p wait` ran out of time
    ├── NobodyConnected          1  `yp2p wait` found a folder that is on no other device now
    ├── NotInstalled             1  a part of yp2p that is asked for is not in this installation
    ├── FileUnavailable          8  a program asked for a file that is no text of a folder here
    ├── FileGone                 8  the file that a program has open is another one by now, or no text any more
    ├── OtherFile                8  what a program holds is the text of another file
    ├── VersionUnknown          11  an edit names a version that is not kept here, or is another file's
    ├── PositionInvalid          2  what is no position in a text of a file
    ├── PositionUnknown          1  a position beside what a text does not have (yet)
    └── PeerFault                1  a peer broke the protocol: ends that peer's session, nothing else
        ├── HandshakeFailed         Noise could not authenticate the bytes received
        │   ├── ConnectionEnded     the other end closed the connection during the handshake
        │   └── UnknownKey          the handshake is of a device that is not known here
        ├── FrameFault              a length or lane that the frame layer does not allow
        ├── MessageFault            a message that does not decode
        │   └── OtherVersion        the peer speaks no version of the protocol that this device speaks
        ├── PairingFault            a CPace point or confirmation that is not valid
        └── InvalidUpdate           bytes that must never reach the CRDT library
    MissingDependency               an update came before what it depends on: resync, not an offence
    MissingCharacters               a peer's text has characters of which nothing but their deletion is known here
    CrdtPanic                       the CRDT library panicked: drop the document and load it again
    └── HistoriesDiffer             what a peer holds of a document cannot be joined with what is here

A message says what happened, with the values, and what to do about it. The CLI prints it without a traceback.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import ClassVar


class YpError(Exception):
    """Base of all errors that a person may see."""

    exit_code: ClassVar[int] = 1


class UsageError(YpError):
    """The command line cannot be carried out as written."""

    exit_code = 2


class NotRunning(YpError):
    """No daemon answers on the control socket."""

    exit_code = 3


class AlreadyRunning(YpError):
    """Another daemon already holds this home."""

    exit_code = 4


class ListenError(YpError):
    """The listen address or port cannot be bound."""

    exit_code = 5


class ConfigError(YpError):
    """A setting is unknown or has a wrong value."""

    exit_code = 6


class DamagedError(YpError):
    """The store or the device key cannot be read; it is left as it is."""

    exit_code = 7


class NewerStore(DamagedError):
    """A newer yp2p wrote the store; it is left as it is."""

    exit_code = 10


class FolderError(YpError):
    """A directory cannot be shared or joined."""

    exit_code = 8


class RootGone(FolderError):
    """The root of a folder is away, or has lost its marker: it is waited for."""


class PairingError(YpError):
    """Pairing did not succeed."""

    exit_code = 9


class InviteRefused(PairingError):
    """Whoever was asked lets nobody in with this, and said why."""


class NotShown(PairingError):
    """What a folder has cannot be told to somebody who looks before joining; joining works all the same."""


class WaitTimeout(YpError):
    """The folders were not in sync in time."""

    exit_code = 1


class NobodyConnected(YpError):
    """What is here may be nowhere else: no other device is connected."""


class NotInstalled(YpError):
    """A part of yp2p that is asked for is not in this installation."""


class FileUnavailable(YpError):
    """A program asked for a file that is no text of a folder here.

    Attributes:
        is_later: whether it is about to be one.
    """

    exit_code = 8

    def __init__(self, message: str, *, is_later: bool = False) -> None:
        super().__init__(message)
        self.is_later = is_later


class FileGone(YpError):
    """The file that a program has open is another one by now, or no text any more."""

    exit_code = 8


class OtherFile(YpError):
    """What a program holds is the text of another file than the one that it asked for."""

    exit_code = 8


class VersionUnknown(YpError):
    """An edit names a version of a file that is not kept here, or is another file's."""

    exit_code = 11


class PositionInvalid(YpError):
    """What is no position in a text of a file: an index outside it, or bytes or JSON that mean something else."""

    exit_code = 2


class PositionUnknown(YpError):
    """A position beside what a text does not have, or does not have yet."""


class PeerFault(YpError):
    """A peer broke the protocol. Ends that peer's session and nothing else."""


class HandshakeFailed(PeerFault):
    """Noise could not authenticate what was received."""


class ConnectionEnded(HandshakeFailed):
    """The other end closed the connection during the handshake: so yp2p answers a device that it does not know."""


class UnknownKey(HandshakeFailed):
    """A handshake with the Noise key of no device that is known; `key` is that one."""

    def __init__(self, key: bytes) -> None:
        super().__init__("a device that is not known")
        self.key = key


class FrameFault(PeerFault):
    """A length or a lane that the frame layer does not allow."""


class MessageFault(PeerFault):
    """A message that does not decode."""


class OtherVersion(MessageFault):
    """The peer speaks none of our versions of the protocol; `offered` are those that it speaks."""

    def __init__(self, own: tuple[int, ...], offered: tuple[int, ...]) -> None:
        super().__init__(f"the peer speaks versions {list(offered)}, this device speaks {list(own)}")
        self.offered = offered


class PairingFault(PeerFault):
    """A CPace point or confirmation that is not valid."""


class InvalidUpdate(PeerFault):
    """Bytes that must never reach the CRDT library. `offset` is where parsing stopped."""

    def __init__(self, reason: str, offset: int = 0) -> None:
        super().__init__(f"{reason} (at byte {offset})")
        self.reason = reason
        self.offset = offset


class MissingDependency(Exception):
    """An update came before something it depends on: drop it and ask for a resync."""


class MissingCharacters(Exception):
    """Of a text that a peer has, characters are not known here, but only that they were deleted: ask for them.

    Attributes:
        clients: the client IDs of whoever wrote them.
    """

    def __init__(self, clients: Collection[int]) -> None:
        super().__init__(f"characters of {len(clients)} writers are not known here")
        self.clients = clients


class CrdtPanic(Exception):
    """The CRDT library panicked on this document; discard it and load it from the store."""


class HistoriesDiffer(CrdtPanic):
    """A peer's history of a document contradicts ours; which device is at fault cannot be told."""


EXIT_CODES: dict[int, str] = {
    0: "success",
    1: "it did not work, or `wait` ran out of time",
    2: "the command line cannot be carried out as written",
    3: "no daemon is running for this home",
    4: "another daemon already runs for this home",
    5: "the listen address or port cannot be used",
    6: "a setting is unknown or has a wrong value",
    7: "the device key is damaged, or the store is of another device or program (left as it is)",
    8: "the directory cannot be shared or joined",
    9: "pairing did not succeed",
    10: "a newer yp2p wrote the store (left as it is)",
    11: "`edit`: the version that is named is not kept here, or is another file's: read the file again",
    12: "`edit`: a part of the edit does not fit the version that it names",
}


def first_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """What is at the bottom of a group: the first of those that are no groups."""
    found: BaseException = group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found


@contextmanager
def ungrouped() -> Iterator[None]:
    """Raise what is alone in a group as it was raised, with its own cause and context.

    A nursery puts what leaves its block into a group. Around a nursery that a caller does not see, this takes it out
    again: one level, because a group that the caller raised is the caller's.
    """
    try:
        yield
    except BaseExceptionGroup as group:
        if len(group.exceptions) != 1:
            raise
        alone = group.exceptions[0]
        context = alone.__context__
        try:
            raise alone  # noqa: ASYNC123 (the group is of our own making)
        finally:
            alone.__context__ = context


def first_reason(group: BaseExceptionGroup[BaseException]) -> str:
    """The first reason in a group of exceptions, for people."""
    error = first_of(group)
    return str(error) or type(error).__name__
