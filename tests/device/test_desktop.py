"""Notifications on the desktop: what is told, that it is not too much, and that nobody waits for it."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio

from yp2p.config import Notify
from yp2p.device import desktop
from yp2p.device.desktop import Desktop, has_session_bus, lacks
from yp2p.folder.notices import Notice, NoticeKind
from yp2p.identity import EntryID

LABEL = "notes & <b>"


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desktop, "_GATHER_S", 0.05)
    monkeypatch.setattr(desktop, "_PAUSE_S", 0.05)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """One with a `notify-send` that writes down what it is given, a line each."""
    return _environment(tmp_path, f'for last; do :; done; printf "%s|%s\\n" "$3" "$last" >> {tmp_path}/shown')


def _environment(tmp_path: Path, script: str) -> dict[str, str]:
    command = tmp_path / "notify-send"
    command.write_text(f"#!/bin/sh\n{script}\n")
    command.chmod(0o755)
    return {"PATH": f"{tmp_path}:{os.environ['PATH']}", "DBUS_SESSION_BUS_ADDRESS": "unix:path=/nowhere"}


class _Folder:
    """What `Desktop` needs of a folder."""

    def __init__(self) -> None:
        self.label = LABEL
        self.clients = SimpleNamespace(device=b"own")
        self.admitted: list[Any] = []
        self.membership = SimpleNamespace(on_admitted=self.admitted.append)
        self.notices = SimpleNamespace(on_added=None, is_own=lambda notice: notice.text != "of others")
        self.state = SimpleNamespace(question=SimpleNamespace(asked=None))

    def add(self, kind: NoticeKind, path: str, text: str = "") -> None:
        self.notices.on_added(Notice(1, 0.0, kind, path, text, EntryID(bytes(16)), None))

    def admit(self, name: str, device: bytes = b"other") -> None:
        member = SimpleNamespace(
            name=name, identity=SimpleNamespace(device_id=device), role=SimpleNamespace(name="MEMBER")
        )
        self.membership.on_admitted(member)


def _following(found: Desktop) -> _Folder:
    folder: Any = _Folder()
    found.follow(folder)
    return folder  # type: ignore[no-any-return]


async def _shown(tmp_path: Path, count: int) -> list[str]:
    shown = tmp_path / "shown"
    with trio.fail_after(60):
        while not shown.exists() or shown.read_text().count("\n") < count:
            await trio.sleep(0.01)
    return shown.read_text().splitlines()


async def test_a_conflict_a_mass_deletion_and_a_device_that_joined_are_told(
    environment: dict[str, str], tmp_path: Path
) -> None:  # fmt: skip
    found = Desktop(Notify(), environment)
    folder = _following(found)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(found.run)
        folder.add(NoticeKind.CONFLICT_COPY, "a/-x\x1b<i>.pdf", "a secret line")
        folder.add(NoticeKind.DAMAGED, "other.txt")
        folder.add(NoticeKind.BOTH_CHANGED, "b.txt", "of others")
        folder.state.question.asked("90 of 100 files were deleted")
        folder.admit("desk")
        folder.admit("itself", b"own")
        lines = await _shown(tmp_path, 3)
        assert lines == [
            "yp2p: notes & <b>|"
            r"-x\x1b&lt;i&gt;.pdf was changed on several devices at a time; `yp2p conflicts` shows how",
            "yp2p: notes & <b>|90 of 100 files were deleted. Nothing is done until you decide: `yp2p status`",
            "yp2p: notes & <b>|desk joined, as member",
        ]
        assert [member.name for member in folder.admitted] == ["desk", "itself"]
        nursery.cancel_scope.cancel()


async def test_a_flood_is_one_sentence(environment: dict[str, str], tmp_path: Path) -> None:
    found = Desktop(Notify(), environment)
    folder = _following(found)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(found.run)
        for number in range(1000):
            folder.add(NoticeKind.CONFLICT_COPY, f"{number}.bin")
        assert (await _shown(tmp_path, 1))[0].partition("|")[2] == (
            "256 things were changed on several devices at a time; `yp2p conflicts` lists them"
        )
        folder.admit("late")
        lines = await _shown(tmp_path, 2)
        assert lines[1:] == ["yp2p: notes & <b>|late joined, as member"]
        nursery.cancel_scope.cancel()


async def test_nobody_waits_for_a_command_that_hangs_or_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setattr(desktop, "_LIMIT_S", 0.2)
    found = Desktop(
        Notify(),
        _environment(tmp_path, f'echo "$$" >> {tmp_path}/shown; case "$5" in hang*) exec sleep 60;; esac; exit 1'),
    )
    folder = _following(found)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(found.run)
        folder.admit("hang")
        assert not (tmp_path / "shown").exists(), "it runs later"
        (pid,) = await _shown(tmp_path, 1)
        folder.admit("fails")
        assert len(await _shown(tmp_path, 2)) == 2
        assert not os.path.exists(f"/proc/{pid}")  # noqa: ASYNC240
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("without", ["setting", "bus", "command"])
def test_it_is_off_without_a_desktop(without: str, environment: dict[str, str]) -> None:
    assert Desktop(Notify(), environment).is_on
    if without == "bus":
        del environment["DBUS_SESSION_BUS_ADDRESS"]
    if without == "command":
        environment["PATH"] = "/nowhere"
    found = Desktop(Notify(desktop=without != "setting"), environment)
    folder = _following(found)
    folder.admit("desk")
    assert not found.is_on
    assert len(folder.admitted) == 1


def test_the_bus_of_the_session_is_found_by_its_socket(tmp_path: Path) -> None:
    assert not has_session_bus({"XDG_RUNTIME_DIR": str(tmp_path)})
    (tmp_path / "bus").write_text("")
    assert not has_session_bus({"XDG_RUNTIME_DIR": str(tmp_path)})
    (tmp_path / "bus").unlink()
    with socket.socket(socket.AF_UNIX) as bus:
        bus.bind(str(tmp_path / "bus"))
        assert has_session_bus({"XDG_RUNTIME_DIR": str(tmp_path)})
    assert not has_session_bus({})


def test_what_is_missing_is_named_with_what_helps(environment: dict[str, str], tmp_path: Path) -> None:
    assert lacks(environment) == ""
    assert "there is no notify-send; install it" in lacks(environment | {"PATH": str(tmp_path / "none")})
    del environment["DBUS_SESSION_BUS_ADDRESS"]
    assert "there is no session bus" in lacks(environment)
