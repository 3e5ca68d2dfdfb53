"""What explains why hosts did not come together: printed when a test fails, as nothing else is kept of it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lab import Device

# Of each host's log: its end, and before that the last lines about the files that are at issue.
_LAST_LINES = 60
_LINES_OF_FILE = 40


@contextmanager
def explained(hosts: Sequence[Device]) -> Iterator[set[str]]:
    """Print what the hosts know and did, should anything fail; the caller names files that are at issue in the set."""
    names: set[str] = set()
    try:
        yield names
    except BaseException:
        for host in hosts:
            names |= _waiting(host)
        for host in hosts:
            _print_host(host, sorted(names))
        raise


def _waiting(host: Device) -> set[str]:
    """The files that a host says are not in step."""
    try:
        folders = host.status()["folders"]
    except Exception as error:  # it may be what failed
        print(f"{host.name} does not answer: {error!r}")
        return set()
    for folder in folders:
        behind = {device["name"]: (device["connected"], device["behind"]) for device in folder["devices"]}
        print(f"{host.name}: {folder['state']} {folder['problem']} {folder['entries']} behind: {behind}")
    return {item["path"] for folder in folders for item in (*folder["waiting"], *folder["not_synced"])}


def _print_host(host: Device, names: Sequence[str]) -> None:
    print(f"--- {host.name}: its files")
    for directory, below, files in os.walk(host.dir):
        below[:] = sorted(name for name in below if directory != str(host.dir / ".yp2p") or name in ("trash", "tmp"))
        for name in sorted(files):
            print(_described(Path(directory, name), host.dir))
    lines = host.log.read_text(errors="replace").splitlines()
    before = lines[:-_LAST_LINES]
    for name in names:
        about = [line for line in before if repr(name)[1:-1] in line or Path(name).name in line]
        print(f"--- {host.name}: the last lines of its log about {name!r}, before its end")
        print(*(line[:500] for line in about[-_LINES_OF_FILE:]), sep="\n")
    print(f"--- {host.name}: the end of its log")
    print(*(line[:500] for line in lines[-_LAST_LINES:]), sep="\n")


def _described(path: Path, root: Path) -> str:
    name = str(path.relative_to(root))
    try:
        status = path.lstat()
        if path.is_symlink():
            return f"{name!r} -> {os.readlink(path)!r}"
        content = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    except OSError as error:
        return f"{name!r}: {error}"
    return f"{name!r} {content} {status.st_size} bytes, mode {status.st_mode & 0o777:o}, inode {status.st_ino}"
