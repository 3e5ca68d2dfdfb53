"""Limits of bandwidth: what was said counts before the settings, also after a restart; metered connections."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio
import trio.testing

from yp2p import config
from yp2p.device import limits as limits_module
from yp2p.device.limits import Limits
from yp2p.device.metered import Metered, ask_metered
from yp2p.errors import UsageError
from yp2p.identity import DeviceID
from yp2p.store.database import open_database
from yp2p.transport.pacing import Pacing

OWN, DESK, PI = (DeviceID(letter * 32) for letter in (b"o", b"d", b"p"))


class _Room:
    """Who is known, and the limits of one start."""

    def __init__(self, settings: config.Limits, database: Any, **known: DeviceID) -> None:
        self.known = known
        self.peers: Any = SimpleNamespace(pacing=Pacing(), members_changed=trio.Event())
        self.limits = Limits(OWN, settings, database, self.peers, self._find, lambda device: device.decode()[:1])

    def _find(self, name: str) -> DeviceID:
        if name not in self.known:
            raise UsageError(f"no device is called {name!r}")
        return self.known[name]

    def rates(self, device: DeviceID) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Of all, and of the device: what its links keep to."""
        pace = self.peers.pacing.pace_of(device)
        return tuple(b.rate for b in pace._up), tuple(b.rate for b in pace._down)


def _with_store(tmp_path: Path, test: Callable[[Any], Awaitable[None]]) -> None:
    async def run() -> None:
        with trio.fail_after(20):
            async with open_database(tmp_path / "store", make_room=False) as database:
                await test(database)

    trio.run(run)


def test_what_was_said_counts_before_the_settings_and_after_a_restart(tmp_path: Path) -> None:
    settings = config.Limits(upload=100_000, download=200_000, devices={"pi": 300_000})

    async def set_some(database: Any) -> None:
        room = _Room(settings, database, pi=PI, desk=DESK)
        assert room.rates(PI) == ((100_000, 300_000), (200_000, 300_000))
        await room.limits.change(None, 400_000, None)
        await room.limits.change("pi", None, 0)
        shown = await room.limits.change("desk", 500_000, 600_000)
        assert [one["name"] for one in shown["devices"]] == ["d", "p"]
        assert [one["set_here"] for one in (shown, *shown["devices"])] == [True, True, True]

    async def start_again(database: Any) -> None:
        room = _Room(settings, database, pi=PI, desk=DESK)
        assert room.rates(PI) == ((400_000, 300_000), (200_000, 0))
        assert room.rates(DESK) == ((400_000, 500_000), (200_000, 600_000))
        await room.limits.change(None, None, None, reset=True)
        await room.limits.change("pi", None, None, reset=True)
        await room.limits.change("desk", None, None, reset=True)
        assert room.rates(PI) == ((100_000, 300_000), (200_000, 300_000))
        assert room.rates(DESK) == ((100_000, 0), (200_000, 0))

    async def nothing_is_left(database: Any) -> None:
        assert database.rows("SELECT * FROM bandwidth") == []

    for test in (set_some, start_again, nothing_is_left):
        _with_store(tmp_path, test)


def test_a_device_of_the_settings_may_be_known_later(tmp_path: Path) -> None:
    async def test(database: Any) -> None:
        room = _Room(config.Limits(devices={"pi": 300_000}), database)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(room.limits.run)
            await trio.testing.wait_all_tasks_blocked()
            assert room.rates(PI) == ((0, 0), (0, 0))
            room.known["pi"] = PI
            room.peers.members_changed.set()
            room.peers.members_changed = trio.Event()
            await trio.testing.wait_all_tasks_blocked()
            assert room.rates(PI) == ((0, 300_000), (0, 300_000))
            room.known["pi"] = DESK  # it is another one's name by now
            room.peers.members_changed.set()
            room.peers.members_changed = trio.Event()
            await trio.testing.wait_all_tasks_blocked()
            assert room.rates(PI) == ((0, 0), (0, 0))
            nursery.cancel_scope.cancel()

    _with_store(tmp_path, test)


@pytest.mark.parametrize("rate", [1, config.LEAST_RATE - 1, -1, 1 << 50])
def test_what_is_too_slow_or_too_fast_is_refused(tmp_path: Path, rate: int) -> None:
    async def test(database: Any) -> None:
        room = _Room(config.Limits(), database, here=OWN)
        with pytest.raises(UsageError, match="the least is 64KB/s"):
            await room.limits.change(None, rate, None)
        with pytest.raises(UsageError, match="is this device"):
            await room.limits.change("here", 1_000_000, None)
        assert not room.limits.shown()["set_here"]

    _with_store(tmp_path, test)


def _put_busctl(directory: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    directory.mkdir(exist_ok=True)
    command = directory / "busctl"
    command.write_text(f"#!/bin/sh\n{script}\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{directory}:/bin:/usr/bin")


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("echo 'u 1'", Metered.YES), ("echo 'u 3'", Metered.YES), ("echo 'u 2'", Metered.NO),
        ("echo 'u 4'", Metered.NO), ("echo 'u 0'", Metered.UNKNOWN), ("echo 'u 77'", Metered.UNKNOWN),
        ("echo 'no such name' >&2; exit 1", Metered.UNKNOWN), ("echo 'u 1'; exit 1", Metered.UNKNOWN),
        ("printf '\\377'", Metered.UNKNOWN), ("exec sleep 60", Metered.UNKNOWN),
    ],
)  # fmt: skip
async def test_networkmanager_says_whether_it_is_metered(
    script: str, found: Metered, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("yp2p.device.metered._LIMIT_S", 1.0)
    _put_busctl(tmp_path / "bin", monkeypatch, script)
    assert await ask_metered() is found


async def test_without_the_program_nobody_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert await ask_metered() is Metered.UNKNOWN


def test_files_wait_while_it_is_metered_where_that_is_wished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits_module, "_LOOK_EVERY_S", 0.05)
    asked = tmp_path / "asked"
    _put_busctl(tmp_path / "bin", monkeypatch, f"echo x >> {asked}; cat {tmp_path / 'says'}")

    async def until(room: _Room, *, files_wait: bool) -> None:
        while room.peers.pacing.holds_files is not files_wait:
            await trio.sleep(0.01)

    async def test(database: Any) -> None:
        (tmp_path / "says").write_text("u 1\n")
        for wish in ("ignore", "pause"):
            room = _Room(config.Limits(metered=wish), database)  # type: ignore[arg-type]
            async with trio.open_nursery() as nursery:
                nursery.start_soon(room.limits.run)
                if wish == "ignore":
                    await trio.sleep(0.3)
                    assert not asked.exists()
                else:
                    await until(room, files_wait=True)
                    assert room.limits.shown()["metered"]["files_wait"]
                    (tmp_path / "says").write_text("u 2\n")
                    await until(room, files_wait=False)
                nursery.cancel_scope.cancel()

    _with_store(tmp_path, test)
