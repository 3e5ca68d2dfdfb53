"""`yp2p identity show|export|import`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from yp2p.cli.options import json_option
from yp2p.cli.output import ask_secret, print_json, say
from yp2p.errors import UsageError

_PURPOSE = "identity"
_MAX_FILE_BYTES = 4096
_SHORTEST = 8


@click.group()
def command() -> None:
    """Show who this device is, keep a copy of that, or take one along to another machine."""


@command.command()
@json_option
def show(as_json: bool) -> None:
    """Print the ID of this device."""
    from yp2p.config import find_paths
    from yp2p.identity import format_device_id
    from yp2p.trust.keyfile import read_identity

    identity = read_identity(find_paths().key)
    if as_json:
        print_json({"id": format_device_id(identity.device_id)})
    else:
        say(format_device_id(identity.device_id))


@command.command()
@click.argument("file")
def export(file: str) -> None:
    """Write this device's key into FILE, sealed with a passphrase.

    It asks for the passphrase, or reads it as a line of standard input. With the file and the passphrase any machine
    is this device: keep it like the key of your house. Only one machine at a time may use it.
    """
    import secrets

    from yp2p.config import find_paths
    from yp2p.protocol.sealed import SALT_BYTES, seal
    from yp2p.trust.keyfile import read_identity, write_new

    identity = read_identity(find_paths().key)
    passphrase = ask_secret("A passphrase for the file", twice=True)
    if len(passphrase) < _SHORTEST:
        raise UsageError(
            f"a passphrase of {len(passphrase)} characters is guessed in no time; take {_SHORTEST} or more"
        )
    text = seal(identity.seed, passphrase, secrets.token_bytes(SALT_BYTES), _PURPOSE)
    try:
        write_new(Path(file), text)
    except FileExistsError:
        raise UsageError(f"{file} is there already; name another file, nothing is written over") from None
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}") from error


@command.command("import")
@click.argument("file")
def import_(file: str) -> None:
    """Make this machine the device whose key FILE holds, as `yp2p identity export` wrote it.

    For a machine that takes another one's place, or comes back from a backup: it is a member where that one was, and
    `yp2p join DIR` with a new code brings the files. The old machine must not run yp2p any more. A machine that has
    an identity already keeps it: what is known here is of that one.
    """
    from yp2p.config import find_paths
    from yp2p.identity import Identity, format_device_id
    from yp2p.machine import read_regular
    from yp2p.protocol.sealed import unseal
    from yp2p.trust.keyfile import text_of, write_new

    paths = find_paths()
    if os.path.lexists(paths.key) or os.path.lexists(paths.store):
        raise UsageError(
            f"this machine is a device already, with its key in {paths.key}; move that directory away first, or set"
            " YP2P_HOME to another one"
        )
    try:
        text = read_regular(Path(file))[:_MAX_FILE_BYTES]
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}") from error
    try:
        identity = Identity(unseal(text, ask_secret("The passphrase of the file"), _PURPOSE))
    except UsageError as error:
        raise UsageError(f"{file} cannot be opened: {error}") from None
    except ValueError as error:
        raise UsageError(f"{file} holds no identity: {error}") from None
    paths.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_new(paths.key, text_of(identity))
    say(
        f"This machine is {format_device_id(identity.device_id)} from now on. Let the old one not run yp2p again.",
        err=True,
    )
