"""`yp2p join CODE DIR`."""

from __future__ import annotations

import sys
import time

import click

from yp2p.cli.options import absolute, call, check_seconds, json_option, print_json
from yp2p.errors import NotRunning

# `yp2p daemon &` on the line before takes a moment to listen.
_DAEMON_LIMIT_S = 3.0
_POLL_S = 0.1


@click.command()
@click.argument("code")
@click.argument("directory", metavar="DIR")
@click.option("--timeout", type=float, metavar="S", help="How long to look for the other device (default 10).")
@json_option
def command(code: str, directory: str, timeout: float | None, as_json: bool) -> None:
    """Pair with the device that shows CODE, and keep DIR the same as its folder.

    DIR may hold files already: equal ones become one with the folder's, different ones are kept beside them under a
    name with `.conflict-`, and the rest is exchanged. Case, dashes and spaces in CODE do not matter.
    """
    body = {"code": code, "path": absolute(directory), "timeout_s": check_seconds(timeout)}
    deadline = time.monotonic() + _DAEMON_LIMIT_S
    while True:
        try:
            answer = call("POST", "/v1/join", body)
            break
        except NotRunning:
            if time.monotonic() > deadline:
                raise
            time.sleep(_POLL_S)
    if as_json:
        print_json(answer)
    elif sys.stdout.isatty():
        click.echo(f"Paired with {answer['name']}: {answer['path']} is now the folder {answer['label']!r}.")
