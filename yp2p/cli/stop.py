"""`yp2p stop`."""

from __future__ import annotations

import time

import click

from yp2p.cli.options import call
from yp2p.control.socket import find_control_socket
from yp2p.errors import YpError

_LIMIT_S = 10.0
_POLL_S = 0.02


@click.command()
def command() -> None:
    """Stop the daemon of this home, and return when it has ended."""
    socket = find_control_socket()
    call("POST", "/v1/stop", {})
    deadline = time.monotonic() + _LIMIT_S
    while socket.exists():
        if time.monotonic() > deadline:
            raise YpError(f"the daemon was told to stop, but still runs after {_LIMIT_S:.0f} s")
        time.sleep(_POLL_S)
