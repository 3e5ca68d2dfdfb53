"""Notices of places that were changed apart: what other devices may tell, and how long it is told."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from yp2p.documents.meeting import Decision
from yp2p.folder import notices
from yp2p.folder.authors import Maker
from yp2p.folder.notices import Notice, NoticeKind, Notices, Undo, Versions
from yp2p.history.conflicts import find
from yp2p.identity import DeviceID, EntryID, FolderID
from yp2p.protocol import messages
from yp2p.protocol.messages import BothChanged, Side
from yp2p.store.database import open_database
from yp2p.threeway.merge import merge

OWN, OTHER, THIRD = (DeviceID(bytes([number]) * 32) for number in (1, 2, 3))
FOLDER, ENTRY = FolderID(bytes(16)), EntryID(b"e" * 16)
BASE = "a\nversion = 1.0\nb\nc\nd\nversion = 1.0\ne\n"


@asynccontextmanager
async def _notices(base: Path, own: DeviceID = OWN) -> AsyncIterator[Notices]:
    async with open_database(base.with_name(base.name + "-store"), make_room=False) as database:
        yield Notices(database, FOLDER, own, lambda device: device.hex()[:2])


def _told(*, by: tuple[DeviceID, DeviceID] = (OWN, OTHER), at_ms: int | None = None, **more: Any) -> BothChanged:
    at_ms = round(time.time() * 1000) if at_ms is None else at_ms
    sides = Side("x = 1\n", (by[0],), at_ms), Side("x = 2\n", (by[1],), at_ms)
    return replace(BothChanged(FOLDER, ENTRY, False, 2, "x = 2\n", "a\n", "b\n", sides), **more)


def _decision() -> Decision:
    merged = merge("a.txt", BASE, BASE.replace("1.0", "1.1"), BASE.replace("1.0", "1.2"))
    return Decision(merged.text, merged.told)


async def test_each_place_is_told_once_also_where_two_are_alike(tmp_path: Path) -> None:
    makers = Maker((OWN,), time.time()), Maker((OTHER,), time.time())
    async with _notices(tmp_path) as found:
        assert len(found.tell_meeting("a.txt", ENTRY, _decision(), makers)) == 2
        assert found.tell_meeting("a.txt", ENTRY, _decision(), makers) == []
        assert len(list(found)) == 2
        for notice in found:
            found.settle(notice)
        assert len(found.tell_meeting("a.txt", ENTRY, _decision(), makers)) == 2, "it came again"


async def test_a_stored_notice_of_no_entry_is_no_message(tmp_path: Path) -> None:
    makers = Maker((OWN,), time.time()), Maker((OTHER,), time.time())
    async with _notices(tmp_path) as found:
        assert found.tell_meeting("", EntryID(b""), _decision(), makers) == []
        assert found.of_maker(OTHER) == []


async def test_what_comes_back_from_the_other_device_is_known(tmp_path: Path) -> None:
    makers = Maker((OWN,), time.time()), Maker((OTHER,), time.time())
    async with _notices(tmp_path / "one") as one, _notices(tmp_path / "two", OTHER) as two:
        for message in one.tell_meeting("a.txt", ENTRY, _decision(), makers):
            two.take("a.txt", messages.decode(messages.encode(message)), OWN)  # type: ignore[arg-type]
        assert [notice.versions.ours for notice in two if notice.versions] == ["version = 1.2\n"] * 2
        for message in two.of_maker(OWN):
            one.take("a.txt", message, OTHER)
        assert len(list(one)) == 2


async def test_it_is_as_old_as_the_versions_are(tmp_path: Path) -> None:
    async with _notices(tmp_path) as found:
        found.take("a.txt", _told(at_ms=1000), OTHER)
        assert list(found) == []
        a_day_ago = round((time.time() - 86400) * 1000)
        found.take("a.txt", _told(at_ms=a_day_ago), OTHER)
        (notice,) = found
        assert abs(notice.at - a_day_ago / 1000) < 1
        found.take("b.txt", _told(at_ms=messages.MAX_TIME_MS, before="other\n"), OTHER)
        assert max(notice.at for notice in found) <= time.time()
        for message in found.of_maker(OTHER):
            messages.encode(message)


async def test_who_made_neither_version_settles_nothing_and_tells_nothing(tmp_path: Path) -> None:
    async with _notices(tmp_path) as found:
        found.take("a.txt", _told(by=(OTHER, THIRD)), OTHER)
        assert list(found) == []
        found.take("a.txt", _told(), THIRD)
        (notice,) = found
        assert notice.versions is not None
        assert notice.versions.reported_by == THIRD
        found.take("a.txt", _told(settled=True), THIRD)
        assert [one.versions.settled for one in found if one.versions] == [False]
        found.take("a.txt", _told(settled=True), OTHER)
        assert [one.versions.settled for one in found if one.versions] == [True]


async def test_one_device_cannot_fill_the_list(tmp_path: Path) -> None:
    async with _notices(tmp_path) as found:
        for number in range(2 * notices._MAX_TOLD_BY_ONE):
            found.take("a.txt", _told(before=f"{number}\n"), OTHER)
        assert len(list(found)) == notices._MAX_TOLD_BY_ONE
        for number in range(100):
            found.take("a.txt", _told(before=f"{number}\n", behind="x" * 60_000), THIRD)
        assert sum(one.versions.chars for one in found if one.versions) < 2 * notices._MAX_TOLD_CHARS


async def test_what_saves_removed_takes_no_memory_however_long_it_is(tmp_path: Path) -> None:
    def of(number: int) -> Undo:
        return Undo(b"d" * 16, number, [(5, 5, f"{number} " + "x" * 100_000), (9, 9, "y")])

    async with _notices(tmp_path) as found:
        kind = NoticeKind.REMOVED_OTHERS_TEXT
        for number in range(20):
            found.add(kind, "a.txt", "text", ENTRY, of(number))
        short = found.add(kind, "a.txt", "text", ENTRY, Undo(b"d" * 16, 3, [(1, 1, "short")]))
        await found._database.pending().wait()
        for known in found, Notices(found._database, FOLDER, OWN, lambda device: ""):
            known.load()
            assert sum(len(text) for one in known if one.undo for _, _, text in one.undo.hunks) < 1000
            again: list[Notice] = [one for one in known if one.id != short.id]
            assert [known.whole_undo(one) for one in again] == [of(number) for number in range(20)]
            assert known.whole_undo(short) == Undo(b"d" * 16, 3, [(1, 1, "short")])


def test_a_place_is_found_where_it_is_now() -> None:
    place = Versions(2, "x = 2\n", "x = 1\n", "x = 2\n", "a\n", "b\n")
    assert find("a\nx = 2\nb\n", place) == (2, 8)
    assert find("new\nx = 2\nb\na\nx = 2\nb\n", place) == (14, 20)
    assert find("new\nx = 2\nother\n", place) == (4, 10), "its neighbours changed, but there is one"
    assert find("x = 2\nx = 2\n", place) is None
    assert find("a\nx = 3\nb\n", place) is None
    assert find("aa\nmax = 2\nb\n", place) is None
    removed = Versions(2, "", "x = 1\n", "", "a\n", "b\n")
    assert find("a\nb\n", removed) == (2, 2)
    assert find("a\nc\nb\n", removed) is None
    assert find("\n" * 262_144, Versions(1, "\n" * 65_536, "", "x", "", "")) is None
    assert find("\n" * 262_144, Versions(1, "\n" * 65_536, "", "x", "\n", "\n")) is not None
