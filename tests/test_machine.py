"""What is said of a state of the machine says what helps: the words are made in one place, which has a table of it."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

import pytest

from yp2p import machine
from yp2p.machine import is_passing, is_shortage, read_regular_bytes, reason

_SOURCES = Path(machine.__file__).parent
# Where the words of the system stand in a sentence that itself says what helps, or that a program reads.
_SAYS_IT_ITSELF = {
    "cli/detach.py", "cli/open.py", "daemon.py", "device/machine_state.py", "discovery/multicast.py", "files/verify.py",
    "service/systemctl.py", "transport/command.py", "transport/listener.py",
}  # fmt: skip
_SHORT = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS)
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EFBIG)


@pytest.mark.parametrize("number", [*_SHORT, *_FULL, errno.ESTALE, errno.ENOTCONN])
def test_what_passes_has_a_remedy(number: int) -> None:
    error = OSError(number, os.strerror(number))
    words, _, remedy = reason(error).partition("; ")
    assert (words, is_passing(error)) == (os.strerror(number), True)
    assert remedy


def test_words_of_ours_keep_their_remedy() -> None:
    assert reason(OSError(errno.ENOSPC, "of 3 MiB 2 are kept")) == "of 3 MiB 2 are kept; make room on its disk"
    assert reason(OSError(errno.EACCES, "Permission denied")) == "Permission denied"
    assert reason(OSError("of no number")) == "of no number"


def test_what_is_short_says_nothing_of_a_file() -> None:
    assert all(is_shortage(OSError(number, "")) for number in _SHORT)
    assert not any(is_shortage(OSError(number, "")) for number in (*_FULL, errno.EACCES, errno.ENOENT))


def test_a_file_that_is_not_what_was_meant_is_neither_waited_for_nor_read_for_ever(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with (tmp_path / "endless").open("wb") as file:
        file.truncate(1 << 40)
    (tmp_path / "text").write_text("text")
    for path, words in (("fifo", "no regular"), ("endless", "more than 4 MiB"), ("/dev/zero", "no regular")):
        with pytest.raises(OSError, match=words):
            read_regular_bytes(tmp_path / path)
    assert read_regular_bytes(tmp_path / "text", 4) == b"text"
    with pytest.raises(OSError, match="more than"):
        read_regular_bytes(tmp_path / "text", 3)


def test_nobody_else_words_an_error_of_the_system() -> None:
    """A reason that is made elsewhere would say what is wrong, and not what helps."""
    pattern = re.compile(r"\{(?!os\.)\w+\.strerror\b|\w+\.strerror or\b|reason=str\(\w*error\.strerror")
    found = {
        str(path.relative_to(_SOURCES))
        for path in _SOURCES.rglob("*.py")
        if path.name != "machine.py" and pattern.search(path.read_text())
    }
    assert found - _SAYS_IT_ITSELF == set()
    assert _SAYS_IT_ITSELF - found == set(), "they word none any more"
