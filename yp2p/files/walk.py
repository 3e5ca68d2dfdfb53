"""Everything beneath a directory that is not left out. Blocks; belongs in a worker thread."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator

from yp2p.files.ignore import IgnoreRules
from yp2p.files.root import ELSEWHERE, Root
from yp2p.machine import reason as reason_of
from yp2p.protocol.names import length_problem

# Another file or nothing is there by now.
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)


def walk(
    root: Root,
    rules: Callable[[], IgnoreRules],
    path: str = "",
    entered: Callable[[str, int], None] | None = None,
    passed_over: Callable[[str, str], None] = lambda path, reason: None,
    failed: Callable[[OSError], None] = lambda error: None,
) -> Iterator[str]:
    """The files beneath `path`, and the directories with nothing in them. What cannot be read is passed over.

    Args:
        rules: what is left out, as it is now.
        entered: is told of each directory, with a descriptor, before it is listed.
        passed_over: is told of what no folder can hold, of mounts, and of directories that cannot be read, and why.
        failed: is told of each directory that could not be listed, or not to its end.
    """
    waiting = [path]
    while waiting:
        directory = waiting.pop()
        try:
            descriptor = root.open(directory, os.O_DIRECTORY | os.O_RDONLY) if directory else os.dup(root.descriptor)
        except OSError as error:
            failed(error)
            _note(directory, error, passed_over)  # its files are reported as missing or denied
            continue
        try:
            if entered is not None:
                entered(directory, descriptor)
            os.lseek(descriptor, 0, os.SEEK_SET)
            is_empty = True
            with os.scandir(descriptor) as listing:
                for item in listing:
                    is_empty = False
                    below = f"{directory}/{item.name}" if directory else item.name
                    is_directory = item.is_dir(follow_symlinks=False)
                    if rules().ignores(below, directory=is_directory):
                        reason = length_problem(below)
                        if reason is not None:
                            passed_over(below, reason)
                        continue
                    if is_directory:
                        waiting.append(below)
                    else:
                        yield below
            if is_empty and directory:
                yield directory
        except OSError as error:
            failed(error)
            _note(directory, error, passed_over)
        finally:
            os.close(descriptor)


def _note(directory: str, error: OSError, passed_over: Callable[[str, str], None]) -> None:
    """Tell why a directory could not be listed, if it is still there."""
    if error.errno == errno.EXDEV:
        passed_over(directory, ELSEWHERE)
    elif error.errno not in _GONE:
        passed_over(directory, f"the directory cannot be read: {reason_of(error)}")
