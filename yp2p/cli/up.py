"""`yp2p up DIR`."""

from __future__ import annotations

import os
from typing import Any

import click

from yp2p.cli.complete import Directory
from yp2p.cli.hub import check_is_not_hub
from yp2p.cli.options import absolute, call, notify_option, use_notify
from yp2p.cli.output import is_terminal, say
from yp2p.cli.page import Page
from yp2p.errors import NotRunning
from yp2p.printable import minutes_text, plural


@click.command()
@click.argument("directory", metavar="DIR", type=Directory())
@click.option("-v", "--verbose", is_flag=True, help="Print the log instead of a page.")
@notify_option
def command(directory: str, verbose: bool, notify: bool | None) -> None:
    """Share DIR, and run the daemon here unless it runs already.

    On a terminal it shows a page: the code to type on the next device, the devices, and what is on its way. Ctrl-C
    stops the daemon, if it was started by this command; the next `yp2p up` or `yp2p daemon` goes on where it was.

    On the next device: `yp2p daemon --detach` (or `yp2p service install`), then `yp2p join DIR` and the code.
    """
    path = absolute(directory)
    has_page = is_terminal() and not verbose
    try:
        shared = call("POST", "/v1/share", {"path": path, "page": True})
    except NotRunning:
        _run(path, notify, has_page=has_page)
        return
    if notify is not None:
        say(
            "yp2p: the daemon was running already, so --notify and --no-notify do nothing: set [notify] desktop",
            err=True,
        )
    if not has_page:
        _explain(shared, "The daemon was running already, and goes on.")
        return
    with Page("Ctrl-C leaves this page; yp2p goes on.") as page:
        page.show(shared)
        page.wait()


def _run(path: str, notify: bool | None, *, has_page: bool) -> None:
    from yp2p.config import find_paths
    from yp2p.config_file import load_config
    from yp2p.memory import without_collector, without_rich

    with without_collector(), without_rich():
        from yp2p.daemon import run_daemon
        from yp2p.logs import set_up_logs

    check_is_not_hub()
    use_notify(notify)
    paths = find_paths()
    config = load_config(paths.config)
    os.chdir("/")  # the disk that it was started on can be unmounted
    if not has_page:
        set_up_logs(config.log)
        run_daemon(config, paths, path, lambda shared: _explain(shared, "Ctrl-C stops yp2p here."))
        return
    with Page("Ctrl-C stops yp2p here.") as page:
        set_up_logs(config.log, faults=page.note)
        run_daemon(config, paths, path, page.show)


def _explain(shared: dict[str, Any], ending: str) -> None:
    """What to do now."""
    say(f"Sharing {shared['path']} as {shared['label']!r}.")
    if shared["devices"]:
        others = plural(shared["devices"], "other device takes", "other devices take")
        say(f"{others} part. `yp2p status` shows how they are doing.")
        return
    if shared["locked"]:
        say("There were too many wrong codes. `yp2p share DIR` shows a new one.")
        return
    if shared["code"] is None:
        say("Only an administrator of this folder can let other devices in. `yp2p device list` shows who is one.")
        return
    time_left = minutes_text(shared["expires_in_s"])
    say(
        "",
        f"The code is  {shared['code']}  (for {time_left}). On the other device, on the same network, type:",
        "",
        "    yp2p daemon --detach",
        "    yp2p join DIR",
        "",
        f"where DIR is the directory there; it asks for the code. {ending}",
    )
