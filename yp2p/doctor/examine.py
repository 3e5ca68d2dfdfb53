"""All checks of `yp2p doctor`, in the order in which they are told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from yp2p.config import Paths
from yp2p.config_file import load_config
from yp2p.discovery.multicast import listen
from yp2p.doctor.finding import Finding
from yp2p.doctor.home import check_home
from yp2p.doctor.others import check_multicast, check_others
from yp2p.errors import NotRunning, YpError


def examine(paths: Paths, ask: Callable[[], Mapping[str, Any]], *, named: bool = False) -> list[Finding]:
    """Look at everything; takes some seconds.

    Args:
        ask: asks the daemon of this home; raises NotRunning where none answers.
        named: a person asked for one device.
    """
    found = list(check_home(paths))
    devices: list[Finding] = []
    answer: Mapping[str, Any] = {"devices": []}
    try:
        answer = ask()
    except NotRunning:
        pass  # the check of the lock says so
    else:
        devices = list(check_others(answer, named=named))
    found += [check_multicast(asdict(heard), answer["devices"]) for heard in _heard(paths)]
    return found + devices


def _heard(paths: Paths) -> list[Any]:
    try:
        discovery = load_config(paths.config).discovery
    except (YpError, OSError):
        return listen()
    return listen(tuple(discovery.interfaces)) if discovery.mdns else []
