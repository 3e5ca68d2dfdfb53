"""Several documents over one connection, in the framing of Hocuspocus."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
import trio.testing
from lab import Device, devices, eventually
from programs.test_server import Client, connected
from wsproto.events import AcceptConnection, BytesMessage

from yp2p.documents.diff import Hunk
from yp2p.documents.text import TextReplica
from yp2p.programs.hocuspocus import _Room
from yp2p.protocol.channel import AwarenessUpdate, Step1, Step2, Updates, decode, encode
from yp2p.protocol.cursor import Cursor
from yp2p.protocol.wire import write_varint
from yp2p.transport.undone import MOST_BYTES, Undone

AUTH, STATELESS, CLOSE, STATUS = 2, 5, 7, 8


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Device]:
    with devices(tmp_path_factory.mktemp("hocuspocus"), "one") as (one,):
        for name in ("a %41.md", "b.md"):
            (one.dir / name).write_text(f"{name}\n")
        one.cli("share", str(one.dir))
        one.wait()
        yield one


def _sized(text: str) -> bytes:
    return write_varint(len(text.encode())) + text.encode()


def _say(client: Client, name: str, message: bytes) -> None:
    client.say(BytesMessage(_sized(name) + message))


def _ask(client: Client, name: str) -> None:
    _say(client, name, bytes([AUTH, 0]) + _sized("token") + _sized("4.8.0"))


def _hear(client: Client) -> tuple[str, bytes]:
    cursor = Cursor(data := client.message())
    return cursor.text(), data[cursor.at :]


def _until(client: Client, name: str, kind: int) -> bytes:
    while True:
        whose, message = _hear(client)
        if whose == name and message[0] == kind:
            return message


def test_several_documents_share_a_connection_and_each_update_is_acknowledged_once(device: Device) -> None:
    names = ("dir/a %41.md", "dir/b.md", "dir/b.md\0again")
    a, b = (device.dir / name for name in ("a %41.md", "b.md"))
    had = [path.read_text() for path in (a, b)]  # of the tests before, in whatever order
    with connected(device) as sock:
        client = Client(sock, "/v1/hocuspocus")
        client.until(AcceptConnection)
        for name in names:
            _ask(client, name)
        for number, name in enumerate(names):
            replica = TextReplica(4800 + number)
            _say(client, name, encode(Step1(b"\x00")))
            while not isinstance(answer := decode(_until(client, name, 0)), Step2):
                pass
            replica.receive(answer.update)
            for _ in range(3):
                update = replica.edit([Hunk(0, 0, "typed ")])
                assert update is not None
                _say(client, name, encode(Updates((update,))))
            assert [_until(client, name, STATUS) for _ in range(3)] == [bytes([STATUS, 1])] * 3
        _say(client, names[0], bytes([CLOSE]))
    eventually(lambda: a.read_text() == "typed " * 3 + had[0], what=a.read_text)
    eventually(lambda: b.read_text() == "typed " * 6 + had[1], what=b.read_text)


def test_what_ends_one_document_leaves_the_others(device: Device) -> None:
    with connected(device) as sock:
        client = Client(sock, "/v1/hocuspocus")
        client.until(AcceptConnection)
        _ask(client, "dir/nothing.md")
        denied = _until(client, "dir/nothing.md", AUTH)
        assert denied[1] == 1
        assert b"nothing.md" in denied
        _until(client, "dir/nothing.md", CLOSE)
        for name in ("dir/b.md", "dir/a %41.md"):
            _ask(client, name)
            assert _until(client, name, AUTH)[1] == 2
        for _ in range(100):  # more than wait for one that has ended
            _say(client, "dir/b.md", encode(Updates((b"\xff\xff\xff",))))
        _until(client, "dir/b.md", CLOSE)
        _say(client, "dir/a %41.md", encode(Step1(b"\x00")))
        while not isinstance(decode(_until(client, "dir/a %41.md", 0)), Step2):
            pass
        assert (device.dir / "b.md").read_text().endswith("b.md\n")


def test_a_client_that_counts_anew_is_asked_again(device: Device) -> None:
    """A forced sync ends with the answer to our step 1."""
    with connected(device) as sock:
        client = Client(sock, "/v1/hocuspocus")
        client.until(AcceptConnection)
        _ask(client, "dir/b.md")
        for _ in range(2):
            _say(client, "dir/b.md", encode(Step1(b"\x00")))
            while not isinstance(decode(_until(client, "dir/b.md", 0)), Step1):
                pass
            _say(client, "dir/b.md", encode(Step2(b"\x00\x00")))
            assert _until(client, "dir/b.md", STATUS) == bytes([STATUS, 1])


def test_a_document_that_is_closed_and_asked_for_again_in_one_go_is_served(device: Device) -> None:
    """As when a provider is detached and attached."""
    with connected(device) as sock:
        client = Client(sock, "/v1/hocuspocus")
        client.until(AcceptConnection)
        _ask(client, "dir/b.md")
        assert _until(client, "dir/b.md", AUTH)[1] == 2
        for _ in range(3):
            asking = (bytes([CLOSE]), bytes([AUTH, 0]) + _sized("token") + _sized("4.8.0"), encode(Step1(b"\x00")))
            events = [BytesMessage(_sized("dir/b.md") + message) for message in asking]
            sock.sendall(b"".join(client.ws.send(event) for event in events))
            assert _until(client, "dir/b.md", AUTH)[1] == 2
            while not isinstance(decode(_until(client, "dir/b.md", 0)), Step2):
                pass


def _opened(client: Client, name: str, replica: TextReplica) -> None:
    client.until(AcceptConnection)
    _ask(client, name)
    _say(client, name, encode(Step1(b"\x00")))
    while not isinstance(answer := decode(_until(client, name, 0)), Step2):
        pass
    replica.receive(answer.update)
    _say(client, name, encode(Step2(b"\x00\x00")))
    assert _until(client, name, STATUS) == bytes([STATUS, 1])


def _type(client: Client, name: str, replica: TextReplica, text: str) -> None:
    update = replica.edit([Hunk(0, 0, text)])
    assert update is not None
    _say(client, name, encode(Updates((update,))))


def test_what_is_taken_back_is_not_said_to_be_stored(device: Device) -> None:
    with connected(device) as sock:
        client, replica, name = Client(sock, "/v1/hocuspocus"), TextReplica(4820), "dir/b.md"
        _opened(client, name, replica)
        for text in ("kept ", "not\0kept ", "kept as well "):
            _type(client, name, replica, text)
        assert [_until(client, name, STATUS)[1] for _ in range(3)] == [1, 0, 1]
    eventually(lambda: (device.dir / "b.md").read_text().startswith("kept as well kept "))


def test_where_a_device_comes_to_only_read_nothing_is_said_to_be_stored(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two") as (one, two):
        (one.dir / "a.md").write_text("text\n")
        two.join(one)
        for device in (one, two):
            device.wait()
        with connected(two) as sock:
            name = f"{two.dir.name}/a.md"
            client, replica = Client(sock, "/v1/hocuspocus"), TextReplica(4821)
            _opened(client, name, replica)
            _type(client, name, replica, "typed ")
            assert _until(client, name, STATUS) == bytes([STATUS, 1])
            one.cli("device", "role", "two", "reader")
            eventually(lambda: bool(two.status()["folders"][0]["is_reader"]))
            _type(client, name, replica, "dropped ")
            assert _until(client, name, STATUS) == bytes([STATUS, 0])
        eventually(lambda: (one.dir / "a.md").read_text() == "typed text\n")


async def test_what_waits_in_all_documents_of_a_connection_has_a_bound() -> None:
    """Nobody reads on until something is dealt with, or a document that had most of it has ended."""
    undone, channel = Undone(), Nobody()
    rooms = [_Room(name, channel, undone) for name in ("a", "b", "c")]
    message = encode(AwarenessUpdate(bytes(MOST_BYTES // 3)))
    done: list[int] = []

    async def read() -> None:
        for number in range(6):
            await rooms[number % 3].take(message)
            done.append(number)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        await trio.testing.wait_all_tasks_blocked()
        assert done == [0, 1]
        assert await anext(rooms[0]) == message
        await trio.testing.wait_all_tasks_blocked()
        assert done == [0, 1], "it is being taken"
        with trio.move_on_after(0):
            await anext(rooms[0])
        await trio.testing.wait_all_tasks_blocked()
        assert done == [0, 1, 2]
        rooms[1].close()
        await trio.testing.wait_all_tasks_blocked()
        assert done == [0, 1, 2, 3], "of one that has ended nothing waits"
        rooms[2].close()
    assert done == list(range(6))
    rooms[0].close()
    assert undone.bytes == 0


class Nobody:
    """A channel at whose other end nobody is."""

    path = ""

    async def send(self, message: bytes) -> None:
        raise AssertionError

    def __aiter__(self) -> Nobody:
        return self

    async def __anext__(self) -> bytes:
        raise StopAsyncIteration
