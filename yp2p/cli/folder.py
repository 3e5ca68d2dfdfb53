"""`yp2p folder pause|resume|agree|revert`."""

from __future__ import annotations

import click

from yp2p.cli.complete import Directory, Folder
from yp2p.cli.group import Group
from yp2p.cli.options import absolute, call, folder_name, folder_option, json_option
from yp2p.cli.output import print_json, say
from yp2p.cli.status import folder_table
from yp2p.errors import FolderError, UsageError


@click.group(cls=Group)
def command() -> None:
    """List the folders, rename, move or pause one, and answer what one asks."""


@command.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the folders of this device: directory, files, and how they are doing."""
    folders = call("GET", "/v1/status")["folders"]
    if as_json:
        print_json(folders)
    elif folders:
        say(*folder_table(folders, ids=False))


@command.command()
@click.argument("folder", type=Folder())
@click.argument("label")
def rename(folder: str, label: str) -> None:
    """Call FOLDER (its label or directory) LABEL on this device. The other devices keep their labels."""
    call("POST", "/v1/folder/rename", {"folder": folder_name(folder), "label": label})


@command.command()
@click.argument("folder", type=Folder())
@click.argument("directory", metavar="NEWDIR", type=Directory())
def move(folder: str, directory: str) -> None:
    """Move the directory of FOLDER (its label or directory) to NEWDIR.

    NEWDIR does not exist yet, or is empty. Or FOLDER's directory is there already, because you moved it or restored it
    from a backup: then yp2p goes on with it. Files that are missing there are not deleted on the other devices.
    """
    call("POST", "/v1/folder/move", {"folder": folder_name(folder), "path": absolute(directory)})


@command.command()
@click.argument("folder", required=False, type=Folder())
def pause(folder: str | None) -> None:
    """Leave the directory of FOLDER (its label or directory) alone, for instance to unmount it.

    When this returns, nothing in it is open; what changes meanwhile is found afterwards. `yp2p folder resume` goes on,
    and nothing else does: the next start of the daemon leaves it alone as well.
    """
    call("POST", "/v1/pause", {"folder": folder_name(folder)})


@command.command()
@click.argument("folder", required=False, type=Folder())
@click.option("--accept-deletions", "accept", is_flag=True, help="It was meant, whatever it was: do it on all devices.")
@click.option("--restore", is_flag=True, help="It was not: undo it, on all devices.")
def resume(folder: str | None, accept: bool, restore: bool) -> None:
    """Go on with FOLDER after `yp2p folder pause`; or, with an option, decide what it waits for.

    FOLDER is its label or directory. When many files go, are replaced by others or are put back to former versions at
    once, nothing of that happens here until somebody says what is to be done: `yp2p status` shows what it is. --restore
    brings back what went, keeps what others replaced, and has the newest versions of what was put back.
    """
    if accept and restore:
        raise UsageError("give one of --accept-deletions and --restore")
    call("POST", "/v1/resume", {"folder": folder_name(folder), "accept": accept if accept or restore else None})


@command.command()
@click.argument("folder", required=False, type=Folder())
def agree(folder: str | None) -> None:
    """Agree that less is ignored in FOLDER (its label or directory), as another device changed .yp2pignore.

    Until then what it ignored before is still ignored on this device: `yp2p status` shows which patterns that are.
    """
    call("POST", "/v1/agree", {"folder": folder_name(folder)})


@command.command()
@click.argument("names", metavar="PATH...", nargs=-1, type=click.Path())
@folder_option
@json_option
def revert(names: tuple[str, ...], folder: str | None, as_json: bool) -> None:
    """Bring back what all have, on a device that only reads the folder.

    PATH is a path in the folder as `yp2p status` lists it, or a directory of such paths; without one it is all that was
    changed or removed here. What was here goes to the trash, and the command says where. Files that were only added
    stay, unless they are named. What cannot be reverted now is told, and the exit code is 8.
    """
    answer = call("POST", "/v1/revert", {"folder": folder, "names": list(names)})
    if as_json:
        print_json(answer)
    else:
        for item in answer["reverted"]:
            kept = f": what was here is in {item['kept']}" if item["kept"] else ""
            say(f"{item['path']}{kept}")
    if answer["skipped"]:
        first = answer["skipped"][0]
        raise FolderError(f"{len(answer['skipped'])} could not be reverted; {first['path']}: {first['reason']}")
