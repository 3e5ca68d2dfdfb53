"""The port of the page: there while it is wanted, and for nobody without a token."""

from __future__ import annotations

import gc
import hashlib
import hmac
import json
import os
import socket
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Any

import pytest
import structlog.testing
import trio
import trio.testing
from control.api_page import routes

from yp2p.config import Page as Settings
from yp2p.control.answers import Answer, Send
from yp2p.control.requests import Nothing, Request
from yp2p.control.routes import Routes, get_route, live_route, post_route
from yp2p.control.server import Connection
from yp2p.page import assets, listener, sessions
from yp2p.page import visitor as visitors
from yp2p.page.kept import PORT, TOKENS, Keeper
from yp2p.page.listener import Page
from yp2p.page.visitor import NOT_FOR_PAGES, READS
from yp2p.programs.websocket import WebSocket

_ALWAYS = (
    "cache-control: no-store", "x-content-type-options: nosniff", "referrer-policy: no-referrer",
    "cross-origin-resource-policy: same-origin", "cross-origin-opener-policy: same-origin",
)  # fmt: skip
_INDEX = b"<!doctype html><title>yp2p</title>"


class _Device:
    """What is asked, of whom nothing may be known without a token."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.stream_ended = trio.Event()
        self.may_go_on = trio.Event()
        self.may_go_on.set()

    async def status(self, request: Request) -> Any:
        self.asked.append(request.path)
        return {"secret": "of the device"}

    async def change(self, wanted: Nothing) -> Any:
        await self.may_go_on.wait()
        await trio.lowlevel.checkpoint()
        self.asked.append("change")
        return {}

    async def events(self, request: Request) -> Any:
        async def send_all(send: Send) -> None:
            try:
                await send(b"data: 1\n\n")
                await trio.sleep_forever()
            finally:
                self.stream_ended.set()

        return Answer(media_type="text/event-stream", stream=send_all)

    async def live(self, stream: trio.SocketStream, websocket: WebSocket) -> None:
        self.asked.append("live")
        await stream.send_all(websocket.accept() + websocket.message(b"secret"))
        await trio.sleep_forever()

    def routes(self) -> Routes:
        changes = ("/v1/undo", "/v1/trash/empty", "/v1/trash", "/v1/read", "/v1/history/authors", *NOT_FOR_PAGES)
        return Routes(
            [
                get_route("/v1/status", self.status),
                get_route("/v1/events", self.events),
                *(post_route(path, Nothing, self.change) for path in changes),
            ]
        )


class _Browser:
    """Asks as a browser does for the page at its port."""

    def __init__(self, port: int) -> None:
        self.address = f"127.0.0.1:{port}"
        self.token = ""

    async def ask(self, method: str, path: str, body: Any = None, **changed: str | None) -> tuple[int, Any, str]:
        """One request; gives the status, the body and the whole head.

        Args:
            changed: headers that are otherwise than those of the page.
        """
        headers: dict[str, str | None] = {"host": self.address, "sec-fetch-site": "same-origin"}
        if method != "GET":
            headers["origin"] = f"http://{self.address}"
        if self.token:
            headers["authorization"] = f"Bearer {self.token}"
        headers |= {name.replace("_", "-"): text for name, text in changed.items()}
        data = b"" if body is None else json.dumps(body).encode()
        head = "".join(f"{name}: {text}\r\n" for name, text in headers.items() if text is not None)
        said = f"{method} {path} HTTP/1.1\r\n{head}content-length: {len(data)}\r\nconnection: close\r\n\r\n"
        return _parsed(await self.say(said.encode() + data))

    async def say(self, data: bytes) -> bytes:
        """These bytes on a connection of their own, until it ends."""
        stream = await trio.open_tcp_stream("127.0.0.1", int(self.address.rpartition(":")[2]))
        found = b""
        async with stream:
            with suppress(trio.BrokenResourceError):
                await stream.send_all(data)
                while part := await stream.receive_some():
                    found += part
        return found

    async def log_in(self, url: str) -> None:
        status, answer, _ = await self.ask("POST", "/v1/session", {"code": _code(url)})
        assert status == 200, answer
        self.token = answer["token"]


def _code(url: str) -> str:
    return url.partition("#open=")[2]


def _parsed(answer: bytes) -> tuple[int, Any, str]:
    head, _, body = answer.partition(b"\r\n\r\n")
    is_json = b"content-type: application/json" in head
    return int(head.split(b" ")[1]), json.loads(body) if is_json else body, head.decode().lower()


def _files(place: Path) -> dict[str, assets.File]:
    return {"/": assets._compressed("index.html", _INDEX), "/page.js": assets._compressed("page.js", b"let a")}


@asynccontextmanager
async def _page(
    device: _Device, read: Callable[[Path], dict[str, assets.File]] = _files, keeper: Keeper | None = None
) -> AsyncIterator[Page]:
    """Of a daemon whose process ends with it, where no keeper is given."""
    page = Page(Settings(), read, keeper=keeper or (own := Keeper()))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(page.run, device.routes(), Routes([live_route("/v1/documents", device.live)]))
        yield page
        nursery.cancel_scope.cancel()
    if keeper is None:
        own.close()


@asynccontextmanager
async def _opened(device: _Device, *, may_write: bool = True) -> AsyncIterator[tuple[Page, _Browser]]:
    """An open page, and a browser that has shown its code."""
    async with _page(device) as page:
        opened = await page.open(may_write=may_write)
        browser = _Browser(int(str(opened["port"])))
        await browser.log_in(str(opened["url"]))
        yield page, browser


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines()


def _no_connection() -> Connection:
    """Of a visitor that was made by hand."""
    return Connection(trio.testing.memory_stream_pair()[0], Routes([]))


def _is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


# --- opening and closing ---------------------------------------------------------------------------------------------


async def test_a_page_that_nobody_opened_has_no_port_and_closing_it_takes_it_away() -> None:
    before = set(os.listdir("/proc/self/fd"))
    async with _page(_Device()) as page:
        assert not page.close("nobody")
        opened = await page.open(may_write=True)
        port = int(str(opened["port"]))
        again = await page.open(may_write=True)
        assert again["port"] == port
        assert again["url"] != opened["url"]
        browser = _Browser(port)
        await browser.log_in(str(opened["url"]))
        assert page.close("it was asked for")
        assert not _is_listening(port)
        assert not page.close("it was asked for")
        other = await page.open(may_write=True)
        assert other["port"] != port
        browser.address = f"127.0.0.1:{other['port']}"
        assert (await browser.ask("GET", "/v1/status"))[0] == 401, "a token is of one opening"
    assert not _is_listening(int(str(other["port"])))
    assert set(os.listdir("/proc/self/fd")) == before


async def test_nothing_of_it_is_in_memory_while_it_is_closed() -> None:
    async with _page(_Device()) as page:
        for _ in range(2):
            opened = await page.open(may_write=True)
            await _Browser(int(str(opened["port"]))).log_in(str(opened["url"]))
            assert page._opened is not None
            what = weakref.ref(page._opened.sessions), weakref.ref(page._opened.files)
            page.close("it was asked for")
            await trio.testing.wait_all_tasks_blocked(0.01)
            gc.collect()
            assert [one() for one in what] == [None, None]


async def test_it_is_at_the_loopback_interface_alone() -> None:
    async with _page(_Device()) as page:
        port = int(str((await page.open(may_write=True))["port"]))
        ends = [line.split()[1] for name in ("tcp", "tcp6") for line in _lines(f"/proc/net/{name}")]
        assert {end for end in ends if end.endswith(f":{port:04X}")} == {f"0100007F:{port:04X}"}


async def test_what_is_not_installed_is_a_sentence_and_opens_nothing() -> None:
    def none(place: Path) -> dict[str, assets.File]:
        return dict(assets.read(place / "no such directory"))

    async with _page(_Device(), none) as page:
        with pytest.raises(assets.NotInstalled):
            await page.open(may_write=True)
        assert not page.close("it is closed")


async def test_it_closes_when_nobody_with_a_token_has_asked_for_so_long(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a clock of its own no real connection can be waited for: the visitors are made by hand."""
    async with _page(_Device()) as page:
        port = int(str((await page.open(may_write=True))["port"]))
        opened = page._opened
        assert opened is not None
        found = opened.sessions.exchange(_code(str((await page.open(may_write=True))["url"])), trio.current_time())
        assert found is not None
        await trio.sleep(1799)
        assert _is_listening(port)
        visitor = visitors.Visitor(page, opened)
        headers = {"host": opened.address, "sec-fetch-site": "same-origin"}
        refused = visitor.find(Request("GET", "/v1/status", "", headers))
        assert isinstance(refused, Answer)
        assert refused.status == 401
        visitor.find(Request("GET", "/v1/status", "", headers | {"authorization": f"Bearer {found[0]}"}))
        await trio.sleep(1799)
        assert _is_listening(port), "it was used half an hour ago"
        visitor.session = None
        visitor.find(Request("GET", "/v1/status", "", headers))
        await trio.sleep(62)
        assert not _is_listening(port), "a request without a token is no use"


async def test_a_stream_keeps_it_open_and_ends_with_it(autojump_clock: trio.testing.MockClock) -> None:
    async with _page(_Device()) as page:
        port = int(str((await page.open(may_write=True))["port"]))
        opened = page._opened
        assert opened is not None
        visitor = visitors.Visitor(page, opened)
        visitor.session = sessions.Session(1, may_write=True)
        opened.visitors[visitor] = _no_connection()
        await trio.sleep(10_000)
        assert _is_listening(port)
        del opened.visitors[visitor]
        await trio.sleep(1800 + 61)
        assert not _is_listening(port)


async def test_who_opens_it_again_has_the_whole_time_from_then_on(autojump_clock: trio.testing.MockClock) -> None:
    async with _page(_Device()) as page:
        port = int(str((await page.open(may_write=True))["port"]))
        await trio.sleep(1790)
        await page.open(may_write=True)
        await trio.sleep(1790)
        assert _is_listening(port), "the second address is not half an hour old"


@pytest.mark.parametrize("ended_by", ["close", "session", "new sessions"])
async def test_what_is_being_carried_out_is_carried_out_to_its_end(ended_by: str) -> None:
    device = _Device()
    device.may_go_on = trio.Event()
    async with _opened(device) as (page, browser):
        answers: list[tuple[int, Any, str]] = []

        async def change() -> None:
            answers.append(await browser.ask("POST", "/v1/undo", {}))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(change)
            await trio.testing.wait_all_tasks_blocked(0.05)
            if ended_by == "close":
                assert page.close("it was asked for")
                port = int(str((await page.open(may_write=True))["port"]))
                assert (await _Browser(port).ask("GET", "/"))[0] == 200, "the next one is there at once"
            elif ended_by == "session":
                assert (await browser.ask("POST", "/v1/session/end", {}))[0] == 200
            else:
                await _many_sessions(page, browser)
            assert device.asked == []
            device.may_go_on.set()
        assert device.asked == ["change"]
        assert answers[0][0] == 200


async def _many_sessions(page: Page, browser: _Browser) -> None:
    for _ in range(sessions.MOST_SESSIONS):
        other = _Browser(int(browser.address.rpartition(":")[2]))
        await other.log_in(str((await page.open(may_write=True))["url"]))


async def test_a_session_that_gives_way_takes_its_connections_with_it() -> None:
    device = _Device()
    async with _opened(device) as (page, browser), trio.open_nursery() as nursery:
        nursery.start_soon(browser.ask, "GET", "/v1/events")
        await trio.testing.wait_all_tasks_blocked(0.05)
        await _many_sessions(page, browser)
        with trio.fail_after(60):
            await device.stream_ended.wait()
        assert (await browser.ask("GET", "/v1/status"))[0] == 401


async def test_whoever_opened_it_hears_whether_the_code_was_used() -> None:
    async with _page(_Device()) as page:
        opened = await page.open(may_write=True)
        number = int(str(opened["number"]))
        assert await page.used(number, 0.0) == "waiting"
        async with trio.open_nursery() as nursery:

            async def hear() -> None:
                with trio.fail_after(60):
                    assert await page.used(number, 60.0) == "used"

            nursery.start_soon(hear)
            await _Browser(int(str(opened["port"]))).log_in(str(opened["url"]))
        page.close("it was asked for")
        assert await page.used(number, 60.0) == "over"


# --- a daemon that is started anew -----------------------------------------------------------------------------------


class _Supervisor:
    """Keeps open files for a daemon while none runs, as systemd does."""

    def __init__(self) -> None:
        self.kept: dict[str, int] = {}

    def keeper(self) -> Keeper:
        """Of a daemon that it starts."""
        return Keeper(self._store, self._unstore, {name: os.dup(descriptor) for name, descriptor in self.kept.items()})

    def _store(self, name: str, descriptor: int) -> None:
        self.kept[name] = os.dup(descriptor)

    def _unstore(self, name: str) -> None:
        if name in self.kept:
            os.close(self.kept.pop(name))

    def stop(self) -> None:
        """The service is stopped, and nobody is to start it."""
        for name in list(self.kept):
            self._unstore(name)


@asynccontextmanager
async def _left_open(supervisor: _Supervisor, *, may_write: bool = True) -> AsyncIterator[_Browser]:
    """A browser whose daemon has ended, to be started anew."""
    keeper = supervisor.keeper()
    async with _page(_Device(), keeper=keeper) as page:
        opened = await page.open(may_write=may_write)
        browser = _Browser(int(str(opened["port"])))
        await browser.log_in(str(opened["url"]))
    keeper.close()
    yield browser
    supervisor.stop()


async def _is_open(page: Page) -> bool:
    await trio.testing.wait_all_tasks_blocked(0.05)
    return page._opened is not None


async def test_a_tab_goes_on_where_its_daemon_was_started_anew() -> None:
    supervisor, before = _Supervisor(), set(os.listdir("/proc/self/fd"))
    async with _left_open(supervisor, may_write=False) as browser:
        for _ in range(2):
            device, keeper = _Device(), supervisor.keeper()
            answers: list[int] = []

            async def ask() -> None:
                answers.append((await browser.ask("GET", "/v1/status"))[0])  # noqa: B023

            async with trio.open_nursery() as nursery:
                nursery.start_soon(ask)
                await trio.testing.wait_all_tasks_blocked(0.05)
                assert answers == [], "who asks meanwhile waits"
                with pytest.raises(OSError, match="in use"):
                    socket.create_server(("127.0.0.1", int(browser.address.rpartition(":")[2])))
                async with _page(device, keeper=keeper) as page:
                    assert await _is_open(page)
                    assert answers == [200]
                    assert (await browser.ask("POST", "/v1/undo", {}))[0] == 403, "it may look, as before"
                    other = await page.open(may_write=True)
                    assert browser.address.endswith(f":{other['port']}")
                    nonce = {"nonce": "00" * 32}
                    proofs = (await browser.ask("POST", "/v1/session/proof", nonce))[1]["proofs"]
                    key = hashlib.sha256(browser.token.encode()).digest()
                    assert hmac.new(key, f"yp2p page: {nonce['nonce']}".encode(), "sha256").hexdigest() in proofs
            keeper.close()
            assert device.asked == ["/v1/status"]
        assert browser.token.encode() not in os.pread(supervisor.kept[TOKENS], 10_000, 0)
    assert set(os.listdir("/proc/self/fd")) == before


async def test_one_process_that_starts_anew_keeps_it_by_itself() -> None:
    keeper = Keeper()
    async with _page(_Device(), keeper=keeper) as page:
        opened = await page.open(may_write=True)
        browser = _Browser(int(str(opened["port"])))
        await browser.log_in(str(opened["url"]))
    async with _page(_Device(), keeper=keeper) as page:
        assert (await browser.ask("GET", "/v1/status"))[0] == 200
        assert page.close("it was asked for")
        assert not _is_listening(int(str(opened["port"])))
    async with _page(_Device(), keeper=keeper) as page:
        assert not await _is_open(page)
    keeper.close()


async def test_what_nobody_keeps_goes_with_the_daemon() -> None:
    async with _page(_Device()) as page:
        opened = await page.open(may_write=True)
        browser = _Browser(int(str(opened["port"])))
        await browser.log_in(str(opened["url"]))
    assert not _is_listening(int(str(opened["port"])))
    async with _page(_Device()) as page:
        assert not await _is_open(page)
        assert (await page.open(may_write=True))["port"] != opened["port"], "others may have had it"


@pytest.mark.parametrize("how", ["closed", "a session", "stopped"])
async def test_what_was_ended_is_not_taken_up(how: str) -> None:
    supervisor = _Supervisor()
    keeper = supervisor.keeper()
    async with _page(_Device(), keeper=keeper) as page:
        opened = [await page.open(may_write=True) for _ in range(2)]
        browsers = [_Browser(int(str(one["port"]))) for one in opened]
        for browser, one in zip(browsers, opened, strict=True):
            await browser.log_in(str(one["url"]))
        if how == "closed":
            page.close("it was asked for")
            assert supervisor.kept == {}
            assert not _is_listening(int(str(opened[0]["port"])))
        elif how == "a session":
            await browsers[0].ask("POST", "/v1/session/end", {})
    keeper.close()
    if how == "stopped":
        supervisor.stop()
        assert not _is_listening(int(str(opened[0]["port"])))
    keeper = supervisor.keeper()
    async with _page(_Device(), keeper=keeper) as page:
        assert await _is_open(page) is (how == "a session")
        if how == "a session":
            assert [(await one.ask("GET", "/v1/status"))[0] for one in browsers] == [401, 200]
    keeper.forget()


async def test_a_restart_is_no_use_of_the_page(autojump_clock: trio.testing.MockClock) -> None:
    """By the clock of the machine between two runs, by that of the loop within one."""
    supervisor = _Supervisor()
    keeper = supervisor.keeper()
    port = _hold(keeper, unused_s=1700)
    async with _page(_Device(), keeper=keeper) as page:
        assert await _is_open(page)
        await trio.sleep(90)
        assert page._opened is not None
        await trio.sleep(20)
        assert page._opened is None
    assert supervisor.kept == {}
    assert not _is_listening(port)


def _hold(keeper: Keeper, *, unused_s: float = 0.0) -> int:
    """Keep a port with one token; gives its number."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        keeper.hold(sock)
        keeper.save({bytes(32): sessions.Session(1, may_write=True)})
        keeper.used(unused_s)
        return int(sock.getsockname()[1])


@pytest.mark.parametrize(
    "how", ["old", "of later", "torn", "empty", "of all interfaces", "a file", "no tokens", "half"]
)
async def test_what_is_kept_is_taken_up_in_one_case_only(tmp_path: Path, how: str) -> None:
    supervisor = _Supervisor()
    with closing(supervisor.keeper()) as keeper:
        port = _hold(keeper)
        found = keeper.take(1800)
        assert found is not None
        found.sock.close()
        if how in ("old", "of later"):
            keeper.used(1801 if how == "old" else -60)
    kept = dict(supervisor.kept)
    match how:
        case "torn":
            os.ftruncate(kept[TOKENS], 9)
        case "empty":
            os.ftruncate(kept[TOKENS], 0)
        case "of all interfaces":
            with socket.create_server(("0.0.0.0", 0)) as other:
                os.dup2(other.fileno(), kept[PORT])
        case "a file":
            with (tmp_path / "file").open("w") as file:
                os.dup2(file.fileno(), kept[PORT])
        case "no tokens":
            supervisor._unstore(TOKENS)
        case "half":
            supervisor._unstore(PORT)
    async with _page(_Device(), keeper=supervisor.keeper()) as page:
        assert not await _is_open(page)
        assert supervisor.kept == {}, "it is let go of"
    if how in ("old", "of later", "torn", "empty"):
        assert not _is_listening(port)


# --- who is answered -------------------------------------------------------------------------------------------------


async def test_a_browser_with_a_token_is_answered_as_at_the_control_socket() -> None:
    device = _Device()
    async with _opened(device) as (_, browser):
        status, answer, head = await browser.ask("GET", "/v1/status")
        assert (status, answer) == (200, {"secret": "of the device"})
        assert (await browser.ask("POST", "/v1/undo", {}))[0] == 200
        assert (await browser.ask("POST", "/v1/undo", {"a": 1}))[0] == 400
        assert (await browser.ask("GET", "/v1/nothing"))[0] == 404
        for line in _ALWAYS:
            assert line in head
        assert "content-security-policy: default-src 'none'; frame-ancestors 'none'" in head
        assert "set-cookie" not in head
        assert "access-control" not in head
    assert device.asked == ["/v1/status", "change"]


_ELSEWHERE: list[dict[str, str | None]] = [
    {"host": "localhost:1"}, {"host": "rebound.example"}, {"origin": "http://evil.example"}, {"origin": "null"},
    {"sec_fetch_site": "cross-site"}, {"sec_fetch_site": "same-site"}, {"sec_fetch_site": "none"},
    {"sec_fetch_site": None}, {"authorization": None}, {"authorization": "Bearer x"}, {"authorization": "Basic x"},
    {"authorization": None, "cookie": "token=x"},
]  # fmt: skip


@pytest.mark.parametrize("changed", _ELSEWHERE, ids=str)
async def test_everybody_else_is_refused_before_anything_is_done(changed: dict[str, str | None]) -> None:
    device = _Device()
    async with _opened(device) as (_, browser):
        for method, path in (("GET", "/v1/status"), ("POST", "/v1/undo"), ("GET", "/v1/events"), ("GET", "/v1/no")):
            status, answer, head = await browser.ask(method, path, {} if method == "POST" else None, **changed)
            assert status in (401, 403), (path, answer)
            assert answer["error"].startswith("this is refused: ")
            assert "secret" not in str(answer)
            assert "connection: close" in head
    assert device.asked == []


async def test_a_post_without_an_origin_is_of_no_page() -> None:
    async with _opened(_Device()) as (_, browser):
        assert (await browser.ask("POST", "/v1/undo", {}, origin=None))[0] == 403
        assert (await browser.ask("OPTIONS", "/v1/undo", origin="http://evil.example"))[0] == 403


async def test_a_code_is_good_once_and_only_from_the_page() -> None:
    async with _page(_Device()) as page:
        opened = await page.open(may_write=True)
        browser, code = _Browser(int(str(opened["port"]))), {"code": _code(str(opened["url"]))}
        for elsewhere in (
            {"host": "evil.example"},
            {"origin": "http://evil.example"},
            {"sec_fetch_site": "cross-site"},
        ):
            assert (await browser.ask("POST", "/v1/session", code, **elsewhere))[0] == 403
        assert (await browser.ask("POST", "/v1/session", {"code": "wrong"}))[0] == 401
        assert (await browser.ask("POST", "/v1/session", {"code": "x" * 300}))[0] == 413
        assert (await browser.ask("POST", "/v1/session", {"code": 5}))[0] == 400
        assert (await browser.ask("GET", "/v1/session"))[0] == 405
        assert (await browser.ask("POST", "/v1/session", code))[0] == 200
        assert (await browser.ask("POST", "/v1/session", code))[0] == 401


async def test_wrong_tokens_are_refused_shorter_when_they_are_many_and_a_right_one_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sessions, "_ANSWERED_A_SECOND", 1.0)  # however slow this machine is
    async with _opened(_Device()) as (_, browser):
        found = [(await browser.ask("GET", "/v1/status", authorization=f"Bearer {n}"))[0] for n in range(40)]
        assert {401, 429} == set(found)
        assert (await browser.ask("GET", "/v1/status"))[0] == 200


async def test_the_files_of_the_page_need_no_token_and_are_embedded_nowhere() -> None:
    async with _page(_Device()) as page:
        browser = _Browser(int(str((await page.open(may_write=True))["port"])))
        navigation = {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate", "sec_fetch_dest": "document"}
        status, body, head = await browser.ask("GET", "/", **navigation)
        assert status == 200
        assert body == _INDEX
        assert head.count("content-security-policy") == 1
        assert "frame-ancestors 'none'" in head
        assert (await browser.ask("GET", "/page.js"))[1] == b"let a"
        assert (await browser.ask("GET", "/page.js", sec_fetch_site="cross-site", sec_fetch_dest="script"))[0] == 403
        assert (await browser.ask("GET", "/", **navigation | {"sec_fetch_dest": "iframe"}))[0] == 403
        for path in (
            "/..",
            "/../../etc/passwd",
            "/%2e%2e/",
            "/index.html",
            "//",
            "/v1",
            "/page.js/",
            "/assets/page.js",
        ):
            assert (await browser.ask("GET", path))[0] == 404, path
        assert (await browser.ask("POST", "/", {}))[0] == 405


async def test_what_is_for_the_command_line_is_not_for_pages() -> None:
    device = _Device()
    async with _opened(device) as (_, browser):
        for path in NOT_FOR_PAGES:
            assert (await browser.ask("POST", path, {}))[0] == 403, path
    assert device.asked == []


async def test_a_page_that_may_only_look_changes_nothing() -> None:
    device = _Device()
    async with _opened(device, may_write=False) as (_, browser):
        assert (await browser.ask("GET", "/v1/status"))[0] == 200
        assert (await browser.ask("POST", "/v1/trash", {}))[0] == 200
        assert (await browser.ask("POST", "/v1/history/authors", {}))[0] == 200
        for path in ("/v1/undo", "/v1/trash/empty", "/v1/read"):
            assert (await browser.ask("POST", path, {}))[0] == 403
        assert _parsed(await browser.say(_upgrade(browser)))[0] == 403
    assert device.asked == ["/v1/status", "change", "change"]


async def test_a_session_that_ends_takes_its_connections_with_it() -> None:
    device = _Device()
    async with _opened(device) as (page, browser):
        other = _Browser(int(browser.address.rpartition(":")[2]))
        await other.log_in(str((await page.open(may_write=True))["url"]))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(browser.ask, "GET", "/v1/events")
            await trio.testing.wait_all_tasks_blocked(0.05)
            assert (await browser.ask("POST", "/v1/session/end", {}))[0] == 200
            with trio.fail_after(60):
                await device.stream_ended.wait()
        assert (await browser.ask("GET", "/v1/status"))[0] == 401
        assert (await other.ask("GET", "/v1/status"))[0] == 200


def _upgrade(browser: _Browser, protocols: str | None = None, **changed: str | None) -> bytes:
    said = f"yp2p, token.{browser.token}" if protocols is None else protocols
    headers: dict[str, str | None] = {
        "host": browser.address, "origin": f"http://{browser.address}", "connection": "Upgrade", "upgrade": "websocket",
        "sec-websocket-version": "13", "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
        "sec-websocket-protocol": said or None, **changed,
    }  # fmt: skip
    lines = "".join(f"{name}: {text}\r\n" for name, text in headers.items() if text is not None)
    return f"GET /v1/documents?path=/a HTTP/1.1\r\n{lines}\r\n".encode()


async def test_a_tab_is_told_that_its_token_is_known_before_it_shows_it() -> None:
    async with _opened(_Device()) as (page, browser):
        token, browser.token = browser.token, ""
        asked = {"nonce": "00" * 32}
        status, answer, head = await browser.ask("POST", "/v1/session/proof", asked)
        key = hashlib.sha256(token.encode()).digest()
        wanted = hmac.new(key, f"yp2p page: {asked['nonce']}".encode(), "sha256").hexdigest()
        assert status == 200
        assert wanted in answer["proofs"]
        assert token not in head
        assert (await browser.ask("POST", "/v1/session/proof", {"nonce": 5}))[0] == 400
        assert (await browser.ask("POST", "/v1/session/proof", {"nonce": "0" * 300}))[0] == 413
        assert (await browser.ask("POST", "/v1/session/proof", asked, origin="http://evil.example"))[0] == 403
        assert (await browser.ask("GET", "/v1/session/proof"))[0] == 405
        page.close("it was asked for")
        browser.address = f"127.0.0.1:{(await page.open(may_write=True))['port']}"
        _, answer, _ = await browser.ask("POST", "/v1/session/proof", asked)
        assert wanted not in answer["proofs"], "a token is of one opening"


async def test_a_websocket_shows_its_token_as_a_subprotocol() -> None:
    device = _Device()
    async with _opened(device) as (_, browser):
        async with await trio.open_tcp_stream("127.0.0.1", int(browser.address.rpartition(":")[2])) as stream:
            await stream.send_all(_upgrade(browser))
            said = b""
            while not said.endswith(b"secret"):
                said += await stream.receive_some()
        assert said.startswith(b"HTTP/1.1 101 ")
        assert b"sec-websocket-protocol: yp2p\r\n" in said.lower()
        assert browser.token.encode() not in said
        refused = [
            _upgrade(browser, "yp2p, token.x"), _upgrade(browser, "yp2p"), _upgrade(browser, ""),
            _upgrade(browser, f"token.{browser.token}"), _upgrade(browser, origin="http://evil.example"),
            _upgrade(browser, origin=None), _upgrade(browser, host="localhost"),
            _upgrade(browser, **{"sec-fetch-site": "cross-site"}),
            _upgrade(browser, "yp2p", authorization=f"Bearer {browser.token}"),
        ]  # fmt: skip
        for data in refused:
            assert _parsed(await browser.say(data))[0] in (401, 403), data
    assert device.asked == ["live"]


async def test_who_shows_no_token_cannot_keep_the_browser_out() -> None:
    async with _opened(_Device()) as (page, browser):
        idle = [await trio.open_tcp_stream("127.0.0.1", int(browser.address.rpartition(":")[2])) for _ in range(100)]
        await trio.testing.wait_all_tasks_blocked(0.05)
        assert (await browser.ask("GET", "/v1/status"))[0] == 200
        assert page._opened is not None
        assert len(page._opened.visitors) <= listener._MOST_UNKNOWN + 1
        for stream in idle:
            await trio.aclose_forcefully(stream)


async def test_connections_with_a_token_are_bounded() -> None:
    async with _opened(_Device()) as (page, browser):
        assert page._opened is not None
        for number in range(visitors._MOST_KNOWN):
            visitor = visitors.Visitor(page, page._opened)
            visitor.session = sessions.Session(number, may_write=True)
            page._opened.visitors[visitor] = _no_connection()
        assert (await browser.ask("GET", "/v1/status"))[0] == 503


async def test_refusals_are_told_once_a_minute_and_when_it_closes() -> None:
    with structlog.testing.capture_logs() as logs:
        async with _opened(_Device()) as (page, browser):
            for _ in range(30):
                await browser.ask("GET", "/v1/status", host="evil.example")
            page.close("it was asked for")
    told = [line["reasons"] for line in logs if line["event"] == "page_refused"]
    assert told == [{"it is for another host": 1}, {"it is for another host": 29}]
    assert browser.token not in str(logs)


def test_what_is_named_are_requests_that_there_are() -> None:
    there = {route.path for route in routes()} | {"/v1/session/end"}
    assert there >= NOT_FOR_PAGES
    assert there >= READS
