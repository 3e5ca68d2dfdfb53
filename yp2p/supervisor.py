"""What supervises the daemon, if anything does: what it is told (sd_notify(3)), and what it gives.

systemd starts the daemon with `NOTIFY_SOCKET`, `WATCHDOG_USEC`, `CREDENTIALS_DIRECTORY` and `STATE_DIRECTORY` in the
environment, as far as the unit says so. Other supervisors give some of these, and without any of them everything here
does nothing.

A unit with a directory of its own for its state (systemd/yp2p-hub.service) has its folders there, below `folders/`,
where the daemon makes what is missing. Nobody else can: the user of such a unit exists while it runs. Each credential
`yp2p.invite.NAME` holds a token of `yp2p invite`, with which the folder of that name is joined.
"""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
import trio

from yp2p.config import Config, SharedFolder, expanded
from yp2p.errors import ConfigError

# The loop waits: longer for a supervisor that takes nothing would be a loop that stands still. What only says how it is
# doing does not wait, as another such line follows.
_LIMIT_S = 0.1
_FIRST_GIVEN = 3  # SD_LISTEN_FDS_START
_INVITE = "yp2p.invite."
# What a file system and systemd both take as a name.
_NAME = re.compile(r"\w[\w.-]{0,99}")


def supervised() -> bool:
    """Whether there is a supervisor that is told anything."""
    return bool(os.environ.get("NOTIFY_SOCKET"))


def notify(message: str, descriptors: Sequence[int] = ()) -> bool:
    """Tell the supervisor, and hand it open files; nothing without one. Gives whether it was taken: not where the
    kernel's queue for it is full."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return True
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock, suppress(OSError):
        sock.settimeout(0 if message.startswith("STATUS=") else _LIMIT_S)
        sock.connect("\0" + address[1:] if address.startswith("@") else address)
        if descriptors:
            socket.send_fds(sock, [message.encode()], descriptors)
        else:
            sock.sendall(message.encode())
        return True
    return False


def store(name: str, descriptor: int) -> None:
    """Have the supervisor keep an open file until the daemon is started anew, under a name; nothing without one."""
    notify(f"FDSTORE=1\nFDPOLL=0\nFDNAME={name}", [descriptor])


def unstore(name: str) -> None:
    """The supervisor needs not keep what has this name any more."""
    notify(f"FDSTOREREMOVE=1\nFDNAME={name}")


def take_stored(environment: MutableMapping[str, str] = os.environ) -> dict[str, int]:
    """The open files that an earlier run had kept, by their names (sd_listen_fds(3)); nobody else is given them."""
    process, count, names = (environment.pop(f"LISTEN_{what}", "") for what in ("PID", "FDS", "FDNAMES"))
    if process != str(os.getpid()) or not count.isdecimal():
        return {}
    found = dict(zip(names.split(":"), range(_FIRST_GIVEN, _FIRST_GIVEN + int(count)), strict=False))
    for descriptor in found.values():
        os.set_inheritable(descriptor, False)
    return found


async def feed_watchdog() -> None:
    """Show that the loop turns, twice per interval."""
    interval_us = os.environ.get("WATCHDOG_USEC", "")
    if not interval_us.isdecimal() or not int(interval_us):
        return
    while True:
        notify("WATCHDOG=1")
        await trio.sleep(int(interval_us) / 2_000_000)


class Supervisor:
    """Says how the daemon is doing: one line, to which what a person has to act on is added.

    That it is ready is waited for by whoever started it, or has it read its settings again. Where that is not taken, it
    is said again with the next line.

    Args:
        tell: gives whether it was taken.
    """

    def __init__(self, tell: Callable[[str], bool] = notify) -> None:
        self._tell = tell
        self._line = ""
        self._remark = ""
        self._owed = ""  # what has to be said with the line

    def started(self) -> None:
        """Everything runs."""
        self._owed = "READY=1\n"
        self._say()

    def stopping(self) -> None:
        """It ends, in order."""
        self._tell("STOPPING=1\nSTATUS=stopping")

    def reloading(self) -> None:
        """The settings are read again; `reloaded` follows."""
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def reloaded(self, remark: str) -> None:
        """They were; `remark` is what a person has to know of that, and empty where that is nothing."""
        self._remark, self._owed = remark, "READY=1\n"
        self._say()

    def show(self, line: str) -> None:
        """This is how the device is doing."""
        self._line = line
        self._say()

    def _say(self) -> None:
        status = "; ".join(filter(None, (self._line, self._remark))).replace("\n", " ")
        if self._tell(f"{self._owed}STATUS={status}"):
            self._owed = ""


def own_folders(environment: Mapping[str, str] = os.environ) -> Path | None:
    """Where the folders of a unit with a directory of its own are; None: there is no such unit."""
    first = environment.get("STATE_DIRECTORY", "").partition(":")[0]
    return Path(first, "folders") if first else None


def with_invites(config: Config, environment: Mapping[str, str] = os.environ) -> Config:
    """The settings, and the folders of the invites that the unit has. Raises ConfigError: these have no place."""
    named = {expanded(folder.path) for folder in config.folders}
    added = tuple(one for one in _folders_of_invites(environment) if Path(one.path) not in named)
    return msgspec.structs.replace(config, folders=(*config.folders, *added))


def _folders_of_invites(environment: Mapping[str, str]) -> tuple[SharedFolder, ...]:
    place, given = own_folders(environment), environment.get("CREDENTIALS_DIRECTORY")
    found: list[SharedFolder] = []
    for path in sorted(Path(given).glob(f"{_INVITE}*")) if given else ():
        folder = path.name.removeprefix(_INVITE)
        if not _NAME.fullmatch(folder):
            raise ConfigError(
                f"the credential {path.name} names no folder: letters, digits, dots and dashes can follow {_INVITE}"
            )
        if place is None:
            raise ConfigError(
                f"the credential {path.name} is for a unit with a StateDirectory=, where its folders are; without one,"
                " name its file as invite_file of [[folders]]"
            )
        found.append(SharedFolder(path=str(place / folder), invite_file=str(path)))
    return tuple(found)
