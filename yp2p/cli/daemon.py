"""`yp2p daemon`."""

from __future__ import annotations

import os

import click


@click.command()
def command() -> None:
    """Run the daemon in the foreground.

    It finds the other devices, keeps the links, and synchronises the folders. Stop it with Ctrl-C, SIGTERM or
    `yp2p stop`. Logs go to standard error ([log] level, format). Under systemd use the units in systemd/.
    """
    from yp2p.config import find_paths, load_config
    from yp2p.memory import without_rich

    with without_rich():
        from yp2p.daemon import run_daemon
        from yp2p.logs import set_up_logs

    paths = find_paths()
    config = load_config(paths.config)
    set_up_logs(config.log)
    os.chdir("/")  # the disk that it was started on can be unmounted
    run_daemon(config, paths)
