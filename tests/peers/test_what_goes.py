"""What has ended goes from memory, also where what is known of many files was kept from the collector meanwhile."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio.testing
from bridge import Bridge, open_bridge
from peers.sessions import open_session

from yp2p import memory
from yp2p.config import Trash
from yp2p.disk.housekeeping import Housekeeping
from yp2p.memory import keep_from_the_collector

_MANY = 500


@pytest.fixture(autouse=True)
def _own_count(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(memory, "_kept", memory._Kept())
    yield
    gc.unfreeze()


async def _link_of_a_wave(bridge: Bridge) -> weakref.ref[object]:
    """A session during which many files came."""
    async with open_session(bridge) as (session, _):
        await trio.testing.wait_all_tasks_blocked()
        keep_from_the_collector(_MANY)
        return weakref.ref(session)


async def test_sessions_that_have_ended_go_when_the_folder_comes_to_rest(
    tmp_path: Path, mock_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dir").mkdir()
    async with open_bridge(tmp_path) as bridge:
        monkeypatch.setattr(type(bridge.folder.state), "settled", True)
        monkeypatch.setattr(memory, "_AT_REST_S", 0.0)
        ended = [await _link_of_a_wave(bridge) for _ in range(3)]
        gc.collect()
        assert any(one() is not None for one in ended), "they refer to themselves"
        await Housekeeping(bridge.folder, Trash())._give_back_memory(bridge.render_actor)
        assert not any(one() is not None for one in ended)


@pytest.mark.parametrize("is_told", [True, False])
async def test_what_a_link_leaves_waits_for_no_collection_of_everything(
    tmp_path: Path, mock_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch, *, is_told: bool
) -> None:
    monkeypatch.setattr(memory, "_ended", memory._Ended())
    monkeypatch.setattr(memory, "_ENDING_S", 0.0)
    (tmp_path / "dir").mkdir()
    gc.collect()
    gc.disable()
    try:
        async with open_bridge(tmp_path) as bridge:
            async with open_session(bridge) as (session, _):
                await trio.testing.wait_all_tasks_blocked()
                ended = weakref.ref(session)
            del session
            assert ended() is not None, "it refers to itself"
            if is_told:
                memory.link_has_ended()
            await Housekeeping(bridge.folder, Trash())._give_back_memory(bridge.render_actor)
            assert (ended() is None) is is_told
    finally:
        gc.enable()


async def test_they_go_also_where_no_folder_ever_rests(tmp_path: Path, mock_clock: trio.testing.MockClock) -> None:
    (tmp_path / "dir").mkdir()
    async with open_bridge(tmp_path) as bridge:
        ended = [await _link_of_a_wave(bridge) for _ in range(3)]
        for _ in range(memory._MOST_TIMES):
            keep_from_the_collector(_MANY)
        assert not any(one() is not None for one in ended)


def test_what_is_kept_is_looked_at_rarely(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    collected: list[float] = []

    def collect() -> None:
        nonlocal now
        collected.append(now)
        now += 0.5  # as with many files

    monkeypatch.setattr("yp2p.memory.time.monotonic", lambda: now)
    monkeypatch.setattr("yp2p.memory.gc.collect", collect)
    for second in range(3600):
        now = max(now, second)
        keep_from_the_collector(_MANY if second % 100 == 0 else _MANY - 1)
        memory.collect_what_was_kept()
    assert len(collected) == 8, "each 500 s"
    now += 3600
    memory.collect_what_was_kept()
    assert len(collected) == 8, "nothing was kept since"
    keep_from_the_collector(_MANY)
    memory.collect_what_was_kept()
    now += 59
    memory.collect_what_was_kept()
    assert len(collected) == 8, "others may come at once"
    now += 1
    memory.collect_what_was_kept()
    assert len(collected) == 9
