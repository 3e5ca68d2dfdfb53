"""The units of systemd/, as they are written for one machine: with the path of the program, for its version of systemd.

What is changed is little: the path in `ExecStart=`, and the settings that this systemd does not know, or knows better.
Everything else is as in the files, which packages install as they are.

The unit for persons is one file for all of them. So what holds for one person alone is in a file beside it, which only
the service of that person reads: above all a program in that home, which others do not see and its owner may change.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from yp2p.errors import UsageError

MARK = "# Written by `yp2p service install`, and removed by `yp2p service uninstall`.\n"
HUB_STATE = Path("/var/lib/yp2p-hub")
# What a version of systemd is the first to know.
_KNOWS_NOTIFY_RELOAD, _KNOWS_RARER_TRIES = 253, 254
_SYSTEM_UNITS = Path("/etc/systemd/system")
# What the units do not see, but for a person's own home.
_HIDDEN = (Path("/home"), Path("/root"), Path("/tmp"), Path("/run/user"))


class Kind(Enum):
    """Whose folders a service is for; the value is what the option is called."""

    USER = "user"
    SYSTEM = "system"
    HUB = "hub"


_FILES = {Kind.USER: "yp2p.service", Kind.SYSTEM: "yp2p@.service", Kind.HUB: "yp2p-hub.service"}


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with an account."""

    name: str
    uid: int
    home: Path


@dataclass(frozen=True, slots=True)
class Unit:
    """One service.

    Attributes:
        name: what systemd calls it.
        path: where its file is written.
        lock: what its daemon holds while it runs.
        state, settings: where key, store and settings are.
    """

    kind: Kind
    name: str
    path: Path
    state: Path
    settings: Path

    @property
    def lock(self) -> Path:
        return self.state / "lock"


def unit_of(kind: Kind, person: Person, config_home: Path | None = None) -> Unit:
    """The service of a person, or the hub.

    Args:
        config_home: the person's XDG_CONFIG_HOME, where they have one.
    """
    settings = config_home or person.home / ".config"
    state = person.home / ".local/state/yp2p"
    if kind is Kind.USER:
        return Unit(kind, "yp2p.service", settings / "systemd/user/yp2p.service", state, settings / "yp2p/config.toml")
    if kind is Kind.SYSTEM:
        file = person.home / ".config/yp2p/config.toml"
        return Unit(kind, f"yp2p@{person.name}.service", _SYSTEM_UNITS / _FILES[kind], state, file)
    return Unit(kind, _FILES[kind], _SYSTEM_UNITS / _FILES[kind], HUB_STATE / "yp2p", Path("/etc/yp2p/config.toml"))


def template(kind: Kind) -> str:
    """The unit as it was written: within the package, or in a checkout beside it."""
    package = Path(__file__).resolve().parents[1]
    for place in (package / "units", package.parent / "systemd"):
        if (place / _FILES[kind]).is_file():
            return (place / _FILES[kind]).read_text()
    raise UsageError(f"this yp2p came without its units ({package / 'units'} is missing); install it again")


def written_for(text: str, program: Path, version: int) -> str:
    """A unit for a program at this path and this version of systemd."""
    text = re.sub(r"^ExecStart=\S+", lambda _: f"ExecStart={_quoted(program)}", text, flags=re.MULTILINE)
    unknown = [] if version >= _KNOWS_RARER_TRIES else ["RestartSteps", "RestartMaxDelaySec"]
    if version >= _KNOWS_NOTIFY_RELOAD:
        text = text.replace("\nType=notify\n", "\nType=notify-reload\n")
        unknown.append("ExecReload")
    for setting in unknown:
        text = re.sub(rf"^{setting}=.*\n", "", text, flags=re.MULTILINE)
    return MARK + text


def is_own(program: Path, kind: Kind, person: Person) -> bool:
    """Whether a program is in the home of the person whose service it is for."""
    return kind is Kind.SYSTEM and any(person.home in path.parents for path in (program, program.resolve()))


def shared_program(before: str) -> Path:
    """What the unit of all persons starts when one of them has a program of their own: the same as before.

    Args:
        before: the unit as it is now, or empty.
    """
    program = _started_by(before)
    return program if program.is_absolute() and not _hidden_by(program) else _started_by(template(Kind.SYSTEM))


def _started_by(text: str) -> Path:
    found = re.search(r'^ExecStart=(?:"((?:[^"\\]|\\.)*)"|(\S+))', text, flags=re.MULTILINE)
    return Path(re.sub(r"[\\%$](.)", r"\1", (found[1] or found[2]) if found else ""))


def drop_in(person: Person, own: Path | None) -> str:
    """What the service of one person has otherwise than those of all; empty where there is nothing.

    Args:
        own: the program, where it is this person's own.
    """
    hidden = (Path("/home"), Path("/root"), Path("/run/user"))
    lines = []
    if person.home != Path("/home", person.name) and any(place in person.home.parents for place in hidden):
        lines.append(f"BindPaths={_quoted(person.home)}\n")
    if own is not None:
        lines.append(f"ExecStart=\nExecStart={_quoted(own)} daemon\n")
    return "".join([MARK, "[Service]\n", *lines]) if lines else ""


# What a unit of a person's own systemd does without, where the kernel lets nobody but root have namespaces.
WITHOUT_NAMESPACES = f"{MARK}[Service]\nPrivateUsers=no\nCapabilityBoundingSet=~\n"


def _quoted(path: Path) -> str:
    """A path as systemd reads it in a command."""
    text = str(path).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{text}"' if re.search(r"[\s\"'\\]", text) else text


def why_not(program: Path, kind: Kind, person: Person) -> str:
    """Why a service cannot have its program there; empty where it can."""
    advice = "put it where every user can read it: `python3 -m venv /opt/yp2p && /opt/yp2p/bin/pip install yp2p`"
    if kind is Kind.USER:
        return ""
    for place, path in _hidden_by(program):
        if kind is not Kind.SYSTEM or person.home not in path.parents:
            return f"the unit does not see {place}, and this program is {path}; {advice}"
    return ""


def _hidden_by(program: Path) -> list[tuple[Path, Path]]:
    """The places that units do not see, and the path of the program in each: a link may lead from one to another."""
    return [(place, path) for path in (program, program.resolve()) for place in _HIDDEN if place in path.parents]
