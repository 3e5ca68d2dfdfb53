"""`yp2p wait`."""

from __future__ import annotations

import click

from yp2p.cli.options import call, check_seconds, json_option, print_json
from yp2p.cli.progress import progress_bar
from yp2p.errors import WaitTimeout


@click.command()
@click.option("--timeout", type=float, metavar="S", help="Give up after so many seconds.")
@json_option
def command(timeout: float | None, as_json: bool) -> None:
    """Wait until every folder is in sync with every connected device.

    Exits with 0 when they are, and with 1 at the timeout. In sync means that the other devices have the same files on
    their disks. Devices that are not connected are not waited for, except in the first seconds after a start. On a
    terminal it shows how far it is.
    """
    with progress_bar():
        answer = call("POST", "/v1/wait", {"timeout_s": check_seconds(timeout)})
    if as_json:
        print_json(answer)
    if not answer["in_sync"]:
        raise WaitTimeout(f"not in sync after {timeout:g} s; `yp2p status` shows what is missing")
