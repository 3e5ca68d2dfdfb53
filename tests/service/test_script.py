"""The script for machines without a service manager, with a real daemon: `packaging/script/yp2p-service`."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import YP2P, Device, eventually

SCRIPT = Path(__file__).parents[2] / "packaging/script/yp2p-service"


class _Service:
    def __init__(self, base: Path) -> None:
        self.device = Device(base, "one", YP2P=YP2P, YP2P_SERVICE_WAIT="1")
        self.log = self.device.home / "daemon.log"

    def run(self, command: str, code: int = 0) -> str:
        done = subprocess.run(
            [str(SCRIPT), command], env=self.device.environment, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == code, f"{command}: {done.returncode} {done.stderr}"
        return done.stdout + done.stderr

    def process(self) -> int:
        """Of the daemon; 0 while one starts that has not said so yet."""
        return int((self.device.home / "lock").read_text().partition("\n")[0] or 0)

    def loop(self) -> int:
        return int((self.device.home / "service.pid").read_text())

    def answers(self) -> bool:
        return self.device.run("status").returncode == 0


@pytest.fixture
def service(tmp_path: Path) -> Iterator[_Service]:
    found = _Service(tmp_path)
    yield found
    found.run("stop")


@pytest.mark.long
def test_it_starts_and_is_started_again_and_stops(service: _Service) -> None:
    assert "it does not run" in service.run("status", 3)
    service.run("start")
    assert "Nothing is shared yet" in service.run("status")
    assert "it runs already" in service.run("start")
    first = service.process()

    os.kill(first, signal.SIGKILL)
    eventually(lambda: service.process() not in (0, first) and service.answers(), 20, "another daemon")
    assert "the daemon ended with code 137; the next try is in 1 s" in service.log.read_text()

    (service.device.home / "config.toml").write_text("[limits]\nupload = 100000\n")
    assert "These settings count from now on: [limits] upload." in service.run("reload")
    (service.device.home / "config.toml").write_text("[limits]\nuplod = 100000\n")
    assert "has no setting 'uplod'" in service.run("reload", 6)
    os.kill(service.loop(), signal.SIGHUP)  # as some service managers do
    eventually(lambda: service.log.read_text().count("settings_refused") == 2)
    assert service.answers()

    loop, second = service.loop(), service.process()
    service.run("stop")
    for process in (loop, second):
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)
    assert "it does not run" in service.run("status", 3)


@pytest.mark.long
def test_it_gives_up_where_a_person_has_to_act_and_at_a_stop(service: _Service) -> None:
    service.device.home.mkdir(parents=True)
    (service.device.home / "config.toml").write_text("[limits]\nuplod = 100000\n")
    said = service.run("start", 1)
    assert "it did not start" in said
    assert "has no setting 'uplod'" in said
    assert "the daemon ended with code 6, which a restart cannot mend" in service.log.read_text()

    (service.device.home / "config.toml").unlink()
    service.run("start")
    loop = service.loop()
    service.device.cli("stop")
    eventually(lambda: not Path(f"/proc/{loop}").exists(), what="the loop ending with its daemon")
