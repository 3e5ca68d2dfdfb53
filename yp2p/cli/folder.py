"""`yp2p folder pause`, `yp2p folder resume` and `yp2p folder agree`."""

from __future__ import annotations

import click

from yp2p.cli.options import call, folder_name
from yp2p.errors import UsageError


@click.group()
def command() -> None:
    """Pause a folder, or go on with one that waits for your word."""


@command.command()
@click.argument("folder", required=False)
def pause(folder: str | None) -> None:
    """Leave the directory of FOLDER (its label or directory) alone, for instance to unmount it.

    When this returns, nothing in it is open; what changes meanwhile is found afterwards. `yp2p folder resume` goes on,
    and nothing else does: the next start of the daemon leaves it alone as well.
    """
    call("POST", "/v1/pause", {"folder": folder_name(folder)})


@command.command()
@click.argument("folder", required=False)
@click.option("--accept-deletions", "accept", is_flag=True, help="The files were meant to go: delete them everywhere.")
@click.option("--restore", is_flag=True, help="They were not: bring the files back, here and everywhere.")
def resume(folder: str | None, accept: bool, restore: bool) -> None:
    """Go on with FOLDER after `yp2p folder pause`; or, with an option, decide what it waits for.

    FOLDER is its label or directory. When many files go or are replaced at once, nothing of that happens here until
    somebody says what is to be done: `yp2p status` shows it. --restore keeps what is here, on all devices.
    """
    if accept and restore:
        raise UsageError("give one of --accept-deletions and --restore")
    call("POST", "/v1/resume", {"folder": folder_name(folder), "accept": accept if accept or restore else None})


@command.command()
@click.argument("folder", required=False)
def agree(folder: str | None) -> None:
    """Agree that less is ignored in FOLDER (its label or directory), as another device changed .yp2pignore.

    Until then what it ignored before is still ignored on this device: `yp2p status` shows which patterns that are.
    """
    call("POST", "/v1/agree", {"folder": folder_name(folder)})
