"""Messages in any pieces, and what is none."""

from __future__ import annotations

import pytest
from effort import many
from hypothesis import given, settings
from hypothesis import strategies as st

from yp2p.editors import messages
from yp2p.editors.framing import Frames, NotJsonRpc, frame
from yp2p.errors import UsageError

JSON = st.dictionaries(st.text(max_size=5), st.text(max_size=5) | st.integers(), max_size=4)


@settings(max_examples=many(100), deadline=None)
@given(st.lists(JSON, max_size=4), st.integers(1, 7))
def test_messages_in_any_pieces(sent: list[dict[str, object]], size: int) -> None:
    data = b"".join(map(frame, sent))
    frames = Frames()
    found = [message for at in range(0, len(data), size) for message in frames.receive(data[at : at + size])]
    assert found == [{"jsonrpc": "2.0", **message} for message in sent]


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n", b"Content-Length: x\r\n\r\n", b"Content-Length: -1\r\n\r\n", b"x" * 5000,
        b"Content-Length: 99999999999\r\n\r\n", b"Content-Length: 2\r\n\r\n[]", b"Content-Length: 1\r\n\r\n\xff",
        b"Content-Length: 20000\r\n\r\n" + b"[" * 20000,
    ],
)  # fmt: skip
def test_what_is_no_message(data: bytes) -> None:
    with pytest.raises(NotJsonRpc):
        list(Frames().receive(data))


def test_other_headers_and_capitals_are_taken() -> None:
    data = b"content-type: application/json\r\nCONTENT-LENGTH: 2\r\n\r\n{}"
    assert list(Frames().receive(data)) == [{}]


@pytest.mark.parametrize(
    "message",
    [
        {}, {"method": 5}, {"method": "save"}, {"method": "open"}, {"method": "open", "params": []},
        {"method": "open", "params": {"uri": 5, "content": ""}}, {"method": "edit", "params": {"uri": "", "delta": []}},
        {"method": "cursor", "params": {"uri": "", "ranges": [{"start": {"line": "0", "character": 0}}]}},
    ],
)  # fmt: skip
def test_what_says_nothing(message: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        messages.read(message)


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("file:///a/b%20c%5b1%5d.txt", "/a/b c[1].txt"), ("file://localhost/a", "/a"), ("file:///a/%ff", "/a/\udcff"),
        ("file:///a/../b", "/b"), ("file:///%C3%BC", "/ü"), ("file:///a%2Fb", "/a/b"),
    ],
)  # fmt: skip
def test_the_path_of_a_uri(uri: str, path: str) -> None:
    assert messages.path_of(uri) == path


@pytest.mark.parametrize("uri", ["https://host/a", "file://host/a", "file://", "/a", "file:///a%00"])
def test_a_uri_of_no_file(uri: str) -> None:
    with pytest.raises(UsageError):
        messages.path_of(uri)
