"""`yp2p debug bundle`."""

from __future__ import annotations

import time
from pathlib import Path

import click

from yp2p.cli.group import Group
from yp2p.cli.options import call, json_option
from yp2p.cli.output import print_json, say


@click.group(cls=Group)
def command() -> None:
    """Gather what somebody needs who looks for a fault."""


@command.command()
@click.argument("file", type=click.Path(dir_okay=False), required=False)
@json_option
def bundle(file: str | None, as_json: bool) -> None:
    """Write an archive for somebody who looks for a fault: FILE, or yp2p-debug-DATE.tar.gz here.

    It has versions, settings, the status, the last lines of the log, what `yp2p doctor` finds, metrics, and how large
    the store is. Names of files and devices are in it; no keys, invites or codes, and nothing that files contain.
    Without a daemon it has what can be found here.
    """
    from yp2p.bundle import make_bundle
    from yp2p.config import find_paths

    target = Path(file or time.strftime("yp2p-debug-%Y-%m-%d-%H%M%S.tar.gz")).absolute()
    names = make_bundle(target, find_paths(), lambda method, path, body: call(method, path, body, 30.0))
    if as_json:
        print_json({"file": str(target), "parts": names})
        return
    say(f"{target} has {', '.join(names)}.")
    say("It names files and devices. Look at it before you give it away.")
