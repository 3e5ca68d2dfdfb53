"""A device key that comes from outside: from the environment, the settings, or systemd.

A device has one key. The first of these sources that exists is used, and none after it is looked at:

1. `YP2P_DEVICE_KEY` in the environment holds the text of a key file. It is removed from the environment at once, so
   that no process that is started from here has it.
2. `[device] key_file` in the settings (`YP2P_DEVICE__KEY_FILE`) names the file.
3. `yp2p.key` in the directory that systemd names in `CREDENTIALS_DIRECTORY` (LoadCredential=, SetCredentialEncrypted=).
4. `device.key` beside the store, made at the first start (`keyfile.py`).

If a key is given and cannot be used, the daemon does not start: with another key it would be another device. The error
message has no character of the key. The store belongs to one device, and refuses every other key.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path

import structlog

from yp2p.config import Device, expanded
from yp2p.errors import ConfigError, YpError
from yp2p.identity import Identity
from yp2p.machine import is_passing, read_regular, reason
from yp2p.trust.keyfile import identity_of, is_key_text

KEY_VARIABLE = "YP2P_DEVICE_KEY"
CREDENTIAL = "yp2p.key"
_SETTING = "[device] key_file"
_ADVICE = "`yp2p identity new FILE` makes one that can"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class GivenKey:
    """A key from outside; `place` says where from, for people."""

    identity: Identity
    place: str


def take_given_key(settings: Device, environment: MutableMapping[str, str]) -> GivenKey | None:
    """The key from outside, if there is one; the environment does not hold it any more.

    Raises:
        ConfigError: it cannot be used. YpError: it cannot be read now.
    """
    text = environment.pop(KEY_VARIABLE, None)
    if text is not None:
        return _key_in(text, KEY_VARIABLE)
    return _key_in_file(settings, environment)


def place_of_given_key(settings: Device, environment: Mapping[str, str]) -> str:
    """Where a key from outside is; empty where there is none. It is not read."""
    if KEY_VARIABLE in environment:
        return KEY_VARIABLE
    if settings.key_file:
        return f"{settings.key_file} ({_SETTING})"
    credential = _credential(environment)
    return str(credential) if credential is not None else ""


def _key_in_file(settings: Device, environment: Mapping[str, str]) -> GivenKey | None:
    if settings.key_file:
        if is_key_text(settings.key_file):
            raise ConfigError(f"{_SETTING} holds a key, but must name a file; a key itself goes into {KEY_VARIABLE}")
        path = expanded(settings.key_file)
        if not path.is_absolute():
            raise ConfigError(f"{_SETTING} is {settings.key_file!r}, but must be an absolute path")
        text = _read(path)
        if path.stat().st_mode & 0o077:
            log.warning("device_key_exposed", advice=f"others can read {path}, which is this device: chmod 600")
        return _key_in(text, f"{path} ({_SETTING})")
    credential = _credential(environment)
    return _key_in(_read(credential), str(credential)) if credential is not None else None


def _credential(environment: Mapping[str, str]) -> Path | None:
    directory = environment.get("CREDENTIALS_DIRECTORY")
    path = Path(directory, CREDENTIAL) if directory else None
    return path if path is not None and os.path.lexists(path) else None


def _read(path: Path) -> str:
    """Raises ConfigError, and YpError where it may be there the next time."""
    try:
        return read_regular(path)
    except FileNotFoundError as error:
        raise YpError(f"the device key {path} ({_SETTING}) is not there; bring it back and start again") from error
    except (OSError, UnicodeDecodeError) as error:
        if isinstance(error, OSError) and is_passing(error):
            raise YpError(f"the device key {path} cannot be read: {reason(error)}; then start again") from error
        why = reason(error) if isinstance(error, OSError) else "it is no text"
        raise ConfigError(f"the device key {path} cannot be read: {why}") from error


def _key_in(text: str, place: str) -> GivenKey:
    try:
        return GivenKey(identity_of(text), place)
    except ValueError as error:
        raise ConfigError(f"the device key in {place} cannot be used ({error}); {_ADVICE}") from None
