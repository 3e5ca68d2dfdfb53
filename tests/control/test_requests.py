"""The local API: what is no request is answered with the reason, and what fails here is logged as well."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
import structlog.testing
import trio
import trio.testing
from bridge import Bridge, open_bridge

from yp2p.config import Page as Settings
from yp2p.control.app import make_app
from yp2p.control.requests import Request
from yp2p.control.routes import Route, Routes
from yp2p.control.server import Connection
from yp2p.errors import NotShown, PairingError
from yp2p.page.listener import Page

WHEN = {"version": 1, "at": 2.5}
# A body of every request, with everything that it can have.
BODIES: dict[str, dict[str, Any]] = {
    "/v1/share": {"path": "/d", "label": "l", "role": "admin", "page": True},
    "/v1/join": {"code": "c", "path": "/d", "timeout_s": 1.0, "at": "h", "choose": ["p"], "force": True},
    "/v1/logs": {"after": 1, "lines": 1, "wait_s": 1.0},
    "/v1/share/withdraw": {"path": "/d"},
    "/v1/join/preview": {"code": "c", "path": "/d", "timeout_s": 1.0, "at": "h", "choose": ["p"], "only_room": True},
    "/v1/recovery/make": {"folder": "f"},
    "/v1/recovery/use": {"words": "w", "folder": "f"},
    "/v1/invite": {"folder": "f", "role": "admin", "uses": 1, "lifetime_s": 60.0},
    "/v1/invite/revoke": {},
    "/v1/device/remove/preview": {"device": "d", "folder": "f"},
    "/v1/device/remove": {"device": "d", "folder": "f", "with_let_in": True},
    "/v1/device/readmit": {"device": "d", "folder": "f"},
    "/v1/check": {"folder": "f", "read": True, "peers": True, "repair": True},
    "/v1/doctor": {"device": "d"},
    "/v1/device/rename": {"device": "d", "name": "n"},
    "/v1/device/pause": {"device": "d"},
    "/v1/device/unpause": {"device": "d"},
    "/v1/device/rotate": {},
    "/v1/device/replace": {"device": "d", "by": "n", "folder": "f"},
    "/v1/device/role": {"device": "d", "folder": "f", "role": "admin"},
    "/v1/folder/choose": {"folder": "f", "paths": ["n"]},
    "/v1/folder/files": {"folder": "f", "search": "s", "beneath": "d", "offset": 0, "limit": 10},
    "/v1/folder/names": {"folder": "f", "beneath": "n"},
    "/v1/folder/rename": {"folder": "f", "label": "l"},
    "/v1/folder/move": {"folder": "f", "path": "/d"},
    "/v1/folder/ignore": {"folder": "f", "add": ["p"], "remove": ["p"]},
    "/v1/folder/usage": {"folder": "f"},
    "/v1/folder/leave": {"folder": "f", "delete_files": True, "dry_run": True},
    "/v1/folder/offer": {"folder": "f", "devices": ["d"], "role": "member"},
    "/v1/folder/offer/withdraw": {"folder": "f", "devices": ["d"]},
    "/v1/folder/accept": {"name": "n", "path": "/d", "device": "d", "choose": ["p"], "force": True},
    "/v1/folder/accept/preview": {"name": "n", "path": "/d", "device": "d", "choose": ["p"], "force": True},
    "/v1/folder/decline": {"name": "n", "device": "d"},
    "/v1/purge": {"path": "/d/f", "with_file": False, "dry_run": True, "here": False},
    "/v1/purge/answer": {"number": 1, "agree": True},
    "/v1/limits/set": {"device": "d", "upload": 1, "download": 1, "reset": False},
    "/v1/settings/reload": {},
    "/v1/wait": {"timeout_s": 1.0, "whom": "all", "devices": ["x"]},
    "/v1/agree": {"folder": "f"},
    "/v1/folder/pause": {"folder": "f"},
    "/v1/folder/place": {"path": "/d", "make": True},
    "/v1/folder/unpause": {"folder": "f"},
    "/v1/folder/confirm": {"folder": "f"},
    "/v1/folder/restore": {"folder": "f"},
    "/v1/revert": {"folder": "f", "names": ["n"]},
    "/v1/trash": {"folder": "f"},
    "/v1/trash/restore": {"folder": "f", "names": ["n"], "all": False},
    "/v1/trash/empty": {"folder": "f"},
    "/v1/notices/restore": {"number": 1},
    "/v1/undo": {"path": "/d/a", "steps": 1},
    "/v1/undo/by": {"path": "/d/a", "name": "n"},
    "/v1/read": {"path": "/d/a", "name": "n"},
    "/v1/edit": {
        "edits": [
            {"path": "/d/a", "version": "1-0", "text": "t", "diff": "d", "blocks": [{"search": "s", "replace": "r"}]},
        ],
        "name": "n", "partly": True, "until_on_disk": True,
    },
    "/v1/files": {"folder": "f", "beneath": "d", "glob": "*.md", "limit": 5},
    "/v1/files/search": {
        "folder": "f", "beneath": "d", "glob": "*.md", "limit": 5, "text": "t", "ignore_case": True,
    },
    "/v1/redo": {"path": "/d/a", "steps": 1},
    "/v1/history/log": {"path": "/d/a", "limit": 5},
    "/v1/history/deleted": {"folder": "f"},
    "/v1/history/show": {"path": "/d/a", "when": WHEN},
    "/v1/history/diff": {"path": "/d/a", "one": WHEN, "two": WHEN},
    "/v1/history/blame": {"path": "/d/a", "when": WHEN},
    "/v1/history/authors": {"path": "/d/a", "clients": [1]},
    "/v1/history/restore": {"path": "/d/a", "when": WHEN},
    "/v1/history/restore-directory": {"path": "/d", "at": 2.5, "dry_run": True, "only": ["p"]},
    "/v1/bookmarks": {"path": "/d/a", "when": WHEN},
    "/v1/bookmarks/set": {
        "path": "/d/a", "name": "n", "position": {"tname": "source", "assoc": 0}, "place": {"line": 1, "column": 1},
    },
    "/v1/conflicts": {"folder": "f"},
    "/v1/conflicts/resolve": {"path": "/d/a", "keep": "this", "number": 1},
    "/v1/conflicts/marked": {"path": "/d/a", "number": 1},
    "/v1/conflicts/merge": {"path": "/d/a", "before": "b", "text": "t", "number": 1},
    "/v1/page/open": {"read_only": False},
    "/v1/page/used": {"number": 1, "wait_s": 1.0},
    "/v1/page/close": {},
    "/v1/stop": {},
}  # fmt: skip
FILE_NAMES = {"path", "paths", "folder", "names", "beneath", "choose", "glob", "only"}


class _NoDevice:
    """A device that must not be asked, because no request is valid."""

    @property
    def folders(self) -> Any:
        raise AssertionError("a request that is not valid was carried out")

    def __getattr__(self, name: str) -> Any:
        raise AssertionError("a request that is not valid was carried out")


async def _ask(app: Routes, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
    """One request over a connection in memory; gives the status and the answer."""
    ours, theirs = trio.testing.memory_stream_pair()
    head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Connection(theirs, app).serve)
        await ours.send_all(head.encode() + body)
        await ours.send_eof()
        said = b""
        while b"\r\n\r\n" not in said or len(said.partition(b"\r\n\r\n")[2]) < _length(said):
            said += await ours.receive_some()
    return int(said.split(b" ", 2)[1]), json.loads(said.partition(b"\r\n\r\n")[2])


def _length(answer: bytes) -> int:
    return int(answer.lower().partition(b"content-length: ")[2].partition(b"\r")[0])


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Every string and number in a body: its field, where to put another one, and under which key."""
    for key in value if isinstance(value, dict) else range(len(value)):
        field = key if isinstance(value, dict) else name
        if isinstance(value[key], (dict, list)):
            yield from _leaves(value[key], field)
        elif not isinstance(value[key], bool):
            yield field, value, key


def _wrong(field: str, value: Any) -> list[Any]:
    if not isinstance(value, str):
        return [float("nan"), float("inf"), -float("inf"), 10**30, -(2**63) - 1]
    return ["\ud83d", "x\ude00", "a\0b" if field in FILE_NAMES else "\udcff"]


class _NoRotation:
    """The key of no device."""

    async def run(self) -> dict[str, Any]:
        return {}


_ROTATION, _PAGE = _NoRotation(), Page(Settings())


@pytest.mark.parametrize("path", BODIES)
async def test_strings_and_numbers_that_are_none_are_refused_with_a_sentence(path: str) -> None:
    app = make_app(_NoDevice(), trio.Event(), _ROTATION, _PAGE)  # type: ignore[arg-type]
    with structlog.testing.capture_logs() as logs:
        for number, (field, right, key) in enumerate(_leaves(BODIES[path])):
            for wrong in _wrong(field, right[key]):
                body = json.loads(json.dumps(BODIES[path]))
                list(_leaves(body))[number][1][key] = wrong
                status, answer = await _ask(app, path, json.dumps(body).encode())
                assert status == 400, (field, wrong, answer)
                assert answer["exit_code"] == 2
                assert answer["error"].startswith("the request is not valid: ")
    assert logs == []


@pytest.mark.parametrize(
    "body",
    [b"\xff", b"{", b"[]", b"5", b'"\\ud83d"', b"[" * 60_000, b'{"\\ud83d": 1}', b"x" * 70_000, b"9" * 5000],
    ids=["bytes", "half", "list", "number", "surrogate", "nested", "key", "long", "many digits"],
)
async def test_what_is_no_request_is_refused_with_a_sentence(body: bytes) -> None:
    app = make_app(_NoDevice(), trio.Event(), _ROTATION, _PAGE)  # type: ignore[arg-type]
    for path in BODIES:
        status, answer = await _ask(app, path, body)
        limit = next(route.max_body_bytes for route in app.all if route.path == path)
        assert (status, answer["exit_code"]) == (413 if len(body) > limit else 400, 2), answer


def test_the_table_has_every_request() -> None:
    app = make_app(_NoDevice(), trio.Event(), _ROTATION, _PAGE)  # type: ignore[arg-type]
    posts = {route.path for route in app.all if route.method == "POST"}
    assert posts == BODIES.keys()


class _Failing(_NoDevice):
    def __init__(self, error: BaseException) -> None:
        self._error = error

    @property
    def sharing(self) -> Any:
        return self

    async def join(self, *_: object, **__: object) -> Any:
        raise self._error

    @property
    def folders(self) -> Any:
        raise self._error


@pytest.mark.parametrize("path", ["/v1/join", "/v1/history/log"])
@pytest.mark.parametrize("is_in_a_group", [False, True])
async def test_a_fault_of_ours_is_answered_and_logged_with_its_reason(path: str, is_in_a_group: bool) -> None:
    fault: Exception = OverflowError("a fault")
    if is_in_a_group:
        fault = ExceptionGroup("a group", [ExceptionGroup("another", [fault])])
    app = make_app(_Failing(fault), trio.Event(), _ROTATION, _PAGE)
    with structlog.testing.capture_logs() as logs:
        status, answer = await _ask(app, path, json.dumps(BODIES[path]).encode())
    assert status == 500
    assert answer["exit_code"] == 1
    assert "OverflowError: a fault" in answer["error"]
    (logged,) = logs
    assert (logged["event"], logged["log_level"], logged["request"]) == ("request_failed", "error", path)
    assert isinstance(logged["exc_info"], OverflowError)


async def test_an_error_that_a_nursery_put_in_a_group_is_told_as_what_it_is() -> None:
    app = make_app(_Failing(ExceptionGroup("a group", [PairingError("no such code")])), trio.Event(), _ROTATION, _PAGE)
    with structlog.testing.capture_logs() as logs:
        status, answer = await _ask(app, "/v1/join", json.dumps(BODIES["/v1/join"]).encode())
    assert (status, answer) == (422, {"error": "no such code", "exit_code": 9})
    assert logs == []


async def test_that_only_the_look_before_a_join_failed_has_a_status_of_its_own() -> None:
    app = make_app(_Failing(NotShown("too large; join without looking")), trio.Event(), _ROTATION, _PAGE)
    status, answer = await _ask(app, "/v1/join", json.dumps(BODIES["/v1/join"]).encode())
    assert (status, answer) == (409, {"error": "too large; join without looking", "exit_code": 9})


class _Steps(trio.abc.Instrument):
    """How many steps a task has done."""

    def __init__(self) -> None:
        self._task = trio.lowlevel.current_task()
        self.done = 0

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        self.done += task is self._task


async def test_others_go_on_before_the_status_is_found_and_before_it_is_sent() -> None:
    """A page asks for it twice a second."""
    steps, found_at = _Steps(), []

    class Shown(_NoDevice):
        def status(self) -> dict[str, Any]:
            found_at.append(steps.done)
            return {"summary": "in sync"}

    request = Request("GET", "/v1/status", "", {}, b"")
    route = make_app(Shown(), trio.Event(), _ROTATION, _PAGE).find(request)
    assert isinstance(route, Route)
    assert route.answer is not None
    trio.lowlevel.add_instrument(steps)
    try:
        answer = await route.answer(request)
    finally:
        trio.lowlevel.remove_instrument(steps)
    assert json.loads(answer.body) == {"summary": "in sync"}
    assert (found_at, steps.done) == ([1], 2)


def test_a_bookmark_is_found_by_a_name_of_text_only(tmp_path: Path) -> None:
    """The name of the file may be any bytes."""

    async def test() -> None:
        async with open_bridge(tmp_path) as bridge:
            app = make_app(_With(bridge), trio.Event(), _ROTATION, _PAGE)  # type: ignore[arg-type]
            file = {"path": str(bridge.folder.path / "caf\udce9.txt")}
            for name, wanted in (("\udcff", 400), ("\ud83d", 400), ("é😀", 200)):
                body = {**file, "name": name, "place": {"line": 1}}
                status, answer = await _ask(app, "/v1/bookmarks/set", json.dumps(body).encode())
                assert status == wanted, answer
                if wanted == 400:
                    assert "`name` is" in answer["error"]
                    assert "no text in UTF-8" in answer["error"]
            status, found = await _ask(app, "/v1/bookmarks", json.dumps(file).encode())
            assert status == 200
            assert [item["name"] for item in found] == ["é😀"]  # type: ignore[index]

    (tmp_path / "dir").mkdir()
    (tmp_path / "dir" / "caf\udce9.txt").write_text("text\n")
    trio.run(test, clock=trio.testing.MockClock(autojump_threshold=0.01))


class _With(_NoDevice):
    def __init__(self, bridge: Bridge) -> None:
        self._folders = [bridge.folder]

    @property
    def folders(self) -> Any:
        return self._folders
