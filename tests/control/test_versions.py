"""A program and a daemon of different versions: a sentence that says which one to update or restart."""

from __future__ import annotations

import http.server
import json
import os
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from yp2p import __version__
from yp2p.cli import options, status
from yp2p.cli.main import main
from yp2p.control.call import RemoteError, call
from yp2p.control.routes import Routes
from yp2p.control.server import Connection
from yp2p.control.socket import NAME
from yp2p.control.versions import difference, no_such_request


@pytest.mark.parametrize(
    ("daemon", "program", "said"),
    [
        ("1.2.0", "1.2.0", ""),
        ("1.2.0", "", ""),
        ("1.2.0", "1.10.0", "the daemon is the older one; restart it"),
        ("1.10.0", "1.2.0", "the program is the older one; update it"),
        ("1.2.0", "1.2.1+local", "the daemon is the older one"),
        ("", "1.2.0", "the daemon is older than this program (yp2p 1.2.0): restart it"),
        ("x" * 10_000, "1.2.0", "restart it"),
    ],
)
def test_the_older_one_is_named(daemon: str, program: str, said: str) -> None:
    found = difference(daemon, program)
    assert said in found
    assert bool(found) == bool(said)
    assert len(found) < 300


def test_what_a_daemon_does_not_know_says_who_is_older() -> None:
    assert "update it" in no_such_request("POST", "/v1/x", "0.0.1")
    assert "yp2p stop" in no_such_request("POST", "/v1/x", "99.0")
    assert "was started before the program was changed" in no_such_request("POST", "/v1/x", __version__)
    assert "docs/api.md" in no_such_request("POST", "/v1/x", "")


async def test_the_daemon_tells_a_program_of_another_version() -> None:
    """Which does not know how to compare: it prints what the daemon says."""
    for program, said in (
        (b"0.0.1", b"the program is the older one; update it"),
        (b"99.0", b"the daemon is the older"),
    ):
        ours, theirs = trio.testing.memory_stream_pair()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(Connection(theirs, Routes([])).serve)
            head = b"POST /v1/gone HTTP/1.1\r\nhost: x\r\nyp2p-version: %b\r\ncontent-length: 2\r\n\r\n{}" % program
            await ours.send_all(head)
            answer = b""
            while b'"exit_code":2}' not in answer:
                answer += await ours.receive_some()
            await ours.send_eof()
        assert answer.startswith(b"HTTP/1.1 404 ")
        assert said in answer


class _Daemon(http.server.BaseHTTPRequestHandler):
    """A daemon of another time: it gives the same answer to everything."""

    headers_said: dict[str, str]
    status_said: int
    said: bytes

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(self.status_said)
        for name, value in {**self.headers_said, "content-length": str(len(self.said))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(self.said)

    def address_string(self) -> str:
        return ""

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def _daemon(path: Path, status: int, said: bytes, **headers: str) -> Iterator[None]:
    kind = type("_This", (_Daemon,), {"status_said": status, "said": said, "headers_said": headers})
    with socketserver.UnixStreamServer(str(path), kind) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


_ERROR = json.dumps({"error": "what is wrong", "exit_code": 2}).encode()


@pytest.mark.parametrize(
    ("status", "said", "version", "wanted"),
    [
        (404, b"Not Found", None, "the daemon does not know this request; the daemon is older than this program"),
        (404, _ERROR, "0.0.1", "what is wrong; the daemon is yp2p 0.0.1"),
        (400, _ERROR, "99.0", "what is wrong; the daemon is yp2p 99.0"),
        (400, _ERROR, __version__, "what is wrong"),
        (422, _ERROR, "0.0.1", "what is wrong"),
        (500, b'["?"]', "0.0.1", "(HTTP 500); the daemon is yp2p 0.0.1"),
        (200, b"no JSON", "0.0.1", "the daemon is the older one; restart it"),
    ],
)
def test_an_error_of_a_daemon_of_another_version_says_so(
    tmp_path: Path, status: int, said: bytes, version: str | None, wanted: str
) -> None:
    headers = {} if version is None else {"yp2p-version": version}
    with _daemon(tmp_path / "s", status, said, **headers), pytest.raises(RemoteError) as caught:
        call(tmp_path / "s", "POST", "/v1/x", {})
    assert wanted in str(caught.value)
    if status == 422 or version == __version__:
        assert str(caught.value) == "what is wrong", "the version is not what is wrong"


@pytest.mark.parametrize("version", ["0.0.1", __version__])
@pytest.mark.parametrize("fault", ["contains unknown field `for_s`", "missing required field `for_s`"])
def test_a_field_that_only_one_of_both_knows_is_one_sentence(tmp_path: Path, version: str, fault: str) -> None:
    said = json.dumps({"error": f"the request is not valid: Object {fault}", "exit_code": 2}).encode()
    with _daemon(tmp_path / "s", 400, said, **{"yp2p-version": version}), pytest.raises(RemoteError) as caught:
        call(tmp_path / "s", "POST", "/v1/x", {})
    assert str(caught.value).startswith("the daemon and this command do not agree on 'for_s': the daemon ")
    assert "restart it: `yp2p stop`" in str(caught.value)
    assert "Object" not in str(caught.value)


@pytest.mark.parametrize("words", [("folder", "pause", "notes"), ("device", "pause", "pi")], ids=" ".join)
def test_what_was_done_is_no_failure_where_an_older_daemon_says_less_of_it(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("YP2P_HOME", str(tmp_path))
    monkeypatch.setattr("sys.argv", ["yp2p", *words])
    said = b'{"label": "notes"}' if words[0] == "folder" else b"{}"
    with _daemon(tmp_path / NAME, 200, said), pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code


@pytest.mark.parametrize(("path", "is_told"), [("/v1/status", True), ("/v1/wait", False), ("/v1/check", False)])
def test_a_daemon_that_says_nothing_is_told_once(
    path: str, is_told: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It answers when its silence was told; or, where that is not told, at once."""
    told = threading.Event()
    tell = options._tell_of_silence

    def note(*arguments: Any) -> None:
        tell(*arguments)
        told.set()

    def answer(*_: Any) -> str:
        assert not is_told or told.wait(60)
        return "done"

    monkeypatch.setattr(options, "_SILENCE_S", 0.01)
    monkeypatch.setattr(options, "_tell_of_silence", note)
    monkeypatch.setattr("yp2p.control.call.call", answer)
    monkeypatch.setenv("YP2P_HOME", str(tmp_path))
    with socketserver.UnixStreamServer(str(tmp_path / NAME), _Daemon):
        assert options.call("POST", path) == "done"
    said = f"yp2p: the daemon (process {os.getpid()}) has not answered for 0.01 s; waiting...\n"
    assert capsys.readouterr().err == (said if is_told else "")


def test_what_an_older_daemon_does_not_say_is_a_sentence(tmp_path: Path) -> None:
    with _daemon(tmp_path / "s", 200, b'{"a": [{"b": 1}]}', **{"yp2p-version": "0.0.1"}):
        answer = call(tmp_path / "s", "POST", "/v1/x", {})
    assert answer == {"a": [{"b": 1}]}
    for found in (answer, answer["a"][0]):
        with pytest.raises(RemoteError, match="does not say 'c': the daemon is yp2p"):
            found["c"]
        assert found.get("c") is None


def test_status_names_a_daemon_of_another_version() -> None:
    own = {"name": "laptop", "missing_addresses": [], "files_wait": False}
    found: dict[str, Any] = {
        "device": own, "devices": [], "folders": [], "store": {"problem": "", "damaged": []}, "settings": [],
        "offers": {"made": [], "received": []}, "transfers": [],
    }  # fmt: skip
    assert not [line for line in status.lines(found | {"version": __version__}) if "Versions" in line]
    (said,) = [line for line in status.lines(found | {"version": "0.0.1"}) if line.startswith("Versions: ")]
    assert "yp2p stop" in said
