"""`yp2p identity show|export|import`."""

from __future__ import annotations

import click

from yp2p.cli.options import json_option
from yp2p.cli.output import ask_secret, print_json, say


@click.group()
def command() -> None:
    """Show who this device is, keep a copy of that, or take one along to another machine."""


@command.command()
@json_option
def show(as_json: bool) -> None:
    """Print the ID of this device."""
    from yp2p.config import find_paths
    from yp2p.identity import format_device_id
    from yp2p.identity_files import own_id

    shown = format_device_id(own_id(find_paths()))
    if as_json:
        print_json({"id": shown})
    else:
        say(shown)


@command.command()
@click.argument("file")
def export(file: str) -> None:
    """Write this device's key into FILE, sealed with a passphrase.

    It asks for the passphrase, or reads it as a line of standard input. With the file and the passphrase any machine
    is this device: keep it like the key of your house. Only one machine at a time may use it.
    """
    from yp2p.config import find_paths
    from yp2p.identity_files import export_identity

    export_identity(find_paths(), file, ask_secret("A passphrase for the file", twice=True))


@command.command("import")
@click.argument("file")
def import_(file: str) -> None:
    """Make this machine the device whose key FILE holds, as `yp2p identity export` wrote it.

    For a machine that takes another one's place, or comes back from a backup: it is a member where that one was, and
    `yp2p join DIR` with a new code brings the files. The old machine must not run yp2p any more. A machine that has
    an identity already keeps it: what is known here is of that one.
    """
    from yp2p.config import find_paths
    from yp2p.identity import format_device_id
    from yp2p.identity_files import check_can_import, import_identity

    paths = find_paths()
    check_can_import(paths)
    shown = format_device_id(import_identity(paths, file, ask_secret("The passphrase of the file")))
    say(f"This machine is {shown} from now on. Let the old one not run yp2p again.", err=True)
