"""A daemon that is told to read its settings again, and one whose terminal is closed."""

from __future__ import annotations

import json
import os
import pty
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab import YP2P, Device, eventually


class _Manager:
    """What systemd hears."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.settimeout(10)

    def __enter__(self) -> _Manager:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def hears(self, words: str) -> str:
        """The next message with these words."""
        while True:
            message = self._socket.recv(10_000).decode()
            if words in message:
                return message


@contextmanager
def _running(device: Device) -> Iterator[None]:
    device.start()
    try:
        yield
    finally:
        device.kill()


def test_sighup_has_the_settings_read_again_and_a_wrong_file_changes_nothing(tmp_path: Path) -> None:
    one = Device(tmp_path, "one", NOTIFY_SOCKET=str(tmp_path / "notify"))
    with _Manager(tmp_path / "notify") as manager, _running(one):
        assert manager.hears("READY=1").startswith("READY=1\nSTATUS=nothing is shared yet; listening on port ")
        settings = one.home / "config.toml"
        settings.write_text("[limits]\nupload = 100000\n")
        os.kill(one.pid, signal.SIGHUP)
        assert "MONOTONIC_USEC=" in manager.hears("RELOADING=1")
        assert "restart" not in manager.hears("READY=1")
        assert one.call("GET", "/v1/limits")["upload"] == 100_000

        settings.write_text("[limits]\nuplod = 1\n")
        os.kill(one.pid, signal.SIGHUP)
        assert "; settings not read again: " in manager.hears("READY=1")
        assert one.call("GET", "/v1/limits")["upload"] == 100_000
        (problem,) = one.status()["settings"]
        assert "has no setting 'uplod'" in problem["problem"]
        assert f"Setting file: not read again: {settings}: [limits] uplod" in one.cli("status")
        assert f"{settings}: [limits] uplod" in one.fails("reload")
        assert one.run("reload").returncode == 6
        assert "settings_refused" in one.log.read_text()

        settings.write_text("[listen]\nport = 1\n[log]\nlevel = 'error'\n")
        said = one.cli("reload")
        assert "These settings count from now on: [limits] upload.\n" in said
        assert said.endswith("These count once the daemon starts anew: [listen] port.")
        assert json.loads(one.cli("reload", "--json")) == {"applied": [], "from_a_start": ["[listen] port"]}
        assert "restart needed for [listen] port" in manager.hears("restart")
        one.stop()
        manager.hears("STOPPING=1\nSTATUS=stopping")


def test_a_daemon_ends_in_order_with_its_terminal(tmp_path: Path) -> None:
    one = Device(tmp_path, "one")
    process, terminal = pty.fork()
    if process == 0:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whatever the tests are run with, such as nohup
        os.execve(YP2P, [YP2P, "daemon"], one.environment)
    eventually(lambda: (one.home / "control.sock").exists(), 20)
    one.status()
    os.close(terminal)
    _, status = os.waitpid(process, 0)
    assert os.WIFEXITED(status), "no signal ended it (that nothing can be printed any more is a failure of its own)"
    assert not (one.home / "control.sock").exists()
