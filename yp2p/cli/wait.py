"""`yp2p wait`."""

from __future__ import annotations

from typing import Any

import click

from yp2p.cli.options import call, check_seconds, json_option
from yp2p.cli.output import print_json
from yp2p.cli.progress import progress_bar
from yp2p.errors import NobodyConnected, WaitTimeout


@click.command()
@click.option("--timeout", type=float, metavar="S", help="Give up after so many seconds.")
@click.option("--alone", is_flag=True, help="Succeed also where a folder is on no other device that is connected.")
@json_option
def command(timeout: float | None, alone: bool, as_json: bool) -> None:
    """Wait until every folder is in sync with every connected device.

    Exits with 0 when they are, and with 1 at the timeout, or where no other device is connected: what is here may be
    nowhere else then. In sync means that the other devices have the same files on their disks. Of several devices,
    those that are not connected are not waited for, except in the first seconds after a start. On a terminal it shows
    how far it is.
    """
    with progress_bar():
        answer = call("POST", "/v1/wait", {"timeout_s": check_seconds(timeout)})
    if as_json:
        print_json(answer)
    _check(answer, timeout, alone=alone)


def _check(answer: dict[str, Any], timeout: float | None, *, alone: bool) -> None:
    """Raises WaitTimeout, NobodyConnected."""
    if not answer["in_sync"]:
        after = f" after {timeout:g} s" if timeout is not None and "on no device" not in answer["missing"] else ""
        raise WaitTimeout(f"not in sync{after}: {answer['missing']}")
    if answer["alone"] and not alone:
        folders = ", ".join(repr(label) for label in answer["alone"])
        raise NobodyConnected(
            f"no other device is connected for {folders}: what is here may be nowhere else. "
            "Connect one, or give --alone"
        )
