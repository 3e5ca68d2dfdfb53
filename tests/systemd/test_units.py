"""Two machines with a real systemd as PID 1, on one LAN: the units from systemd/ start, notify, survive and stop.

Each machine is an overlay over this machine's own root (systemd-nspawn refuses `/` itself), with a network namespace of
its own, a user `owner`, and the wheel in /opt/yp2p, a virtual environment of /usr/bin/python3: a Python in /root
would be invisible to a unit that may not see other homes.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from lab import eventually

pytestmark = [pytest.mark.systemd, pytest.mark.timeout(400)]
REPOSITORY = Path(__file__).resolve().parents[2]
_PREFIX = "yps"
_MASKED = (
    "getty.target", "console-getty.service", "systemd-logind.service", "systemd-timesyncd.service",
    "systemd-resolved.service", "systemd-networkd.service", "systemd-networkd.socket", "apt-daily.timer",
    "apt-daily-upgrade.timer", "docker.service", "docker.socket", "containerd.service", "ssh.service",
)  # fmt: skip


def _run(*command: str, **options: Any) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, **options)
    assert done.returncode == 0, f"{' '.join(command)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout.strip()


def _mount_overlay(stack: ExitStack, base: Path, name: str, lower: str) -> Path:
    parts = {part: base / name / part for part in ("upper", "work", "root")}
    for part in parts.values():
        part.mkdir(parents=True)
    options = f"lowerdir={lower},upperdir={parts['upper']},workdir={parts['work']}"
    _run("mount", "-t", "overlay", "overlay", "-o", options, str(parts["root"]))
    stack.callback(subprocess.run, ["umount", "-l", str(parts["root"])], capture_output=True)
    return parts["root"]


def _install(root: Path) -> None:
    """The wheel, the user, the units."""
    wheel = next((REPOSITORY / "dist").glob("*.whl"))
    shutil.copy(wheel, root / "opt" / wheel.name)
    _run("chroot", str(root), "/usr/bin/python3", "-m", "venv", "/opt/yp2p")
    _run("chroot", str(root), "/opt/yp2p/bin/pip", "install", "-q", f"/opt/{wheel.name}")
    _run("chroot", str(root), "useradd", "-m", "-u", "1001", "-s", "/bin/sh", "owner")
    for unit in ("yp2p@.service", "yp2p.service"):
        shutil.copy(REPOSITORY / "systemd" / unit, root / "etc/systemd/system" / unit)
    shutil.move(root / "etc/systemd/system/yp2p.service", root / "etc/systemd/user/yp2p.service")
    for unit in _MASKED:
        link = root / "etc/systemd/system" / unit
        link.unlink(missing_ok=True)
        link.symlink_to("/dev/null")
    (root / "etc/machine-id").unlink(missing_ok=True)
    (root / "etc/machine-id").touch()
    home = root / "home/owner"
    (home / ".local/bin").mkdir(parents=True)
    (home / ".local/bin/yp2p").symlink_to("/opt/yp2p/bin/yp2p")
    (home / "notes").mkdir()
    _run("chroot", str(root), "chown", "-R", "owner:owner", "/home/owner")


class Machine:
    """A booted machine."""

    def __init__(self, root: Path, number: int) -> None:
        self.root = root
        self.home = root / "home/owner"
        self._log = (root.parent / "console.log").open("wb")
        self._nspawn = subprocess.Popen(
            [
                "systemd-nspawn", "-q", "-D", str(root), "--register=no", "--keep-unit", f"--machine={_PREFIX}{number}",
                "--console=pipe", f"--network-namespace-path=/run/netns/{_PREFIX}{number}", "-b",
                "systemd.log_target=journal",
            ],
            stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log,
        )  # fmt: skip
        self._leader = 0
        eventually(self._has_booted, 60, f"machine {number} booting")

    def _has_booted(self) -> bool:
        assert self._nspawn.poll() is None, (self.root.parent / "console.log").read_text(errors="replace")[-3000:]
        found = subprocess.run(["pgrep", "-P", str(self._nspawn.pid)], capture_output=True, text=True).stdout.split()
        if not found:
            return False
        self._leader = int(found[0])
        state = self._inside("systemctl", "is-system-running").stdout.strip()
        return state in ("running", "degraded")

    def _inside(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["nsenter", "-t", str(self._leader), "-a", *command], capture_output=True, text=True, timeout=60
        )

    def run(self, *command: str) -> str:
        done = self._inside(*command)
        assert done.returncode == 0, f"{' '.join(command)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout.strip()

    def yp2p(self, *arguments: str, runtime: str = "/run/yp2p/owner") -> str:
        environment = ("env", f"XDG_RUNTIME_DIR={runtime}", "HOME=/home/owner")
        return self.run("runuser", "-u", "owner", "--", *environment, "/opt/yp2p/bin/yp2p", *arguments)

    def property(self, name: str, unit: str = "yp2p@owner") -> str:
        return self.run("systemctl", "show", unit, f"--property={name}", "--value")

    def power_off(self) -> None:
        if self._leader:
            os.kill(self._leader, signal.SIGRTMIN + 4)
        try:
            self._nspawn.wait(30)
        except subprocess.TimeoutExpired:
            self._nspawn.kill()
        self._log.close()


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Machine]]:
    base = tmp_path_factory.mktemp("machines")
    with ExitStack() as stack:
        _run("mount", "-t", "tmpfs", "-o", "size=2g", "tmpfs", str(base))
        stack.callback(subprocess.run, ["umount", "-l", str(base)], capture_output=True)
        image = _mount_overlay(stack, base, "image", "/")
        _install(image)
        _run("umount", str(image))
        for name in (f"{_PREFIX}sw", f"{_PREFIX}1", f"{_PREFIX}2"):
            subprocess.run(["ip", "netns", "del", name], capture_output=True)
            _run("ip", "netns", "add", name)
            stack.callback(subprocess.run, ["ip", "netns", "del", name], capture_output=True)
        _run("ip", "-n", f"{_PREFIX}sw", "link", "add", "br0", "type", "bridge")
        _run("ip", "-n", f"{_PREFIX}sw", "link", "set", "br0", "up")
        booted: list[Machine] = []
        for number in (1, 2):
            host = f"{_PREFIX}{number}"
            _run("ip", "-n", host, "link", "set", "lo", "up")
            veth = ("type", "veth", "peer", "name", f"p{number}", "netns", f"{_PREFIX}sw")
            _run("ip", "-n", host, "link", "add", "eth0", *veth)
            _run("ip", "-n", f"{_PREFIX}sw", "link", "set", f"p{number}", "master", "br0", "up")
            _run("ip", "-n", host, "addr", "add", f"10.78.0.{number}/24", "dev", "eth0")
            _run("ip", "-n", host, "link", "set", "eth0", "up")
            _run("ip", "-n", host, "route", "add", "224.0.0.0/4", "dev", "eth0")
            root = _mount_overlay(stack, base, f"machine{number}", f"{base}/image/upper:/")
            machine = Machine(root, number)
            stack.callback(machine.power_off)
            booted.append(machine)
        yield booted


def test_the_units_are_clean(machines: list[Machine]) -> None:
    output = machines[0].run("systemd-analyze", "verify", "/etc/systemd/system/yp2p@.service")
    # systemd before 254 knows no tries that become rarer.
    newer = ("'RestartSteps'", "'RestartMaxDelaySec'")
    assert [line for line in output.splitlines() if not any(name in line for name in newer)] == []
    exposure = machines[0].run("systemd-analyze", "security", "--no-pager", "yp2p@owner.service")
    overall = float(exposure.rsplit("level for yp2p@owner.service:", 1)[1].split()[0])
    print(f"\nsystemd-analyze security: {overall}")
    assert overall <= 3.0


def test_two_machines_share_a_folder_and_survive(machines: list[Machine]) -> None:
    one, two = machines
    for machine in machines:
        machine.run("systemctl", "enable", "--now", "yp2p@owner")
        assert machine.property("ActiveState") == "active"
        assert machine.property("StatusText") == "nothing is shared yet; listening on port 9727"
    (one.home / "notes/a.txt").write_text("line 1\nline 2\n")
    os.chown(one.home / "notes/a.txt", 1001, 1001)
    code = one.yp2p("share", "/home/owner/notes")
    two.yp2p("join", code, "/home/owner/notes")
    two.yp2p("wait", "--timeout", "20")
    arrived = two.home / "notes/a.txt"
    assert arrived.read_text() == "line 1\nline 2\n"
    assert (arrived.stat().st_uid, arrived.stat().st_mode & 0o777) == (1001, 0o644)

    # kill -9: systemd starts it anew, and it goes on.
    before = one.property("MainPID")
    one.run("systemctl", "kill", "--kill-whom=main", "-s", "KILL", "yp2p@owner")
    eventually(lambda: one.property("MainPID") not in ("0", before), what="the restart")
    eventually(lambda: one.property("ActiveState") == "active")
    arrived.write_text("line 1\nline 2\nline 3\n")
    eventually(lambda: (one.home / "notes/a.txt").read_text().endswith("line 3\n"), what="an edit after the restart")

    # The watchdog is fed: several intervals of a short one pass.
    assert one.property("WatchdogUSec") == "1min"
    one.run("systemctl", "restart", "yp2p@owner")
    eventually(lambda: json.loads(one.yp2p("status", "--json"))["devices"][0]["connected"])

    # SIGTERM stops within a second, cleanly.
    for machine in machines:
        started = time.monotonic()
        machine.run("systemctl", "stop", "yp2p@owner")
        took_s = time.monotonic() - started
        assert machine.property("Result") == "success"
        assert machine.property("ExecMainStatus") == "0"
        assert took_s < 2.0, f"stopping took {took_s:.2f} s (systemctl included)"
    assert "Traceback" not in one.run("journalctl", "-u", "yp2p@owner", "--no-pager")


def test_the_watchdog_notices_a_loop_that_stands_still(machines: list[Machine]) -> None:
    one = machines[0]
    drop_in = one.root / "etc/systemd/system/yp2p@owner.service.d"
    one.run("mkdir", "-p", "/etc/systemd/system/yp2p@owner.service.d")
    (drop_in / "short.conf").write_text("[Service]\nWatchdogSec=2\n")
    one.run("systemctl", "daemon-reload")
    one.run("systemctl", "start", "yp2p@owner")
    before = one.property("MainPID")
    eventually(lambda: one.property("WatchdogTimestampMonotonic") not in ("", "0"), what="being fed")
    one.run("kill", "-STOP", before)
    eventually(lambda: one.property("MainPID") not in ("0", before), 30, "the watchdog's restart")
    one.run("systemctl", "stop", "yp2p@owner")


def test_a_setting_that_is_wrong_is_not_tried_again(machines: list[Machine]) -> None:
    two = machines[1]
    two.run("systemctl", "stop", "yp2p@owner")
    two.run("runuser", "-u", "owner", "--", "mkdir", "-p", "/home/owner/.config/yp2p")
    config = two.home / ".config/yp2p/config.toml"
    config.write_text("[listen]\nprot = 1\n")
    two._inside("systemctl", "start", "yp2p@owner")
    eventually(lambda: two.property("ActiveState") == "failed")
    assert two.property("ExecMainStatus") == "6"
    assert two.property("NRestarts") == "0"
    assert "its settings are: address, port" in two.run("journalctl", "-u", "yp2p@owner", "--no-pager")
    config.unlink()


def test_the_user_unit(machines: list[Machine]) -> None:
    one = machines[0]
    one.run("systemctl", "stop", "yp2p@owner")
    one.run("systemctl", "start", "user@1001")
    manager = ("runuser", "-u", "owner", "--", "env", "XDG_RUNTIME_DIR=/run/user/1001", "systemctl", "--user")
    one.run(*manager, "daemon-reload")
    one.run(*manager, "start", "yp2p")
    assert one.run(*manager, "is-active", "yp2p") == "active"
    status = json.loads(one.yp2p("status", "--json", runtime="/run/user/1001"))
    assert status["folders"][0]["entries"]["total"] == 1, "the same store as the system unit's"
    one.run(*manager, "stop", "yp2p")
    assert one.run(*manager, "show", "yp2p", "--property=Result", "--value") == "success"


def test_a_key_is_changed_by_one_process(machines: list[Machine]) -> None:
    one = machines[0]
    for machine in machines:
        machine.run("systemctl", "start", "yp2p@owner")
    before, process = one.yp2p("identity", "show").split()[0], one.property("MainPID")
    for device in json.loads(one.yp2p("status", "--json"))["devices"]:
        eventually(
            lambda: bool(json.loads(one.yp2p("status", "--json"))["devices"][0]["connected"]), what=device["name"]
        )
    after = json.loads(one.yp2p("device", "rotate", "--yes", "--json"))["device"]
    assert after != before
    next_key = one.home / ".local/state/yp2p/device.next"
    eventually(lambda: not next_key.exists())
    eventually(lambda: one._inside("test", "-S", "/run/yp2p/owner/yp2p/control.sock").returncode == 0)
    assert one.yp2p("identity", "show").split()[0] == after
    assert (one.property("MainPID"), one.property("ActiveState")) == (process, "active")
    assert one.property("NRestarts") == "0"
    one.run("systemctl", "stop", "yp2p@owner")
    assert one.property("Result") == "success"


def test_the_key_comes_from_a_credential(machines: list[Machine]) -> None:
    two = machines[1]
    two.run("systemctl", "stop", "yp2p@owner")
    home = "/home/owner/.local/state/yp2p"
    two._inside("mv", home, f"{home}.before")
    made, key = two.run("/opt/yp2p/bin/yp2p", "identity", "new", "/etc/owner.key").split()
    drop_in = two.root / "etc/systemd/system/yp2p@owner.service.d"
    two.run("mkdir", "-p", "/etc/systemd/system/yp2p@owner.service.d")
    (drop_in / "key.conf").write_text("[Service]\nLoadCredential=yp2p.key:/etc/%i.key\n")
    two.run("systemctl", "daemon-reload")
    two.run("systemctl", "start", "yp2p@owner")
    assert json.loads(two.yp2p("identity", "show", "--json")) == {"id": made, "key": key}
    assert not (two.home / ".local/state/yp2p/device.key").exists()
    two.run("systemctl", "stop", "yp2p@owner")
    (two.root / "etc/owner.key").write_text("yp2p-device-seed-v1 12\n")
    two._inside("systemctl", "start", "yp2p@owner")
    eventually(lambda: two.property("ActiveState") == "failed")
    assert two.property("ExecMainStatus") == "6"
    (drop_in / "key.conf").unlink()
    two.run("systemctl", "daemon-reload")
    two._inside("rm", "-r", home)
    two._inside("mv", f"{home}.before", home)
