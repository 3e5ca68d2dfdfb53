"""The device's secret seed on disk: made once, never replaced."""

from __future__ import annotations

import os
from pathlib import Path

from yp2p.errors import DamagedError
from yp2p.identity import SEED_BYTES, Identity
from yp2p.machine import is_passing, read_regular

_HEADER = "yp2p-device-seed-v1 "


def load_identity(path: Path, store: Path | None = None) -> Identity:
    """Read the seed, or make it on the first start (mode 0600).

    Args:
        store: the device's store; where there is one, a missing key is a loss and no first start.

    Raises:
        OSError: the machine cannot read or write now.
        DamagedError: there is a file, but it holds no seed, or there should be one. Nothing is changed.
    """
    try:
        text = read_regular(path)
    except FileNotFoundError:
        if store is not None and store.exists():
            raise DamagedError(
                f"the device key {path} is missing, but the store {store} is there. Put the key back, or move the "
                "store away to start as a new device that has to be paired again"
            ) from None
        return _create(path)
    except (OSError, UnicodeDecodeError) as error:
        if isinstance(error, OSError) and is_passing(error):
            raise  # the key may be as it should be
        raise DamagedError(f"the device key {path} cannot be read: {error}") from error
    try:
        if not text.startswith(_HEADER):
            raise ValueError("it does not begin as one")
        identity = Identity(bytes.fromhex(text.removeprefix(_HEADER).strip()))
    except ValueError as error:
        raise DamagedError(
            f"the device key {path} is damaged ({error}). It was left as it is. Put a copy back, or move it away "
            "to start as a new device that has to be paired again"
        ) from error
    if path.stat().st_mode & 0o077:
        path.chmod(0o600)
    return identity


def temporary_of(path: Path) -> Path:
    """The name that a key has until it is complete."""
    return path.with_suffix(".new")


def _create(path: Path) -> Identity:
    seed = os.urandom(SEED_BYTES)
    temporary = temporary_of(path)
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(_HEADER + seed.hex() + "\n")
        file.flush()
        os.fsync(file.fileno())
    os.rename(temporary, path)
    directory = os.open(path.parent, os.O_RDONLY)
    os.fsync(directory)
    os.close(directory)
    return Identity(seed)
