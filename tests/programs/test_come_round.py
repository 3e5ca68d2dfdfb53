"""Stock clients pass on what they hear: what somebody said last stands, also where older words come round to them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio
import trio.testing
from bridge import Bridge, open_bridge
from conditions import until

from yp2p.folder.folder import Folder
from yp2p.programs.awareness_feed import AwarenessFeed, Clocks
from yp2p.programs.news import News
from yp2p.programs.programs import Program, Programs
from yp2p.programs.wanted import Wanted
from yp2p.protocol import awareness
from yp2p.protocol.awareness import Presence
from yp2p.protocol.channel import AwarenessUpdate, decode

FAR = 99  # the client of somebody on another device
State = dict[str, Any]


class Tab:
    """An awareness of y-protocols with a connection; what it hears and says, other tabs of the browser hear as well."""

    def __init__(self, client: int, programs: Programs, program: Program) -> None:
        self.client = client
        self.program = program
        self.states: dict[int, State] = {}
        self.clocks = {client: 0}
        self.others: list[Tab] = []
        self.on_its_way: list[bytes] = []  # to the other tabs; `pass_on` delivers it
        self._programs = programs

    def say(self, state: State) -> None:
        """As `setLocalState`."""
        self.clocks[self.client] += 1
        self.states[self.client] = state
        self._spread([self.client])

    def hear(self, data: bytes) -> None:
        """As `applyAwarenessUpdate`."""
        updated = []
        for one in awareness.decode(data):
            clock, known = one.clock, self.clocks.get(one.client, 0)
            if not (known < clock or (known == clock and one.state is None and one.client in self.states)):
                continue
            if one.state is not None:
                self.states[one.client] = one.state
            elif one.client == self.client:
                clock += 1
            else:
                self.states.pop(one.client, None)
            self.clocks[one.client] = clock
            updated.append(one.client)
        self._spread(updated)

    def _spread(self, clients: list[int]) -> None:
        if clients:
            data = awareness.encode(Presence(c, self.clocks[c], self.states.get(c)) for c in clients)
            self.on_its_way.append(data)
            self._programs.said(self.program, data)

    def pass_on(self) -> None:
        while self.on_its_way:
            data = self.on_its_way.pop(0)
            for other in self.others:
                other.hear(data)

    async def send(self, message: bytes) -> None:
        """What the daemon tells."""
        await trio.lowlevel.checkpoint()
        decoded = decode(message)
        assert isinstance(decoded, AwarenessUpdate)
        self.hear(decoded.data)


class _Device:
    shown_id = "own"

    def __init__(self, programs: Programs, folder: Folder) -> None:
        self._programs = programs
        self.folders = [folder]
        self.there: list[State] = []

    def programs(self, folder: Folder) -> Programs:
        return self._programs

    def present(self, folder: Folder) -> list[State]:
        return [{"device": "two", "id": "two", "files": self.there}]


class Browser:
    """Two tabs that have one file open, over a device."""

    def __init__(self, bridge: Bridge, nursery: trio.Nursery) -> None:
        record = bridge.folder.files.by_path("a.txt")
        assert record is not None
        self.folder, self._nursery, self._entry = bridge.folder, nursery, record.entry
        self.programs = Programs(bridge.folder, lambda: None)
        self.device = _Device(self.programs, bridge.folder)
        self.tabs: list[Tab] = []

    def open(self, client: int) -> Tab:
        program = Program(self._entry)
        tab = Tab(client, self.programs, program)
        self.programs.add(program)
        for other in self.tabs:
            other.others.append(tab)
            tab.others.append(other)
        self.tabs.append(tab)
        self._nursery.start_soon(
            News(self.device, self.folder, program, Wanted("a.txt")).run, tab  # type: ignore[arg-type]
        )  # fmt: skip
        return tab

    async def rest(self, seconds: float = 1.0) -> None:
        for _ in range(round(seconds * 20)):
            await trio.sleep(0.05)  # of a clock that jumps: so often each passes on what it heard
            for tab in self.tabs:
                tab.pass_on()


@asynccontextmanager
async def _open_browser(place: Path) -> AsyncIterator[Browser]:
    (place / "dir").mkdir()
    (place / "dir" / "a.txt").write_text("text\n")
    async with open_bridge(place) as bridge, trio.open_nursery() as nursery:
        yield Browser(bridge, nursery)
        nursery.cancel_scope.cancel()


def in_a_browser(test: Callable[[Browser], Coroutine[Any, Any, None]]) -> Callable[[Path], None]:
    async def run(place: Path) -> None:
        async with _open_browser(place) as browser:
            await test(browser)

    def run_on_a_mock_clock(tmp_path: Path) -> None:
        trio.run(run, tmp_path, clock=trio.testing.MockClock(autojump_threshold=0.001))

    return run_on_a_mock_clock


@in_a_browser
async def test_what_somebody_said_last_stands_where_an_older_word_comes_round(browser: Browser) -> None:
    one, two = browser.open(1), browser.open(2)
    one.say({"at": 0})
    two.say({"at": 0})
    await until(lambda: 2 in one.states and 1 in two.states)  # both were told of each other, and have not passed it on
    two.say({"at": 7})
    two.on_its_way.clear()  # the daemon alone hears it before the older word comes round
    one.pass_on()
    await browser.rest()
    assert two.states == one.states == {1: {"at": 0}, 2: {"at": 7}}


@in_a_browser
async def test_nobody_is_moved_back_while_moving(browser: Browser) -> None:
    one, two = browser.open(1), browser.open(2)
    one.say({"at": 0})
    two.say({"at": 0})
    await browser.rest()
    before = two.clocks[2]
    for at in range(100):
        two.say({"at": at})
        await trio.sleep(0.013)  # the pace of the one who moves
        if at % 3 == 0:
            one.pass_on()
            two.pass_on()
            assert two.states[2] == {"at": at}, "not for a moment"
    await browser.rest()
    assert one.states[2] == two.states[2] == {"at": 99}
    assert two.clocks[2] < before + 110, "and the clock counts its own words"


@in_a_browser
async def test_who_left_is_not_kept_by_what_others_still_say_of_them(browser: Browser) -> None:
    one, two = browser.open(1), browser.open(2)
    one.say({"at": 0})
    two.say({"at": 0})
    browser.device.there = [{"path": "a.txt", "since": 1, "client": FAR, "name": "far"}]
    browser.folder.state.touch()
    await browser.rest()
    assert FAR in one.states
    browser.device.there = []
    late = awareness.encode([Presence(FAR, one.clocks[FAR], one.states[FAR])])
    browser.folder.state.touch()
    await browser.rest()
    browser.programs.said(one.program, late)  # a busy tab: it was written before the tab heard that they left
    await browser.rest(15)
    assert FAR not in one.states
    assert FAR not in two.states


@in_a_browser
async def test_who_only_looks_on_speaks_for_nobody(browser: Browser) -> None:
    one, looking = browser.open(1), browser.open(2)
    looking.others.clear()
    one.say({"at": 0})
    await browser.rest()
    assert looking.states == {1: {"at": 0}}, "it was told, and has said so"
    one.say({"at": 7})
    await browser.rest()
    assert looking.states == {1: {"at": 7}}


def _clock(data: bytes | None, client: int) -> int:
    assert data is not None
    return {one.client: one.clock for one in awareness.decode(data)}[client]


def test_a_word_has_one_clock_whoever_is_told_and_a_higher_one_for_who_may_have_heard_it() -> None:
    clocks = Clocks()
    feeds = [AwarenessFeed(clocks) for _ in range(2)]
    first, second = (_clock(feed.news({1: "{}"}, now, renew=False), 1) for now, feed in enumerate(feeds, 1000))
    assert first == second == 1000
    came_back = _clock(AwarenessFeed(clocks).news({1: "{}"}, 1002, renew=False), 1)
    assert came_back == 1001
    renewed = [_clock(feed.news({1: "{}"}, 20_000, renew=True), 1) for feed in feeds]
    assert renewed == [1001, 1001], "it was renewed for who came back already"
    clocks.heard(1, 30_000, comes=False)
    moved = [_clock(feed.news({1: '{"at":1}'}, 20_000, renew=False), 1) for feed in feeds]
    assert moved == [30_000, 30_000], "no lower one than its own"
    assert feeds[0].news({1: '{"at":1}'}, 20_000, renew=False) is None
    clocks.heard(1, 30_000, comes=True)
    again = [_clock(feed.news({1: '{"at":1}'}, 20_000, renew=False), 1) for feed in feeds]
    assert again == [30_001, 30_001], "others may have let go of who comes back"
    words: list[tuple[int, State]] = [(1001, {}), (30_000, {}), (30_000, {"at": 1}), (2000, {})]
    assert [clocks.gave(Presence(1, *word)) for word in words] == [True, False, True, False]


def test_what_is_known_of_clients_is_bounded() -> None:
    clocks = Clocks()
    for client in range(1000):
        clocks.heard(client, 1, comes=True)
        clocks.word(client, "{}", 1, 0)
    assert (len(clocks._words), len(clocks._own)) == (512, 512)
