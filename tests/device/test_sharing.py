"""Joining looks first whether there is room for the files, whoever asks, with a code or with an invite."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path
from typing import Any

import pytest
import trio

from yp2p.config import Files
from yp2p.device.sharing import Sharing
from yp2p.discovery.addresses import Address
from yp2p.errors import FolderError, NotShown, PairingError
from yp2p.identity import FolderID, Identity
from yp2p.machine import free_bytes
from yp2p.pairing.exchange import Grant, Listed
from yp2p.pairing.invited import Invited
from yp2p.pairing.joiner import Joined, Joiner
from yp2p.pairing.listing import Shown
from yp2p.pairing.tokens import Token
from yp2p.protocol.entries import Kind

OWN, OTHER = Identity(b"1" * 32), Identity(b"2" * 32)
CODE, TOKEN = "47-K7M-X2Q", str(Token(OTHER.public.noise_key, bytes(20)))
FILE = Listed("film", Kind.BLOB, hashlib.sha256(b"").digest(), 1000)
JOINED = Joined(Grant(FolderID(bytes(16)), OTHER.device_id, "films", "other", []), OTHER.public, Address("10.0.0.2", 1))


class Nothing:
    """Folders, peers and discovery, of which nothing is there."""

    devices: Any

    def __init__(self) -> None:
        self.devices = self

    def check(self, directory: str) -> Path:
        return Path(directory)

    def at(self, path: Path) -> None:
        return None

    def digits(self) -> tuple[str, ...]:
        return ()

    def seen(self, *_: object) -> None:
        pass

    async def wait_for_sighting(self) -> None:
        await trio.sleep_forever()


@pytest.fixture
def met(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was done with the device that shares, which has one file of 1000 bytes; there is room for 999."""
    done: list[str] = []

    async def look(*_: object) -> Shown:
        done.append("look")
        return Shown("films", "other", [FILE])

    async def join(*_: object) -> Joined:
        done.append("join")
        return JOINED

    for one in (Joiner, Invited):
        monkeypatch.setattr(one, "look", look)
        monkeypatch.setattr(one, "join", join)
    monkeypatch.setattr("yp2p.pairing.preview.free_bytes", lambda directory: 999)
    return done


def _sharing() -> Sharing:
    nothing: Any = Nothing()
    return Sharing(OWN, "own", Files(), nothing, nothing, nothing, nothing, lambda: None)


@pytest.mark.parametrize("text", [CODE, TOKEN])
def test_what_finds_no_room_is_not_joined_unless_somebody_says_so(text: str, met: list[str], tmp_path: Path) -> None:
    async def run() -> None:
        with pytest.raises(FolderError, match="has room for 999 bytes, and the files that would come take 1,000 bytes"):
            await _sharing().join(text, str(tmp_path), None)
        assert met == ["look"], "the code and the invite are as good as before"
        await _sharing().join(text, str(tmp_path), None, chosen=["photos"])
        assert met == ["look", "look", "join"]
        met.clear()
        await _sharing().join(text, str(tmp_path), None, is_forced=True)
        assert met == ["join"]

    trio.run(run)


@pytest.mark.parametrize("text", [CODE, TOKEN])
def test_a_preview_says_how_much_room_is_needed(text: str, met: list[str], tmp_path: Path) -> None:
    found = trio.run(_sharing().preview, text, str(tmp_path), None)
    assert (found["bytes_needed"], found["bytes_free"], found["label"], found["only_there"]) == (1000, 999, "films", 1)
    assert met == ["look"]


def test_a_device_that_does_not_say_what_it_has_is_joined_without(
    met: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def cannot(*_: object) -> None:
        raise NotShown("it is too large")

    monkeypatch.setattr(Invited, "look", cannot)
    with pytest.raises(PairingError, match="it is too large; join without looking"):
        trio.run(_sharing().preview, TOKEN, str(tmp_path), None)
    assert trio.run(_sharing().join, TOKEN, str(tmp_path), None)["room_unknown"] == "it is too large"
    assert met == ["join"]


@pytest.mark.parametrize("text", [CODE, TOKEN])
def test_a_file_system_that_does_not_say_how_much_is_free_is_joined_into(
    text: str, met: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: object) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr("yp2p.pairing.preview.free_bytes", free_bytes)
    monkeypatch.setattr(os, "statvfs", none)
    found = trio.run(_sharing().preview, text, str(tmp_path), None)
    assert (found["bytes_needed"], found["bytes_free"], found["no_room"]) == (1000, None, "")
    joined = trio.run(_sharing().join, text, str(tmp_path), None)
    assert "does not say how much" in joined["room_unknown"]
    assert met == ["look", "look", "join"]


def test_of_two_joins_into_one_directory_the_second_one_uses_no_code(
    met: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrived, go_on = trio.Event(), trio.Event()

    async def join(*_: object) -> Joined:
        met.append("join")
        arrived.set()
        await go_on.wait()
        return JOINED

    monkeypatch.setattr(Joiner, "join", join)

    async def run() -> None:
        sharing = _sharing()
        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(lambda: sharing.join(CODE, str(tmp_path), None, is_forced=True))
                await arrived.wait()
                with pytest.raises(FolderError, match=r"another join into .* is under way"):
                    await sharing.join(TOKEN, str(tmp_path), None)
                go_on.set()
        await sharing.join(CODE, str(tmp_path), None, is_forced=True)

    trio.run(run)
    assert met == ["join", "join"]
