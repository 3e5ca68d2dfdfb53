"""The socket of live documents: what is no WebSocket, or says what it may not, ends its own connection and no more."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import quote

import pytest
from lab import Device, devices, eventually
from pycrdt import Doc, Text
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, Event, Ping, Pong, Request, TextMessage

from yp2p.documents.diff import Hunk
from yp2p.documents.text import TextReplica
from yp2p.programs import websocket
from yp2p.programs.websocket import WebSocket
from yp2p.protocol import awareness
from yp2p.protocol.awareness import Presence
from yp2p.protocol.channel import AwarenessUpdate, Denied, Step1, Step2, Unrecognised, Updates, decode, encode

TEXT = "a line\n"


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Device]:
    with devices(tmp_path_factory.mktemp("documents"), "one") as (one,):
        (one.dir / "a.md").write_text(TEXT)
        one.cli("share", str(one.dir))
        one.wait()
        yield one


@contextmanager
def connected(device: Device) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(10)
        directory = os.open(device.home, os.O_PATH | os.O_DIRECTORY)
        try:
            sock.connect(f"/proc/self/fd/{directory}/documents.sock")
        finally:
            os.close(directory)
        yield sock


class Client:
    """A connection by hand."""

    def __init__(self, sock: socket.socket, target: str) -> None:
        self.sock = sock
        self.ws = WSConnection(ConnectionType.CLIENT)
        self.say(Request(host="localhost", target=target))

    def say(self, event: Event) -> None:
        self.sock.sendall(self.ws.send(event))

    def until(self, kind: type) -> object:
        """The next event of a kind."""
        while True:
            for event in self.ws.events():
                if isinstance(event, kind):
                    return event
            self.ws.receive_data(self.sock.recv(4096) or None)

    def message(self) -> bytes:
        """The next message, which may come in parts."""
        whole = b""
        while True:
            part = self.until(BytesMessage)
            assert isinstance(part, BytesMessage)
            whole += bytes(part.data)
            if part.message_finished:
                return whole

    def denial(self) -> str:
        """Read until something is refused; gives the reason."""
        while not isinstance(message := decode(self.message()), Denied):
            pass
        return message.reason

    def answer(self) -> None:
        """Ask for the document, and read what comes until it is here."""
        self.say(BytesMessage(encode(Step1(b"\x00"))))
        while not isinstance(decode(self.message()), Step2):
            pass


def _target(device: Device, name: str = "a.md") -> str:
    return f"/v1/documents?path={quote(str(device.dir / name))}"


def _new_file(device: Device, name: str, text: str = TEXT) -> None:
    (device.dir / name).write_text(text)
    eventually(lambda: device.run("log", str(device.dir / name)).returncode == 0)


def test_any_client_of_the_protocol_can_take_part(device: Device) -> None:
    with connected(device) as sock:
        client = Client(sock, _target(device))
        assert isinstance(decode(client.message()), Step1)
        asked = encode(Step1(b"\x00"))
        client.say(BytesMessage(asked[:1], message_finished=False))
        client.say(Ping(b"still there?"))
        assert client.until(Pong) is not None
        client.say(BytesMessage(asked[1:]))
        while not isinstance(decode(client.message()), Step2):
            pass


@pytest.mark.parametrize(
    ("name", "said", "code"),
    [
        pytest.param("a.md", TextMessage("text"), 4415, id="text"),
        pytest.param("a.md", BytesMessage(encode(Updates((b"\xff\xff\xff",)))), 4400, id="nonsense"),
        pytest.param("nothing.md", None, 4404, id="no file"),
        pytest.param("a" * 200 + " b" * 100 + ".md", None, 4404, id="a long name"),
    ],
)
def test_what_may_not_be_said_is_answered_with_the_reason(
    device: Device, name: str, said: BytesMessage | TextMessage | None, code: int
) -> None:
    with connected(device) as sock:
        client = Client(sock, _target(device, name))
        if said is not None:
            client.message()
            client.say(said)
        reason = client.denial()
        closed = client.until(CloseConnection)
        assert isinstance(closed, CloseConnection)
        assert closed.code == code
        assert closed.reason
        if closed.reason != reason:
            assert len(closed.reason.encode()) <= 123
            assert reason.startswith(closed.reason.removesuffix(" ...") + " "), "whole words"
        assert name == "a.md" or name in reason


@pytest.mark.parametrize(
    ("said", "status", "word"),
    [
        pytest.param(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n", 404, b"/v1/documents?path=PATH", id="wrong URL"),
        pytest.param(WSConnection(ConnectionType.CLIENT).send(Request(host="a", target="/v1/document?path=x")), 404,
                     b"GET /v1/document;", id="wrong URL of a WebSocket"),
        pytest.param(b"POST /v1/documents HTTP/1.1\r\nhost: a\r\n\r\n", 405, b"GET", id="POST"),
        pytest.param(b"GET /v1/documents HTTP/1.1\r\nhost: a\r\n\r\n", 400, b"WebSocket", id="no WebSocket"),
        pytest.param(b"GET /v1/documents HTTP/1.1\r\nhost: a..b\r\n\r\n", 400, b"WebSocket", id="a host that is none"),
        pytest.param(b"\x00" * 100, 400, b"HTTP", id="zeros"),
        pytest.param(b"", 0, b"", id="nothing"),
        pytest.param(b"GET /v1/documents HTTP/1.1\r\nx", 400, b"HTTP", id="half"),
    ],
)  # fmt: skip
def test_what_is_no_websocket_is_answered_and_hung_up_on(device: Device, said: bytes, status: int, word: bytes) -> None:
    with connected(device) as sock:
        sock.sendall(said)
        sock.shutdown(socket.SHUT_WR)
        answer = b""
        while part := sock.recv(4096):
            answer += part
    if status:
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(f"HTTP/1.1 {status} ".encode())
        assert f"content-length: {len(body)}".encode() in head
        assert word in body
    else:
        assert answer == b""
    test_any_client_of_the_protocol_can_take_part(device)


@pytest.mark.parametrize("batch", ["", "&batch=1"])
def test_a_program_that_does_not_read_gets_everything_when_it_does(device: Device, batch: str) -> None:
    """More than the kernel takes at once is sent in parts, in order; as lists only to who asks for them."""
    name = f"late{len(batch)}.md"
    _new_file(device, name)
    writer, reader, size = TextReplica(4711 + 10 * len(batch)), TextReplica(4712), 60 * 20_000
    most = 0
    with connected(device) as one, connected(device) as two:
        slow, quick = Client(one, _target(device, name) + batch), Client(two, _target(device, name))
        for client in (slow, quick):
            client.message()
            client.say(BytesMessage(encode(Step1(b"\x00"))))
        for _ in range(60):
            update = writer.edit([Hunk(0, 0, "x" * 20_000)])
            assert update is not None
            quick.say(BytesMessage(encode(Updates((update,)))))
        while len(reader.text()) < size:
            message = decode(slow.message())
            assert not isinstance(message, Unrecognised)
            updates = message.updates if isinstance(message, Updates) else ()
            most = max(most, len(updates))
            for update in updates:
                reader.receive(update)
    assert reader.text() == writer.text()
    assert (most > 1) == bool(batch)
    eventually(lambda: len((device.dir / name).read_text()) >= size)


@pytest.mark.parametrize(
    "room",
    [
        "dir/sub%20dir/%C3%A9%20%25.md",
        "dir%2Fsub%20dir%2F%C3%A9%20%25.md",  # encoded as a whole
        "{id}/sub%20dir/%C3%A9%20%25.md",
    ],
)
def test_a_room_is_a_folder_and_a_path_in_it_decoded_once(device: Device, room: str) -> None:
    (device.dir / "sub dir").mkdir(exist_ok=True)
    (device.dir / "sub dir" / "é %.md").write_text("in a room\n")
    eventually(lambda: device.run("log", str(device.dir / "sub dir" / "é %.md")).returncode == 0)
    folder = json.loads(device.cli("status", "--json"))["folders"][0]["id"]
    reader = TextReplica(4717)
    with connected(device) as sock:
        client = Client(sock, "/v1/y/" + room.format(id=folder[:8]))
        client.message()
        client.say(BytesMessage(encode(Step1(b"\x00"))))
        while not isinstance(message := decode(client.message()), Step2):
            pass
    reader.receive(message.update)
    assert reader.text() == "in a room\n"


@pytest.mark.parametrize(
    ("room", "word"),
    [
        ("dir/../dir/a.md", "normal form"),
        ("dir/%2E%2E/a.md", "normal form"),
        ("dir/a.md/", "normal form"),
        ("dir//a.md", "normal form"),
        ("dir/a%00.md", "NUL"),
        ("dir/.git/config", "reserved"),
        ("dir", "FOLDER/PATH"),
        ("", "'dir'"),
        ("two/a.md", "'dir'"),
        ("dir/a%2525.md", "a%25.md"),
    ],
)
def test_what_is_no_room_is_refused_for_good(device: Device, room: str, word: str) -> None:
    with connected(device) as sock:
        client = Client(sock, f"/v1/y/{room}")
        assert word in client.denial()
        closed = client.until(CloseConnection)
        assert isinstance(closed, CloseConnection)
        assert closed.code == 4404


@pytest.mark.parametrize(("target", "is_echoed"), [("/v1/y/dir/a.md", True), ("/v1/y/dir/a.md?echo=0", False)])
def test_a_client_of_a_room_hears_of_its_own_update_when_it_is_stored(
    device: Device, target: str, *, is_echoed: bool
) -> None:
    with connected(device) as sock:
        client, writer = Client(sock, target), TextReplica(4720 + is_echoed)
        client.message()
        client.answer()
        update = writer.edit([Hunk(0, 0, "echo ")])
        assert update is not None
        client.say(BytesMessage(encode(Updates((update,)))))
        client.say(BytesMessage(encode(Step1(writer.state_vector()))))  # its answer waits for the store
        heard = []
        while not isinstance(message := decode(client.message()), Step2):
            heard.append(message)
        if is_echoed:
            while Updates((update,)) not in heard:
                heard.append(decode(client.message()))
        else:
            assert Updates((update,)) not in heard


def test_clients_with_other_names_for_the_text_share_it(device: Device) -> None:
    _new_file(device, "roots.md")
    target = f"/v1/y/{device.dir.name}/roots.md?root="
    with connected(device) as one, connected(device) as two:
        clients = {root: Client(sock, target + root) for root, sock in (("codemirror", one), ("monaco", two))}
        docs = {root: Doc[Any](client_id=4730 + number) for number, root in enumerate(clients)}
        for root, client in clients.items():
            client.message()
            client.say(BytesMessage(encode(Step1(b"\x00"))))
            while not isinstance(message := decode(client.message()), Step2):
                pass
            docs[root].apply_update(message.update)
            assert str(docs[root].get(root, type=Text)) == TEXT
        text, before = docs["codemirror"].get("codemirror", type=Text), docs["codemirror"].get_state()
        del text[:]
        text.insert(0, "alone: an item that names its root")
        clients["codemirror"].say(BytesMessage(encode(Updates((docs["codemirror"].get_update(before),)))))
        place = {"type": None, "tname": "codemirror", "item": None, "assoc": 0}
        state = {"user": {"name": "A"}, "cursor": {"anchor": place, "head": place}}
        presence = awareness.encode([Presence(4730, 1, state)])
        clients["codemirror"].say(BytesMessage(encode(AwarenessUpdate(presence))))
        seen: dict[str, Any] = {}
        while "A" not in str(seen) or str(docs["monaco"].get("monaco", type=Text)) != str(text):
            match decode(clients["monaco"].message()):
                case Updates(updates):
                    for update in updates:
                        docs["monaco"].apply_update(update)
                case AwarenessUpdate(data):
                    seen |= {str(one.client): one.state for one in awareness.decode(data)}
    assert seen["4730"]["cursor"]["head"]["tname"] == "monaco"
    eventually(lambda: (device.dir / "roots.md").read_text() == str(text))


def test_a_client_that_says_no_root_is_told_how_to(device: Device) -> None:
    doc: Doc[Any] = Doc()
    doc.get("quill", type=Text).insert(0, "text")
    with connected(device) as sock:
        client = Client(sock, f"/v1/y/{device.dir.name}/a.md")
        client.message()
        client.say(BytesMessage(encode(Updates((doc.get_update(),)))))
        assert "root=quill" in client.denial()


def test_a_client_that_offers_protocols_is_answered_with_ours_alone(device: Device) -> None:
    with connected(device) as sock:
        client = WSConnection(ConnectionType.CLIENT)
        offered = ["yp2p", "token.abc"]
        sock.sendall(client.send(Request(host="localhost", target="/v1/y/dir/a.md", subprotocols=offered)))
        while not (events := list(client.events())):
            client.receive_data(sock.recv(4096))
    assert isinstance(events[0], AcceptConnection)
    assert events[0].subprotocol == "yp2p"


def test_who_has_read_half_a_message_still_gets_the_reason(device: Device) -> None:
    writer, name = TextReplica(4713), "half.md"
    _new_file(device, name)
    with connected(device) as one, connected(device) as two:
        slow, quick = Client(one, _target(device, name)), Client(two, _target(device, name))
        for client in (slow, quick):
            client.message()
            client.answer()
        for _ in range(60):
            update = writer.edit([Hunk(0, 0, "y" * 20_000)])
            assert update is not None
            quick.say(BytesMessage(encode(Updates((update,)))))
        quick.answer()  # the daemon has everything, and has told the other one what that took of it
        slow.say(BytesMessage(encode(Updates((b"\xff\xff\xff",)))))
        closed = slow.until(CloseConnection)
    assert isinstance(closed, CloseConnection)
    assert closed.code == 4400


def test_a_file_that_was_just_made_is_waited_for(device: Device) -> None:
    (device.dir / "new.md").write_text(TEXT)
    with connected(device) as sock:
        assert isinstance(decode(Client(sock, _target(device, "new.md")).message()), Step1)


def test_a_file_that_is_not_looked_at_within_a_second_is_asked_for_again(device: Device) -> None:
    """An empty one: somebody is about to write it."""
    (device.dir / "empty.md").touch()
    with connected(device) as sock:
        client = Client(sock, _target(device, "empty.md"))
        assert "try again" in client.denial()
        closed = client.until(CloseConnection)
        assert isinstance(closed, CloseConnection)
        assert closed.code == 4503
    with connected(device) as sock:
        (device.dir / "empty.md").write_text(TEXT)
        assert isinstance(decode(Client(sock, _target(device, "empty.md")).message()), Step1)


def test_a_client_that_comes_back_to_a_path_of_another_file_is_refused(device: Device) -> None:
    """Its text is not merged into the file that took the path."""
    writer = TextReplica(4714)
    _new_file(device, "was.md")
    with connected(device) as sock:
        client = Client(sock, _target(device, "was.md"))
        client.message()
        client.say(BytesMessage(encode(Step1(b"\x00"))))
        while not isinstance(message := decode(client.message()), Step2):
            pass
        writer.receive(message.update)
        typed = writer.edit([Hunk(0, 0, "typed ")])
        assert typed is not None
        client.say(BytesMessage(encode(Updates((typed,)))))
        client.answer()
    (device.dir / "was.md").rename(device.dir / "is.md")
    eventually(lambda: device.run("log", str(device.dir / "is.md")).returncode == 0)
    (device.dir / "was.md").write_text("another one\n")
    eventually(lambda: device.run("show", str(device.dir / "was.md")).stdout == "another one\n")
    with connected(device) as sock:
        client = Client(sock, _target(device, "was.md"))
        client.message()
        client.say(BytesMessage(encode(Step1(writer.state_vector()))))
        with suppress(BrokenPipeError):  # the first message is enough to be refused
            client.say(BytesMessage(encode(Step2(writer.state()))))
        assert "is.md" in client.denial()
        closed = client.until(CloseConnection)
        assert isinstance(closed, CloseConnection)
        assert closed.code == 4409
    device.wait()
    assert (device.dir / "was.md").read_text() == "another one\n"
    assert (device.dir / "is.md").read_text() == "typed " + TEXT


def test_a_client_hears_at_once_that_its_file_is_no_text_any_more(device: Device) -> None:
    _new_file(device, "blob.md")
    with connected(device) as sock:
        client = Client(sock, f"/v1/y/{device.dir.name}/blob.md")
        client.message()
        client.answer()
        (device.dir / "blob.md").write_bytes(b"\x00\x01\x02")
        assert "no text any more" in client.denial()
        closed = client.until(CloseConnection)
        assert isinstance(closed, CloseConnection)
        assert closed.code == 4410


def test_a_client_stays_with_a_file_that_is_renamed_also_when_it_comes_back(device: Device) -> None:
    old, new, writer = "old name.md", "new name.md", TextReplica(4718)
    _new_file(device, old)
    target = f"/v1/y/{device.dir.name}/{quote(old)}"

    def ask(client: Client, has: bytes) -> Denied | Step2:
        client.message()
        client.say(BytesMessage(encode(Step1(has))))
        while not isinstance(message := decode(client.message()), Step2 | Denied):
            pass
        return message

    def type_word(client: Client, word: str) -> None:
        update = writer.edit([Hunk(0, 0, word)])
        assert update is not None
        client.say(BytesMessage(encode(Updates((update,)))))

    with connected(device) as sock:
        client = Client(sock, target)
        answer = ask(client, b"\x00")
        assert isinstance(answer, Step2)
        writer.receive(answer.update)
        (device.dir / old).rename(device.dir / new)
        eventually(lambda: device.run("log", str(device.dir / new)).returncode == 0)
        type_word(client, "while connected ")
        eventually(lambda: (device.dir / new).read_text() == "while connected " + TEXT)
    with connected(device) as sock:
        client = Client(sock, target)
        assert isinstance(ask(client, writer.state_vector()), Step2)
        type_word(client, "back ")
        eventually(lambda: (device.dir / new).read_text() == "back while connected " + TEXT)
    assert not (device.dir / old).exists()
    with connected(device) as sock:  # somebody who has nothing of it means another file
        answer = ask(client := Client(sock, target), b"\x00")
        assert isinstance(answer, Denied)
        assert new in answer.reason
        closed = client.until(CloseConnection)
        assert isinstance(closed, CloseConnection)
        assert closed.code == 4404


@pytest.mark.parametrize("begins", ["", "# Template\n"])
def test_a_client_that_only_read_is_refused_where_both_files_may_be_its_own(device: Device, begins: str) -> None:
    """Both began with the same text, and a process of this device wrote in both: the same client IDs in each."""
    old, new = (f"{'template' if begins else 'empty'}-{name}.md" for name in ("was", "is"))
    reader = TextReplica(4715)

    def read(wanted: Step1) -> str:
        """Connect, say what is here, and read until the text comes; gives why it does not."""
        with connected(device) as sock:
            client = Client(sock, _target(device, old))
            client.message()
            client.say(BytesMessage(encode(wanted)))
            while not isinstance(message := decode(client.message()), Step2 | Denied):
                pass
            if isinstance(message, Denied):
                return message.reason
            reader.receive(message.update)
            return ""

    def make(text: str) -> None:
        _new_file(device, old, begins)
        (device.dir / old).write_text(text)
        eventually(lambda: device.run("show", str(device.dir / old)).stdout == text)

    make(begins + "what was written there first, and is longer\n")
    assert read(Step1(b"\x00")) == ""
    assert read(Step1(reader.state_vector())) == "", "it comes back to the same file"
    (device.dir / old).rename(device.dir / new)
    eventually(lambda: device.run("log", str(device.dir / new)).returncode == 0)
    make(begins + "another one\n")
    assert new in read(Step1(reader.state_vector()))
    stale, reader = reader, TextReplica(4716)
    assert read(Step1(b"\x00")) == "", "what is loaded again is served"
    assert reader.text() == begins + "another one\n"
    assert read(Step1(reader.state_vector())) == "", "also when it comes back"
    typed = reader.edit([Hunk(0, 0, "typed while nobody listened ")])
    assert typed is not None
    reader.edit([Hunk(0, 28, "")])
    assert read(Step1(reader.state_vector())) == ""
    assert new in read(Step1(stale.state_vector()))
    with connected(device) as sock:
        client = Client(sock, _target(device, old))
        client.message()
        client.say(BytesMessage(encode(Step2(stale.state()))))
        assert "step 1" in client.denial(), "it has to say first what it has"
    device.wait()
    assert (device.dir / old).read_text() == begins + "another one\n"


def test_an_end_before_any_request_is_one() -> None:
    server = WebSocket(ConnectionType.SERVER)
    server.receive(b"")
    assert server.closed is not None


def test_a_message_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "MAX_MESSAGE_BYTES", 100)
    server, client = WebSocket(ConnectionType.SERVER), WSConnection(ConnectionType.CLIENT)
    server.receive(client.send(Request(host="localhost", target="/")))
    client.receive_data(server.accept())
    list(client.events())
    for _ in range(4):
        server.receive(client.send(BytesMessage(bytes(30), message_finished=False)))
    assert server.fault is not None
    assert server.fault.code == 4413
    client.receive_data(server.close(server.fault.code, str(server.fault)))
    assert any(isinstance(event, CloseConnection) and event.code == 4413 for event in client.events())
