"""Files that are made for an editor, and what is saved into them where the daemon is away when the editor goes.

What is saved is written into the file that is there, so that its owner, attributes and other names stay. Until that is
done a copy stands beside it, so that nothing is lost by a kill in between; it stays where the file cannot be written.
"""

from __future__ import annotations

import itertools
import os
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from yp2p.documents.diff import Hunk, extent, hunks, split_lines
from yp2p.editors.operation import Operation, transform
from yp2p.errors import FileUnavailable
from yp2p.machine import reason as reason_of
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
        _write_new(path, text)
    except FileExistsError:
        pass  # somebody else has made it in this moment
    except OSError as error:
        raise FileUnavailable(f"{path} cannot be made: {reason_of(error)}") from None


def save(unsaved: Unsaved | None) -> str | None:
    """Save it as a change of what the file says, which may be more than what was known.

    Where the file is no text, or cannot be written, it is saved in another one, whose path is given: beside it, or in
    the next directory above that takes it. Blocks.

    Raises:
        OSError: it can be written nowhere.
    """
    if unsaved is None or unsaved.text == unsaved.known[0]:
        return None
    path = os.path.realpath(unsaved.path)
    try:
        there = _read(path)
    except FileNotFoundError:
        try:
            _write_new(path, unsaved.text)
        except OSError:
            return _write_beside(path, unsaved.text)
        return None
    except (UnicodeDecodeError, OSError):
        return _write_beside(path, unsaved.text)
    text = merged_into(there, unsaved)
    return _write(path, text) if text != there else None


def merged_into(there: str, unsaved: Unsaved) -> str:
    """What the file says, with what was written since it said that.

    What it has in common with what was written stands once where that is clear by lines; elsewhere nothing that was put
    in is left out.
    """
    before = _before(unsaved, there)
    merged = merge(unsaved.path, before, unsaved.text, there)
    put_in = {*split_lines(unsaved.text), *split_lines(there)}.difference(split_lines(before))
    if not merged.told or put_in.issubset(split_lines(merged.text)):
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


def _write_beside(path: str, text: str) -> str:
    """Write it where it finds a place; gives that. Raises OSError: nowhere."""
    stem, suffix = os.path.splitext(os.path.basename(path))
    failure: OSError | None = None
    for directory in [*Path(path).parents, Path.home(), Path(tempfile.gettempdir())]:
        for number in itertools.count(1):
            place = str(directory / f"{stem}.unsaved-{number}{suffix}")
            try:
                _write_new(place, text, like=path)
            except FileExistsError:
                continue
            except OSError as error:
                failure = failure or error
                break
            return place
    raise failure or FileNotFoundError(path)


def _write_new(path: str, text: str, *, like: str | None = None) -> None:
    """Write a file that is not there, readable to those who can read another one. Raises OSError: it is not there."""
    try:
        mode = os.stat(like).st_mode & 0o666 if like is not None else 0o666
    except OSError:
        mode = 0o600
    with open(path, "x", encoding="utf-8", newline="", opener=partial(os.open, mode=mode)) as file:
        try:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        except BaseException:
            os.unlink(path)
            raise


def _write(path: str, text: str) -> str | None:
    """Write it into a file, of which everything else stays as it is. A copy beside it is kept until that is done."""
    copy = _write_beside(path, text)
    try:
        with open(path, "r+b") as file:
            file.write(text.encode())
            file.truncate()
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        return copy
    os.unlink(copy)
    return None
