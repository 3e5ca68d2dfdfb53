"""Files that are made for an editor, and what is saved into them where the daemon is away when the editor goes."""

from __future__ import annotations

import itertools
import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass

from yp2p.documents.diff import hunks
from yp2p.editors.operation import Operation, transform
from yp2p.errors import FileUnavailable


@dataclass(frozen=True, slots=True)
class Unsaved:
    """What an editor wrote that the daemon does not have: the text before it, and with it."""

    path: str
    before: str
    text: str


def make_file(path: str, text: str) -> None:
    """Make a file where there is none. Raises FileUnavailable."""
    try:
        with open(path, "x", encoding="utf-8", newline="") as file:
            file.write(text)
    except FileExistsError:
        pass  # somebody else has made it in this moment
    except OSError as error:
        raise FileUnavailable(f"{path} cannot be made: {error.strerror}") from None


def save(unsaved: Unsaved | None) -> None:
    """Save it as a change of what the file says, which may be more than what was known; beside it where it is no text.

    Blocks.

    Raises:
        OSError: it cannot be written.
    """
    if unsaved is None or unsaved.text == unsaved.before:
        return
    try:
        there = _read(unsaved.path)
    except FileNotFoundError:
        there = unsaved.before
    except UnicodeDecodeError:
        _write_beside(unsaved.path, unsaved.text)
        return
    ours = Operation.of(hunks(unsaved.before, unsaved.text))
    theirs = Operation.of(hunks(unsaved.before, there))
    _replace(unsaved.path, transform(ours, theirs)[0].apply(there))


def _read(path: str) -> str:
    with open(path, "rb") as file:
        data = file.read()
    if b"\0" in data:
        raise UnicodeDecodeError("utf-8", data, data.index(0), data.index(0) + 1, "no text file has it")
    return data.decode()


def _write_beside(path: str, text: str) -> None:
    stem, suffix = os.path.splitext(path)
    for number in itertools.count(1):
        with (
            suppress(FileExistsError),
            open(f"{stem}.unsaved-{number}{suffix}", "x", encoding="utf-8", newline="") as file,
        ):
            file.write(text)
            return


def _replace(path: str, text: str) -> None:
    directory, name = os.path.split(path)
    number, temporary = tempfile.mkstemp(prefix=f".{name[:100]}.", suffix=".yp2p-tmp", dir=directory)
    try:
        with open(number, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.chmod(temporary, os.stat(path).st_mode & 0o7777)
        except FileNotFoundError:
            pass
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
