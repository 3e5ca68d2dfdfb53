"""A link: one authenticated, encrypted connection between two devices.

Theory of operation
    `open_link` takes a stream whose handshake is done. Both sides send Hello first; the link is up when the peer's
    Hello has been decrypted, which for the accepting side is also what proves that the handshake was no replay.

    One task writes the stream: it drains the frame encoder and sleeps until there is more. One task, the caller's,
    reads (`incoming.py`): `receive()` gives decoded messages.

    What is large goes no faster than a person allows (`pacing.py`): its next frame is given a time, and until then the
    writer sends what is small, or sleeps.

    Keepalive is the kernel's: probes after 2 s of silence and TCP_USER_TIMEOUT for data that is not acknowledged notice
    a pulled cable within 5 s, or within 10 s where something is sent in the last of them; a killed peer is EOF at once.

Invariants
    * Queued bytes are bounded by `MAX_QUEUED_BYTES`: `send` waits in the bulk lane, `send_nowait` refuses.
"""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import trio

from yp2p.errors import MessageFault, OtherVersion
from yp2p.protocol import messages
from yp2p.protocol.frames import MAX_PLAINTEXT_BYTES, FrameEncoder, Lane
from yp2p.protocol.messages import AnyMessage, Chunks, Documents, Goodbye, Hello, Message
from yp2p.transport.handshake import HANDSHAKE_LIMIT_S, Secured
from yp2p.transport.incoming import Incoming, StreamEnded
from yp2p.transport.large_messages import Turn
from yp2p.transport.nowait import write_nowait
from yp2p.transport.pacing import FEW_TEXTS, LOOK_S, Pace, Pacing
from yp2p.transport.undone import Undone

# A peer that does not read costs us this much and no more; then its updates are dropped and it resyncs.
MAX_QUEUED_BYTES = 16 << 20
_GONE_MS = 5000
_WRITE_BYTES = 192 << 10
# Writes that the kernel takes at once before others have their turn: two milliseconds at most.
_WRITES_AT_ONCE = 4
# What the kernel takes before it is sent: more of it would hold up a keystroke behind a gigabyte (tcp(7)).
_TCP_NOTSENT_LOWAT = 25
_NOT_SENT_BYTES = 256 << 10
_CLOSE_LIMIT_S = 0.5
# Small interactive messages stay in their lane; what is larger would hold up typing.
_BULK_FROM_BYTES = 64 << 10


class LinkClosed(Exception):
    """The link is over; the text says why.

    Attributes:
        is_paused_there: whether the peer said that a person paused this device there.
    """

    def __init__(self, text: str, *, is_paused_there: bool = False) -> None:
        super().__init__(text)
        self.is_paused_there = is_paused_there


def keep_alive(stream: trio.SocketStream) -> None:
    """Notice a silent peer within 6 s (tcp(7)); what is no TCP connection is another program's to watch."""
    if stream.socket.family == socket.AF_UNIX:
        return
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 2)
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _GONE_MS)
    stream.setsockopt(socket.IPPROTO_TCP, _TCP_NOTSENT_LOWAT, _NOT_SENT_BYTES)


def lane_for(data: bytes) -> Lane:
    return Lane.BULK if len(data) >= _BULK_FROM_BYTES else Lane.INTERACTIVE


def _is_paid_afterwards(message: AnyMessage, size: int) -> bool:
    """Whether a message counts against the limit when it comes; of chunks as many come as were asked for."""
    return isinstance(message, Documents) or (size >= _BULK_FROM_BYTES and not isinstance(message, Chunks))


@dataclass(slots=True)
class Traffic:
    """What went over a link, in bytes: `sent_bytes` of ciphertext; of messages, before encryption, by kind and in both
    directions `exchanged`."""

    sent_bytes: int = 0
    exchanged: Counter[str] = field(default_factory=Counter)


class Link:
    """An open link. Use `open_link`."""

    def __init__(self, secured: Secured) -> None:
        self._stream = secured.stream
        self._encoder = FrameEncoder(secured.transport.sending)
        self._incoming = Incoming(secured, self._waits_for)
        # Whether somebody waits for a large message, of which these are the first bytes, and how many it has.
        self.is_wanted: Callable[[bytes, int], bool] = lambda head, size: True
        self._more = trio.Event()  # waited for by the writer only
        self._unsent = b""  # of frames that were sent in part
        self._room = trio.lowlevel.ParkingLot()  # of those whose messages wait for room
        self._closing: str | None = None
        self.given_bytes = 0  # of the message that `receive` gave last
        self._written = trio.Event()
        self._written_at_once = 0
        self.traffic = Traffic()
        self.peer: Hello | None = None
        self.undone = Undone()
        self.pace = Pace(Pacing())  # no limit, until it is known who the peer is

    def _waits_for(self, head: bytes, size: int) -> bool:
        return self.peer is not None and self.is_wanted(head, size)  # a Hello is small

    @property
    def turn(self) -> Turn:
        """The link's turn to receive a large message."""
        return self._incoming.turn

    @property
    def received_bytes(self) -> int:
        """How many bytes of ciphertext came."""
        return self._incoming.received_bytes

    @property
    def remote_host(self) -> str:
        return str(self._stream.socket.getpeername()[0])

    def send_nowait(self, message: Message, key: bytes | None = None) -> bool:
        """Queue a message; False when too much is queued already (it is dropped then)."""
        if self._closing is not None or self._encoder.queued_bytes > MAX_QUEUED_BYTES:
            return False
        data = messages.encode(message)
        lane = lane_for(data)
        if self.pace.limits_upload and isinstance(message, Documents) and len(message.states) > FEW_TEXTS:
            lane = Lane.BULK  # of a first synchronisation, as all of them together are
        self._encoder.send(data, lane, key)
        self.traffic.exchanged[type(message).__name__] += len(data)
        if self._is_idle and len(data) < _BULK_FROM_BYTES:
            self._flush_nowait()
        else:
            self._more.set()
        return True

    @property
    def _is_idle(self) -> bool:
        """Whether the writer sleeps, with nothing that may go now."""
        return self._more.statistics().tasks_waiting > 0

    def _flush_nowait(self) -> None:
        """What is typed goes out before the writer could wake."""
        frames = self._next_frames()
        taken = write_nowait(self._stream, frames)
        self.traffic.sent_bytes += taken
        self._unsent = frames[taken:]
        if self._unsent or self._encoder.queued_bytes:
            self._more.set()

    async def send(self, message: Message, key: bytes | None = None, limit: int = MAX_QUEUED_BYTES) -> None:
        """Queue a message, waiting while more than `limit` bytes are queued. Raises LinkClosed."""
        await trio.lowlevel.checkpoint()
        while self._encoder.queued_bytes > limit and self._closing is None:
            await self._room.park()
        if not self.send_nowait(message, key):
            raise LinkClosed(self._closing or "the link is closed")

    def close(self, reason: str, *, is_paused: bool = False) -> None:
        """Say goodbye and end the link; `is_paused` says that a person here paused the peer."""
        if self._closing is None:
            self._encoder.send(messages.encode(Goodbye(reason[:200], is_paused)), Lane.INTERACTIVE)
            self._closing = reason
            self._more.set()

    async def receive(self) -> AnyMessage:
        """The peer's next message.

        Raises:
            LinkClosed: the link is over. PeerFault: the peer broke the protocol.
        """
        try:
            encoded = await self._incoming.next()
        except StreamEnded as end:
            raise LinkClosed(str(end)) from None
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise LinkClosed(self._closing or f"the connection broke: {error.__cause__ or error}") from None
        self.given_bytes = len(encoded)
        message = messages.decode(encoded)
        if self.pace.limits_download and _is_paid_afterwards(message, len(encoded)):
            self.pace.received(len(encoded), trio.current_time())
        self.traffic.exchanged[type(message).__name__] += len(encoded)
        if isinstance(message, Goodbye):
            raise LinkClosed(f"the peer closed the link: {message.reason}", is_paused_there=message.is_paused)
        return message

    @property
    def has_received_more(self) -> bool:
        """Whether messages are here that `receive` has not given yet."""
        return self._incoming.has_more

    async def take_a_little(self) -> None:
        """Keep the link up while `receive` is not called; until cancelled."""
        await self._incoming.take_a_little()

    async def run_writer(self) -> None:
        """Send what is queued until the link is closed; a cancelled link still says goodbye."""
        try:
            with trio.CancelScope(shield=True):
                await self._write_until_closed()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self._closing = self._closing or "the connection broke"
        finally:
            self._written.set()
            self._room.unpark_all()
            await trio.aclose_forcefully(self._stream)

    def _next_frames(self) -> bytes:
        """Some frames at a time, so that a gigabyte does not take a call for each; what is typed waits for no more."""
        frames: list[bytes] = []
        size = 0
        while size < _WRITE_BYTES and (frame := self._next_frame()) is not None:
            frames.append(frame)
            size += len(frame)
        return b"".join(frames)

    def _next_frame(self) -> bytes | None:
        """None when nothing is left that may go now."""
        if self.pace.limits_upload and self._encoder.has_bulk_only:
            now = trio.current_time()
            if self._bulk_at(now) > now:
                return None
            self.pace.frame_went()
        return self._encoder.data_to_send()

    def _bulk_at(self, now: float) -> float:
        return self.pace.frame_at(min(self._encoder.queued_bytes, MAX_PLAINTEXT_BYTES), now)

    async def _write(self, frames: bytes) -> None:
        """Write some frames; the kernel takes most at once, and a turn of the loop costs as much as encrypting them."""
        taken = write_nowait(self._stream, frames)
        self._written_at_once += 1
        if taken < len(frames):
            self._written_at_once = 0
            await self._stream.send_all(memoryview(frames)[taken:])
        elif self._written_at_once == _WRITES_AT_ONCE:
            self._written_at_once = 0
            await trio.lowlevel.checkpoint()
        self.traffic.sent_bytes += len(frames)
        self._room.unpark_all()

    async def _write_until_closed(self) -> None:
        while True:
            # no await between the frames and the Event: nothing queued is overlooked
            frames, self._unsent = self._unsent or self._next_frames(), b""
            if frames:
                await self._write(frames)
            elif self._closing is not None:
                await self._stream.send_all(self._encoder.end())
                return
            else:
                self._more = trio.Event()
                if self._encoder.queued_bytes:  # for its time
                    now = trio.current_time()
                    with trio.move_on_at(min(self._bulk_at(now), now + LOOK_S)):
                        await self._more.wait()
                else:
                    await self._more.wait()

    async def finish(self, reason: str) -> None:
        """Say goodbye, give it half a second to go out, and close the connection."""
        self.close(reason)
        with trio.CancelScope(shield=True):
            with trio.move_on_after(_CLOSE_LIMIT_S):
                await self._written.wait()
            await trio.aclose_forcefully(self._stream)


def choose_version(own: tuple[int, ...], offered: tuple[int, ...]) -> int:
    """The highest protocol version both speak. Raises OtherVersion when there is none."""
    shared = set(own) & set(offered)
    if not shared:
        raise OtherVersion(own, offered)
    return max(shared)


def _checked(first: AnyMessage) -> Hello:
    if not isinstance(first, Hello):
        raise MessageFault("a link that does not begin with Hello")
    return first


async def confirm(secured: Secured) -> Link:
    """The accepting side's proof that a handshake was no replay: the peer's Hello, before anything is sent.

    Raises:
        LinkClosed, PeerFault: there is none.
    """
    link = Link(secured)
    link.peer = _checked(await link.receive())
    return link


@asynccontextmanager
async def open_link(secured: Secured, hello: Hello, confirmed: Link | None = None) -> AsyncIterator[Link]:
    """Send our Hello, have the peer's, and keep the link up; leaving the context closes it.

    Args:
        hello: the proof of our keys is put into it.
        confirmed: what `confirm` gave, on the accepting side.

    Raises:
        LinkClosed, PeerFault: the peer went or broke the protocol before its Hello.
    """
    link = confirmed or Link(secured)
    keep_alive(secured.stream)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(link.run_writer)
        nursery.start_soon(link.take_a_little)
        try:
            link.send_nowait(replace(hello, proof=secured.proof))
            if link.peer is None:
                with trio.fail_after(HANDSHAKE_LIMIT_S):
                    link.peer = _checked(await link.receive())
            choose_version(hello.versions, link.peer.versions)  # after our Hello: the peer has to know ours as well
            yield link
        except MessageFault as fault:
            link.close(f"{fault}; my versions are {list(hello.versions)}")
            raise
        finally:
            link.turn.end()
            await link.finish("the device is closing the link")  # noqa: ASYNC102 (it shields and limits itself)
            nursery.cancel_scope.cancel()
