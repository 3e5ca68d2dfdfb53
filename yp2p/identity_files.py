"""A device's key in files: new ones, and those that a passphrase opens, out of this machine and into another one.

It works whether the daemon runs or not: the key never changes while there is one.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from yp2p.config import Paths
from yp2p.config_file import load_config
from yp2p.errors import UsageError
from yp2p.identity import SEED_BYTES, DeviceID, Identity, PublicIdentity
from yp2p.machine import read_regular, reason
from yp2p.protocol.sealed import SALT_BYTES, seal, unseal
from yp2p.trust.given_key import place_of_given_key, take_given_key
from yp2p.trust.keyfile import read_identity, text_of, write_new

_PURPOSE = "identity"
_MAX_FILE_BYTES = 4096
# With what scrypt costs, ten years of one machine for words out of a dictionary, and nothing for a PIN.
SHORTEST_PASSPHRASE = 8


def own_identity(paths: Paths) -> Identity:
    """Who this device is, as far as can be told from here. Raises UsageError where it has no key yet, YpError."""
    given = take_given_key(load_config(paths.config).device, dict(os.environ))
    return given.identity if given is not None else read_identity(paths.key)


def new_key() -> tuple[str, PublicIdentity]:
    """The text of a new key file, and the public keys of that device."""
    identity = Identity(secrets.token_bytes(SEED_BYTES))
    return text_of(identity), identity.public


def write_key(file: str, text: str) -> None:
    """Write what is secret into a new file. Raises UsageError: it is there, or cannot be written."""
    try:
        write_new(Path(file), text)
    except FileExistsError:
        raise UsageError(f"{file} is there already; name another file, nothing is written over") from None
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {reason(error)}") from error


def export_identity(identity: Identity, file: str, passphrase: str) -> None:
    """Write a device's key into a new file, sealed.

    Raises:
        UsageError: the file is there or cannot be written, or the passphrase is too short.
    """
    if len(passphrase) < SHORTEST_PASSPHRASE:
        raise UsageError(
            f"{len(passphrase)} characters are guessed in no time; take a passphrase of {SHORTEST_PASSPHRASE} or more"
        )
    write_key(file, seal(identity.seed, passphrase, secrets.token_bytes(SALT_BYTES), _PURPOSE))


def check_can_import(paths: Paths) -> None:
    """Raises UsageError where this machine is a device already."""
    place = place_of_given_key(load_config(paths.config).device, os.environ)
    if place:
        raise UsageError(f"this machine has its key from {place}, and would not look at another one")
    if os.path.lexists(paths.key) or os.path.lexists(paths.store):
        raise UsageError(
            f"this machine is a device already, with its key in {paths.key}; move that directory away first, or set"
            " YP2P_HOME to another one"
        )


def import_identity(paths: Paths, file: str, passphrase: str) -> DeviceID:
    """Make this machine the device whose key a file holds. Raises UsageError; nothing is changed then."""
    check_can_import(paths)
    try:
        text = read_regular(Path(file))[:_MAX_FILE_BYTES]
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {reason(error)}") from error
    except UnicodeDecodeError:
        raise UsageError(f"{file} is no text file; name the one that `yp2p identity export` wrote") from None
    try:
        identity = Identity(unseal(text, passphrase, _PURPOSE))
    except (UsageError, ValueError) as error:
        raise UsageError(f"{file} cannot be opened: {error}") from None
    paths.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_new(paths.key, text_of(identity))
    return identity.device_id
