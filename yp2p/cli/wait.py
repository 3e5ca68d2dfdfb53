"""`yp2p wait`."""

from __future__ import annotations

from typing import Any

import click

from yp2p.cli.complete import Device
from yp2p.cli.options import call, check_seconds, json_option
from yp2p.cli.output import is_terminal, print_json, say
from yp2p.cli.progress import progress_bar
from yp2p.errors import NobodyConnected, UsageError, WaitTimeout


@click.command()
@click.option(
    "--with",
    "devices",
    metavar="DEVICE",
    multiple=True,
    type=Device(),
    help="Only with DEVICE; for several, again.",
)
@click.option("--all", "everybody", is_flag=True, help="With all devices of each folder, also those that are away.")
@click.option("--any", "anybody", is_flag=True, help="With one other device of each folder, whichever it is.")
@click.option("--timeout", type=float, metavar="SECONDS", help="Give up after so long.")
@click.option("--alone-is-fine", is_flag=True, help="Succeed also where no other device is connected for a folder.")
@json_option
def command(
    devices: tuple[str, ...], everybody: bool, anybody: bool, timeout: float | None, alone_is_fine: bool, as_json: bool
) -> None:
    """Wait until every folder is in sync with every connected device.

    In sync means that the other devices have the same files on their disks. The exit code is 0 then; it is 1 at the
    timeout, and if no other device is connected for a folder, as its files may then be on this device only. Devices
    that are not connected are not waited for, except in the first seconds after a start, or with --all or --with. On a
    terminal it shows the progress, and in the end with whom everything is in sync.
    """
    if bool(devices) + everybody + anybody > 1:
        raise UsageError("--with, --all and --any exclude each other; give one of them")
    whom = "all" if everybody else "any" if anybody else "connected"
    with progress_bar():
        wanted = {"timeout_s": check_seconds(timeout), "whom": whom, "devices": list(devices)}
        answer = call("POST", "/v1/wait", wanted)
    if as_json:
        print_json(answer)
    _check(answer, timeout, alone_is_fine=alone_is_fine)
    if is_terminal() and not as_json:
        say(f"In sync with {', '.join(devices or answer['connected']) or 'nobody'}.")


def _check(answer: dict[str, Any], timeout: float | None, *, alone_is_fine: bool) -> None:
    """Raises WaitTimeout, NobodyConnected."""
    if not answer["in_sync"]:
        after = f" after {timeout:g} s" if timeout is not None and "on no device" not in answer["missing"] else ""
        raise WaitTimeout(f"not in sync{after}: {answer['missing']}")
    if answer["alone"] and not alone_is_fine:
        folders = ", ".join(repr(label) for label in answer["alone"])
        raise NobodyConnected(
            f"no other device is connected for {folders}: what is here may be nowhere else. "
            "Connect one, or give --alone-is-fine"
        )
