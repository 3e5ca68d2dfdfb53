"""Machines with a real systemd as PID 1 on one LAN, for tests.

Each machine is an overlay over this machine's own root (systemd-nspawn refuses `/` itself), with a network namespace
of its own, two users (`owner`, and `other`, whose home everybody may read), and yp2p in /opt/yp2p: by its package, or
by the wheel with the checkout's units, in a virtual environment of /usr/bin/python3 (a Python in /root would be
invisible to a unit that may not see other homes).
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from lab import eventually

REPOSITORY = Path(__file__).resolve().parents[2]
PROGRAM = "/opt/yp2p/bin/yp2p"
OWNER = 1001
_PREFIX = "yps"
_MASKED = (
    "getty.target", "console-getty.service", "systemd-logind.service", "systemd-timesyncd.service",
    "systemd-resolved.service", "systemd-networkd.service", "systemd-networkd.socket", "apt-daily.timer",
    "apt-daily-upgrade.timer", "docker.service", "docker.socket", "containerd.service", "ssh.service",
)  # fmt: skip


# Machines that are started from one control group share what is below it: one removes groups that another one needs.
_IN_OWN_GROUP = """
for place in /sys/fs/cgroup /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do
    [ -e "$place/cgroup.procs" ] && mkdir -p "$place/$0" && echo $$ > "$place/$0/cgroup.procs"
done
exec "$@"
"""


def run(*command: str, **options: Any) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, **options)
    assert done.returncode == 0, f"{' '.join(command)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout.strip()


def _mount_overlay(stack: ExitStack, base: Path, name: str, lower: str) -> Path:
    parts = {part: base / name / part for part in ("upper", "work", "root")}
    for part in parts.values():
        part.mkdir(parents=True)
    options = f"lowerdir={lower},upperdir={parts['upper']},workdir={parts['work']}"
    run("mount", "-t", "overlay", "overlay", "-o", options, str(parts["root"]))
    stack.callback(subprocess.run, ["umount", "-l", str(parts["root"])], capture_output=True)
    return parts["root"]


def install_wheel(root: Path) -> None:
    """The wheel, and the units of the checkout."""
    wheel = next((REPOSITORY / "dist").glob("*.whl"))
    shutil.copy(wheel, root / "opt" / wheel.name)
    run("chroot", str(root), "/usr/bin/python3", "-m", "venv", "/opt/yp2p")
    run("chroot", str(root), "/opt/yp2p/bin/pip", "install", "-q", f"/opt/{wheel.name}")
    for unit in ("yp2p@.service", "yp2p-hub.service", "yp2p.service"):
        place = "user" if unit == "yp2p.service" else "system"
        shutil.copy(REPOSITORY / "systemd" / unit, root / "etc/systemd" / place / unit)


def _furnish(root: Path) -> None:
    """The users, and nothing of this machine's that would only cost time."""
    run("chroot", str(root), "useradd", "-m", "-u", str(OWNER), "-s", "/bin/sh", "owner")
    run("chroot", str(root), "useradd", "-m", "-u", str(OWNER + 1), "-s", "/bin/sh", "other")
    run("chroot", str(root), "groupadd", "-g", "2001", "team")
    run("chroot", str(root), "usermod", "-aG", "team", "owner")
    for unit in _MASKED:
        link = root / "etc/systemd/system" / unit
        link.unlink(missing_ok=True)
        link.symlink_to("/dev/null")
    (root / "etc/machine-id").unlink(missing_ok=True)
    (root / "etc/machine-id").touch()
    home = root / "home/owner"
    (home / ".local/bin").mkdir(parents=True)
    (home / ".local/bin/yp2p").symlink_to(PROGRAM)
    (home / "notes").mkdir()
    run("chroot", str(root), "chown", "-R", "owner:owner", "/home/owner")
    (root / "home/other").chmod(0o755)
    (root / "home/other/secret.txt").write_text("nobody else's\n")


class Machine:
    """A machine: `boot` it, `power_off` in order, or `cut_power`."""

    def __init__(self, root: Path, number: int) -> None:
        self.root = root
        self.home = root / "home/owner"
        self._number = number
        self._nspawn: subprocess.Popen[bytes] | None = None
        self._leader = 0

    def boot(self) -> None:
        host = f"{_PREFIX}{self._number}"
        console = self.root.parent / "console.log"
        with console.open("wb") as log:
            self._nspawn = subprocess.Popen(
                [
                    "/bin/sh", "-c", _IN_OWN_GROUP, host,
                    "systemd-nspawn", "-q", "-D", str(self.root), "--register=no", "--keep-unit", f"--machine={host}",
                    "--console=pipe", f"--network-namespace-path=/run/netns/{host}", "-b", "systemd.log_target=journal",
                ],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        self._leader = 0
        eventually(lambda: self._has_booted(console), 60, f"machine {self._number} booting")

    def _has_booted(self, console: Path) -> bool:
        assert self._nspawn is not None
        assert self._nspawn.poll() is None, console.read_text(errors="replace")[-3000:]
        found = subprocess.run(["pgrep", "-P", str(self._nspawn.pid)], capture_output=True, text=True).stdout.split()
        if not found:
            return False
        self._leader = int(found[0])
        return self.inside("systemctl", "is-system-running").stdout.strip() in ("running", "degraded")

    def inside(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["nsenter", "-t", str(self._leader), "-a", *command], capture_output=True, text=True, timeout=120
        )

    def run(self, *command: str) -> str:
        done = self.inside(*command)
        if done.returncode:
            journal = self.inside("journalctl", "--no-pager", "-n", "40", "-o", "cat").stdout
            raise AssertionError(f"{' '.join(command)}: {done.returncode}\n{done.stdout}\n{done.stderr}\n{journal}")
        return done.stdout.strip()

    def as_owner(self, *command: str, runtime: str = "/run/user/1001") -> str:
        environment = ("env", f"XDG_RUNTIME_DIR={runtime}", "HOME=/home/owner")
        return self.run("runuser", "-u", "owner", "--", *environment, *command)

    def yp2p(self, *arguments: str, runtime: str = "/run/yp2p/owner") -> str:
        return self.as_owner(PROGRAM, *arguments, runtime=runtime)

    def hub(self, *arguments: str) -> str:
        return self.run(PROGRAM, "--hub", *arguments)

    def property(self, name: str, unit: str = "yp2p@owner") -> str:
        return self.run("systemctl", "show", unit, f"--property={name}", "--value")

    def give(self, path: Path) -> None:
        """It belongs to the owner."""
        os.chown(path, OWNER, OWNER)

    def power_off(self) -> None:
        """As with a button, in order."""
        self._end(signal.SIGRTMIN + 4)

    def cut_power(self) -> None:
        """At once: nothing is told."""
        self._end(signal.SIGKILL)

    def _end(self, number: int) -> None:
        if self._nspawn is None:
            return
        if self._leader:
            os.kill(self._leader, number)
        try:
            self._nspawn.wait(30)
        except subprocess.TimeoutExpired:
            self._nspawn.kill()
            self._nspawn.wait(30)
        self._nspawn = None


@contextmanager
def open_machines(base: Path, count: int, install: Callable[[Path], None]) -> Iterator[list[Machine]]:
    """So many machines, booted, on one LAN.

    Args:
        install: brings yp2p into the root of all of them.
    """
    with ExitStack() as stack:
        run("mount", "-t", "tmpfs", "-o", "size=3g", "tmpfs", str(base))
        stack.callback(subprocess.run, ["umount", "-l", str(base)], capture_output=True)
        image = _mount_overlay(stack, base, "image", "/")
        install(image)
        _furnish(image)
        run("umount", str(image))
        numbers = range(1, count + 1)
        for name in (f"{_PREFIX}sw", *(f"{_PREFIX}{number}" for number in numbers)):
            subprocess.run(["ip", "netns", "del", name], capture_output=True)
            run("ip", "netns", "add", name)
            stack.callback(subprocess.run, ["ip", "netns", "del", name], capture_output=True)
        run("ip", "-n", f"{_PREFIX}sw", "link", "add", "br0", "type", "bridge")
        run("ip", "-n", f"{_PREFIX}sw", "link", "set", "br0", "up")
        booted: list[Machine] = []
        for number in numbers:
            _plug_in(number)
            machine = Machine(_mount_overlay(stack, base, f"machine{number}", f"{base}/image/upper:/"), number)
            stack.callback(_remove_group, f"{_PREFIX}{number}")
            stack.callback(machine.power_off)
            machine.boot()
            booted.append(machine)
        yield booted


def _remove_group(name: str) -> None:
    """The control group of a machine, once nothing is in it."""
    for place in ("/sys/fs/cgroup", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified"):
        command = ["find", f"{place}/{name}", "-depth", "-type", "d", "-exec", "rmdir", "{}", ";"]
        subprocess.run(command, capture_output=True)


def _plug_in(number: int) -> None:
    host = f"{_PREFIX}{number}"
    run("ip", "-n", host, "link", "set", "lo", "up")
    veth = ("type", "veth", "peer", "name", f"p{number}", "netns", f"{_PREFIX}sw")
    run("ip", "-n", host, "link", "add", "eth0", *veth)
    run("ip", "-n", f"{_PREFIX}sw", "link", "set", f"p{number}", "master", "br0", "up")
    run("ip", "-n", host, "addr", "add", f"10.78.0.{number}/24", "dev", "eth0")
    run("ip", "-n", host, "link", "set", "eth0", "up")
    run("ip", "-n", host, "route", "add", "224.0.0.0/4", "dev", "eth0")
