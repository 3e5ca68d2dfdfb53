"""Installing, removing and looking at one service. Each is done again without harm, and says what it did.

Invariants
    * A file that somebody else wrote, or a package, is neither changed nor removed.
    * No data is touched: a service that is removed leaves folders, settings, key and store where they are.
    * A daemon of the same home that runs without the service is not ended: its person is told.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from yp2p.control.socket import open_lock, read_open_lock
from yp2p.errors import UsageError, YpError
from yp2p.machine import reason
from yp2p.service.systemctl import Refused, Systemctl
from yp2p.service.units import (
    HUB_STATE,
    MARK,
    WITHOUT_NAMESPACES,
    Kind,
    Person,
    Unit,
    drop_in,
    is_own,
    shared_program,
    template,
    why_not,
    written_for,
)

# Where a person's shell may say that a home of yp2p is, and a service does not know of it.
_PLACES = ("YP2P_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME")

# What systemd says of a service whose user namespace, capabilities or mounts could not be made (systemd.exec(5)).
_NO_NAMESPACES = ("217", "218", "226")


@dataclass(slots=True)
class Service:
    """One service, and what was done with it: sentences in `said`, each told as soon as it is so."""

    unit: Unit
    person: Person
    systemctl: Systemctl
    said: list[str] = field(default_factory=list)
    tell: Callable[[str], object] = lambda sentence: None

    def say(self, sentence: str) -> None:
        """This was done."""
        self.said.append(sentence)
        self.tell(sentence)

    # --- installing ---------------------------------------------------------------------------------------------

    def install(self, program: Path, environment: dict[str, str]) -> None:
        """Write the unit, enable and start it. Raises UsageError, YpError: it cannot be; the text says why."""
        self._check(program, environment)
        given = self._given_file()
        own = program if given is None and is_own(program, self.unit.kind, self.person) else None
        has_changed = False
        if given is not None:
            self.say(f"{given} is there already, from a package or by hand, and is used as it is.")
        else:
            for_all = program if own is None else shared_program(self._ours(self.unit.path))
            text = written_for(template(self.unit.kind), for_all, self.systemctl.version())
            has_changed = self._write(self.unit.path, text)
        if self.unit.kind is Kind.SYSTEM:
            has_changed |= self._have_drop_in(drop_in(self.person, own))
        if has_changed:
            self.systemctl.run("daemon-reload")
        self._start(has_changed=has_changed)

    def _check(self, program: Path, environment: dict[str, str]) -> None:
        if problem := why_not(program, self.unit.kind, self.person):
            raise UsageError(problem)
        if self.unit.kind is Kind.USER:
            known = self.systemctl.environment()
            for name in _PLACES:
                if environment.get(name) and environment.get(name) != known.get(name):
                    raise UsageError(
                        f"{name} is {environment[name]} here, and the service would not know of it: unset it, or have"
                        f" systemd know it (`systemctl --user set-environment`, and ~/.config/environment.d)"
                    )
        process = self._running_without_it()
        if process:
            raise YpError(
                f"a daemon runs already without the service (process {process}); stop it with `yp2p stop`, and then"
                " install the service"
            )

    def _running_without_it(self) -> str:
        """The process of a daemon of this home that is not the service's; empty where there is none."""
        descriptor = open_lock(self.unit.lock, None if self.unit.kind is Kind.HUB else self.person.uid)
        if descriptor is None:
            return ""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            holder, _ = read_open_lock(descriptor)
            return "" if holder == self._properties()["MainPID"] else holder or "unknown"
        finally:
            os.close(descriptor)
        return ""

    def _given_file(self) -> Path | None:
        """A file of the unit that is not ours. Raises UsageError: one in the place of ours."""
        found = self._properties()["FragmentPath"]
        if self.unit.path.exists() and not self._is_ours(self.unit.path):
            return self.unit.path
        return Path(found) if found and Path(found) != self.unit.path else None

    @staticmethod
    def _ours(path: Path) -> str:
        """What a file holds that `install` wrote; empty of any other one."""
        try:
            text = path.read_text()
        except (OSError, UnicodeDecodeError):
            return ""
        return text if text.startswith(MARK) else ""

    def _is_ours(self, path: Path) -> bool:
        return bool(self._ours(path))

    def _write(self, path: Path, text: str) -> bool:
        """Have a file hold this; tells whether it did not. Raises YpError."""
        try:
            if path.exists() and path.read_text() == text:
                return False
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        except OSError as error:
            raise YpError(f"{error.filename or path} cannot be written: {reason(error)}") from error
        self.say(f"{path} is written.")
        return True

    def _have_drop_in(self, text: str) -> bool:
        """Have the file of this service alone hold this, or not be there; tells whether it was otherwise."""
        if text:
            return self._write(self._drop_in(), text)
        if not self._is_ours(self._drop_in()):
            return False
        self._remove(self._drop_in())
        return True

    def _remove(self, path: Path) -> None:
        """Remove a file that `install` wrote. Raises YpError."""
        try:
            path.unlink()
            if path == self._drop_in() and not any(path.parent.iterdir()):
                path.parent.rmdir()
        except OSError as error:
            raise YpError(f"{path} cannot be removed: {reason(error)}") from error
        self.say(f"{path} is removed.")

    def _drop_in(self) -> Path:
        return self.unit.path.parent / f"{self.unit.name}.d/yp2p-service.conf"

    def _start(self, *, has_changed: bool) -> None:
        """Enable it, and have it run as its file is now. Raises YpError."""
        name, before = self.unit.name, self._properties()
        is_running = before["ActiveState"] in ("active", "reloading")
        if before["UnitFileState"] != "enabled":
            self.systemctl.run("enable", name)
            self.say(f"{name} starts with {'every login' if self.unit.kind is Kind.USER else 'the machine'}.")
        if is_running and not has_changed:
            self.say(f"{name} runs already.")
            return
        try:
            self._restart()
        except Refused as error:
            why = self.systemctl.last_words(name) or str(error)
            raise YpError(f"{name} is installed, and does not start: {why}") from error
        self.say(f"{name} runs now.")

    def _restart(self) -> None:
        """Start it anew, without what this machine cannot give it. Raises Refused."""
        try:
            self.systemctl.run("restart", self.unit.name)
        except Refused:
            status = self.systemctl.properties(self.unit.name, "ExecMainStatus")["ExecMainStatus"]
            if self.unit.kind is not Kind.USER or status not in _NO_NAMESPACES or self._is_ours(self._drop_in()):
                raise
            self.say("The kernel lets no user have namespaces: the service does without users of its own.")
            self._write(self._drop_in(), WITHOUT_NAMESPACES)
            self.systemctl.run("daemon-reload")
            self.systemctl.run("restart", self.unit.name)

    # --- removing -----------------------------------------------------------------------------------------------

    def uninstall(self) -> None:
        """Stop and disable it, and remove what `install` wrote. Raises YpError."""
        before = self._properties()
        if before["LoadState"] == "not-found" and not self.unit.path.exists():
            self.say(f"There is no {self.unit.name}.")
        else:
            self._stop(before)
        self.say(self._what_stays())

    def _what_stays(self) -> str:
        if self.unit.kind is Kind.HUB:
            return f"The hub's folders, its key and its store stay in {HUB_STATE}."
        return f"The folders stay as they are, and so do key and store in {self.unit.state}."

    def _stop(self, before: dict[str, str]) -> None:
        name = self.unit.name
        if before["UnitFileState"] in ("enabled", "enabled-runtime") or before["ActiveState"] not in (
            "inactive",
            "failed",
        ):
            self.systemctl.run("disable", "--now", name)
            self.say(f"{name} is stopped, and does not start any more.")
        removed = [
            path for path in (self._drop_in(), self.unit.path) if self._is_ours(path) and not self._is_used(path)
        ]
        for path in removed:
            self._remove(path)
        if removed:
            self.systemctl.run("daemon-reload")
        elif self._given_file() is not None:
            self.say(f"{self._given_file()} stays: yp2p did not write it.")
        if before["ActiveState"] == "failed":
            self.systemctl.run("reset-failed", name)

    def _is_used(self, path: Path) -> bool:
        """Whether services of other persons are made of the same file."""
        if self.unit.kind is not Kind.SYSTEM or path != self.unit.path:
            return False
        others = [
            line.split()[0]
            for line in self.systemctl.run("list-units", "--plain", "--no-legend", "yp2p@*").splitlines()
        ]
        wants = (self.unit.path.parent / "multi-user.target.wants").glob("yp2p@*.service")
        return bool({*others, *(one.name for one in wants)} - {self.unit.name})

    # --- looking ------------------------------------------------------------------------------------------------

    def _properties(self) -> dict[str, str]:
        return self.systemctl.properties(
            self.unit.name, "LoadState", "ActiveState", "UnitFileState", "FragmentPath", "StatusText", "MainPID",
            "ActiveEnterTimestamp", "NRestarts",
        )  # fmt: skip

    def status(self) -> dict[str, object]:
        """How it is doing."""
        found = self._properties()
        is_running = found["ActiveState"] in ("active", "reloading")
        return {
            "unit": self.unit.name,
            "kind": self.unit.kind.value,
            "file": found["FragmentPath"],
            "installed": found["LoadState"] == "loaded",
            "enabled": found["UnitFileState"] == "enabled",
            "state": found["ActiveState"],
            "running": is_running,
            "process": int(found["MainPID"] or 0),
            "since": found["ActiveEnterTimestamp"] if is_running else "",
            "restarts": int(found["NRestarts"] or 0),
            "says": found["StatusText"] if is_running else "",
            "problem": self.systemctl.last_words(self.unit.name) if found["ActiveState"] == "failed" else "",
            "settings": str(self.unit.settings),
            "store": str(self.unit.state),
        }


def this_program() -> Path:
    """Where the program is that runs now, as a service can start it. Raises UsageError."""
    typed = Path(os.path.abspath(sys.argv[0]))
    beside = Path(sys.prefix, "bin", "yp2p")
    for path in (typed, beside, Path(shutil.which("yp2p") or os.devnull)):
        if path.is_file() and os.access(path, os.X_OK):
            return path
    raise UsageError(f"{typed} is no program that a service could start; install yp2p, for instance with pipx")
