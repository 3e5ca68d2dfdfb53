"""A network in virtual time: streams with delays, connections that drop, partitions, half-open links, one-byte reads.

Bytes of one connection stay in order; connections have latencies of their own, so between them order is free. While a
pair of devices is apart nothing gets through: what is sent waits, as TCP retransmits, and when that lasts longer than
the kernel's keepalive would allow, both ends find the connection broken.
"""

from __future__ import annotations

import math
import random
import socket
from collections import deque
from collections.abc import Callable, Collection
from typing import Any

import trio

# What `transport/link.py` asks of the kernel: probes after 2 s, three of them, and 5 s for unacknowledged data.
_BROKEN_AFTER_S = 5.0
_WINDOW_BYTES = 256 << 10
_CONNECT_LIMIT_S = 4.0


class _Socket:
    """What a link asks of the socket beneath."""

    family = socket.AF_INET

    def __init__(self, address: str, port: int) -> None:
        self._address = (address, port)

    def getpeername(self) -> tuple[str, int]:
        return self._address


class _Direction:
    """One way of a connection."""

    def __init__(self, latency_s: float, trickle: int) -> None:
        self.latency_s = latency_s
        self.trickle = trickle  # bytes that are still read in tiny pieces
        self.waiting: deque[tuple[float, bytes]] = deque()
        self.buffer = bytearray()
        self.size = 0
        self.ended = False
        self.more = trio.Event()
        self.room = trio.Event()

    def wake(self) -> None:
        self.more.set()
        self.room.set()
        self.more, self.room = trio.Event(), trio.Event()


class Connection:
    """Both ways between two devices."""

    def __init__(self, network: Network, ends: tuple[str, str]) -> None:
        rng = network.rng
        self.network = network
        self.ends = ends
        latency = rng.choice((0.0002, 0.002, 0.02, 0.2 if network.is_slow else 0.0002))
        self.ways = {
            end: _Direction(latency * rng.uniform(0.5, 1.5), 2000 if network.trickles and rng.random() < 0.2 else 0)
            for end in ends
        }
        self.broken = False

    def break_now(self) -> None:
        """Both ends learn that the connection is no more."""
        self.broken = True
        self.network.connections.discard(self)
        for way in self.ways.values():
            way.wake()

    def blocked_until(self, sender: str) -> float:
        """Until when nothing gets through from `sender`; now or earlier when it does."""
        return self.network.blocked.get((sender, self.ends[self.ends[0] == sender]), -math.inf)


class SimulatedStream(trio.abc.Stream):
    """One end of a connection, as a `trio.SocketStream`."""

    def __init__(self, connection: Connection, own: str, point: Callable[[str], None]) -> None:
        self._connection = connection
        self._own = own
        other = connection.ends[connection.ends[0] == own]
        self._out, self._in = connection.ways[own], connection.ways[other]
        self._point = point
        self._closed = False
        self.socket = _Socket(connection.network.address_of(other), connection.network.port)

    def setsockopt(self, level: int, option: int, value: int) -> None:
        """Nothing to be set."""

    async def wait_send_all_might_not_block(self) -> None:
        """Return when there is room, or when nobody will make any."""
        await trio.lowlevel.checkpoint()
        while self._out.size > _WINDOW_BYTES and not (self._is_broken or self._closed):
            await self._out.room.wait()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        self._point("before sending")
        await self.wait_send_all_might_not_block()
        if self._closed:
            raise trio.ClosedResourceError
        if self._is_broken:
            raise trio.BrokenResourceError("the connection is broken")
        self._put(bytes(data))

    @property
    def _is_broken(self) -> bool:
        """Whether nobody reads what is sent any more."""
        return self._connection.broken or self._in.ended

    def _put(self, data: bytes) -> None:
        now = trio.current_time()
        arrives = max(now, self._connection.blocked_until(self._own)) + self._out.latency_s
        if self._out.waiting:
            arrives = max(arrives, self._out.waiting[-1][0])
        self._out.waiting.append((arrives, data))
        self._out.size += len(data)
        self._out.wake()

    def take_nowait(self, data: bytes) -> int:
        """As `transport/nowait.py`: what there is room for, and now and then only a part of it."""
        if self._is_broken or self._closed or self._out.size > _WINDOW_BYTES:
            return 0
        rng = self._connection.network.rng
        is_partial = self._connection.network.writes_parts and rng.random() < 0.3
        taken = len(data) if not is_partial else rng.randrange(len(data) + 1)
        if taken:
            self._put(data[:taken])
        return taken

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        await trio.lowlevel.checkpoint()
        way = self._in
        while True:
            if self._closed:
                raise trio.ClosedResourceError
            if self._connection.broken:
                raise trio.BrokenResourceError("the connection is broken")
            self._arrived(way)
            if way.buffer:
                return self._cut(way, max_bytes or len(way.buffer))
            if way.ended and not way.waiting:
                return b""
            with trio.move_on_at(way.waiting[0][0] if way.waiting else math.inf):
                await way.more.wait()

    def give_nowait(self, limit: int) -> bytes:
        """As `transport/nowait.py`: what has arrived."""
        way = self._in
        if self._closed or self._connection.broken:
            return b""
        self._arrived(way)
        return self._cut(way, limit) if way.buffer else b""

    def _arrived(self, way: _Direction) -> None:
        now = trio.current_time()
        while way.waiting and way.waiting[0][0] <= now:
            way.buffer += way.waiting.popleft()[1]

    def _cut(self, way: _Direction, size: int) -> bytes:
        if way.trickle > 0:
            size = min(size, self._connection.network.rng.randint(1, 3))
            way.trickle -= size
        data = bytes(way.buffer[:size])
        del way.buffer[:size]
        way.size -= len(data)
        way.room.set()
        way.room = trio.Event()
        return data

    async def aclose(self) -> None:
        if not self._closed:
            self._closed = True
            self._out.ended = True
            self._connection.ways[self._own].wake()
            self._in.wake()
            if self._in.ended:
                self._connection.network.connections.discard(self._connection)
        await trio.lowlevel.checkpoint()


class SimulatedListener(trio.abc.Listener[trio.abc.Stream]):
    """Where connections to one device come in, as a `trio.SocketListener`."""

    def __init__(self) -> None:
        self._in, self._out = trio.open_memory_channel[SimulatedStream](100)

    def offer(self, stream: SimulatedStream) -> None:
        self._in.send_nowait(stream)

    async def accept(self) -> Any:
        return await self._out.receive()

    async def aclose(self) -> None:
        self._in.close()
        await trio.lowlevel.checkpoint()


class Network:
    """Who can reach whom."""

    port = 9727

    def __init__(self, rng: random.Random, conditions: Collection[str] = ()) -> None:
        self.rng = rng
        self.is_slow = "slow connections" in conditions
        self.trickles = "one-byte reads" in conditions
        self.writes_parts = "partial writes" in conditions
        self._addresses: dict[str, str] = {}
        self.connections: set[Connection] = set()
        self.listeners: dict[str, tuple[SimulatedListener, Callable[[str], None]]] = {}
        self.blocked: dict[tuple[str, str], float] = {}  # from, to: until when
        self.never: set[frozenset[str]] = set()  # pairs that are on different networks

    def address_of(self, name: str) -> str:
        """The IP address of a host."""
        return self._addresses.setdefault(name, f"10.0.0.{len(self._addresses) + 1}")

    def name_of(self, address: str) -> str:
        """The host with an IP address."""
        return next((name for name, own in self._addresses.items() if own == address), address)

    def of(self, *hosts: str) -> list[Connection]:
        """The connections between these hosts, or of one host."""
        found = [c for c in self.connections if set(hosts) <= set(c.ends)]
        return sorted(found, key=lambda c: (c.ends, c.ways[c.ends[0]].latency_s))

    async def connect(self, own: str, host: str, point: Callable[[str], None]) -> SimulatedStream:
        """`host` is a name or an address. Raises OSError."""
        host = self.name_of(host)
        now = trio.current_time()
        listening = self.listeners.get(host)
        is_apart = any(self.blocked.get(pair, -math.inf) > now for pair in ((own, host), (host, own)))
        if is_apart or frozenset((own, host)) in self.never:
            await trio.sleep(_CONNECT_LIMIT_S)
            raise OSError(f"no answer from {host}")
        await trio.sleep(self.rng.uniform(0.0001, 0.01))
        listening = self.listeners.get(host)
        if listening is None:
            raise ConnectionRefusedError(f"{host} refused the connection")
        connection = Connection(self, (own, host))
        try:
            listening[0].offer(SimulatedStream(connection, host, listening[1]))
        except (trio.ClosedResourceError, trio.WouldBlock):
            raise ConnectionRefusedError(f"{host} refused the connection") from None
        self.connections.add(connection)
        return SimulatedStream(connection, own, point)

    def block(self, one: str, other: str, duration_s: float, *, both_ways: bool, nursery: trio.Nursery) -> None:
        """Nothing gets through for a while; what lasts too long breaks the connections."""
        until = trio.current_time() + duration_s
        for pair in ((one, other), (other, one)) if both_ways else ((one, other),):
            self.blocked[pair] = max(until, self.blocked.get(pair, -math.inf))
            for connection in self.of(*pair):
                way = connection.ways[pair[0]]
                way.waiting = deque((max(at, until + way.latency_s), data) for at, data in way.waiting)
                way.wake()
        if duration_s > _BROKEN_AFTER_S:
            nursery.start_soon(self._break_later, self.of(one, other))

    async def _break_later(self, connections: list[Connection]) -> None:
        await trio.sleep(_BROKEN_AFTER_S)
        for connection in connections:
            connection.break_now()

    def unblock(self, one: str, other: str) -> None:
        """These two can reach each other again."""
        for pair in ((one, other), (other, one)):
            self.blocked.pop(pair, None)
            for connection in self.of(*pair):
                connection.ways[pair[0]].wake()

    def heal(self) -> None:
        """Everybody can reach everybody again (but those on different networks)."""
        self.blocked.clear()
