"""Asking systemd: `systemctl`, `loginctl` and `journalctl`, as the person or as root."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from yp2p.errors import YpError

_BOOTED = Path("/run/systemd/system")
# A start of a large store, and what a stop is given by the units.
_LIMIT_S = 120.0


class NoSystemd(YpError):
    """Services of yp2p are systemd's, and there is none; or none that answers this person."""


class Refused(YpError):
    """systemd did not do it; the text is what it says."""


class Systemctl:
    """The manager of the system's services, or of those of the person who runs this.

    Raises:
        NoSystemd: it is not there.
    """

    def __init__(self, *, is_user: bool, environment: Mapping[str, str] = os.environ, booted: Path = _BOOTED) -> None:
        if not booted.is_dir() or shutil.which("systemctl") is None:
            init = _name_of_init()
            raise NoSystemd(
                f"this machine is not run by systemd ({init} is process 1), and only its services can be installed;"
                " docs/service.md has a service for OpenRC, and a script for any other"
            )
        self._scope = ["--user"] if is_user else []
        self._environment = dict(environment)
        if is_user:
            runtime = self._environment.setdefault("XDG_RUNTIME_DIR", f"/run/user/{os.getuid()}")
            if not Path(runtime, "systemd/private").exists():
                raise NoSystemd(
                    f"no systemd answers for this user in {runtime}: log in as that user (not with su or sudo), or"
                    " install a service of the system: `sudo yp2p service install --system`"
                )

    def run(self, *arguments: str) -> str:
        """What it prints. Raises Refused."""
        return self._run("systemctl", *self._scope, "--no-pager", *arguments)

    def properties(self, unit: str, *names: str) -> dict[str, str]:
        """What is known of a unit; empty values where there is none."""
        printed = self.run("show", unit, f"--property={','.join(names)}")
        found = dict(line.partition("=")[::2] for line in printed.splitlines())
        return {name: found.get(name, "") for name in names}

    def version(self) -> int:
        """Of systemd. Raises Refused."""
        words = self._run("systemctl", "--version").split()
        return int(words[1]) if len(words) > 1 and words[1].isdecimal() else 0

    def environment(self) -> dict[str, str]:
        """With what services are started."""
        return dict(line.partition("=")[::2] for line in self.run("show-environment").splitlines())

    def last_words(self, unit: str) -> str:
        """The end of what a service wrote into the journal; empty where nobody may read that."""
        try:
            lines = self._run(
                "journalctl", *self._scope, "--no-pager", "-o", "cat", "-n", "20", "-u", unit
            ).splitlines()
        except Refused:
            return ""
        return next((line for line in reversed(lines) if line.startswith("yp2p: ")), "").removeprefix("yp2p: ")

    def lingers(self, name: str) -> bool:
        """Whether services of this person go on when they have logged out."""
        try:
            return self._run("loginctl", "show-user", name, "--property=Linger", "--value") == "yes"
        except Refused:
            return Path("/var/lib/systemd/linger", name).exists()

    def enable_linger(self, name: str) -> None:
        """Have them go on. Raises Refused."""
        self._run("loginctl", "enable-linger", name)

    def _run(self, *command: str) -> str:
        try:
            done = subprocess.run(command, capture_output=True, text=True, env=self._environment, timeout=_LIMIT_S)
        except subprocess.TimeoutExpired:
            raise Refused(f"`{' '.join(command)}` took longer than {_LIMIT_S:.0f} s") from None
        except OSError as error:
            raise Refused(f"{command[0]} cannot be run: {error.strerror}") from error
        if done.returncode:
            said = done.stderr.strip().partition("\n")[0] or f"exit code {done.returncode}"
            raise Refused(f"`{' '.join(command)}`: {said}")
        return done.stdout.strip()


def _name_of_init() -> str:
    try:
        return Path("/proc/1/comm").read_text().strip()
    except OSError:
        return "another program"
