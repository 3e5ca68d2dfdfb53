"""What systemd is told, and what it gives."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import pytest
import trio

from yp2p.config import Config, SharedFolder
from yp2p.errors import ConfigError
from yp2p.supervisor import (
    Supervisor,
    feed_watchdog,
    notify,
    own_folders,
    store,
    supervised,
    take_stored,
    unstore,
    with_invites,
)


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> socket.socket:
    """The socket that systemd listens on."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.bind(str(tmp_path / "notify"))
    sock.setblocking(False)
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    return sock


def test_a_message_arrives_and_nobody_minds_where_nobody_listens(
    told: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    with told:
        assert supervised()
        notify("READY=1")
        assert told.recv(100) == b"READY=1"
    notify("the socket is closed")
    monkeypatch.delenv("NOTIFY_SOCKET")
    notify("nobody supervises")
    assert not supervised()
    name = "\0yp2p-test-of-notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as abstract:
        abstract.bind(name)
        monkeypatch.setenv("NOTIFY_SOCKET", "@" + name[1:])
        notify("STOPPING=1")
        assert abstract.recv(100) == b"STOPPING=1"


async def test_the_watchdog_is_fed_twice_an_interval(
    told: socket.socket, monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.abc.Clock
) -> None:
    with told:
        await feed_watchdog()  # returns: nobody watches
        monkeypatch.setenv("WATCHDOG_USEC", "60000000")
        with trio.move_on_after(240 - 1):
            await feed_watchdog()
        for _ in range(8):
            assert told.recv(100) == b"WATCHDOG=1"
        with pytest.raises(BlockingIOError):
            told.recv(100)


def test_nobody_waits_for_a_supervisor_that_takes_nothing(told: socket.socket) -> None:
    with told:
        began = time.monotonic()
        for _ in range(12):  # the kernel's queue has ten places
            notify("STATUS=sending")
        assert time.monotonic() - began < 60, "it came back"


def test_what_a_person_has_to_act_on_stands_beside_how_it_is_doing() -> None:
    messages: list[str] = []

    def tell(message: str) -> bool:
        messages.append(message)
        return True

    supervisor = Supervisor(tell)
    supervisor.show("in sync with pi")
    supervisor.started()
    supervisor.reloading()
    supervisor.reloaded("settings not read again: line\n3")
    supervisor.show("sending")
    supervisor.reloaded("")
    supervisor.stopping()
    assert messages[:2] == ["STATUS=in sync with pi", "READY=1\nSTATUS=in sync with pi"]
    assert messages[2].startswith("RELOADING=1\nMONOTONIC_USEC=")
    assert messages[3:] == [
        "READY=1\nSTATUS=in sync with pi; settings not read again: line 3",
        "STATUS=sending; settings not read again: line 3",
        "READY=1\nSTATUS=sending",
        "STOPPING=1\nSTATUS=stopping",
    ]


def test_that_it_is_ready_is_said_until_it_is_taken(told: socket.socket) -> None:
    """A supervisor that has not read for a while: the kernel's queue is full of how the daemon is doing."""
    with told:
        supervisor = Supervisor()
        for number in range(1000):
            supervisor.show(f"sending {number} files")
        supervisor.started()  # nobody reads
        found = []
        while True:
            try:
                found.append(told.recv(100))
            except BlockingIOError:
                break
        assert found
        assert not [message for message in found if b"READY=1" in message]
        supervisor.show("in sync with pi")
        assert told.recv(100) == b"READY=1\nSTATUS=in sync with pi"
        supervisor.show("sending 1 file")
        assert told.recv(100) == b"STATUS=sending 1 file"


def test_invites_of_the_unit_are_folders_of_its_own(tmp_path: Path) -> None:
    credentials, state = tmp_path / "credentials", tmp_path / "state"
    credentials.mkdir()
    environment = {"CREDENTIALS_DIRECTORY": str(credentials), "STATE_DIRECTORY": f"{state}:/other"}
    assert with_invites(Config(), environment) == Config()
    assert with_invites(Config(), {}) == Config()
    for name in ("yp2p.key", "yp2p.invite.notes", "yp2p.invite.Photos-2"):
        (credentials / name).touch()
    mine = SharedFolder(path=str(state / "folders/notes"), label="mine")
    found = with_invites(Config(folders=(mine,)), environment).folders
    photos = SharedFolder(path=str(state / "folders/Photos-2"), invite_file=str(credentials / "yp2p.invite.Photos-2"))
    assert found == (mine, photos), "what the settings say of a directory comes first"
    with pytest.raises(ConfigError, match=r"yp2p\.invite\.Photos-2 is for a unit with a StateDirectory"):
        with_invites(Config(), {"CREDENTIALS_DIRECTORY": str(credentials)})
    (credentials / "yp2p.invite..hidden").touch()
    with pytest.raises(ConfigError, match="names no folder"):
        with_invites(Config(), environment)


def test_a_unit_has_a_place_for_its_folders_or_has_not() -> None:
    assert own_folders({"STATE_DIRECTORY": "/var/lib/yp2p-hub"}) == Path("/var/lib/yp2p-hub/folders")
    assert own_folders({"STATE_DIRECTORY": ""}) is None
    assert own_folders({}) is None
    assert "STATE_DIRECTORY" not in os.environ


def test_what_is_to_be_kept_is_handed_over_and_given_back(told: socket.socket, tmp_path: Path) -> None:
    with told, (tmp_path / "file").open("w") as file:
        store("a-file", file.fileno())
        data, descriptors, _, _ = socket.recv_fds(told, 1000, 4)
        assert data == b"FDSTORE=1\nFDPOLL=0\nFDNAME=a-file"
        (kept,) = descriptors
        assert os.path.sameopenfile(kept, file.fileno())
        os.close(kept)
        unstore("a-file")
        assert told.recv(1000) == b"FDSTOREREMOVE=1\nFDNAME=a-file"


@pytest.mark.parametrize("wrong", [{"LISTEN_PID": "1"}, {"LISTEN_PID": ""}, {"LISTEN_FDS": "x"}, {"LISTEN_FDS": ""}])
def test_what_is_given_to_another_process_is_not_taken(wrong: dict[str, str]) -> None:
    environment = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1", "LISTEN_FDNAMES": "a"} | wrong
    assert take_stored(environment) == {}
    assert environment == {}, "nobody who is started from here takes it"
