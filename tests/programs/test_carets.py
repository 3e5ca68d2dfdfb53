"""Who programs say they are, and where: each is told of the others in its own words, often enough and no more."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from bridge import open_bridge
from conditions import until

from yp2p.documents.diff import Hunk
from yp2p.documents.positions import Assoc, Position, PositionIndex
from yp2p.folder.folder import Folder
from yp2p.programs import carets
from yp2p.programs.awareness_feed import AwarenessFeed, Clocks
from yp2p.programs.carets import Caret, client_of
from yp2p.programs.news import News
from yp2p.programs.programs import Program, Programs, cleaned, states_for
from yp2p.programs.wanted import Wanted
from yp2p.protocol import awareness
from yp2p.protocol.awareness import Presence
from yp2p.protocol.channel import AwarenessUpdate, Denied, decode

TEXT = "one\ntwo\nthree\n"
PLACE, END = Position(Assoc.AFTER, 5, 6), Position(Assoc.AFTER)
# As y-codemirror.next says it.
STOCK = {
    "user": {"name": "a person", "color": "#123456", "colorLight": "#12345633"},
    "cursor": {
        "anchor": {"type": None, "tname": "source", "item": {"client": 5, "clock": 6}, "assoc": 0},
        "head": {"type": None, "tname": "source", "item": None, "assoc": 0},
    },
}


def test_a_stock_state_is_understood_told_as_it_is_and_told_to_devices_and_back() -> None:
    caret = Caret.of_state(STOCK)
    assert (caret.name, caret.color, caret.anchor, caret.head) == ("a person", "#123456", PLACE, END)
    assert caret.stock_state(77, "laptop") is STOCK
    item = caret.item()
    assert item == {"name": "a person", "color": "#123456", "cursor": END.to_json(), "anchor": PLACE.to_json()}
    assert Caret.of_item(item).stock_state(77, "laptop") == STOCK


def test_a_state_of_the_python_api_is_told_to_stock_clients_in_their_words() -> None:
    told = Caret.of_state({"name": "a program", "cursor": PLACE.to_json()}).stock_state(77, "laptop")
    place = {"type": None, "tname": "source", "item": {"client": 5, "clock": 6}, "assoc": 0}
    assert told["user"]["name"] == "a program"
    assert told["cursor"] == {"anchor": place, "head": place}
    assert Caret.of_item({}).stock_state(77, "laptop")["user"]["name"] == "laptop", "who said no name has the device's"


@pytest.mark.parametrize("wrong", [None, 5, [], {}, {"anchor": 5}, {"anchor": {}, "head": {"item": "x"}}, {"item": 1}])
def test_what_is_of_another_shape_is_no_place(wrong: object) -> None:
    for state in ({"user": wrong, "cursor": wrong}, {"name": wrong, "cursor": wrong}, {"user": {"name": 5}}):
        caret = Caret.of_state(state)
        assert (caret.name, caret.head) == ("", None)
        assert "cursor" not in caret.item()
    assert Caret.of_item({"cursor": wrong, "anchor": wrong, "color": "red;}"}).item() == {}
    assert 0 < client_of({"path": "a", "client": wrong}, "device") < 1 << 32


def _presences(data: bytes | None) -> list[Presence]:
    assert data is not None
    return awareness.decode(data)


def test_a_feed_tells_what_is_new_with_a_higher_clock_and_null_of_who_left() -> None:
    feed = AwarenessFeed(Clocks())
    first = _presences(feed.news({1: '{"a":1}', 2: "{}"}, 1_800_000_000_000, renew=True))
    assert {p.client: p.state for p in first} == {1: {"a": 1}, 2: {}}
    assert feed.news({1: '{"a":1}', 2: "{}"}, 1_800_000_000_001, renew=False) is None
    (gone,) = _presences(feed.news({1: '{"a":1}'}, 1_700_000_000_000, renew=False))
    assert (gone.client, gone.state) == (2, None)
    assert gone.clock > first[0].clock, "also when the time goes back"
    (again,) = _presences(feed.news({1: '{"a":1}'}, 1_800_000_010_000, renew=True))
    assert again.clock > first[0].clock
    assert _presences(feed.news({}, 1_800_000_020_000, renew=True))[0].state is None
    assert _presences(feed.news({}, 1_800_000_030_000, renew=True)) == [], "a sign of life, of nobody"
    later = AwarenessFeed(Clocks())  # a daemon that came back
    assert _presences(later.news({1: "{}"}, 1_800_000_040_000, renew=True))[0].clock > again.clock


def test_an_item_of_a_device_is_one_awareness_client_and_nobody_takes_the_place_of_another() -> None:
    own, item = Program(b"e"), {"path": "a.txt", "since": 1, "name": "far"}  # type: ignore[arg-type]
    own.carets[7] = Caret()
    present = [
        cleaned({"device": "here", "id": "own", "files": [item]}),
        cleaned({"device": "there", "id": "other", "files": [{**item, "client": client} for client in (7, 8, 9)]}),
        cleaned({"device": "there", "id": "other", "files": [{"path": "b.txt", "since": 1}]}),
        cleaned({"device": "third", "id": "third", "files": [{"path": "a.txt", "since": 2}]}),
    ]
    found = states_for(own, {8: Caret(name="near")}, present, "own", "a.txt")
    names = {client: state["user"]["name"] for client, state in found.items()}
    assert names == {8: "near", 9: "far", client_of({"path": "a.txt", "since": 2}, "third"): "third"}


def test_who_names_its_client_is_one_client_for_others_from_the_start(tmp_path: Path) -> None:
    async def test() -> None:
        async with open_bridge(tmp_path) as bridge:
            record = bridge.folder.files.by_path("a.txt")
            assert record is not None
            programs = Programs(bridge.folder, lambda: None)
            named, silent = Program(record.entry, client=7), Program(record.entry)
            programs.add(named)
            programs.add(silent)

            def seen() -> list[int]:
                far = cleaned({"device": "there", "id": "other", "files": programs.describe()})
                return sorted(states_for(Program(b"e"), {}, [far], "own", "a.txt"))  # type: ignore[arg-type]

            before = seen()
            assert len(before) == 2
            assert 7 in before
            programs.said(named, _said(7, 1, {"user": {"name": "me"}}))
            assert seen() == before

    (tmp_path / "dir").mkdir()
    (tmp_path / "dir" / "a.txt").write_text(TEXT)
    trio.run(test, clock=trio.testing.MockClock(autojump_threshold=0.01))


def _said(client: int, clock: int, state: dict[str, Any] | None) -> bytes:
    return awareness.encode([Presence(client, clock, state)])


def test_programs_speak_for_themselves_and_the_document_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[bytes] = []

    class Counted(PositionIndex):
        def __init__(self, state: bytes) -> None:
            made.append(state)
            super().__init__(state)

    monkeypatch.setattr(carets, "PositionIndex", Counted)

    async def test() -> None:
        async with open_bridge(tmp_path) as bridge:
            live, folder = bridge.document("a.txt"), bridge.folder
            record = folder.files.by_path("a.txt")
            assert record is not None
            programs = Programs(folder, lambda: None)
            one, two = Program(record.entry), Program(record.entry)
            programs.add(one)
            programs.add(two)

            def besides(program: Program) -> list[dict[str, Any]]:
                own = {"device": "here", "id": "me", "files": []}
                found: list[dict[str, Any]] = json.loads(programs.others(program, [own], "me"))
                return found

            (client,) = live.replica.clocks()
            for clock in range(8):
                place = {"tname": "source", "item": {"client": client, "clock": clock}, "assoc": 0}
                programs.said(
                    one, _said(1, clock, {"user": {"name": "one"}, "cursor": {"anchor": place, "head": place}})
                )
                (item,) = besides(two)
                assert (item["name"], item["line"], item["client"]) == ("one", 1 + clock // 4, 1)
                assert {"device": "here", **programs.describe()[0]} == item
            update = live.text.edit([Hunk(0, 0, "a line\n")])
            assert update is not None
            await folder.edits.record(live, update, None).wait()
            assert besides(two)[0]["line"] == 3
            assert len(made) == 1
            programs.told(two, {1})
            programs.said(two, _said(2, 1, None))  # a stock client speaks of itself first
            programs.said(two, _said(1, 99, {"user": {"name": "an echo"}}))
            assert programs.carets_besides(one) == {}
            programs.said(two, b"nonsense")
            for number in range(10, 60):
                programs.said(two, _said(number, 1, {"user": {"name": str(number)}}))
            assert len(programs.carets_besides(one)) == 16
            programs.said(one, _said(1, 100, None))
            assert list(programs.carets_besides(two)) == []
            programs.remove(two)
            two = Program(record.entry)
            programs.add(two)
            programs.said(two, _said(2, 1, {"user": {"name": "two"}}))
            third = Program(record.entry)
            programs.add(third)
            programs.said(two, _said(3, 1, {"user": {"name": "third, as two heard of it"}}))
            assert list(programs.carets_besides(one)) == [2, 3], "it may speak for others, as a gateway does"
            programs.said(third, _said(3, 2, {"user": {"name": "third"}}))
            assert programs.carets_besides(one)[3].name == "third"
            assert programs.carets_besides(two)[3].name == "third", "it is told of whom it passed on"
            programs.said(two, _said(3, 9, {"user": {"name": "third, as two heard of it"}}))
            assert programs.carets_besides(one)[3].name == "third"
            programs.remove(third)
            programs.said(two, _said(3, 10, {"user": {"name": "third, as two heard of it"}}))
            assert list(programs.carets_besides(one)) == [2], "who left is not brought back by an echo"
            third = Program(record.entry)
            programs.add(third)
            programs.said(third, _said(3, 3, {"user": {"name": "third again"}}))
            assert list(programs.carets_besides(one)) == [2, 3]
            programs.remove(third)
            await trio.sleep(61)  # of a clock that jumps: for longer than what was heard of it is remembered
            programs.said(two, _said(3, 4, {"user": {"name": "third, over two"}}))
            assert list(programs.carets_besides(one)) == [2, 3]
            programs.remove(one)
            programs.remove(two)
            assert not live.is_in_programs

    (tmp_path / "dir").mkdir()
    (tmp_path / "dir" / "a.txt").write_text(TEXT)
    trio.run(test, clock=trio.testing.MockClock(autojump_threshold=0.01))


class _Channel:
    """Notes what is sent to a program, and when."""

    def __init__(self) -> None:
        self.sent: list[tuple[float, object]] = []

    async def send(self, message: bytes) -> None:
        await trio.lowlevel.checkpoint()
        self.sent.append((trio.current_time(), decode(message)))


def _last_states(channel: _Channel) -> list[Any]:
    """What the program was told last of the others; nothing where that was something else."""
    last = channel.sent[-1][1]
    return [presence.state for presence in _presences(last.data)] if isinstance(last, AwarenessUpdate) else []


class _Device:
    shown_id = "own"

    def __init__(self, programs: Programs, folder: Folder) -> None:
        self._programs = programs
        self.folders = [folder]

    def programs(self, folder: Folder) -> Programs:
        return self._programs

    def present(self, folder: Folder) -> list[dict[str, Any]]:
        return []


def test_a_program_hears_something_every_ten_seconds_and_cursors_at_most_twenty_times_a_second(tmp_path: Path) -> None:
    async def test() -> None:
        async with open_bridge(tmp_path) as bridge, trio.open_nursery() as nursery:
            record = bridge.folder.files.by_path("a.txt")
            assert record is not None
            programs = Programs(bridge.folder, lambda: None)
            one, two, channel = Program(record.entry), Program(record.entry), _Channel()
            programs.add(one)
            programs.add(two)
            nursery.start_soon(
                News(_Device(programs, bridge.folder), bridge.folder, two, Wanted("a.txt")).run,  # type: ignore[arg-type]
                channel,
            )  # fmt: skip
            start = trio.current_time()
            await trio.sleep(65)  # of a clock that jumps: what is told in that time is what is tested
            assert [round((at - start) / 10) for at, _ in channel.sent] == [0, 1, 2, 3, 4, 5, 6]
            assert max(later - at for (at, _), (later, _) in itertools.pairwise(channel.sent)) < 10.1
            channel.sent.clear()
            for number in range(1000):
                programs.said(one, _said(1, number, {"user": {"name": str(number)}}))
                await trio.sleep(0.002)  # the pace of the one who moves
            await until(lambda: _last_states(channel) == [{"user": {"name": "999"}}])
            assert 30 <= len(channel.sent) <= 42, "in two seconds"
            programs.refused(two, "a reason")
            await until(lambda: channel.sent[-1][1] == Denied("a reason"))
            programs.remove(one)
            await until(lambda: _last_states(channel) == [None])
            assert [presence.client for presence in _presences(channel.sent[-1][1].data)] == [1]  # type: ignore[attr-defined]
            nursery.cancel_scope.cancel()

    (tmp_path / "dir").mkdir()
    (tmp_path / "dir" / "a.txt").write_text(TEXT)
    trio.run(test, clock=trio.testing.MockClock(autojump_threshold=0.001))
