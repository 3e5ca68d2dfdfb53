"""`yp2p up DIR`."""

from __future__ import annotations

import os
from typing import Any

import click

from yp2p.cli.complete import Directory
from yp2p.cli.options import absolute
from yp2p.cli.output import say
from yp2p.cli.progress import progress_bar


@click.command()
@click.argument("directory", metavar="DIR", type=Directory())
def command(directory: str) -> None:
    """Run the daemon in the foreground and share DIR.

    As long as nobody has joined, it shows the code to type on the other device. Stop it with Ctrl-C; the next
    `yp2p up` or `yp2p daemon` goes on where it was. On a terminal it shows how far it is when there is much to do.
    """
    from yp2p.config import find_paths, load_config
    from yp2p.memory import without_rich

    with without_rich():
        from yp2p.daemon import run_daemon
        from yp2p.logs import set_up_logs

    paths = find_paths()
    config = load_config(paths.config)
    set_up_logs(config.log)
    path = absolute(directory)
    os.chdir("/")  # the disk that it was started on can be unmounted
    with progress_bar():
        run_daemon(config, paths, path, _explain)


def _explain(shared: dict[str, Any]) -> None:
    """What to do now."""
    say(f"Sharing {shared['path']} as {shared['label']!r}.")
    if shared["devices"]:
        say(f"{shared['devices']} other device(s) take part. `yp2p status` shows how they are doing.")
        return
    if shared["code"] is None:
        say("Only an administrator of this folder can let other devices in. `yp2p device list` shows who is one.")
        return
    minutes = round(shared["expires_in_s"] / 60)
    say(
        "",
        f"The code is  {shared['code']}  (for {minutes} minutes). On the other device, on the same network, type:",
        "",
        "    yp2p daemon &",
        "    yp2p join DIR",
        "",
        "where DIR is the directory there; it asks for the code. Ctrl-C stops yp2p here.",
    )
