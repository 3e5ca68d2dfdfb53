"""The line that the service manager shows: what a person wants to know, and not more often than they look."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import trio

from yp2p.device.status_line import Glance, Other, StatusLine, sentence
from yp2p.folder.state import Activity
from yp2p.identity import DeviceID


def _other(name: str, *arguments: Any, **more: Any) -> Other:
    return Other(DeviceID(name.encode()), name, *arguments, **more)


PI, DESK = _other("pi"), _other("desktop")


def _away(name: str) -> Other:
    return _other(name, is_connected=False, is_in_sync=False)


@pytest.mark.parametrize(
    ("folders", "words"),
    [
        ([], "nothing is shared yet; listening on port 9727"),
        ([Glance("notes", files=1204, others=(PI, DESK))], "in sync with 2 devices; 1,204 files"),
        ([Glance("notes", files=1, others=(PI,))], "in sync with pi; 1 file"),
        ([Glance("notes", files=1, others=(PI, Other(DeviceID(b"2"), "pi")))], "in sync with 2 devices; 1 file"),
        (
            [Glance("notes", files=1, others=(PI, Other(DeviceID(b"2"), "pi", False, False)))],
            "in sync with 1 of 2 devices; 1 file",
        ),
        ([Glance("notes", files=3)], "on no other device yet; 3 files"),
        ([Glance("notes", files=3, others=(_away("pi"),))], "not connected with pi; 3 files"),
        ([Glance("notes", files=3, others=(PI, _away("desktop")))], "in sync with 1 of 2 devices; 3 files"),
        (
            [Glance("notes", files=3, others=(PI, _other("desktop", is_in_sync=False)))],
            "in sync with 1 of 2 devices; 3 files",
        ),
        ([Glance("notes", files=3, others=(_other("pi", is_in_sync=False),))], "comparing with pi; 3 files"),
        (
            [
                Glance("a", files=3, others=(_other("pi", True, False, 2, 12 << 20),)),
                Glance("b", files=4, others=(_other("pi", True, False, 1), DESK)),
            ],
            "sending 3 files to pi, 12.0 MiB left; 7 files",
        ),
        ([Glance("a", files=9, others=(_other("pi", True, False, 1),))], "sending 1 file to pi; 9 files"),
        (
            [Glance("a", Activity.WORKING, files=9, files_to_go=2, bytes_to_go=2048, others=(PI,))],
            "receiving 2 files, 2.0 KiB left; 9 files",
        ),
        ([Glance("a", Activity.WAITING, others=(PI,))], "a waits for the first device; 0 files"),
        ([Glance("a", Activity.WORKING, is_scanned=False, files=9)], "looking at the files of a; 9 files"),
        ([Glance("a", Activity.WORKING, files=9)], "reading or writing in a; 9 files"),
        (
            [
                Glance("a", Activity.PAUSED, "60 files went", asks=True, files=9, files_to_go=3),
                Glance("b", Activity.PAUSED, "its disk is full", files=1),
                Glance("c", files=2, others=(PI,)),
            ],
            "a waits for your decision (yp2p status); b is paused: its disk is full; in sync with pi; 12 files",
        ),
        ([Glance("e\x1b[2J\nil", files=1, others=(PI,))], "in sync with pi; 1 file"),
        ([Glance("e\nil", Activity.WAITING)], "e\\nil waits for the first device; 0 files"),
    ],
)
def test_it_says_what_a_person_wants_to_know(folders: list[Glance], words: str) -> None:
    assert sentence(folders, 9727) == words


def test_it_has_an_end_however_much_is_wrong() -> None:
    assert len(sentence([Glance(f"folder{n}", Activity.PAUSED, "x" * 300) for n in range(50)], 1)) == 400


class _Device(StatusLine):
    """One whose folders say what the test wants."""

    def __init__(self) -> None:
        self.on_its_way = False
        self.state = SimpleNamespace(
            changed=trio.Event(), transfers=SimpleNamespace(lines=lambda _now: [1] if self.on_its_way else [])
        )
        folders: Any = {b"f": SimpleNamespace(state=self.state)}
        peers: Any = SimpleNamespace(members_changed=trio.Event())
        super().__init__(DeviceID(b""), folders, peers)
        self.line, self.looked_at = "one", 0

    def sentence(self) -> str:
        self.looked_at += 1
        return self.line

    def touch(self) -> None:
        event, self.state.changed = self.state.changed, trio.Event()
        event.set()


async def test_it_is_told_when_it_changes_and_at_most_once_a_second(autojump_clock: trio.abc.Clock) -> None:
    device, told = _Device(), list[str]()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(device.run, told.append)
        await trio.sleep(3600)
        assert (told, device.looked_at) == (["one"], 1), "who has nothing to tell sleeps"
        device.line = "two"
        device.touch()
        await trio.sleep(0.1)
        assert told == ["one", "two"], "the first change is told at once"
        for number in range(1000):
            device.line = f"{number}"
            device.touch()
            await trio.sleep(0.01)
        await trio.sleep(1.5)
        assert len(told) < 2 + 12
        assert told[-1] == "999", "the last one is"
        device.touch()
        await trio.sleep(2)
        assert told[-1] == "999"
        assert told.count("999") == 1
        nursery.cancel_scope.cancel()


async def test_bytes_that_go_are_told_now_and_then(autojump_clock: trio.abc.Clock) -> None:
    device, told = _Device(), list[str]()
    device.on_its_way = True
    async with trio.open_nursery() as nursery:
        nursery.start_soon(device.run, told.append)
        for number in range(60):
            device.line = f"{number} bytes left"
            await trio.sleep(1)
        nursery.cancel_scope.cancel()
    assert 8 <= len(told) <= 13
