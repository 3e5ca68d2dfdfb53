"""Files that are made for an editor, and what is saved into them where the daemon is away when the editor goes."""

from __future__ import annotations

import itertools
import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass

from yp2p.documents.diff import Hunk, extent, hunks
from yp2p.editors.operation import Operation, transform
from yp2p.errors import FileUnavailable
from yp2p.threeway.merge import merge


@dataclass(frozen=True, slots=True)
class Unsaved:
    """What an editor wrote that the daemon may not have.

    Attributes:
        known: what the daemon may have stored, at least one text (`stored.py`).
        text: with all that was written.
    """

    path: str
    known: tuple[str, ...]
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
    if unsaved is None or unsaved.text == unsaved.known[0]:
        return
    try:
        there = _read(unsaved.path)
    except FileNotFoundError:
        _replace(unsaved.path, unsaved.text)
        return
    except UnicodeDecodeError:
        _write_beside(unsaved.path, unsaved.text)
        return
    text = _merged(unsaved, there)
    if text != there:
        _replace(unsaved.path, text)


def _merged(unsaved: Unsaved, there: str) -> str:
    """What the file says, with what was written since it said that.

    What it has in common with what was written stands once where that is clear by lines; elsewhere nothing that was put
    in is left out.
    """
    before = _before(unsaved, there)
    merged = merge(unsaved.path, before, unsaved.text, there)
    if not merged.told:
        return merged.text
    ours, theirs = (Operation.of(hunks(before, text)) for text in (unsaved.text, there))
    return transform(ours, theirs)[0].apply(there)


def _before(unsaved: Unsaved, there: str) -> str:
    """What of the editor's edits the file has: the text that it is most like, of those of which it lacks nothing."""
    texts = (*unsaved.known, unsaved.text)
    if there in texts:
        return there
    first = texts[0]
    having = [first, *(text for text in texts[1:] if not _lacks(hunks(text, first), hunks(text, there)))]
    return min(having, key=lambda text: extent(hunks(text, there)))


def _lacks(put_in: list[Hunk], taken: list[Hunk]) -> bool:
    """Whether something was taken out of what was put in before."""
    removals = [hunk for hunk in taken if hunk.start < hunk.stop]
    return any(one.start < other.stop and other.start < one.stop for one in removals for other in put_in)


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
