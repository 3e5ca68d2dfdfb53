"""Frames: how messages travel inside Noise transport messages.

Theory of operation
    A Noise transport message is at most 65535 bytes, 16 of them the tag. Its plaintext is one *frame*::

        lane (1 byte)   then bytes of that lane's stream

    Each lane is a byte stream of its own, of messages with their length (u32) in front; a message may span
    many frames, and many small messages share one frame. The interactive lane is always emptied first, so
    typing does not wait behind a gigabyte; one frame is the most it can wait. Lane 255 is the authenticated
    end: a TCP stream that ends without it was cut off.

    Messages that belong together have a `key` (their document). As long as a message of that key still waits
    in the bulk lane, later ones of the key queue behind it there: order within a key is kept across lanes.

    Both sides replace their sending key after every `REKEY_INTERVAL` transport messages (Noise §11.3).

Invariants
    * `FrameDecoder` never buffers more than one message per lane plus one frame; nothing of one that is dropped.
    * No length is believed before it is compared with the cap of its lane.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from enum import IntEnum

from yp2p.errors import FrameFault
from yp2p.protocol.noise import MAX_MESSAGE_BYTES, TAG_BYTES, CipherState

_LENGTH_BYTES = 4
# A piece of a message that is kept by itself costs as much as this at most.
_SMALL_BYTES = 1024
# Tells what a message is about (`messages.subject_of`).
HEAD_BYTES = 64
# A message of more is put together as it comes, in memory that goes back to the kernel as one: pieces of sixty-four
# kilobytes would each be kept for others.
_LARGE_BYTES = 3 << 20
MAX_PLAINTEXT_BYTES = MAX_MESSAGE_BYTES - TAG_BYTES
# A short schedule costs nothing (one block of ChaCha20) and bounds what a stolen key reads.
REKEY_INTERVAL = 1 << 14
# An interactive message is a keystroke, a digest or a list of IDs. Without the cap a paired device could make
# us hold any amount of memory by announcing one endless message.
MAX_INTERACTIVE_BYTES = 1 << 20
# A bulk message carries the full state of one document: `files.max_text_bytes` plus its history.
MAX_BULK_BYTES = 64 << 20
# Frames that are opened at a stretch, within a millisecond: a read of a quarter of a megabyte has five, or thirteen
# thousand of a peer that puts two bytes into each.
FRAMES_AT_ONCE = 64


class Lane(IntEnum):
    INTERACTIVE = 0
    BULK = 1
    END = 255


_CAPS = {Lane.INTERACTIVE: MAX_INTERACTIVE_BYTES, Lane.BULK: MAX_BULK_BYTES}


@dataclass(slots=True)
class _Outgoing:
    """The unsent part of a lane: whole messages, each with the key it belongs to."""

    messages: deque[tuple[bytes, bytes | None]] = field(default_factory=deque)
    offset: int = 0


class FrameEncoder:
    """Queues messages and cuts them into encrypted frames.

    The caller bounds what it queues by `queued_bytes`.
    """

    def __init__(self, cipher: CipherState) -> None:
        self._cipher = cipher
        self._lanes = {Lane.INTERACTIVE: _Outgoing(), Lane.BULK: _Outgoing()}
        self._bulk_keys: Counter[bytes] = Counter()
        self._sent = 0
        self.queued_bytes = 0

    @property
    def has_bulk_only(self) -> bool:
        """Whether the next frame is one of the bulk lane."""
        return bool(self._lanes[Lane.BULK].messages) and not self._lanes[Lane.INTERACTIVE].messages

    def send(self, message: bytes, lane: Lane, key: bytes | None = None) -> None:
        """Queue one message. Raises ValueError when it is longer than its lane allows."""
        if key is not None and self._bulk_keys[key]:
            lane = Lane.BULK
        if len(message) > _CAPS[lane]:
            raise ValueError(f"a message of {len(message)} bytes does not fit the {lane.name} lane")
        if lane is Lane.BULK and key is not None:
            self._bulk_keys[key] += 1
        queue = self._lanes[lane]
        queue.messages.append((message, key))
        self.queued_bytes += len(message) + _LENGTH_BYTES

    def data_to_send(self) -> bytes | None:
        """The next frame as it goes on the wire (2-byte length, ciphertext), or None when nothing waits."""
        for lane, queue in self._lanes.items():
            if queue.messages:
                return self._seal(self._cut(lane, queue))
        return None

    def end(self) -> bytes:
        """The authenticated end of the stream."""
        return self._seal(bytes([Lane.END]))

    def _cut(self, lane: Lane, queue: _Outgoing) -> bytes:
        """The plaintext of the next frame of a lane; the offset in its first message counts the length in front."""
        room = MAX_PLAINTEXT_BYTES - 1
        parts: list[bytes | memoryview] = [bytes([lane])]
        while queue.messages and room:
            message, key = queue.messages[0]
            if queue.offset < _LENGTH_BYTES:
                length = len(message).to_bytes(_LENGTH_BYTES, "big")[queue.offset : queue.offset + room]
                parts.append(length)
                room -= len(length)
                queue.offset += len(length)
                self.queued_bytes -= len(length)
            start = queue.offset - _LENGTH_BYTES
            part = memoryview(message)[start : start + room] if start >= 0 else b""
            parts.append(part)
            room -= len(part)
            queue.offset += len(part)
            self.queued_bytes -= len(part)
            if queue.offset == len(message) + _LENGTH_BYTES:
                queue.messages.popleft()
                queue.offset = 0
                if lane is Lane.BULK and key is not None:
                    self._bulk_keys[key] -= 1
                    if not self._bulk_keys[key]:
                        del self._bulk_keys[key]
        return b"".join(parts)

    def _seal(self, plaintext: bytes) -> bytes:
        ciphertext = self._cipher.encrypt(b"", plaintext)
        self._sent += 1
        if self._sent % REKEY_INTERVAL == 0:
            self._cipher.rekey()
        return len(ciphertext).to_bytes(2, "big") + ciphertext


class _Incoming:
    """The message of a lane that is not whole yet, in the pieces that came; small ones are put together at once."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self._length = b""
        self._missing = 0
        self._parts: list[memoryview | bytearray] = []
        self._is_dropped = False
        self.number = 0  # of the messages that came before

    @property
    def size(self) -> int:
        """How many bytes the message has that is on its way; 0 where there is none, or it is dropped."""
        return int.from_bytes(self._length, "big") if self._missing and not self._is_dropped else 0

    @property
    def head(self) -> bytes:
        """The first bytes of it, as far as they came."""
        return b"".join(part[:HEAD_BYTES] for part in self._parts[:2])

    def drop(self) -> None:
        """Keep nothing of the message that is on its way."""
        self._is_dropped = bool(self._missing)
        self._parts = []

    def _add(self, part: memoryview) -> None:
        if self._parts and self.size > _LARGE_BYTES:
            whole = self._parts[0] if isinstance(self._parts[0], bytearray) else bytearray(self._parts[0])
            whole += part
            self._parts[0] = whole
        elif len(part) >= _SMALL_BYTES:
            self._parts.append(part)
        elif self._parts and isinstance(last := self._parts[-1], bytearray):
            last += part
        else:
            self._parts.append(bytearray(part))

    def take(self, data: memoryview, messages: list[bytes]) -> None:
        """Raises FrameFault."""
        while data:
            if len(self._length) < _LENGTH_BYTES:
                more = data[: _LENGTH_BYTES - len(self._length)]
                self._length += more
                data = data[len(more) :]
                if len(self._length) < _LENGTH_BYTES:
                    return
                self._missing = int.from_bytes(self._length, "big")
                if self._missing > _CAPS[self._lane]:
                    raise FrameFault(
                        f"a message of {self._missing} bytes, more than the {self._lane.name} lane allows"
                    )  # fmt: skip
            part = data[: self._missing]
            if not self._is_dropped:
                self._add(part)
            self._missing -= len(part)
            data = data[len(part) :]
            if not self._missing:
                if not self._is_dropped:
                    messages.append(b"".join(self._parts))
                self._parts, self._length, self._is_dropped = [], b"", False
                self.number += 1


class FrameDecoder:
    """Takes the bytes of a TCP stream and gives whole messages.

    Raises:
        HandshakeFailed: a frame does not authenticate.
        FrameFault: a lane or length that is not allowed.
    """

    def __init__(self, cipher: CipherState) -> None:
        self._cipher = cipher
        self._wire = bytearray()
        self._lanes = {lane: _Incoming(lane) for lane in (Lane.INTERACTIVE, Lane.BULK)}
        self._received = 0
        self.ended = False
        self.is_behind = False  # whether whole frames may be left
        self.bulk = self._lanes[Lane.BULK]

    def receive_data(self, data: bytes) -> list[bytes]:
        """Feed bytes from the wire; gives the messages they complete, in order.

        Of many frames the first: while `is_behind`, it is to be called again, with no more bytes than there are.
        """
        self._wire += data
        messages: list[bytes] = []
        at = number = 0
        with memoryview(self._wire) as wire:
            while not self.ended and len(wire) - at >= 2 and number < FRAMES_AT_ONCE:
                number += 1
                size = int.from_bytes(wire[at : at + 2], "big")
                if size <= TAG_BYTES:
                    raise FrameFault(f"a frame of {size} bytes is too short to hold anything")
                if len(wire) - at - 2 < size:
                    break
                with wire[at + 2 : at + 2 + size] as ciphertext:
                    self._open(ciphertext, messages)
                at += 2 + size
        if at:
            del self._wire[:at]
        self.is_behind = number == FRAMES_AT_ONCE and not self.ended
        return messages

    def _open(self, ciphertext: memoryview, messages: list[bytes]) -> None:
        plaintext = self._cipher.decrypt(b"", ciphertext)
        self._received += 1
        if self._received % REKEY_INTERVAL == 0:
            self._cipher.rekey()
        if plaintext[0] == Lane.END:
            self.ended = True
            return
        if plaintext[0] not in (Lane.INTERACTIVE, Lane.BULK):
            raise FrameFault(f"lane {plaintext[0]} does not exist")
        self._lanes[Lane(plaintext[0])].take(memoryview(plaintext)[1:], messages)
