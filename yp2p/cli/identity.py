"""`yp2p identity show|new|export|import`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from yp2p.cli.group import Group
from yp2p.cli.hub import check_is_not_hub
from yp2p.cli.options import call, json_option
from yp2p.cli.output import ask_secret, print_json, say
from yp2p.errors import NotRunning, UsageError

if TYPE_CHECKING:
    from yp2p.identity import Identity


@click.group(cls=Group)
def command() -> None:
    """Show who this device is, keep a copy of that, or take one along to another machine."""


@command.command()
@json_option
def show(as_json: bool) -> None:
    """Print the ID of this device, and its public key, which other devices may have in their settings."""
    shown = _of_daemon()
    if shown is None:
        from yp2p.config import find_paths
        from yp2p.identity import format_device_id, format_public
        from yp2p.identity_files import own_identity

        public = own_identity(find_paths()).public
        shown = {"id": format_device_id(public.device_id), "key": format_public(public)}
    if as_json:
        print_json(shown)
    else:
        say(shown["id"], shown["key"])


@command.command()
@click.argument("file", type=click.Path())
@json_option
def new(file: str, as_json: bool) -> None:
    """Make a key for a new device and write it to FILE, readable by its owner only; `-` is standard output.

    It is for a machine that gets its key from outside: by `[device] key_file` in its settings, as the systemd
    credential yp2p.key, or in YP2P_DEVICE_KEY. The ID and the public key are printed as well, on standard error if the
    key goes to standard output. The identity of this machine does not change.
    """
    from yp2p.identity import format_device_id, format_public
    from yp2p.identity_files import new_key, write_key

    text, public = new_key()
    shown = {"id": format_device_id(public.device_id), "key": format_public(public)}
    is_printed = file == "-"
    if is_printed:
        say(text.rstrip("\n"))
    else:
        write_key(file, text)
    if as_json and not is_printed:
        print_json(shown)
    else:
        say(shown["id"], shown["key"], err=is_printed)


@command.command()
@click.argument("file", type=click.Path())
@json_option
def export(file: str, as_json: bool) -> None:
    """Write this device's key into FILE, sealed with a passphrase.

    It asks for the passphrase, or reads it as a line of standard input. With the file and the passphrase any machine
    is this device: keep it like the key of your house. Only one machine at a time may use it.
    """
    from yp2p.config import find_paths
    from yp2p.identity import format_device_id, format_public
    from yp2p.identity_files import export_identity, own_identity

    identity = own_identity(find_paths())
    _check_is_of_daemon(identity)
    export_identity(identity, file, ask_secret("A passphrase for the file", twice=True))
    if as_json:
        public = identity.public
        print_json({"id": format_device_id(public.device_id), "key": format_public(public), "file": file})


@command.command("import")
@click.argument("file", type=click.Path())
@json_option
def import_(file: str, as_json: bool) -> None:
    """Make this machine the device whose key FILE holds, as `yp2p identity export` wrote it.

    For a machine that takes another one's place, or comes back from a backup: it is a member where that one was, and
    `yp2p join DIR` with a new code brings the files. The old machine must not run yp2p any more. A machine that has
    an identity already keeps it: what is known here is of that one.
    """
    from yp2p.config import find_paths
    from yp2p.identity import format_device_id
    from yp2p.identity_files import check_can_import, import_identity

    check_is_not_hub()
    paths = find_paths()
    check_can_import(paths)
    shown = format_device_id(import_identity(paths, file, ask_secret("The passphrase of the file")))
    if as_json:
        print_json({"id": shown})
    say(f"This machine is {shown} from now on. Let the old one not run yp2p again.", err=True)


def _of_daemon() -> dict[str, str] | None:
    """Who the daemon says that it is: its key may have come from where this command sees nothing. None: none runs."""
    try:
        device = call("GET", "/v1/status")["device"]
    except NotRunning:
        return None
    return {"id": device["id"], "key": device["key"]}


def _check_is_of_daemon(identity: Identity) -> None:
    from yp2p.identity import format_public

    running = _of_daemon()
    if running is not None and running["key"] != format_public(identity.public):
        raise UsageError(
            f"the daemon is another device, {running['id']}: its key comes from outside (a systemd credential, or"
            " YP2P_DEVICE_KEY), and is kept there"
        )
