"""`yp2p service`."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from yp2p.cli.group import Group
from yp2p.cli.options import json_option
from yp2p.cli.output import confirm, is_terminal, print_json, say
from yp2p.errors import UsageError

if TYPE_CHECKING:
    from yp2p.service.installing import Service
    from yp2p.service.units import Kind

_WHICH = [
    click.option("--user", "which", flag_value="user", help="For you, while you are logged in; with --linger, always."),
    click.option("--system", "which", flag_value="system", help="For a person, from the machine's start on (root)."),
    click.option("--hub", "which", flag_value="hub", help="For a machine that keeps folders and has no person (root)."),
    click.option(
        "--for", "name", metavar="NAME", help="With --system: the user whose folders these are (default: who ran sudo)."
    ),
]


def _which(command: Any) -> Any:
    for option in reversed(_WHICH):
        command = option(command)
    return command


@click.group(cls=Group)
def command() -> None:
    """Have systemd run yp2p as a service: from a login, or the start of the machine, on.

    For your own folders: --user, or --system so that it runs before anybody has logged in. For a machine that keeps
    folders and has no person, --hub; then `sudo yp2p --hub join DIR` with a token of `yp2p invite` on standard input.

    Each command says what it did, and can be given again.
    """


@command.command(short_help="Write the unit, enable it, and start it.")
@_which
@click.option("--linger/--no-linger", default=None, help="With --user: whether it goes on when you have logged out.")
@json_option
def install(which: str | None, name: str | None, linger: bool | None, as_json: bool) -> None:
    """Write the unit with the path of this program, enable it, and start it.

    Without an option it is --user. A daemon that runs already is not stopped: `yp2p stop` does that.
    """
    from yp2p.service.installing import this_program

    service = _changed(which, name, "install")
    if linger is not None and which not in (None, "user"):
        raise UsageError("--linger is for --user; the other services start with the machine")
    with _telling(service, as_json=as_json):
        service.install(this_program(), dict(os.environ))
        if service.unit.kind.value == "user":
            _linger(service, linger, may_ask=not as_json and is_terminal())


@contextmanager
def _telling(service: Service, *, as_json: bool) -> Iterator[None]:
    """Say what is done with it: sentences as they come, or how it is doing afterwards, with these.

    What was done before something failed is told beside the error.
    """
    if not as_json:
        service.tell = say
        yield
        return
    try:
        yield
    except BaseException:
        say(*service.said, err=True)
        raise
    print_json({**service.status(), "done": service.said})


def _linger(service: Service, wanted: bool | None, *, may_ask: bool) -> None:
    """Say whether it goes on after a logout, and have it so where that is wished."""
    name = service.person.name
    if service.systemctl.lingers(name):
        service.say("It goes on when you have logged out (lingering is on).")
        return
    if wanted is None and may_ask:
        try:
            confirm("It stops when you have logged out. Have it go on (loginctl enable-linger)?", otherwise="")
            wanted = True
        except click.Abort:
            wanted = False
    if wanted:
        service.systemctl.enable_linger(name)
        service.say("It goes on when you have logged out (lingering is on).")
    else:
        service.say(f"It stops when you have logged out; `loginctl enable-linger {name}` has it go on.")


@command.command(short_help="Stop the service, and remove its unit; the data stays.")
@_which
@json_option
def uninstall(which: str | None, name: str | None, as_json: bool) -> None:
    """Stop and disable the service, and remove its unit. Folders, settings, key and store stay."""
    service = _changed(which, name, "uninstall")
    with _telling(service, as_json=as_json):
        service.uninstall()


@command.command(short_help="Show how the service is doing.")
@_which
@json_option
def status(which: str | None, name: str | None, as_json: bool) -> None:
    """Show whether the service is installed, whether it runs, and what it says of itself."""
    found = _service(which, name).status()
    if as_json:
        print_json(found)
    else:
        say(*status_lines(found))


def status_lines(found: dict[str, Any]) -> list[str]:
    """What `status` shows."""
    if not found["installed"]:
        option = "" if found["kind"] == "user" else f" --{found['kind']}"
        return [f"{found['unit']} is not installed. `yp2p service install{option}` does that."]
    starts = "every login" if found["kind"] == "user" else "the machine"
    how = f"starts with {starts}" if found["enabled"] else f"does not start with {starts}"
    lines = [f"{found['unit']} ({found['file']}) {how}."]
    if found["running"]:
        restarts = f", started again {found['restarts']} times since" if found["restarts"] else ""
        lines.append(f"It runs as process {found['process']}, since {found['since']}{restarts}.")
        lines += [f"It says: {found['says']}"] if found["says"] else []
    elif found["state"] == "failed":
        lines.append(f"It has failed: {found['problem'] or 'the journal says why'}")
    else:
        lines.append(f"It does not run ({found['state']}).")
    return [*lines, f"Settings: {found['settings']}", f"Key and store: {found['store']}"]


def _changed(which: str | None, name: str | None, command: str) -> Service:
    """The same, where it is to be changed. Raises UsageError, NoSystemd."""
    service = _service(which, name)
    if service.unit.kind.value != "user" and os.geteuid() != 0:
        raise UsageError(
            f"a service of the system is root's: `sudo yp2p service {command} --{service.unit.kind.value}`"
        )
    return service


def _service(which: str | None, name: str | None) -> Service:
    """What the options mean. Raises UsageError, NoSystemd."""
    from yp2p.service.installing import Service
    from yp2p.service.systemctl import Systemctl
    from yp2p.service.units import Kind, unit_of

    if which is None and os.geteuid() == 0:
        raise UsageError(
            "say for whom: --system for the folders of a person, --hub for a machine without one, or --user"
        )
    kind = Kind(which or "user")
    systemctl = Systemctl(is_user=kind is Kind.USER)
    config_home = os.environ.get("XDG_CONFIG_HOME") if kind is Kind.USER else None
    person = _person(kind, name)
    return Service(unit_of(kind, person, Path(config_home) if config_home else None), person, systemctl)


def _person(kind: Kind, name: str | None) -> Any:
    from yp2p.service.units import Kind, Person

    if name is not None and kind is not Kind.SYSTEM:
        raise UsageError("--for is for --system: the folders of one person")
    if kind is Kind.SYSTEM and name is None:
        name = os.environ.get("SUDO_USER") if os.geteuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
        if not name:
            raise UsageError("say whose folders: --for NAME")
    try:
        found = pwd.getpwnam(name) if name is not None else pwd.getpwuid(os.getuid())
    except KeyError:
        raise UsageError(f"there is no user {name!r} on this machine") from None
    return Person(found.pw_name, found.pw_uid, Path(found.pw_dir))
