"""The page of `yp2p up`: what it says of a status, and of what is new."""

from __future__ import annotations

import time
from typing import Any

import pytest

from yp2p.cli.page import Page, Shown, Traffic, lines, noted


def _device(name: str, *, connected: bool = True, **more: Any) -> dict[str, Any]:
    return {
        "id": name,
        "name": name,
        "connected": connected,
        "last_error": "",
        "reason": "",
        "sent_bytes": 0,
        "received_bytes": 0,
        **more,
    }


def _member(name: str, *, connected: bool = True, in_sync: bool = True, behind: int | None = 0) -> dict[str, Any]:
    return {"id": name, "name": name, "connected": connected, "in_sync": in_sync, "behind": behind, "condition": ""}


def _status(*names: str, **more: Any) -> dict[str, Any]:
    folder = {
        "id": "f", "label": "notes", "path": "/notes", "problem": "", "state": "idle", "awaiting_confirmation": False,
        "code_taken_back": False, "conflicts": [], "notices": {"wrong-code": 0},
        "devices": [_member(name) for name in names],
        "progress": {"files_to_go": 0, "bytes_to_go": 0, "bytes_per_s": 0, "seconds_left": None}, **more,
    }  # fmt: skip
    offers: dict[str, Any] = {"made": [], "received": []}
    return {"folders": [folder], "devices": [_device(name) for name in names], "offers": offers, "transfers": []}


_SHARED = {
    "code": "47-K7M-X2Q", "expires_in_s": 900, "folder": "f", "label": "notes", "path": "/notes", "devices": 0,
    "locked": False,
}  # fmt: skip


def _page(status: dict[str, Any], *, now: float = 0.0, **shared: Any) -> str:
    return "\n".join(lines(Shown(_SHARED | shared, 0.0, 0), status, {}, [], now, "Ctrl-C stops yp2p here."))


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (_status(), "on no other device yet"),
        (_status("desk", "lap"), "in sync with desk, lap"),
        (_status("desk", devices=[_member("desk", connected=False)]), "no other device is connected"),
        (_status("desk", devices=[_member("desk"), _member("lap", in_sync=False)]), "sending to lap"),
        (_status(progress={"files_to_go": 1200, "bytes_to_go": 3 << 20, "bytes_per_s": 0, "seconds_left": 4.2}),
         "receiving: 1,200 files, 3.0 MiB to go, 4 s left"),
        (_status(problem="its directory is missing"), "its directory is missing"),
        (_status(awaiting_confirmation=True), "waiting for your decision"),
    ],
)  # fmt: skip
def test_the_state_of_a_folder_is_one_line(status: dict[str, Any], said: str) -> None:
    assert said in _page(status).splitlines()[1]


def test_a_device_that_is_behind_and_what_is_sent() -> None:
    status = _status("desk", devices=[_member("desk", in_sync=False, behind=1500)])
    shown = lines(Shown(_SHARED, 0.0, 1), status, {"desk": (2 << 20, 10.0)}, [], 0.0, "")
    assert "desk  connected, 1,500 files behind, sending 2.0 MiB/s" in shown
    status["devices"] = [_device("desk", connected=False, reason="it does not answer")]
    assert "desk  it does not answer" in lines(Shown(_SHARED, 0.0, 1), status, {}, [], 0.0, "")


def test_the_code_stands_there_while_it_is_good() -> None:
    assert "The code is  47-K7M-X2Q  (for 15 minutes)" in _page(_status())
    assert "(for 1 minute)." in _page(_status(), now=880.0)
    assert "47-K7M-X2Q" not in _page(_status(), now=900.0)
    assert "wrong codes" in _page(_status(), code=None, locked=True)
    assert "Only an administrator" in _page(_status(), code=None)


def test_rates_are_of_the_time_between_two_looks() -> None:
    traffic = Traffic()
    traffic.take({"devices": [_device("desk", sent_bytes=100, received_bytes=1000)]}, 10.0)
    assert traffic.rates == {}
    traffic.take({"devices": [_device("desk", sent_bytes=300, received_bytes=500), _device("new")]}, 12.0)
    assert traffic.rates == {"desk": (100.0, 0.0)}, "a new link counts from nothing"


def test_what_people_want_to_hear_of_is_noted() -> None:
    of = {"folder": "f", "label": "notes", "device": "D", "name": "lap"}
    state = {**of, "kind": "folder", "path": "/notes", "state": "working", "problem": "", "entries": 1, "to_fetch": 0}
    noticed = {**of, "kind": "notice", "path": "", "text": "a wrong code"}
    assert noted({**of, "kind": "member", "change": "joined", "role": "member"}) == "notes: lap joined, as member"
    assert noted(noticed) == "notes: a wrong code"
    assert noted({**state, "change": "changed", "problem": "full"}) == "notes: full"
    assert noted({**state, "change": "left"}) == "notes: no folder of this device any more"
    assert noted({**state, "change": "changed"}) == "", "that is on the page itself"
    assert noted({**of, "kind": "sync", "connected": True, "in_sync": True, "behind": 0, "condition": ""}) == ""
    assert noted({"kind": "of a later daemon"}) == ""


def test_a_folder_that_was_left_is_not_shared_again_by_its_page(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def asks(_method: str, path: str, _body: Any = None) -> dict[str, Any]:
        asked.append(path)
        return dict(_SHARED)

    monkeypatch.setattr("yp2p.cli.page.call", asks)
    page = Page("Ctrl-C stops yp2p here.")
    page._shown = Shown(dict(_SHARED), 0.0, (1, 0))
    left = _status() | {"folders": []}
    page._renew(left)
    assert asked == []
    shown = "\n".join(lines(page._shown, left, {}, [], 0.0, ""))
    assert "/notes is no folder of this device any more" in shown
    assert "47-K7M" not in shown
    page._renew(_status())  # the code of one that is here is renewed
    assert asked == ["/v1/share"]


def test_a_code_that_was_taken_back_is_not_shown_until_there_is_another(monkeypatch: pytest.MonkeyPatch) -> None:
    codes = iter(["47-K7M-X2Q", "12-ABC-DEF"])
    monkeypatch.setattr("yp2p.cli.page.call", lambda *_: _SHARED | {"code": next(codes)})
    page = Page("Ctrl-C stops yp2p here.")
    page._shown = Shown(dict(_SHARED), time.monotonic(), (0, -1))

    def shown(**more: Any) -> str:
        status = _status(**more)
        page._renew(status)
        assert page._shown is not None
        return "\n".join(lines(page._shown, status, {}, [], time.monotonic(), ""))

    assert "47-K7M-X2Q" in shown()
    for _ in range(2):
        text = shown(code_taken_back=True)
        assert "47-K7M" not in text
        assert "The code was taken back. For a new one: yp2p share /notes" in text
    assert "12-ABC-DEF" in shown()
    assert "12-ABC-DEF" in shown()


def test_what_is_offered_stands_there() -> None:
    status = _status("desk")
    status["offers"]["received"] = [{"label": "music", "name": "desk", "decision": "none", "path": ""}]
    assert "desk offers you the folder music: `yp2p folder accept music DIR`" in _page(status)
