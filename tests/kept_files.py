"""A daemon which something like systemd starts, and keeps open files for it while none runs (FDSTORE, sd_notify(3))."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from lab import YP2P, Device, eventually

# Gives the daemon what it keeps as the files 3 and following, as systemd does.
_AS_SYSTEMD = """import os, sys
count = int(sys.argv[1])
for number in range(count):
    os.dup2(1000 + number, 3 + number)
os.environ["LISTEN_PID"] = str(os.getpid())
os.closerange(1000, 1000 + count)
os.execv(sys.argv[2], sys.argv[2:])
"""


class Systemd:
    """Starts a daemon, and keeps open files for it."""

    def __init__(self, device: Device, place: Path) -> None:
        self.device = device
        self._place = place
        self._told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._told.bind(str(place))
        self.kept: dict[str, int] = {}

    def start(self) -> None:
        for number, descriptor in enumerate(self.kept.values()):
            os.dup2(descriptor, 1000 + number)
        given = range(1000, 1000 + len(self.kept))
        environment = self.device.environment | {
            "NOTIFY_SOCKET": str(self._place), "LISTEN_FDS": str(len(self.kept)), "LISTEN_FDNAMES": ":".join(self.kept),
        }  # fmt: skip
        with self.device.log.open("ab") as log:
            self.device._process = subprocess.Popen(
                [sys.executable, "-c", _AS_SYSTEMD, str(len(self.kept)), YP2P, "daemon"],
                env=environment, pass_fds=given, stdout=log, stderr=log,
            )  # fmt: skip
        for descriptor in given:
            os.close(descriptor)
        eventually(self.device._is_ready, 45, "the daemon being ready")

    def hear(self) -> None:
        """Do what the daemon has asked for by now."""
        self._told.setblocking(False)
        while True:
            try:
                data, descriptors, _, _ = socket.recv_fds(self._told, 4096, 4)
            except BlockingIOError:
                return
            said = dict(line.split("=", 1) for line in data.decode().splitlines())
            if "FDSTORE" in said:
                (self.kept[said["FDNAME"]],) = descriptors
            elif "FDSTOREREMOVE" in said and said["FDNAME"] in self.kept:
                os.close(self.kept.pop(said["FDNAME"]))

    def close(self) -> None:
        self._told.close()
        for descriptor in self.kept.values():
            os.close(descriptor)


@contextmanager
def kept_by_systemd(base: Path, name: str, **settings: str) -> Iterator[Systemd]:
    """A device that was started so; in the end it is killed."""
    device = Device(base, name, **settings)
    with closing(Systemd(device, base / "notify")) as systemd:
        try:
            systemd.start()
            yield systemd
        finally:
            device.kill()
