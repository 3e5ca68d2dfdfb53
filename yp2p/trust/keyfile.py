"""The device's secret seed on disk: made once, and replaced only when a person wants another one."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from yp2p.errors import DamagedError, UsageError
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
        return _read(path)
    except FileNotFoundError:
        if store is not None and store.exists():
            raise DamagedError(
                f"the device key {path} is missing, but the store {store} is there. Put the key back, or move the "
                "store away to start as a new device that has to be paired again"
            ) from None
        return _create(path)


def read_identity(path: Path) -> Identity:
    """Read the seed. Raises as `load_identity`, and UsageError where there is none yet."""
    try:
        return _read(path)
    except FileNotFoundError:
        raise UsageError(f"this machine has no identity yet: there is no {path}; `yp2p daemon` makes it") from None


def _read(path: Path) -> Identity:
    try:
        text = read_regular(path)
    except FileNotFoundError:
        raise
    except (OSError, UnicodeDecodeError) as error:
        if isinstance(error, OSError) and is_passing(error):
            raise  # the key may be as it should be
        raise DamagedError(f"the device key {path} cannot be read: {error}") from error
    try:
        identity = identity_of(text)
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


def identity_of(text: str) -> Identity:
    """The identity whose `text_of` this is. Raises ValueError: it is none; the reason does not quote it."""
    if not is_key_text(text):
        raise ValueError("it does not begin as one")
    digits = text.strip().removeprefix(_HEADER.strip()).strip()
    try:
        seed = bytes.fromhex(digits)
    except ValueError:
        raise ValueError("it is not written in hexadecimal digits") from None
    return Identity(seed)


def is_key_text(text: str) -> bool:
    """Whether something begins as the content of a key file does."""
    return text.strip().startswith(_HEADER.strip())


def _next_to(path: Path) -> Path:
    return path.with_suffix(".next")


def read_next(path: Path) -> Identity | None:
    """The key that is to take the place of this one, if there is one. Raises as `load_identity`."""
    try:
        return _read(_next_to(path))
    except FileNotFoundError:
        return None


def make_next(path: Path) -> Identity:
    """The key that is to take the place of this one: the one that there is, else a new one. Raises as `read_next`."""
    return read_next(path) or _create(_next_to(path))


def take_next(path: Path) -> None:
    """Put the key that is to take the place of this one there; this one is gone. Raises OSError."""
    os.rename(_next_to(path), path)
    directory = os.open(path.parent, os.O_RDONLY)
    os.fsync(directory)
    os.close(directory)


def text_of(identity: Identity) -> str:
    """What the file of a seed holds."""
    return _HEADER + identity.seed.hex() + "\n"


def write_new(path: Path, text: str) -> None:
    """Make a durable file that only its owner can read. Raises OSError; FileExistsError where there is one."""
    temporary = temporary_of(path)
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        _put(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    directory = os.open(path.parent, os.O_RDONLY)
    os.fsync(directory)
    os.close(directory)


def _put(temporary: Path, path: Path) -> None:
    """Give a complete file its name, if nothing has it."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without other names for a file
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
        os.rename(temporary, path)


def _create(path: Path) -> Identity:
    identity = Identity(os.urandom(SEED_BYTES))
    write_new(path, text_of(identity))
    return identity
