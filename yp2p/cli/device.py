"""`yp2p device list|show|rename|pause|unpause|remove|rotate|readmit|role`."""

from __future__ import annotations

import shlex
import time
from typing import Any

import click

from yp2p.cli.complete import ROLES, Device, FolderOrRole
from yp2p.cli.group import Group
from yp2p.cli.options import (
    call,
    folder_name,
    folder_option,
    for_option,
    json_option,
    one_folder_option,
    pause_body,
    say_unheard,
    say_until,
    size_text,
)
from yp2p.cli.output import confirm, is_terminal, print_json, say
from yp2p.cli.table import table
from yp2p.errors import FolderError, NotRunning, UsageError
from yp2p.printable import called, plural

# A daemon with large folders takes a while to stop and to start.
_RESTART_LIMIT_S = 30.0
_POLL_S = 0.1
_A_ROLE = {"admin": "an administrator", "member": "a member", "reader": "a reader"}


@click.group(cls=Group)
def command() -> None:
    """Which devices take part in your folders, what each may do, and how to rename, pause or remove one.

    DEVICE is a name as `yp2p device list` shows it, or an ID or its first group.
    """


@command.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the devices, with why one is not connected.

    Each with its address, version and roles, who let it in, and when it was seen last. Where one is not found by
    itself, name its address in the settings of one of the two: `[discovery] static`.
    """
    devices = call("GET", "/v1/devices")
    if as_json:
        print_json(devices)
        return
    header = ["Device", "State", "Address", "Version", "Last seen", "Let in", "Folders"]
    rows = [
        [
            device["name"],
            _where(device),
            device["address"] or "",
            device["version"],
            ""
            if device["is_this_device"] or device["connected"] or _is_on_paper(device)
            else _time(device["last_seen"]),
            _let_in(device),
            ", ".join(f"{folder['folder']} ({_role(folder)}{_behind(folder)})" for folder in device["folders"]),
        ]
        for device in devices
    ]
    say(*table(header, rows))
    reasons = [f"{device['name']}: {device['reason']}" for device in devices if device["reason"]]
    if reasons:
        say("", "Why not connected:", *(f"  {reason}" for reason in reasons))


@command.command()
@click.argument("device", type=Device())
@json_option
def show(device: str, as_json: bool) -> None:
    """Show one device: its ID, how it is connected or why not, who let it in, and who removed it."""
    if not device.strip():
        raise UsageError("which device? Name it, or give its ID; `yp2p device list` lists them")
    found = [one for one in call("GET", "/v1/devices") if one["name"] == device or one["id"].startswith(device.upper())]
    if not found:
        raise UsageError(f"no device is called {device!r}; `yp2p device list` lists them")
    if as_json:
        print_json(found)
        return
    for one in found:
        say(f"{one['name']}  ({_where(one)})", f"    {one['id']}")
        if one["reason"]:
            say(f"    why not connected: {one['reason']}")
        if one["address"]:
            say(f"    address: {one['address']}")
        if one["version"]:
            say(f"    yp2p {one['version']}")
        if not one["is_this_device"] and not one["connected"]:
            say(f"    last seen: {_time(one['last_seen'])}")
        if one["known_since"]:
            say(f"    known here since {_time(one['known_since'])}")
        for folder in one["folders"]:
            say(f"    {folder['folder']}: {_role(folder)}{_why(folder)}{_behind(folder)}")


@command.command()
@click.argument("device", type=Device())
@click.argument("name")
@json_option
def rename(device: str, name: str, as_json: bool) -> None:
    """Call DEVICE NAME, on this device alone; an empty NAME ('') gives it the name again that it has itself.

    Where DEVICE is this device, all others call it NAME from then on, except where a person there gave it another name.
    """
    answer = call("POST", "/v1/device/rename", {"device": device, "name": name})
    if as_json:
        print_json(answer)


@command.command()
@click.argument("device", type=Device())
@for_option
@json_option
def pause(device: str, how_long: str | None, as_json: bool) -> None:
    """Have no connection with DEVICE until `yp2p device unpause`, in either direction and in no folder.

    It is told so, and shows it as the reason. What changes meanwhile reaches it through others, if they are connected.
    With --for they connect again after the time that you give, also when the daemon starts again meanwhile.

    Example: `yp2p device pause pi --for 1h`
    """
    answer = call("POST", "/v1/device/pause", {"device": device, **pause_body(how_long)})
    if as_json:
        print_json(answer)
    else:
        name = answer.get("name", device)  # an older daemon says nothing, and has done it
        say_until(name, answer.get("until"), f"yp2p device unpause {shlex.quote(name)}")


@command.command()
@click.argument("device", type=Device())
@json_option
def unpause(device: str, as_json: bool) -> None:
    """Connect with DEVICE again after `yp2p device pause`."""
    answer = call("POST", "/v1/device/unpause", {"device": device})
    if as_json:
        print_json(answer)


@command.command()
@click.argument("devices", metavar="DEVICE...", nargs=-1, required=True, type=Device())
@click.option(
    "--replaced-by", metavar="NEW", type=Device(), help="The device, or its public key, that takes the place of DEVICE."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--with-those-it-let-in", "with_let_in", is_flag=True, help="Also remove devices that only DEVICE let in."
)
@one_folder_option
@json_option
def remove(
    devices: tuple[str, ...], replaced_by: str | None, yes: bool, with_let_in: bool, folder: str | None, as_json: bool
) -> None:
    """Remove a lost, sold or stolen device.

    Type this on any other device that is an administrator. DEVICE goes out of all folders, or with --folder of one.
    Every other device that hears of it stops talking to it at once, and accepts nothing from it afterwards. The removed
    device keeps what it has on its disk: no program can take that back. Devices that it let in stay, and are listed.
    Invites to these folders are revoked on each administrator's device, because the removed one may have one.

    With --replaced-by, NEW gets the role of DEVICE in each of these folders. NEW is another machine with a key of its
    own. If the old machine is gone for good and you have its key in a file, you can instead make the new one the same
    device with `yp2p identity import`: then nothing changes for the others.
    """
    if replaced_by is not None and len(devices) != 1:
        raise UsageError(
            f"--replaced-by takes the place of one device, not of {len(devices)}; remove the others by themselves"
        )
    if replaced_by is not None and with_let_in:
        raise UsageError("--replaced-by and --with-those-it-let-in do not go together; remove those devices by name")
    if not yes:
        _ask(list(dict.fromkeys(devices)), replaced_by, folder, with_let_in=with_let_in)
    if replaced_by is not None:
        _replace(devices[0], replaced_by, folder, as_json=as_json)
        return
    answers: list[dict[str, Any]] = []
    try:
        for device in dict.fromkeys(devices):
            answer = _remove(device, folder, with_let_in=with_let_in)
            answers.append(answer)
            if as_json:
                continue
            _say_removed(answer)
            if answer["let_in"] and not answer["let_in_removed"] and not yes and is_terminal(err=True):
                confirm("Remove those as well?", otherwise="They stay.")
                for one in answer["let_in"]:
                    _say_removed(_remove(one["device"], folder, with_let_in=False))
    finally:  # where one cannot be removed, those before it are out all the same
        if as_json and answers:
            print_json(answers)
    failed = [(answer["name"], one) for answer in answers for one in answer["failed"]]
    if failed:
        reasons = "; ".join(f"{called(name)}: not from {one['folder']!r}: {one['reason']}" for name, one in failed)
        raise FolderError(f"not all could be done here: {reasons}")


@command.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def rotate(yes: bool, as_json: bool) -> None:
    """Give this device a new key, if somebody may have a copy of its key, or its disk was cloned.

    The device gets a new ID, and keeps its name, its folders and its roles. Whoever has the old key, such as a clone,
    is from then on a removed device. On a clone that was removed in this way, the command gives it a key of its own:
    then it can join again with a code. In each folder another device has to be connected while this runs.
    """
    if not yes:
        confirm(
            "Give this device another key? It gets another ID; copies of its key, also in files of `yp2p identity"
            " export`, are worth nothing any more; invites that it made and nobody used let nobody in;"
            " settings of other devices that name its key have to name the new one."
        )
    answer = call("POST", "/v1/device/rotate", {})
    _await_daemon(answer["device"])
    if as_json:
        print_json(answer)
    else:
        where = ", ".join(answer["folders"]) or "no folder any more: `yp2p join DIR` with a code lets it in again"
        say(f"This device is {answer['device']} from now on, in {where}.", answer["key"])


@command.command()
@click.argument("device", type=Device())
@click.argument("named", metavar="[FOLDER]", nargs=-1, type=FolderOrRole())
@click.argument("role", type=click.Choice(ROLES))
@folder_option
@json_option
def role(device: str, named: tuple[str, ...], role: str, folder: str | None, as_json: bool) -> None:
    """Say what DEVICE may do in FOLDER (its label or directory), or in the only folder that there is.

    A member reads and writes; an administrator also lets devices in, removes them, and changes roles. What a reader
    changes stays on its own disk: nobody takes it, whatever program runs there; `yp2p folder revert` on it brings back
    what all have. Type this on a device that is an administrator; DEVICE may be that device itself.
    """
    folders = [*map(folder_name, named), *([folder] if folder else [])]
    if len(folders) > 1:
        raise UsageError("a role is for one folder; name the others in commands of their own")
    answer = call(
        "POST", "/v1/device/role", {"device": device, "folder": folders[0] if folders else None, "role": role}
    )
    if as_json:
        print_json(answer)
    else:
        say(f"{called(answer['name'])} is {_A_ROLE[role]} of {answer['folder']} now.")
        say_unheard(answer)


@command.command()
@click.argument("devices", metavar="DEVICE...", nargs=-1, required=True, type=Device())
@one_folder_option
@json_option
def readmit(devices: tuple[str, ...], folder: str | None, as_json: bool) -> None:
    """Let DEVICE in again, which a removed device had let in: into each folder where that is so, or one.

    `yp2p device list` shows such devices.
    """
    answers: list[dict[str, Any]] = []
    try:
        for device in dict.fromkeys(devices):
            answer = call("POST", "/v1/device/readmit", {"device": device, "folder": folder})
            answers.append(answer)
            if not as_json:
                say(f"{called(answer['name'])} is in again: {', '.join(answer['folders'])}.")
                say_unheard(answer)
    finally:  # where one cannot be let in, those before it are in all the same
        if as_json and answers:
            print_json(answers)
    failed = [(answer["name"], one) for answer in answers for one in answer["failed"]]
    if failed:
        reasons = "; ".join(f"{called(name)} in {one['folder']}: {one['reason']}" for name, one in failed)
        raise FolderError(f"not all could be done here: {reasons}")


def _await_daemon(device: str) -> None:
    """Wait until the daemon answers as the device that it is from now on. Raises NotRunning: it does not."""
    deadline = time.monotonic() + _RESTART_LIMIT_S
    while time.monotonic() < deadline:
        try:
            if call("GET", "/v1/status")["device"]["id"] == device:
                return
        except NotRunning:
            pass
        time.sleep(_POLL_S)
    raise NotRunning(
        f"this device is {device} from now on, but its daemon does not answer: `yp2p daemon` starts it again"
    )


def _replace(device: str, by: str, folder: str | None, *, as_json: bool) -> None:
    """Raises FolderError: it could not be done in all folders."""
    answer = call("POST", "/v1/device/replace", {"device": device, "by": by, "folder": folder})
    if as_json:
        print_json(answer)
    else:
        new = answer["by"] if answer["by"] != answer["name"] else f"the new {answer['by']}"  # it got the name as well
        say(
            f"{called(answer['name'])} is out of {', '.join(answer['folders'])}, and {new} has its place."
            f" It keeps what it has of these folders; last seen: {_time(answer['last_seen'])}."
        )
        for one in answer["let_in"]:
            say(
                f"{one['folder']}: {new} may take part now. For the files: `yp2p share DIR --role {one['role']}`"
                " here, and `yp2p join DIR` there."
            )
        say_unheard(answer)
    if answer["failed"]:
        reasons = "; ".join(f"{one['folder']}: {one['reason']}" for one in answer["failed"])
        raise FolderError(f"{called(answer['name'])} stays in what this device could not change: {reasons}")


def _remove(device: str, folder: str | None, *, with_let_in: bool) -> dict[str, Any]:
    body = {"device": device, "folder": folder, "with_let_in": with_let_in}
    answer: dict[str, Any] = call("POST", "/v1/device/remove", body)
    return answer


def _ask(devices: list[str], replaced_by: str | None, folder: str | None, *, with_let_in: bool) -> None:
    """Say what follows, and ask. Raises click.Abort: the person does not want that; UsageError: nobody is there."""
    plans = [call("POST", "/v1/device/remove/preview", {"device": device, "folder": folder}) for device in devices]
    if replaced_by is None:
        plans = [plan for plan in plans if plan["folders"]]  # removing the others says why they cannot be
    if not plans:
        return
    for plan in plans:
        say(*_plan(plan, is_replaced=replaced_by is not None, with_let_in=with_let_in), err=True)
    names = ", ".join(called(plan["name"]) for plan in plans)
    instead = f" {replaced_by} may do there what it may." if replaced_by is not None else ""
    confirm(
        f"Remove {names}?{instead} It gets and changes nothing any more, keeps the files that it has,"
        " and comes back only if an administrator lets it in again."
    )


def _plan(plan: dict[str, Any], *, is_replaced: bool, with_let_in: bool) -> list[str]:
    """What removing a device does, and what may be lost with it."""
    name = called(plan["name"])
    labels = [*plan["folders"], *(one["folder"] for one in plan["failed"] if is_replaced)]
    which = "this device" if plan["is_this_device"] else plan["device"].partition("-")[0]
    if plan["is_this_device"]:
        seen = ""
    elif plan["connected"]:
        seen = "; it is connected now"
    else:
        seen = f"; last seen: {_time(plan['last_seen'])}"
    found = [f"{name} ({which}) goes out of {', '.join(labels)}{seen}."]
    if not is_replaced:
        found += [f"  Not out of {one['folder']}: {one['reason']}." for one in plan["failed"]]
    if plan["let_in"]:
        what = "They go out as well" if with_let_in else "They stay, unless you say so"
        found.append(f"  {what}, whom nobody but {name} has let in: {', '.join(plan['let_in'])}.")
    if plan["invites"]:
        found.append(
            f"  {plural(plan['invites'], 'invite')} that this device made to them will let nobody in any more."
        )
    return found + [
        f"  {one['folder']}: neither here nor on another connected device, so maybe only on {name}:"
        f" {plural(one['files'], 'file')} ({size_text(one['bytes'])}),"
        f" {', '.join(one['paths'])}{' and more' if one['files'] > len(one['paths']) else ''}."
        for one in plan["nowhere_else"]
    ]


def _say_removed(answer: dict[str, Any]) -> None:
    where = ", ".join(answer["folders"])
    if answer["is_this_device"]:
        say(f"This device is out of {where}. Its files stay here; `yp2p folder leave` forgets the folder.")
    else:
        seen = f" This device saw it last at {_time(answer['last_seen'])}." if answer["last_seen"] else ""
        say(f"{called(answer['name'])} is out of {where}. It keeps what it has of these folders.{seen}")
    if answer["invites_revoked"]:
        say(f"Invites to them that this device had made, and that are worth nothing now: {answer['invites_revoked']}.")
    if answer["let_in"]:
        names = ", ".join(one["name"] for one in answer["let_in"])
        what = "These are out as well" if answer["let_in_removed"] else "Still in"
        say(f"{what}, as nobody but {called(answer['name'])} had let them in: {names}.")
    say_unheard(answer)


def _role(folder: dict[str, Any]) -> str:
    if folder["role"] == "void":
        by = called(folder["let_in_by"])
        return f"not in; {by} had let it in, and may let nobody in any more (`yp2p device readmit`)"
    if folder["role"] == "removed":
        return (
            f"removed by {', '.join(map(called, folder['removed_by']))}" if folder["removed_by"] else "left by itself"
        )
    return str(folder["role"])


def _is_on_paper(device: dict[str, Any]) -> bool:
    """Whether it is a recovery key. An older daemon says it by the name, which no device may have."""
    return bool(device.get("is_recovery_key", device["name"] == "recovery key"))


def _where(device: dict[str, Any]) -> str:
    if device["is_this_device"]:
        return "this device"
    if _is_on_paper(device):
        is_in = any(folder["role"] not in ("removed", "void") for folder in device["folders"])
        return "24 words on paper" if is_in else "revoked"
    if device["connected"]:
        return "connected"
    out = [folder for folder in device["folders"] if folder["role"] in ("removed", "void")]
    if len(out) == len(device["folders"]):
        removals = [folder["removed_by"] for folder in out if folder["role"] == "removed"]
        return "not in" if not removals else "removed" if any(removals) else "left"
    return "paused here" if device["paused"] else "not connected"


def _let_in(device: dict[str, Any]) -> str:
    """Who let it in, and when this device heard of it."""
    by = sorted({folder["let_in_by"] for folder in device["folders"] if folder.get("let_in_by")})
    since = _time(device["known_since"]) if device["known_since"] else ""
    return ", ".join(filter(None, (f"by {', '.join(by)}" if by else "", since)))


def _behind(folder: dict[str, Any]) -> str:
    """How far it is behind, where it is connected for the folder; nothing where it has everything."""
    if folder.get("condition"):
        return f", {folder['condition']}"
    return f", {plural(folder['behind'], 'file')} behind" if folder.get("behind") else ""


def _why(folder: dict[str, Any]) -> str:
    if folder["role"] in ("removed", "void"):
        return ""
    by = folder.get("let_in_by")
    return f", let in by {by}" if by else ", founded it"


def _time(at: float | None) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(at)) if at else "never on this device"
