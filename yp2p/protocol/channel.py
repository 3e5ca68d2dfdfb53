"""What a provider says over the channel of one document.

The kinds 00 to 02 are those of y-protocols, so that any Yjs provider can take part; 40 is ours: a list of updates in
one message, in the order in which they were received. They are never merged into one, because merging may leave gaps.

======================  ================================================
bytes                   meaning
======================  ================================================
00 00 length vector     step 1: my state vector, send me what I lack
00 01 length update     step 2: what you lack
00 02 length update     a live update
01 length states        awareness
02 00 length reason     what you sent, or asked for, was refused (UTF-8); only to programs
40 count (length upd.)  live updates, oldest first
41 length vector        what I have with the step 2 or the updates that follow; only between devices, or behind 43
42 count (length upd.)  step 2 in parts, each repair by itself; the last part is all of it; only between devices
43 length hashes        SHA-256 of each text that I showed while you were away, in order; only from programs
44 length (number)      since when I showed each of these, in milliseconds since 1970, from each to the next one
45 length hashes        a file was saved with one of these texts (SHA-256): did you show one? only to programs
46 number clock         which of them I showed a moment ago, from 1, or 0; and what clock I write with. The answer to 45
======================  ================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, pairwise

from yp2p.errors import InvalidUpdate
from yp2p.protocol.cursor import Cursor
from yp2p.protocol.wire import write_varint

_SYNC, _AWARENESS, _AUTH, _UPDATES, _HAVE, _ANSWER, _SHOWN, _SINCE = 0x00, 0x01, 0x02, 0x40, 0x41, 0x42, 0x43, 0x44
_SAVED, _SHOWED = 0x45, 0x46
_PERMISSION_DENIED = 0  # y-protocols/auth
_STEP1, _STEP2, _UPDATE = 0, 1, 2
# A list is cut off long before this; more would be a way to make us parse without end.
MAX_UPDATES = 1024
# Texts that a program showed: more than anybody saves, and types in the time of a restart.
MAX_SHOWN = 4096
HASH_BYTES = 32
# Beyond it sums of what a program says would not fit into the store.
_LATEST_MS = 1 << 53


@dataclass(frozen=True, slots=True)
class Step1:
    state_vector: bytes


@dataclass(frozen=True, slots=True)
class Step2:
    update: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """Step 2 in parts: the updates as they were made, in their order, so that it can be told what each of them removed;
    the last one is what a step 2 would be."""

    updates: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Updates:
    updates: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Have:
    """The state vector of the sender, as of the last of the updates in the message that follows."""

    state_vector: bytes


@dataclass(frozen=True, slots=True)
class Shown:
    """The hashes of the texts that a program showed while it was not connected, the oldest first."""

    contents: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Since:
    """When each of the texts of the message before came to the screen, in milliseconds since 1970, in order."""

    times_ms: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Saved:
    """A file was found to be saved with one of the texts with these hashes. `Showed` is the answer."""

    contents: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Showed:
    """Which of the texts that were asked about was on the screen a moment ago; all of what made it so was sent.

    Attributes:
        number: counted from 1; 0: none of them.
        clock: how far the program's own operations go.
    """

    number: int
    clock: int


@dataclass(frozen=True, slots=True)
class AwarenessUpdate:
    data: bytes


@dataclass(frozen=True, slots=True)
class Denied:
    """Why something was refused. Stock clients write it into their log."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unrecognised:
    """A kind of message that we do not speak: to be ignored."""

    kind: int


ProviderMessage = (
    Step1 | Step2 | Answer | Updates | Have | Shown | Since | Saved | Showed | AwarenessUpdate | Denied | Unrecognised
)


def _sized(data: bytes) -> bytes:
    return write_varint(len(data)) + data


def encode(message: ProviderMessage) -> bytes:
    match message:
        case Step1(vector):
            return bytes([_SYNC, _STEP1]) + _sized(vector)
        case Step2(update):
            return bytes([_SYNC, _STEP2]) + _sized(update)
        case Updates((update,)):
            return bytes([_SYNC, _UPDATE]) + _sized(update)
        case Updates(updates) | Answer(updates):
            kind = _UPDATES if isinstance(message, Updates) else _ANSWER
            return bytes([kind]) + write_varint(len(updates)) + b"".join(map(_sized, updates))
        case Have(vector):
            return bytes([_HAVE]) + _sized(vector)
        case Shown(contents) | Saved(contents):
            kind = _SHOWN if isinstance(message, Shown) else _SAVED
            return bytes([kind]) + _sized(b"".join(contents))
        case Since(times):
            steps = [later - earlier for earlier, later in pairwise((0, *times))]
            return bytes([_SINCE]) + _sized(b"".join(map(write_varint, steps)))
        case Showed(number, clock):
            return bytes([_SHOWED]) + write_varint(number) + write_varint(clock)
        case AwarenessUpdate(data):
            return bytes([_AWARENESS]) + _sized(data)
        case Denied(reason):
            return bytes([_AUTH, _PERMISSION_DENIED]) + _sized(reason.encode(errors="replace"))
        case Unrecognised(kind):
            raise ValueError(f"message kind {kind} cannot be sent")


def _hashes(hashes: bytes) -> tuple[bytes, ...]:
    if len(hashes) % HASH_BYTES:
        raise InvalidUpdate("half a hash", len(hashes))
    if len(hashes) > MAX_SHOWN * HASH_BYTES:
        raise InvalidUpdate(f"more than {MAX_SHOWN} hashes", len(hashes))
    return tuple(hashes[at : at + HASH_BYTES] for at in range(0, len(hashes), HASH_BYTES))


def _since(data: bytes) -> Since:
    cursor = Cursor(data)
    steps: list[int] = []
    while cursor.at < cursor.end:
        steps.append(cursor.varint())
        if len(steps) > MAX_SHOWN:
            raise InvalidUpdate(f"more than {MAX_SHOWN} times", cursor.at)
    times = tuple(accumulate(steps))
    if times and times[-1] > _LATEST_MS:
        raise InvalidUpdate("a time that no clock shows", cursor.at)
    return Since(times)


def _sync(step: int, body: bytes) -> ProviderMessage:
    if step == _STEP1:
        return Step1(body)
    if step == _STEP2:
        return Step2(body)
    if step == _UPDATE:
        return Updates((body,))
    raise InvalidUpdate(f"sync message {step} does not exist", 1)


def decode(data: bytes) -> ProviderMessage:
    """Read one message. Raises InvalidUpdate."""
    cursor = Cursor(data)
    kind = cursor.varint()
    message: ProviderMessage
    if kind == _SYNC:
        message = _sync(cursor.varint(), cursor.sized())
    elif kind == _AWARENESS:
        message = AwarenessUpdate(cursor.sized())
    elif kind == _AUTH:
        if cursor.varint() != _PERMISSION_DENIED:
            return Unrecognised(kind)
        message = Denied(cursor.text())
    elif kind == _HAVE:
        message = Have(cursor.sized())
    elif kind == _SHOWN:
        message = Shown(_hashes(cursor.sized()))
    elif kind == _SINCE:
        message = _since(cursor.sized())
    elif kind == _SAVED:
        message = Saved(_hashes(cursor.sized()))
    elif kind == _SHOWED:
        message = Showed(cursor.varint(), cursor.varint())
    elif kind in (_UPDATES, _ANSWER):
        count = cursor.count(1)
        if count > MAX_UPDATES:
            raise InvalidUpdate(f"{count} updates in one message", cursor.at)
        updates = tuple(cursor.sized() for _ in range(count))
        message = Updates(updates) if kind == _UPDATES else Answer(updates)
    else:
        return Unrecognised(kind)
    cursor.finish()
    return message
