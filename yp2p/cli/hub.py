"""`yp2p --hub ...`: the commands for the hub of this machine, which systemd/yp2p-hub.service runs, asked by root."""

from __future__ import annotations

import os

from yp2p.cli import options
from yp2p.errors import NotRunning, UsageError

# As in the unit, whose test compares the two.
STATE, RUNTIME, SETTINGS = "/var/lib/yp2p-hub", "/run/yp2p-hub", "/etc"
FOLDERS = f"{STATE}/folders"


def use_hub() -> None:
    """From now on this process is about the hub. Raises UsageError: it is not root's."""
    if os.geteuid() != 0:
        raise UsageError("the hub of this machine answers root only: `sudo yp2p --hub ...`")
    os.environ.pop("YP2P_HOME", None)
    os.environ.update(XDG_STATE_HOME=STATE, XDG_RUNTIME_DIR=RUNTIME, XDG_CONFIG_HOME=SETTINGS)
    options.home_of_hub = FOLDERS


def check_is_not_hub() -> None:
    """Raises NotRunning: only its unit may run the hub, or write its files: they would be root's."""
    if options.home_of_hub is not None:
        raise NotRunning(options.NO_HUB)
