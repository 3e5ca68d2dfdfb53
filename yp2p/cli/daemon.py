"""`yp2p daemon`."""

from __future__ import annotations

import os
from collections.abc import Callable

import click

from yp2p.cli.hub import check_is_not_hub
from yp2p.cli.options import notify_option, use_notify
from yp2p.cli.output import is_terminal, say


@click.command()
@click.option("--detach", "in_background", is_flag=True, help="Return when it is ready; it goes on in the background.")
@notify_option
def command(in_background: bool, notify: bool | None) -> None:
    """Run the daemon, in the foreground or with --detach in the background.

    It finds the other devices, keeps the links, and synchronises the folders. Stop it with Ctrl-C, SIGTERM or
    `yp2p stop`. Logs go to standard error ([log] level, format), with --detach to daemon.log beside the store.
    `yp2p service install` has systemd run it.
    """
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

    def run(ready: Callable[[], None]) -> None:
        set_up_logs(config.log)
        os.chdir("/")  # the disk that it was started on can be unmounted
        run_daemon(config, paths, started=ready)

    if not in_background:
        run(lambda: None)
        return
    from yp2p.cli.detach import detach

    log = paths.state / "daemon.log"
    process = detach(log, run)
    if is_terminal():
        say(f"yp2p runs in the background (process {process}), and its log is {log}. `yp2p stop` stops it.")
