"""The ring of events: numbers grow by one, who is slow or was away is told what is missing, and nobody waits for it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import structlog.testing
import trio
import trio.testing
from bridge import PEER, Bridge, arrive, open_bridge, replica_like, settle

from yp2p.device import events, following
from yp2p.device.events import Events, FileChanged, LinkChanged, Subscription
from yp2p.device.following import Following
from yp2p.documents.diff import Hunk
from yp2p.documents.synced import PeerState
from yp2p.errors import YpError
from yp2p.folder.notices import NoticeKind
from yp2p.identity import DeviceID, EntryID


def _file(number: int, folder: str = "f") -> FileChanged:
    return FileChanged(
        folder=folder, label="l", path=f"{number}", was=None, type="text", change="changed", devices=[], is_own=True
    )


def _link() -> LinkChanged:
    return LinkChanged(device="d", name="n", connected=True, address=None, reason="")


def _paths(subscription: Subscription) -> list[str]:
    """What it has by now: the paths of files, or kinds."""
    found = [json.loads(frame.data) for frame in subscription.read_nowait()]
    return [one.get("path", one["kind"]) for one in found]


async def test_numbers_grow_by_one_and_say_where_to_go_on() -> None:
    stream = Events(1000)
    with stream.subscribed((), "", None) as first:
        for number in range(5):
            stream.say(_file(number))
        found = [json.loads(frame.data) for frame in first.read_nowait()]
        assert [one["id"] for one in found] == [1000, 1001, 1002, 1003, 1004]
        assert all(one["at"] > 1.7e9 for one in found)
        with stream.subscribed((), "", 1001) as again, stream.subscribed((), "", None) as late:
            assert _paths(again) == ["2", "3", "4"]
            assert _paths(late) == []
            stream.say(_link())
            assert _paths(again) == _paths(late) == ["link"]


async def test_who_wants_some_gets_these_and_what_is_missing() -> None:
    stream = Events(0)
    with stream.subscribed(("file",), "g", None) as some:
        for number in range(4):
            stream.say(_file(number, "fg"[number % 2]))
            stream.say(_link())
        assert _paths(some) == ["1", "3"]
        assert some.seen == 7, "it is not missed again"


async def test_a_slow_reader_is_told_how_many_it_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_MAX_EVENTS", 10)
    stream = Events(0)
    with stream.subscribed(("file",), "", None) as slow:
        for number in range(25):
            stream.say(_file(number))
        lost, *rest = [json.loads(frame.data) for frame in slow.read_nowait()]
        assert (lost["kind"], lost["missed"], lost["id"]) == ("lost", 15, 14)
        assert [one["path"] for one in rest] == [str(number) for number in range(15, 25)]
        assert _paths(slow) == []


async def test_the_ring_is_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_MAX_BYTES", 2000)
    stream = Events(0)
    with stream.subscribed((), "", None) as reader:
        for number in range(100):
            stream.say(_file(number))
        kept = sum(len(frame.data) for frame in stream.frames_after(-1))
        assert 1000 < kept <= 2000
        assert _paths(reader)[0] == "lost"


@pytest.mark.parametrize("since", [0, 999, 10**15], ids=["nothing", "an earlier daemon", "a clock that was set back"])
async def test_a_number_of_another_daemon_is_answered_as_lost(since: int) -> None:
    stream = Events(5000)
    with stream.subscribed((), "", None):
        stream.say(_file(1))
        with stream.subscribed((), "", since) as reader:
            lost, one = [json.loads(frame.data) for frame in reader.read_nowait()]
            assert (lost["kind"], lost["missed"]) == ("lost", None)
            assert one["path"] == "1"
            assert _paths(reader) == []


async def test_a_reader_waits_and_is_not_woken_for_what_it_does_not_want() -> None:
    stream = Events(0)
    with stream.subscribed(("link",), "", None) as reader:
        async with trio.open_nursery() as nursery:
            done: list[Any] = []

            async def read() -> None:
                done.extend(await reader.read())

            nursery.start_soon(read)
            await trio.testing.wait_all_tasks_blocked()
            stream.say(_file(1))
            await trio.testing.wait_all_tasks_blocked()
            assert done == []
            stream.say(_link())
            await trio.testing.wait_all_tasks_blocked()
            assert [frame.kind for frame in done] == ["link"]


async def test_nothing_is_made_while_nobody_is_there(autojump_clock: trio.testing.MockClock) -> None:
    stream = Events(0)
    stream.say(_file(1))
    assert stream.next_number == 0
    with stream.subscribed((), "", None):
        stream.say(_file(2))
    await trio.sleep(60)
    stream.say(_file(3))
    with stream.subscribed((), "", -1) as back:
        assert _paths(back) == ["2", "3"], "it was away for a minute"
    await trio.sleep(3600)
    stream.say(_file(4))
    assert stream.next_number == 2


async def test_there_is_an_end_of_subscribers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_MAX_SUBSCRIBERS", 1)
    stream = Events(0)
    with (
        stream.subscribed((), "", None),
        pytest.raises(YpError, match="1 programs follow"),
        stream.subscribed((), "", None),
    ):
        pass
    with stream.subscribed((), "", None):
        pass


async def test_a_flood_is_kept_within_bounds() -> None:
    """Whoever says it is in the way of an edit."""
    stream = Events(0)
    with stream.subscribed((), "", None):
        for number in range(20_000):
            stream.say(_file(number))
        assert len(list(stream.frames_after(0))) <= events._MAX_EVENTS
        assert stream.next_number == 20_000


@pytest.mark.parametrize("count", [5_000, 10_000])
async def test_what_all_have_read_is_kept_for_a_while_and_not_for_long(count: int) -> None:
    """Who follows for an hour costs no more than who does for some minutes."""
    stream = Events(0)
    with stream.subscribed((), "", None) as reader, stream.subscribed(("link",), "", None) as other:
        for number in range(count):
            stream.say(_file(number))
            assert _paths(reader) == [f"{number}"]
            assert not _paths(other)
        kept = list(stream.frames_after(-1))
        assert len(kept) == events._KEPT_EVENTS
        assert kept[-1].number == count - 1
    with stream.subscribed((), "", count - 3) as again:
        assert _paths(again) == [f"{count - 2}", f"{count - 1}"]


async def test_what_one_has_still_to_read_is_kept_for_it() -> None:
    stream = Events(0)
    with stream.subscribed((), "", None) as slow, stream.subscribed((), "", None) as quick:
        for number in range(3 * events._KEPT_EVENTS):
            stream.say(_file(number))
            quick.read_nowait()
        found: list[str] = []
        while paths := _paths(slow):
            found += paths
        assert found == [f"{number}" for number in range(3 * events._KEPT_EVENTS)]
        assert len(list(stream.frames_after(-1))) == events._KEPT_EVENTS


async def test_what_nobody_follows_any_more_is_kept_within_the_same_bounds() -> None:
    stream = Events(0)
    with stream.subscribed((), "", None):
        for number in range(3 * events._KEPT_EVENTS):
            stream.say(_file(number))
    assert len(list(stream.frames_after(-1))) == events._KEPT_EVENTS


# --- what makes them -----------------------------------------------------------------------------------------------


class _Peers:
    """The devices that are known, and what `status` says of them."""

    def __init__(self) -> None:
        self.state: dict[str, Any] = {
            "id": "LAP", "name": "lap", "connected": False, "address": None, "reason": "not tried before 10:00:01",
            "paused": False,
        }  # fmt: skip
        self.is_known = True
        self.moving: list[dict[str, Any]] = []
        self.roster = SimpleNamespace(known=lambda: {DeviceID(b"l" * 32): None} if self.is_known else {})
        self.devices = SimpleNamespace(roster=self.roster)

    def device(self, device: DeviceID) -> dict[str, Any]:
        return dict(self.state)

    def transfers_of(self, folder: Any) -> list[dict[str, Any]]:
        return list(self.moving)

    def problem(self, folder: Any) -> str:
        return str(folder.state.pause_reason)

    def member(self, folder: Any, device: DeviceID) -> dict[str, Any]:
        return {}


_TRANSFER = {
    "device": "lap", "direction": "sending", "path": "a", "kind": "files", "files": 1, "bytes_done": 1,
    "bytes_total": 9, "bytes_per_s": 1, "seconds_left": 8.0,
}  # fmt: skip


class _Followed:
    """The events of the folder of a bridge, with a reader that takes all of them."""

    def __init__(self, bridge: Bridge, peers: _Peers) -> None:
        self.bridge, self.peers = bridge, peers
        self.offers: list[dict[str, Any]] = []
        self.folders = {bridge.folder.id: bridge.folder}
        self.following = Following(
            Events(0), self.folders, peers, peers, lambda: self.offers, lambda folder: [],  # type: ignore[arg-type]
        )  # fmt: skip
        self.following.follow(bridge.folder)
        self.reader: Subscription | None = None

    async def said(self) -> list[dict[str, Any]]:
        """What is told of what happened by now."""
        await trio.sleep(1.2)
        assert self.reader is not None
        found = [json.loads(frame.data) for frame in self.reader.read_nowait()]
        return [
            {key: value for key, value in one.items() if key not in ("id", "at", "folder", "label")} for one in found
        ]

    async def files(self) -> list[tuple[str, str, list[str]]]:
        return [(one["change"], one["path"], one["devices"]) for one in await self.said() if one["kind"] == "file"]


def _follows(test: Callable[[_Followed], Awaitable[None]]) -> Callable[[Path], None]:
    async def main(base: Path) -> None:
        (base / "dir").mkdir()
        async with open_bridge(base) as bridge:
            followed = _Followed(bridge, _Peers())
            async with trio.open_nursery() as nursery:
                with followed.following.events.subscribed((), "", None) as followed.reader:
                    nursery.start_soon(followed.following.run)
                    await trio.sleep(0.2)
                    await test(followed)
                nursery.cancel_scope.cancel()

    def run(tmp_path: Path) -> None:
        trio.run(main, tmp_path, clock=trio.testing.MockClock(autojump_threshold=0.02))

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


@_follows
async def test_files_that_change_are_told_with_who_changed_them(followed: _Followed) -> None:
    bridge, folder = followed.bridge, followed.bridge.folder
    own, other = folder.name_of(folder.clients.device), folder.name_of(PEER)
    path = folder.path / "a.txt"
    path.write_text("a line\n")
    await settle(bridge)
    assert await followed.files() == [("added", "a.txt", [own])]
    path.write_text("a line\nanother\n")
    await settle(bridge)
    assert await followed.files() == [("changed", "a.txt", [own])]
    await arrive(bridge, "a.txt", "a line\nanother\nof the peer\n")
    assert await followed.files() == [("changed", "a.txt", [other])]
    path.rename(folder.path / "b\udcff.txt")
    await settle(bridge)
    assert await followed.files() == [("renamed", "b\\udcff.txt", [own])]
    (folder.path / "b\udcff.txt").unlink()
    await settle(bridge)
    assert await followed.files() == [("deleted", "b\\udcff.txt", [own])]
    (folder.path / "blob").write_bytes(b"\0\xff")
    await settle(bridge)
    assert await followed.files() == [("added", "blob", [own])]
    (folder.path / "blob").write_bytes(b"\0\xfe")
    await settle(bridge)
    assert await followed.files() == [("changed", "blob", [own])]
    assert await followed.files() == []


@_follows
async def test_what_comes_is_told_when_it_is_on_the_disk(followed: _Followed) -> None:
    bridge = followed.bridge
    (bridge.folder.path / "a.txt").write_text("a line\n")
    await settle(bridge)
    await followed.files()
    update = replica_like(bridge, "a.txt", 77).edit([Hunk(0, 0, "more ")])
    assert update is not None
    await bridge.document("a.txt").receive(update, PEER, PeerState({}, is_answer=False))
    assert await followed.files() == []
    await bridge.render()
    assert [change for change, _, _ in await followed.files()] == ["changed"]


@_follows
async def test_states_are_told_when_they_are_others(followed: _Followed) -> None:
    peers = followed.peers
    assert await followed.said() == []
    peers.state["reason"] = "not tried before 10:00:02"
    assert await followed.said() == [], "only the second is another one"
    peers.state |= {"connected": True, "address": "h:1", "reason": ""}
    (link,) = await followed.said()
    assert (link["kind"], link["connected"], link["address"]) == ("link", True, "h:1")
    peers.state |= {"name": "laptop", "paused": True}
    assert [(one["change"], one["name"], one["paused"]) for one in await followed.said()] == [
        ("renamed", "laptop", True)
    ]
    peers.state["paused"] = False
    assert [one["change"] for one in await followed.said()] == ["unpaused"]
    peers.is_known = False
    assert [one["change"] for one in await followed.said()] == ["removed"]
    followed.offers.append({"label": "music", "folder": "f", "device": "D", "name": "lap", "role": "member"})
    assert [one["open"] for one in await followed.said()] == [True]
    followed.offers.clear()
    assert [one["open"] for one in await followed.said()] == [False]


class _Looks(trio.abc.Instrument):
    """In which steps of which tasks something was looked at."""

    def __init__(self) -> None:
        self._step = 0
        self.at: list[int] = []

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self._step += 1

    def note(self) -> None:
        self.at.append(self._step)


@_follows
async def test_each_device_and_each_folder_is_looked_at_in_a_step_of_its_own(followed: _Followed) -> None:
    """Somebody has a page open all day: others go on between."""
    looks, peers = _Looks(), followed.peers
    peers.roster.known = lambda: dict.fromkeys((DeviceID(b"l" * 32), DeviceID(b"d" * 32)))
    device, transfers_of = peers.device, peers.transfers_of
    peers.device = lambda one: looks.note() or device(one)  # type: ignore[method-assign, func-returns-value]
    peers.transfers_of = lambda one: looks.note() or transfers_of(one)  # type: ignore[method-assign, func-returns-value]
    trio.lowlevel.add_instrument(looks)
    try:
        await trio.sleep(0.6)
    finally:
        trio.lowlevel.remove_instrument(looks)
    assert len(looks.at) >= 3
    assert len(set(looks.at)) == len(looks.at)


@_follows
async def test_a_transfer_is_told_of_once_a_second_and_its_end(followed: _Followed) -> None:
    peers = followed.peers
    peers.moving = [dict(_TRANSFER)]
    assert [(one["bytes_done"], one["ended"]) for one in await followed.said()] == [(1, False)]
    seen = []
    for size in range(2, 32):
        peers.moving[0]["bytes_done"] = size
        await trio.sleep(0.1)
        assert followed.reader is not None
        seen += followed.reader.read_nowait()
    assert 2 <= len(seen) <= 4
    peers.moving.clear()
    assert [one["ended"] for one in await followed.said()] == [True]


@_follows
async def test_folders_come_pause_and_go(followed: _Followed) -> None:
    folder = followed.bridge.folder
    folder.state.problem = "its directory is missing"
    folder.state.touch()
    (paused,) = await followed.said()
    assert (paused["change"], paused["state"], paused["problem"]) == ("changed", "paused", "its directory is missing")
    del followed.folders[folder.id]
    assert [(one["kind"], one["change"]) for one in await followed.said()] == [("folder", "left")]
    followed.folders[folder.id] = folder
    assert [(one["kind"], one["change"]) for one in await followed.said()] == [("folder", "added")]


@_follows
async def test_notices_and_conflicts_are_told_at_once(followed: _Followed) -> None:
    notices = followed.bridge.folder.notices
    notices.add(NoticeKind.WRONG_CODE, "", "a wrong code", EntryID(bytes(16)))
    notice = notices.add(NoticeKind.CONFLICT_COPY, "a.txt", "beside another", EntryID(bytes(16)))
    notices.on_settled(notice)
    found = await followed.said()
    assert [(one["kind"], one.get("about"), one.get("settled")) for one in found] == [
        ("notice", "wrong-code", None), ("notice", "conflict-copy", None), ("conflict", None, False),
        ("conflict", None, True),
    ]  # fmt: skip


@_follows
async def test_a_fault_of_ours_is_logged_and_told_as_something_missing(followed: _Followed) -> None:
    def fails(_folder: Any) -> list[dict[str, Any]]:
        raise OverflowError("a fault")

    works, followed.peers.transfers_of = followed.peers.transfers_of, fails  # type: ignore[method-assign]
    with structlog.testing.capture_logs() as logs:
        assert [one["kind"] for one in await followed.said()] == ["lost"]
    assert [one["event"] for one in logs] == ["events_failed"]
    followed.peers.transfers_of = works  # type: ignore[method-assign]
    await trio.sleep(following._RECOVERY_S)
    followed.bridge.folder.state.problem = "its directory is missing"
    followed.bridge.folder.state.touch()
    assert [one["kind"] for one in await followed.said()] == ["folder"]
