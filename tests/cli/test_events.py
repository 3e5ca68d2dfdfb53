"""`yp2p events`: a line for people, an object a line for programs; it ends with the daemon, and says so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from yp2p.cli import events
from yp2p.cli.events import line
from yp2p.cli.main import main
from yp2p.device.events import KINDS

_OF = {"folder": "f", "label": "notes", "device": "D", "name": "lap"}
_FOLDER = {**_OF, "kind": "folder", "path": "/n", "change": "changed", "state": "idle", "problem": "", "entries": 2000}
_FILE = {**_OF, "kind": "file", "path": "a.md", "was": None, "type": "text", "change": "changed", "devices": ["lap"]}
_TRANSFER = {
    **_OF, "kind": "transfer", "device": "lap", "direction": "sending", "path": "film", "type": "files", "files": 1,
    "bytes_done": 1 << 20, "bytes_total": 4 << 20, "bytes_per_s": 1 << 19, "ended": False,
}  # fmt: skip
_SYNC = {**_OF, "kind": "sync", "connected": True, "in_sync": False, "behind": 3, "condition": "working"}
SAID: list[tuple[dict[str, Any], str]] = [
    ({"kind": "daemon", "state": "running", "version": "1"}, ""),
    ({"kind": "daemon", "state": "stopping", "version": "1"}, "the daemon is stopping"),
    ({"kind": "lost", "missed": 1234}, "1,234 events were missed"),
    ({"kind": "lost", "missed": None}, "events were missed"),
    ({**_FOLDER, "to_fetch": 0}, "notes: idle, 2,000 files and directories"),
    ({**_FOLDER, "to_fetch": 7, "state": "working"}, "notes: working, 2,000 files and directories, 7 files to fetch"),
    ({**_FOLDER, "to_fetch": 0, "change": "added"}, "notes: shared here, at /n; idle, 2,000 files and directories"),
    ({**_FOLDER, "to_fetch": 0, "change": "left"}, "notes: no folder of this device any more"),
    ({**_OF, "kind": "device", "change": "added"}, "notes: lap takes part from now on"),
    ({**_OF, "kind": "member", "change": "role", "role": "reader"}, "notes: lap is reader from now on"),
    ({"kind": "link", "name": "lap", "connected": True, "address": "h:1"}, "lap connected, at h:1"),
    ({"kind": "link", "name": "lap", "connected": False, "reason": "off"}, "lap is not connected: off"),
    ({**_SYNC, "in_sync": True}, "notes: lap has all of it"),
    (_SYNC, "notes: lap: working, 3 files behind"),
    ({**_SYNC, "condition": "", "behind": 0}, "notes: lap: comparing"),
    ({**_SYNC, "connected": False}, ""),
    (_FILE, "notes: a.md changed by lap"),
    ({**_FILE, "was": "b.md", "change": "renamed", "devices": []}, "notes: b.md -> a.md renamed by somebody"),
    (_TRANSFER, "notes: sending film to lap: 1.0 MiB of 4.0 MiB, 512.0 KiB/s"),
    ({**_TRANSFER, "path": "", "files": 20, "direction": "receiving", "ended": True},
     "notes: receiving 20 files from lap: 1.0 MiB, done"),
    ({**_OF, "kind": "conflict", "path": "a", "settled": False},
     "notes: a was changed on two devices apart (`yp2p conflicts`)"),
    ({**_OF, "kind": "conflict", "path": "a", "settled": True}, "notes: what was changed apart in a is settled"),
    ({**_OF, "kind": "notice", "path": "a", "text": "it is odd"}, "notes: a: it is odd"),
    ({"kind": "offer", "label": "music", "name": "lap", "open": True},
     "lap offers the folder music (`yp2p folder accept`)"),
    ({**_OF, "kind": "presence", "open": ["a", "b"]}, "notes: lap has open: a, b"),
    ({"kind": "of a later daemon"}, ""),
]  # fmt: skip


@pytest.mark.parametrize(("event", "said"), SAID)
def test_an_event_is_one_line(event: dict[str, Any], said: str) -> None:
    assert line(event) == said


def test_every_kind_is_described() -> None:
    assert {event["kind"] for event, _ in SAID} - {"of a later daemon"} == KINDS.keys()


class _Stream:
    """The events of a daemon, which then ends."""

    asked: list[Any]

    def __init__(self, _socket: object, query: list[Any]) -> None:
        type(self).asked = query

    def __iter__(self) -> Iterator[dict[str, Any]]:
        yield {"kind": "daemon", "state": "running", "version": "1", "id": 1, "at": 0}
        yield {**_FILE, "path": "a\x1b[1m\udcff.md", "id": 2, "at": 0}

    def close(self) -> None:
        pass


@pytest.mark.parametrize("as_json", [False, True])
def test_it_ends_with_the_daemon(
    as_json: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(events, "EventStream", _Stream)
    words = ["yp2p", "events", "--kind", "file", "--kind", "link", "--since", "7", *(["--json"] if as_json else [])]
    monkeypatch.setattr("sys.argv", words)
    with pytest.raises(SystemExit) as ended:
        main()
    out, err = capsys.readouterr()
    assert ended.value.code == 3
    assert "the daemon has ended" in err
    assert _Stream.asked == [("kind", "file"), ("kind", "link"), ("since", "7")]
    assert "\x1b" not in out
    if as_json:
        assert [json.loads(one)["id"] for one in out.splitlines()] == [1, 2]
    else:
        (only,) = out.splitlines()
        assert only.endswith("notes: a\\x1b[1m\\udcff.md changed by lap")
