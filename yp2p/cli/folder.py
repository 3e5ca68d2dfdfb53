"""`yp2p folder`: list, offer, rename, move, leave or pause one, and answer what one asks."""

from __future__ import annotations

import shlex
from typing import Any

import click

from yp2p.cli import output
from yp2p.cli.complete import Directory, Folder, Pattern, Within
from yp2p.cli.group import Group
from yp2p.cli.offers import accept, decline, offer, offer_tables
from yp2p.cli.options import (
    absolute,
    call,
    chosen_paths,
    folder_name,
    folder_option,
    for_option,
    json_option,
    pause_body,
    say_until,
    size_text,
)
from yp2p.cli.output import print_json, say
from yp2p.cli.status import folder_table
from yp2p.cli.table import table
from yp2p.errors import FolderError, UsageError
from yp2p.printable import called, plural


@click.group(cls=Group)
def command() -> None:
    """List, offer and accept folders; rename, move, pause or leave one; ignore files, or have only some.

    FOLDER is a folder's label or directory. Commands that show it in brackets need none where there is one folder.
    """


command.add_command(offer)
command.add_command(accept)
command.add_command(decline)


@command.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the folders of this device.

    With the directory, the number of files, and how each is doing; and those that are offered.
    """
    status = call("GET", "/v1/status")
    if as_json:
        print_json({"folders": status["folders"], "offers": status["offers"]})
        return
    if status["folders"]:
        say(*folder_table(status["folders"], ids=False))
    else:
        say("No folders yet: `yp2p share DIR` shares one, `yp2p join DIR` takes part in one.")
    say(*offer_tables(status["offers"]))


@command.command()
@click.argument("folder", type=Folder())
@click.argument("label")
def rename(folder: str, label: str) -> None:
    """Give a folder another label here.

    FOLDER (its label or directory) is called LABEL on this device. The other devices keep their labels.
    """
    call("POST", "/v1/folder/rename", {"folder": folder_name(folder), "label": label})


@command.command()
@click.argument("folder", type=Folder())
@click.argument("directory", metavar="NEWDIR", type=Directory())
def move(folder: str, directory: str) -> None:
    """Move a folder's directory.

    FOLDER is its label or directory. NEWDIR does not exist yet, or is empty. Or FOLDER's directory is there already,
    because you moved it or restored it from a backup: then yp2p goes on with it. Files that are missing there are
    not deleted on the other devices.

    To another disk: copy it there (`cp -a DIR NEWDIR`), then run this.
    """
    answer = call("POST", "/v1/folder/move", {"folder": folder_name(folder), "path": absolute(directory)})
    if answer["was_there"]:
        say(f"{answer['path']} has the marker of this folder: yp2p goes on there, and compares its files.")
    else:
        say(f"The folder's directory is {answer['path']} now.")


@command.command()
@click.argument("folder", type=Folder())
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=Within())
@click.option("--all", "everything", is_flag=True, help="Have all files of the folder on this disk again.")
@json_option
def choose(folder: str, paths: tuple[str, ...], everything: bool, as_json: bool) -> None:
    """Have only some files and directories of a folder on this disk.

    FOLDER is its label or directory. PATH is a path in the folder, or begins with / or ./ as any other path does. The
    list replaces the earlier one; without a PATH the command lists what is chosen.

    Everything else stays on the other devices, and nothing is deleted there. What is here of it goes as soon as another
    device that is connected says that it has it. A file that you make here stays here, wherever it is.

    Example: `yp2p folder choose notes text photos/2026`
    """
    if everything and paths:
        raise UsageError("give either --all or what is to be here")
    named = chosen_paths(paths)
    body: dict[str, Any] = {"folder": folder_name(folder)}
    if everything or named:
        body["paths"] = named
    answer = call("POST", "/v1/folder/choose", body)
    if as_json:
        print_json(answer)
        return
    if answer["everything"]:
        say(f"All of {answer['label']} is chosen: every file is on this disk, or on its way.")
        return
    missing = set(answer["missing"])
    say(*(f"{path} (nothing is there now)" if path in missing else path for path in answer["paths"]))
    say(*(f"{path} (made here)" for path in answer["made_here"]))
    say(*_choice_in_short(answer))


def _choice_in_short(answer: dict[str, Any]) -> list[str]:
    found = []
    if answer["not_here"] or not answer["leaving"]:
        found.append(f"{plural(answer['not_here'], 'other file is', 'other files are')} not on this disk.")
    if answer["leaving"]:
        found.append(
            f"{plural(answer['leaving'], 'file that was not chosen is', 'files that were not chosen are')} here still;"
            " each goes once a connected device says that it has it."
        )
    return found


@command.command()
@click.argument("folder", type=Folder())
@click.option("--delete-files", "delete_files", is_flag=True, help="Delete the files here as well.")
@click.option("--dry-run", is_flag=True, help="Show what would be done, and do nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def leave(folder: str, delete_files: bool, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Stop taking part; your files stay.

    FOLDER is its label or directory. The other devices are told, and go on without this one. What yp2p keeps of the
    folder here goes: the history of the files, and the directory .yp2p with the trash. A new code lets this device
    in again.

    With --delete-files your files go as well, for good, as far as they are exactly what yp2p knows. What is ignored, or
    was changed and not read yet, or is new, stays and is listed.
    """
    body = {"folder": folder_name(folder), "delete_files": delete_files}
    if dry_run or not yes:
        plan = call("POST", "/v1/folder/leave", {**body, "dry_run": True})
        if dry_run:
            print_json(plan) if as_json else say(*_plan(plan))
            return
        say(*_plan(plan), err=True)
        output.confirm(f"Leave {plan['label']}?")
    answer = call("POST", "/v1/folder/leave", {**body, "dry_run": False})
    print_json(answer) if as_json else say(*_left(answer))


def _plan(plan: dict[str, Any]) -> list[str]:
    """What leaving does, before it is done."""
    found = [f"{plan['label']} ({plan['path']}):"]
    if plan["devices"]:
        found.append(f"  {', '.join(map(called, plan['devices']))} will be told that this device has left.")
    if plan["devices"] and not plan["connected"]:
        found[-1] = f"  No other device is connected, so {', '.join(map(called, plan['devices']))} will not be told."
    if plan["problem"]:
        found.append(f"  The directory will not be touched: {plan['problem']}.")
    elif plan["deleted"] is None:
        found.append("  Your files stay in the directory.")
    else:
        deleted = plan["deleted"]
        found.append(f"  Your files will be deleted for good: {_files(deleted)}.")
        if deleted["only_here"]["files"]:
            found.append(f"  Of these, no connected device is known to have {_files(deleted['only_here'])}.")
    what = f", and the trash with {_files(plan['trash'])}" if plan["trash"]["files"] else ""
    found.append(f"  The history of the files on this device will be deleted{what}.")
    return found + _stays(plan["stays"])


def _left(answer: dict[str, Any]) -> list[str]:
    found = [f"{answer['label']} is no folder of this device any more."]
    if answer["told"]:
        knows = "knows" if len(answer["told"]) == 1 else "know"
        names = ", ".join(map(called, answer["told"]))
        found.append(f"{names} {knows} that. Devices that are away hear of it from the others.")
    elif answer["devices"]:
        found.append(
            f"No other device has heard of it: for them this one is away. On one of them say"
            f" `yp2p device remove {shlex.quote(answer['name'])}`."
        )
    if answer["problem"]:
        found.append(f"The directory was not touched, and keeps its .yp2p: {answer['problem']}.")
    if answer["deleted"] is not None:
        found.append(f"Deleted: {_files(answer['deleted'])}.")
    if answer["unknown"]:
        found.append(f"Files that yp2p does not know, and that stay in {answer['path']}: {answer['unknown']:,}.")
    return found + _stays(answer["stays"])


def _stays(items: list[dict[str, str]]) -> list[str]:
    return [f"  stays: {item['path']} ({item['reason']})" for item in items]


def _files(count: dict[str, int]) -> str:
    return f"{plural(count['files'], 'file')} ({size_text(count['bytes'])})"


@command.command()
@click.argument("folder", required=False, type=Folder())
@click.option("--all", "is_all", is_flag=True, help="All folders of this device.")
@for_option
def pause(folder: str | None, is_all: bool, how_long: str | None) -> None:
    """Leave a folder's directory alone.

    FOLDER is its label or directory. This is for a disk that is to be unmounted, for instance. When this returns,
    nothing in it is open; what changes meanwhile is found afterwards. `yp2p folder unpause` goes on, or with --for the
    time that you give; nothing else does: the next start of the daemon leaves it alone as well.

    Example: `yp2p folder pause photos --for 1h`
    """
    body = pause_body(how_long)
    for each in _meant(folder, is_all, are_paused=False):
        answer = call("POST", "/v1/folder/pause", {"folder": each, **body})
        label = answer.get("label")
        if label is not None:  # an older daemon does not say it, and has done it
            say_until(label, answer.get("until"), f"yp2p folder unpause {shlex.quote(label)}")


@command.command()
@click.argument("folder", required=False, type=Folder())
@click.option("--all", "is_all", is_flag=True, help="All folders that are paused.")
def unpause(folder: str | None, is_all: bool) -> None:
    """Go on after `yp2p folder pause`.

    FOLDER is its label or directory.
    """
    for each in _meant(folder, is_all, are_paused=True):
        call("POST", "/v1/folder/unpause", {"folder": each})


def _meant(name: str | None, is_all: bool, *, are_paused: bool) -> list[str | None]:
    """The folder that is named, or all, or all that are paused. Raises UsageError: both a name and --all."""
    if not is_all:
        return [folder_name(name)]
    if name is not None:
        raise UsageError(f"give either --all or a folder, {name!r}")
    folders = call("GET", "/v1/status")["folders"]
    return [each["id"] for each in folders if not each["removed"] and (each["paused"] or not are_paused)]


@command.command()
@click.argument("folder", required=False, type=Folder())
def confirm(folder: str | None) -> None:
    """Go on with a mass deletion that yp2p paused.

    FOLDER is its label or directory. When many files go, are replaced by others or are put back to former versions at
    once, nothing of that happens here until somebody says what is right: `yp2p status` shows what it is. This says
    that it was meant: it is done, on all devices. What other devices deleted goes into the trash. `yp2p folder
    restore` is the opposite.
    """
    call("POST", "/v1/folder/confirm", {"folder": folder_name(folder)})


@command.command()
@click.argument("folder", required=False, type=Folder())
def restore(folder: str | None) -> None:
    """Undo a mass deletion that yp2p paused.

    FOLDER is its label or directory. When many files went at once, and `yp2p status` asks, this says that it was not
    meant: it is undone, on all devices. It brings back what went, keeps what others replaced, and has the newest
    versions of what was put back.
    """
    call("POST", "/v1/folder/restore", {"folder": folder_name(folder)})


@command.command()
@click.argument("folder", required=False, type=Folder())
def agree(folder: str | None) -> None:
    """Agree that less is ignored.

    For FOLDER (its label or directory), where another device changed .yp2pignore. Until then what it ignored before is
    still ignored on this device: `yp2p status` shows which patterns that are.
    """
    call("POST", "/v1/agree", {"folder": folder_name(folder)})


@command.command()
@click.argument("folder", type=Folder())
@click.argument("patterns", metavar="[PATTERN]...", nargs=-1, type=Pattern())
@json_option
def ignore(folder: str, patterns: tuple[str, ...], as_json: bool) -> None:
    """Ignore files on this device only.

    FOLDER is its label or directory. Without a PATTERN it lists what is ignored. PATTERN is as in .gitignore; quote it.
    What is ignored stays on this disk as it is, is not sent, and what others make of it does not come here: nothing
    of it is deleted anywhere. What all devices are to ignore goes into the file .yp2pignore of the folder instead.
    """
    answer = call("POST", "/v1/folder/ignore", {"folder": folder_name(folder), "add": list(patterns)})
    if as_json:
        print_json(answer)
    elif not patterns:
        rows = [[pattern, "yp2p folder ignore"] for pattern in answer["here"]]
        rows += [[pattern, "settings"] for pattern in answer["settings"]]
        say(*(table(["Pattern", "From"], rows) if rows else ["Nothing is ignored on this device only."]))


@command.command()
@click.argument("folder", type=Folder())
@click.argument("patterns", metavar="PATTERN...", nargs=-1, required=True, type=Pattern())
@json_option
def unignore(folder: str, patterns: tuple[str, ...], as_json: bool) -> None:
    """Take back `yp2p folder ignore`.

    FOLDER is its label or directory. Files that are here are merged with what the others have; those that are only
    there come.
    """
    answer = call("POST", "/v1/folder/ignore", {"folder": folder_name(folder), "remove": list(patterns)})
    if as_json:
        print_json(answer)


@command.command()
@click.argument("folder", required=False, type=Folder())
@json_option
def usage(folder: str | None, as_json: bool) -> None:
    """Show how much room folders take.

    FOLDER is its label or directory; without it, all folders are shown. Files are those that are here: `yp2p folder
    choose` leaves others out. History is what
    `yp2p log` and `yp2p undo` go back to; it is in the store, which has more room than it needs for a while after
    much was removed. The trash has what other devices deleted or replaced; `yp2p trash empty` gives its room back. How
    long both are kept is in the settings, under [history] and [trash].
    """
    answer = call("POST", "/v1/folder/usage", {"folder": folder_name(folder)})
    if as_json:
        print_json(answer)
        return
    header = ["Folder", "Files", "Size", "Changes kept", "History", "In the trash", "Trash"]
    rows = [_usage(one) for one in answer["folders"]]
    if any(one["not_here"]["files"] for one in answer["folders"]):
        header += ["Not here by choice"]
        for row, one in zip(rows, answer["folders"], strict=True):
            row.append(plural(one["not_here"]["files"], "file") if one["not_here"]["files"] else "")
    if rows:
        say(*table(header, rows, right=header[1:]), "")
    store = answer["store"]
    say(f"The store {store['path']} takes {size_text(store['bytes'])}, with the history of all folders.")


def _usage(folder: dict[str, Any]) -> list[str]:
    entries, history, trash = folder["entries"], folder["history"], folder["trash"]
    files = entries["texts"] + entries["other_files"] + entries["symlinks"]
    is_there = trash["files"] is not None
    return [
        folder["label"],
        f"{files:,}",
        size_text(folder["file_bytes"]),
        f"{history['changes']:,}",
        size_text(history["bytes"]),
        plural(trash["files"], "file") if is_there else "directory is away",
        size_text(trash["bytes"]) if is_there else "",
    ]


@command.command()
@click.argument("names", metavar="PATH...", nargs=-1, type=click.Path())
@folder_option
@json_option
def revert(names: tuple[str, ...], folder: str | None, as_json: bool) -> None:
    """Bring back what all have.

    For a device that only reads the folder. PATH is a path in the folder as `yp2p status` lists it, or a directory of
    such paths; without one it is all that was changed or removed here. What was here goes to the trash, and the
    command says where. Files that were only added stay, unless they are named. What cannot be reverted now is told,
    and the exit code is 8.
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
