"""Links and handshakes over real sockets: strangers get nothing, limits hold, truncation is told from closing."""

from __future__ import annotations

import socket
from dataclasses import replace
from types import SimpleNamespace

import pytest
import structlog
import trio
import trio.testing

from yp2p.errors import HandshakeFailed, ListenError, MessageFault, PeerFault
from yp2p.identity import DocumentID, FolderID, Identity
from yp2p.protocol.messages import Documents, Goodbye, Hello, ManifestQuery
from yp2p.protocol.noise import IK, HandshakeState
from yp2p.transport import half_open, incoming
from yp2p.transport import link as link_module
from yp2p.transport import listener as listener_module
from yp2p.transport.dialer import Backoff, dial
from yp2p.transport.handshake import HandshakeType, Secured, initiate_pairing
from yp2p.transport.link import Link, LinkClosed, choose_version, open_link
from yp2p.transport.listener import Listener, open_listeners
from yp2p.transport.refusals import Refusals

ONE, TWO, THREE = (Identity(bytes([number]) * 32) for number in (1, 2, 3))
HELLO = Hello((1,), bytes(16), "name", 1)


class Server:
    """A listener on loopback that knows device ONE."""

    def __init__(self, *, window: bool = False) -> None:
        self.accepted: list[HandshakeType] = []
        self.window = window
        self.busy_s = 0.0  # how long it does not read
        self.seen: list[str] = []
        listeners = open_listeners(["127.0.0.1"], 0, 0).listeners
        self.listeners = listeners
        self.port = int(listeners[0].socket.getsockname()[1])
        self._listener = Listener(
            TWO,
            self._serve,
            self._pair,
            is_known=lambda key: key == ONE.public.noise_key,
            pairing_open=lambda: self.window,
        )

    async def run(self) -> None:
        await self._listener.serve(self.listeners)

    async def _serve(self, secured: Secured, confirmed: Link) -> None:
        self.accepted.append(HandshakeType.KNOWN)
        try:
            async with open_link(secured, HELLO, confirmed) as link:
                await trio.sleep(self.busy_s)
                while True:
                    self.seen.append(type(await link.receive()).__name__)
        except* (LinkClosed, PeerFault) as group:
            self.seen.append(str(group.exceptions[0]))

    async def _pair(self, secured: Secured) -> None:
        self.accepted.append(HandshakeType.PAIRING)
        await trio.aclose_forcefully(secured.stream)


async def _all(stream: trio.SocketStream) -> bytes:
    data = b""
    try:
        while part := await stream.receive_some(4096):
            data += part
    except trio.BrokenResourceError:
        pass
    return data


@pytest.mark.parametrize("first", [b"\x11\x00\x60" + bytes(96), b"\x21\x00\x20" + bytes(32), b"GET / HTTP/1.1\r\n\r\n"])
async def test_strangers_get_no_byte(first: bytes) -> None:
    server = Server()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.run)
        async with await trio.open_tcp_stream("127.0.0.1", server.port) as stream:
            await stream.send_all(first)
            with trio.fail_after(60):
                assert await _all(stream) == b""
        with pytest.raises(OSError, match="not the device"):
            await dial("127.0.0.1", server.port, THREE, TWO.public.noise_key)
        with pytest.raises(OSError, match="not the device"):
            await dial("127.0.0.1", server.port, ONE, THREE.public.noise_key)
        nursery.cancel_scope.cancel()
    assert server.accepted == []


async def test_a_handshake_message_that_carries_something_is_refused() -> None:
    """Before authentication is over there is nothing to say; who says something has another protocol in mind."""
    server = Server()
    state = HandshakeState(
        IK, initiator=True, ephemeral=lambda: bytes(range(32)), static=ONE.noise_private,
        remote_static=TWO.public.noise_key, prologue=b"yp2p/" + bytes([HandshakeType.KNOWN]),
    )  # fmt: skip
    message = state.write_message(b"hello")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.run)
        async with await trio.open_tcp_stream("127.0.0.1", server.port) as stream:
            await stream.send_all(bytes([HandshakeType.KNOWN]) + len(message).to_bytes(2, "big") + message)
            with trio.fail_after(60):
                assert await _all(stream) == b""
        nursery.cancel_scope.cancel()
    assert server.accepted == []


async def test_pairing_is_answered_only_in_a_window() -> None:
    server = Server(window=True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.run)
        async with await trio.open_tcp_stream("127.0.0.1", server.port) as stream:
            secured = await initiate_pairing(stream, THREE)
            assert secured.remote_noise_key == TWO.public.noise_key
            await _all(stream)
        server.window = False
        async with await trio.open_tcp_stream("127.0.0.1", server.port) as stream:
            with pytest.raises((HandshakeFailed, trio.BrokenResourceError)):
                await initiate_pairing(stream, THREE)
        nursery.cancel_scope.cancel()
    assert server.accepted == [HandshakeType.PAIRING]


async def _wait_for(server: Server, text: str) -> None:
    with trio.fail_after(60):
        while not any(text in seen for seen in server.seen):
            await trio.sleep(0.005)


async def test_a_link_ends_with_a_goodbye_or_was_cut_off() -> None:
    server = Server()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.run)
        secured = await dial("127.0.0.1", server.port, ONE, TWO.public.noise_key)
        async with open_link(secured, HELLO) as link:
            assert link.peer is not None
            assert replace(link.peer, proof=HELLO.proof) == HELLO
            await link.send(ManifestQuery(bytes(16)))  # type: ignore[arg-type]
        await _wait_for(server, "ManifestQuery")
        await _wait_for(server, "the peer closed the link: the device is closing the link")
        secured = await dial("127.0.0.1", server.port, ONE, TWO.public.noise_key)
        with pytest.RaisesGroup(RuntimeError):
            async with open_link(secured, HELLO):
                await trio.aclose_forcefully(secured.stream)
                raise RuntimeError
        await _wait_for(server, "the connection was cut off")
        nursery.cancel_scope.cancel()


async def test_between_many_small_messages_others_get_their_turn() -> None:
    """A read holds thousands of them; none of these makes anybody wait."""
    server, turns = Server(), 0
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.run)
        secured = await dial("127.0.0.1", server.port, ONE, TWO.public.noise_key)
        async with open_link(secured, HELLO) as link:
            for _ in range(1000):
                link.send_nowait(Hello((1,), bytes(16), "again", 1))
            with trio.fail_after(60):
                while len(server.seen) < 1000:
                    turns += 1
                    await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    assert turns >= 1000 // 64


def _documents(size: int) -> Documents:
    return Documents(FolderID(bytes(16)), ((DocumentID(bytes(16)), bytes(size)),))


async def test_between_writes_that_the_kernel_takes_at_once_others_get_their_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of a gigabyte that goes over a fast network nobody waits for more than some writes."""
    server, turns = Server(), 0
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.run)
        secured = await dial("127.0.0.1", server.port, ONE, TWO.public.noise_key)
        async with open_link(secured, HELLO) as link:
            await trio.testing.wait_all_tasks_blocked(0.05)
            monkeypatch.setattr(link_module, "write_nowait", lambda stream, data: len(data))
            before = link.traffic.sent_bytes
            for _ in range(12):
                assert link.send_nowait(_documents(1 << 20))
            with trio.fail_after(60):
                while link.traffic.sent_bytes - before < 12 << 20:
                    turns += 1
                    await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
    assert turns >= (12 << 20) // (link_module._WRITES_AT_ONCE * 2 * link_module._WRITE_BYTES)


async def test_who_waits_for_room_in_a_link_that_breaks_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server()

    async def breaks(data: bytes) -> None:
        await trio.testing.wait_all_tasks_blocked(0.01)
        raise trio.BrokenResourceError

    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.run)
        secured = await dial("127.0.0.1", server.port, ONE, TWO.public.noise_key)
        async with open_link(secured, HELLO) as link:
            await trio.testing.wait_all_tasks_blocked(0.05)
            monkeypatch.setattr(link_module, "write_nowait", lambda stream, data: 0)
            monkeypatch.setattr(secured.stream, "send_all", breaks)
            assert link.send_nowait(_documents(1 << 20))
            with trio.fail_after(20), pytest.raises(LinkClosed, match="broke"):
                await link.send(_documents(1), limit=0)
            nursery.cancel_scope.cancel()


async def test_a_replayed_first_message_is_no_link() -> None:
    """Message 1 of IK can be replayed; without the first transport message nothing happens."""
    server = Server()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.run)
        recorded = bytearray()

        class Recorder:
            def __init__(self, stream: trio.SocketStream) -> None:
                self.stream = stream

            async def send_all(self, data: bytes) -> None:
                recorded.extend(data)
                await self.stream.send_all(data)

            async def receive_some(self, size: int) -> bytes:
                return await self.stream.receive_some(size)

        from yp2p.transport.handshake import initiate

        stream = await trio.open_tcp_stream("127.0.0.1", server.port)
        await initiate(Recorder(stream), ONE, TWO.public.noise_key)  # type: ignore[arg-type]
        await trio.aclose_forcefully(stream)
        async with await trio.open_tcp_stream("127.0.0.1", server.port) as replay:
            await replay.send_all(bytes(recorded))
            await replay.send_all(b"\x00\x20" + bytes(32))
            with trio.fail_after(60):
                answer = await _all(replay)
            assert len(answer) == 2 + 48, "message 2 of the handshake and nothing more"
        silent = []
        for _ in range(half_open.MAX_HALF_OPEN_PER_SOURCE):
            silent.append(await trio.open_tcp_stream("127.0.0.1", server.port))
            await silent[-1].send_all(bytes(recorded))
            await silent[-1].receive_some(100)
        async with await trio.open_tcp_stream("127.0.0.1", server.port) as refused:
            with trio.fail_after(60):
                assert await _all(refused) == b"", "replays count as half-open"
        for stream in silent:
            await trio.aclose_forcefully(stream)
        nursery.cancel_scope.cancel()
    assert server.accepted == []


async def test_of_half_open_connections_the_oldest_silent_one_goes() -> None:
    server = Server()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.run)
        silent = []
        for _ in range(half_open.MAX_HALF_OPEN_PER_SOURCE):
            silent.append(await trio.open_tcp_stream("127.0.0.1", server.port))
            await trio.testing.wait_all_tasks_blocked(0.01)
        secured = await dial("127.0.0.1", server.port, ONE, TWO.public.noise_key)
        with trio.fail_after(60):
            assert await _all(silent[0]) == b""
        for stream in (*silent, secured.stream):
            await trio.aclose_forcefully(stream)
        nursery.cancel_scope.cancel()


def _listener() -> Listener:
    return Listener(
        TWO,
        Server._serve,
        Server._pair,
        is_known=lambda key: True,
        pairing_open=lambda: True,  # type: ignore[arg-type]
    )


async def test_who_says_nothing_has_two_seconds(autojump_clock: trio.testing.MockClock) -> None:
    listener = _listener()
    one, other = trio.testing.memory_stream_pair()
    one.setsockopt = lambda *_: None  # type: ignore[attr-defined]
    one.socket = SimpleNamespace(family=socket.AF_INET)  # type: ignore[attr-defined]
    place = half_open.Place("", is_known=False, end=lambda: None)
    assert await listener._authenticate(one, place) is None  # type: ignore[arg-type]
    assert trio.current_time() == pytest.approx(2)
    await other.send_all(b"\x11\x00\x02no")
    began = trio.current_time()
    assert await listener._authenticate(one, place) is None  # type: ignore[arg-type]
    assert trio.current_time() == began, "a message that is none ends it at once"
    assert place.has_spoken


async def test_a_port_in_use_names_the_setting() -> None:
    first = open_listeners(["127.0.0.1"], 0, 0)
    with pytest.raises(ListenError, match="YP2P_LISTEN__PORT"):
        open_listeners(["127.0.0.1"], first.port, 0)
    with pytest.raises(ListenError, match="YP2P_LISTEN__ADDRESS"):
        open_listeners(["no address"], 0, 0)
    for wrong in ("127..1", "no address"):  # also where the usual port is taken, and another one was tried
        with pytest.raises(ListenError, match="YP2P_LISTEN__ADDRESS"):
            open_listeners(["127.0.0.1", wrong], 0, first.port)
    other = open_listeners(["127.0.0.1"], 0, first.port)
    assert other.port != first.port, "the default port gives way"
    for found in (*first.listeners, *other.listeners):
        await found.aclose()


async def test_an_address_that_no_interface_has_yet_is_listened_on_later(monkeypatch: pytest.MonkeyPatch) -> None:
    listening = open_listeners(["127.0.0.1", "203.0.113.1"], 0, 0)
    assert listening.missing == ["203.0.113.1"]
    assert len(listening.listeners) == 1
    for found in listening.listeners:
        await found.aclose()
    alone = open_listeners(["203.0.113.1"], 0, listening.port)
    assert (alone.listeners, alone.port) == ([], listening.port)
    listener = _listener()
    tries: list[str] = []

    def listen(host: str, port: int) -> socket.socket:
        tries.append(host)
        return real("127.0.0.1" if len(tries) > 2 else host, port)

    real = listener_module._listen
    monkeypatch.setattr(listener_module, "_listen", listen)
    monkeypatch.setattr(listener_module, "_ADDRESS_RETRY_S", 0.01)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(listener.serve, alone.listeners)
        nursery.start_soon(listener.serve_missing, alone)
        with trio.fail_after(60):
            while alone.missing:
                await trio.sleep(0.01)
            secured = await dial("127.0.0.1", alone.port, ONE, TWO.public.noise_key)
        await trio.aclose_forcefully(secured.stream)
        nursery.cancel_scope.cancel()
    assert tries == ["203.0.113.1"] * 3


def test_back_off_grows_with_jitter_and_an_end() -> None:
    waits = [Backoff(number).delay_s(1.0) for number in range(12)]
    assert waits == sorted(waits)
    assert waits[-1] == 30.0
    assert Backoff(3).delay_s(0.0) < Backoff(3).delay_s(0.9)
    assert Backoff().failed() == Backoff(1)


def test_versions() -> None:
    assert choose_version((1,), (1, 2)) == choose_version((1, 2), (1,)) == 1
    assert choose_version((1, 2, 3), (3, 2)) == 3
    with pytest.raises(MessageFault, match=r"speaks versions \[2, 3\], this device speaks \[1\]"):
        choose_version((1,), (2, 3))
    assert Goodbye("x").reason == "x"


async def test_strangers_cost_one_line_a_minute(autojump_clock: trio.testing.MockClock) -> None:
    """Who connects decides how often; what it sends is in the reason."""
    refusals = Refusals()
    with structlog.testing.capture_logs() as logs:
        refusals.note("too many half-open connections")
        for number in range(5000):
            refusals.note("the connection broke")
            refusals.note(f"a message of {number} bytes")
        assert [line["count"] for line in logs] == [1]
        await trio.sleep(60)  # of a clock that jumps: then the next line is due
        refusals.note("the connection broke")
    (_, second) = logs
    assert second["event"] == "connections_refused"
    assert second["count"] == 10_001
    assert "5001 x the connection broke" in second["reasons"]
    assert len(second["reasons"]) <= 9


async def test_a_listener_under_a_flood_says_so_once() -> None:
    with structlog.testing.capture_logs() as logs:
        async with trio.open_nursery() as nursery:
            server = Server()
            nursery.start_soon(server.run)
            for _ in range(20):
                async with await trio.open_tcp_stream("127.0.0.1", server.port) as stream:
                    await stream.send_all(b"\xff" * 5000)
            with trio.fail_after(60):
                while not logs:
                    await trio.sleep(0.01)
            nursery.cancel_scope.cancel()
    assert [line["event"] for line in logs] == ["connections_refused"]


async def test_a_device_that_is_busy_for_long_is_not_taken_for_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel ends a connection whose window stays shut as if its cable were pulled."""
    monkeypatch.setattr(link_module, "_GONE_MS", 1000)
    monkeypatch.setattr(incoming, "_TAKE_EVERY_S", 0.3)
    # 40 MB: more than the kernels on either side keep
    sent = [Documents(FolderID(bytes(16)), ((DocumentID(bytes(16)), bytes(100_000)),))] * 400
    server = Server()
    server.busy_s = 3.5  # the kernel looks after 0.2, 0.6, 1.4 and 3 s
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.run)
        secured = await dial("127.0.0.1", server.port, ONE, TWO.public.noise_key)
        async with open_link(secured, HELLO) as link:
            with trio.fail_after(60):
                for message in sent:
                    await link.send(message, limit=1 << 20)
                while len(server.seen) < len(sent):
                    await trio.sleep(0.05)  # noqa: ASYNC110 (the other end tells nobody)
        nursery.cancel_scope.cancel()
    assert server.seen[: len(sent)] == ["Documents"] * len(sent)
