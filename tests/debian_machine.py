"""Debians in directories, for the tests of the package: this machine's own root behind an overlay, or debootstrap's."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from lab import eventually

ROOT = Path(__file__).resolve().parents[1]
SUITES = os.environ.get("YP2P_DEBIANS", "").split() or ["this machine"]
_PACKAGES = "python3,man-db,bash,systemd,systemd-sysv,dbus"
# No systemd runs in there: systemctl makes links.
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "SYSTEMD_OFFLINE": "1"}
_MASKED = (
    "getty.target", "console-getty.service", "systemd-logind.service", "systemd-timesyncd.service",
    "systemd-resolved.service", "systemd-networkd.service", "systemd-networkd.socket", "apt-daily.timer",
    "apt-daily-upgrade.timer", "docker.service", "docker.socket", "containerd.service", "ssh.service",
)  # fmt: skip


def this_debian() -> str:
    """The suite of this machine, of which there is a package. Skips the test where there is none."""
    suite = _suite()
    if suite not in ("bookworm", "trixie") or not Path("/usr/bin/python3").exists():
        pytest.skip("this machine is no Debian 12 or 13 with its own Python: `make deb` takes debootstrap's")
    return suite


def _suite() -> str:
    try:
        lines = Path("/etc/os-release").read_text().splitlines()
    except FileNotFoundError:
        return ""
    known = dict(line.replace('"', "").split("=", 1) for line in lines if "=" in line)
    return known.get("VERSION_CODENAME", "") if known.get("ID") == "debian" else ""


def build_packages(into: Path, *words: str, wheel: Path | None = None) -> list[Path]:
    """Packages of a wheel, which is that of this checkout, with the command that builds them."""
    wheel = wheel or next((ROOT / "dist").glob("*.whl"), None)
    if wheel is None or shutil.which("dpkg-deb") is None:
        pytest.skip("needs a wheel in dist/ (make packaging), and dpkg-deb")
    command = [sys.executable, ROOT / "packaging/deb/build.py", wheel, "--into", into, *words]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [Path(line) for line in done.stdout.splitlines()]


@dataclass(frozen=True, slots=True)
class Machine:
    """The root of a Debian, in which commands run in namespaces of their own."""

    suite: str
    root: Path

    def run(self, *command: str, user: str = "root") -> str:
        done = self.try_run(*command, user=user)
        assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def try_run(self, *command: str, user: str = "root") -> subprocess.CompletedProcess[str]:
        inside = ("chroot", str(self.root), "runuser", "-u", user, "--", *command)
        mounts = 'mount -t proc proc "$0/proc"; mount --rbind /dev "$0/dev"; shift 0; exec "$@"'
        return subprocess.run(
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-euc", mounts, str(self.root), *inside],
            capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL,
            env=_ENVIRONMENT | {"HOME": f"/home/{user}"},
        )  # fmt: skip

    def put(self, package: Path) -> str:
        """Copy a package into it; gives where it is inside."""
        shutil.copy(package, self.root / "tmp" / package.name)
        return f"/tmp/{package.name}"

    @contextmanager
    def booted(self) -> Iterator[Callable[..., str]]:
        """Its systemd runs; gives what runs a command inside."""
        for unit in _MASKED:
            link = self.root / "etc/systemd/system" / unit
            link.unlink(missing_ok=True)
            link.symlink_to("/dev/null")
        (self.root / "etc/machine-id").unlink(missing_ok=True)
        (self.root / "etc/machine-id").touch()
        console = self.root.parent / "console.log"
        with console.open("wb") as output:
            nspawn = subprocess.Popen(
                [
                    "systemd-nspawn", "-q", "-D", self.root, "--register=no", "--keep-unit", "--private-network",
                    f"--machine=ypd{os.getpid()}", "--console=pipe", "-b", "systemd.log_target=journal",
                ],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            )  # fmt: skip
        leader: list[str] = []

        def inside(*command: str) -> subprocess.CompletedProcess[str]:
            entered = ["nsenter", "-t", leader[0], "-a", *command]
            return subprocess.run(entered, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)

        def run(*command: str) -> str:
            done = inside(*command)
            assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
            return done.stdout.strip()

        def has_booted() -> bool:
            assert nspawn.poll() is None, console.read_text(errors="replace")[-3000:]
            leader[:] = subprocess.run(["pgrep", "-P", str(nspawn.pid)], capture_output=True, text=True).stdout.split()
            states = ("running", "degraded")
            return bool(leader) and inside("systemctl", "is-system-running").stdout.strip() in states

        try:
            eventually(has_booted, 60, "the machine booting")
            yield run
        finally:
            if leader:
                os.kill(int(leader[0]), signal.SIGRTMIN + 4)
            try:
                nspawn.wait(30)
            except subprocess.TimeoutExpired:
                nspawn.kill()


def _mount(stack: ExitStack, *words: str) -> None:
    subprocess.run(["mount", *words], check=True)
    stack.callback(subprocess.run, ["umount", "-l", words[-1]], capture_output=True)


def _debootstrap(suite: str, root: Path) -> None:
    targets = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(LABEL) $(REPO_URI)", "Created-By: Packages"],
        capture_output=True, text=True,
    ).stdout  # fmt: skip
    mirrors = [line.split(" ", 1)[1] for line in targets.splitlines() if line.startswith("Debian ")]
    command = ["debootstrap", "--variant=minbase", f"--include={_PACKAGES}", suite, root, *mirrors[:1]]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"debootstrap cannot make {suite}: {done.stdout.strip().splitlines()[-1:]}")


@contextmanager
def machine_of(suite: str, base: Path) -> Iterator[Machine]:
    """A Debian with a person `me` in it; `base` is an empty directory."""
    if os.geteuid() != 0:
        pytest.skip("needs root, for a Debian in a directory")
    with ExitStack() as stack:
        _mount(stack, "-t", "tmpfs", "-o", "size=2g", "tmpfs", str(base))
        root = base / "root"
        for name in ("root", "upper", "work"):
            (base / name).mkdir()
        if suite == "this machine":
            suite = this_debian()
            options = f"lowerdir=/,upperdir={base}/upper,workdir={base}/work"
            _mount(stack, "-t", "overlay", "overlay", "-o", options, str(root))
        else:
            _debootstrap(suite, root)
        machine = Machine(suite, root)
        machine.run("useradd", "--create-home", "--shell", "/bin/bash", "me")
        yield machine


def package_for(machine: Machine, into: Path, wheel: Path | None = None) -> Path:
    """The package for a machine; of a wheel, if that is not this checkout's."""
    architecture = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True).stdout.strip()
    words = ("--release", machine.suite, "--architecture", architecture)
    (made,) = build_packages(into, *words, wheel=wheel)
    return made


def with_version(package: Path, version: str, base: Path) -> Path:
    """The same package with another version."""
    unpacked = base / "unpacked"
    subprocess.run(["dpkg-deb", "-R", package, unpacked], check=True)
    control = unpacked / "DEBIAN/control"
    control.write_text(re.sub(r"^Version: .*$", f"Version: {version}", control.read_text(), flags=re.MULTILINE))
    made = base / f"yp2p_{version}.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Znone", "-b", unpacked, made], check=True, capture_output=True)
    return made
