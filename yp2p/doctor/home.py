"""Checks of this machine and home that need no daemon: settings, key, store, lock, folders, limits of the kernel.

They read and change nothing, whether a daemon runs or not; only what a file system can do is tried out, as the daemon
does, on two small files in the folder's own `.yp2p/tmp`.
"""

from __future__ import annotations

import fcntl
import os
import re
import shlex
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from yp2p.config import Paths
from yp2p.config_file import load_config
from yp2p.control.socket import read_lock
from yp2p.doctor.finding import Finding
from yp2p.errors import FolderError, YpError
from yp2p.files.capabilities import Capabilities, probe
from yp2p.files.root import OURS
from yp2p.folder.roots import mode_of
from yp2p.machine import low_room, reason
from yp2p.store.look import StoredFolder, look
from yp2p.store.salvage import kept_stores
from yp2p.store.upgrade import KEPT_DAYS, copies
from yp2p.trust.keyfile import identity_of

# Of the whole machine, and of the container that this process may be in: the kernel takes the smaller one.
WATCHES_ALLOWED: Mapping[str, Path] = {
    name: Path("/proc/sys", *name.split(".")) for name in ("fs.inotify.max_user_watches", "user.max_inotify_watches")
}
# Other programs of this user need some as well: an editor has one for each file that is open.
_WATCHES_OF_OTHERS = 64
_LEAST_WATCHES = 65536
# So many directories are counted; a machine that allows fewer watches than that is found before.
_MAX_COUNTED = 1 << 20
_MOUNTS = Path("/proc/self/mountinfo")
_ESCAPED = re.compile(rb"\\([0-7]{3})")  # spaces, in the paths there
_LACKING = {
    "exchange": "files cannot be exchanged in one step: for a moment nothing is at the path of one that is replaced",
    "leases": "there are no leases: what is written to a file while it is replaced is found by another look",
    "links": "there are no hard links",
}


def check_home(paths: Paths, watches_allowed: Mapping[str, Path] = WATCHES_ALLOWED) -> Iterator[Finding]:
    """All checks of a home."""
    yield from check_settings(paths)
    yield from check_key(paths)
    yield from check_lock(paths)
    stored = look(paths.store)
    if stored.problem:
        saves = "`yp2p daemon` saves what can be read of it at a start"
        newer = "install that version again; docs/install.md says how to go back to this one"
        yield Finding("store", f"{paths.store}: {stored.problem}", newer if stored.is_newer else saves)
    else:
        yield Finding("store", f"{paths.store} is sound" if stored.exists else "there is no store yet")
    for kept in kept_stores(paths.store):
        yield Finding("store", f"{kept} is kept of a store that was damaged", f"when nothing is missing: rm {kept}*")
    for copy in copies(paths.store):
        if problem := look(copy).problem:
            yield Finding("store", f"{copy}, the store from before an upgrade: {problem}", f"remove {copy}")
            continue
        yield Finding("store", f"{copy} is the store from before an upgrade; it goes by itself, {KEPT_DAYS} days later")
    for folder in stored.folders:
        yield from check_folder(folder)
    yield from check_watches([folder.root for folder in stored.folders], watches_allowed)


def check_settings(paths: Paths) -> Iterator[Finding]:
    """Whether the settings can be read."""
    try:
        load_config(paths.config)
    except YpError as error:
        yield Finding("settings", str(error), f"correct {paths.config}, or the variable that it names")
    except OSError as error:
        yield Finding("settings", f"{paths.config} cannot be read: {reason(error)}", "make it readable for this user")
    else:
        yield Finding("settings", f"{paths.config} can be used" if paths.config.exists() else "none: defaults are used")


def check_key(paths: Paths) -> Iterator[Finding]:
    """Whether the key can be read, and by nobody else."""
    for place, allowed in ((paths.state, 0o022), (paths.key, 0o077)):
        try:
            mode = stat.S_IMODE(place.stat().st_mode)
        except FileNotFoundError:
            yield Finding("key", f"there is no {place} yet: the first start of the daemon makes it")
            return
        except OSError as error:
            yield Finding("key", f"{place} cannot be looked at: {reason(error)}", "make it readable for this user")
            return
        if mode & allowed:
            what = "can be written by" if place == paths.state else "can be read by"
            right = "700" if place == paths.state else "600"
            yield Finding("key", f"{place} {what} other users (mode {mode:o})", f"chmod {right} {place}")
    try:
        identity_of(paths.key.read_text())
    except (ValueError, UnicodeDecodeError):
        yield Finding("key", f"{paths.key} holds no key", "put a copy back: `yp2p identity import`, or from a backup")
    except OSError as error:
        yield Finding(
            "key", f"{paths.key} cannot be read: {reason(error)}", f"chown it to this user, chmod 600 {paths.key}"
        )
    else:
        yield Finding("key", f"{paths.key} can be read")


def check_lock(paths: Paths) -> Iterator[Finding]:
    """Whether a daemon runs, and whether it answers where it says."""
    holder, answers_at = read_lock(paths.lock)
    try:
        descriptor = os.open(paths.lock, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        yield Finding("daemon", "no daemon has run in this home yet", "`yp2p up DIR` or `yp2p daemon` starts one")
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        yield Finding("daemon", f"runs as process {holder or 'unknown'}, and answers at {answers_at or 'no socket'}")
    else:
        yield Finding("daemon", "no daemon runs in this home", "`yp2p daemon` starts one")
    finally:
        os.close(descriptor)


def check_folder(folder: StoredFolder) -> Iterator[Finding]:
    """Whether the directory of a folder can be used."""
    check, root = f"folder {folder.label}", folder.root
    remedy = f"mount its disk, or `yp2p folder move {shlex.quote(folder.label)} DIR` where it is now"
    try:
        mode = mode_of(root)
    except FolderError as error:
        yield Finding(check, str(error), remedy)
        return
    if mode is None or not stat.S_ISDIR(mode):
        yield Finding(check, f"{root} is not there", remedy)
        return
    try:
        marker = (root / OURS / "marker").read_text().strip()
    except (OSError, UnicodeDecodeError):
        marker = ""
    if marker != folder.id.hex():
        what = "is that of another folder" if marker else "is missing"
        yield Finding(
            check,
            f"{root}/{OURS}/marker {what}",
            f"put the folder's disk back, or take it up as it is: `yp2p share {shlex.quote(str(root))}`",
        )
        return
    if os.statvfs(root).f_flag & os.ST_RDONLY:
        yield Finding(check, f"the file system of {root} is read-only", f"mount -o remount,rw {_mount_of(root)}")
    elif not os.access(root, os.R_OK | os.W_OK | os.X_OK):
        yield Finding(check, f"{root} is not writable for this user", f"chown or chmod {root}")
    elif low := low_room(root):
        yield Finding(check, f"{root}: {low}", "make room on its disk")
    else:
        yield from _capabilities(check, root)


def _capabilities(check: str, root: Path) -> Iterator[Finding]:
    try:
        directory = os.open(root / OURS / "tmp", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        yield Finding(check, f"{root} can be used")
        return
    try:
        found = probe(directory)
    except OSError as error:
        yield Finding(
            check, f"no file can be made in {root}/{OURS}/tmp: {reason(error)}", f"chown or chmod {root}/{OURS}"
        )
    else:
        yield Finding(check, "; ".join([f"{root} can be used", *_lacking(found)]))
    finally:
        os.close(directory)


def _lacking(found: Capabilities) -> list[str]:
    can = found.as_dict()
    lacking = [text for name, text in _LACKING.items() if not can[name]]
    return [*lacking, *(["names that differ in case alone are one"] if found.folds_names else [])]


def _mount_of(path: Path) -> Path:
    """Where the file system of a path is mounted; a directory that is mounted at another place looks like any other."""
    path = path.resolve()
    try:
        lines = _MOUNTS.read_bytes().splitlines()
    except OSError:
        lines = []
    mounts = {Path(os.fsdecode(_ESCAPED.sub(_plain, line.split()[4]))) for line in lines}
    return next(above for above in (path, *path.parents) if above in mounts or os.path.ismount(above))


def _plain(escaped: re.Match[bytes]) -> bytes:
    return bytes([int(escaped[1], 8)])


def check_watches(roots: Iterable[Path], watches_allowed: Mapping[str, Path] = WATCHES_ALLOWED) -> Iterator[Finding]:
    """Whether the kernel allows a watch for each directory of the folders."""
    limits: list[tuple[int, str]] = []
    for sysctl, path in watches_allowed.items():
        with suppress(OSError, ValueError):
            limits.append((int(path.read_text()), sysctl))
    if not limits:
        return
    allowed, name = min(limits)
    wanted = _WATCHES_OF_OTHERS
    for root in roots:
        for _ in os.walk(root):
            wanted += 1
            if wanted > min(allowed, _MAX_COUNTED):
                break
    if wanted > allowed:
        better = max(_LEAST_WATCHES, 2 * wanted)
        yield Finding(
            "inotify",
            f"{allowed:,} directories can be watched, and the folders have more, or nearly as many",
            f"sudo sysctl {name}={better}",
        )
    else:
        yield Finding("inotify", f"{allowed:,} directories can be watched, and {wanted - _WATCHES_OF_OTHERS:,} are")
