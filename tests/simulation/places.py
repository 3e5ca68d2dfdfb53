"""Absence is not deletion: a marker that is lost, a root that is not there, a directory that cannot be read or is
mounted over."""

from __future__ import annotations

import ctypes
import os
import shutil
from typing import TYPE_CHECKING

from simulation.disk import REAL

if TYPE_CHECKING:
    from pathlib import Path

    from simulation.host import Host
    from simulation.world import World

_DIRECTORIES = ("notes", "deep")
_OURS = ".yp2p"
_MNT_DETACH = 2
_libc = ctypes.CDLL(None, use_errno=True)


async def lose_marker(world: World) -> None:
    """The file that says which folder this is goes for a while; people go on meanwhile."""
    host = world.some_host(up=True)
    if host is None or host.is_away:
        return
    marker, kept = host.disk.path / _OURS / "marker", host.base / "marker"
    host.is_away = True
    REAL.rename(marker, kept)
    host.disk.changed()
    world.note(f"{host.name} loses its marker")
    people = world.people[host.name]
    for _ in range(world.rng.randint(0, 3)):
        world.rng.choice((people.edit, people.append, people.create, people.delete))()
        await world.sleep(0.0, 6.0)
    REAL.rename(kept, marker)
    host.disk.changed()
    world.note(f"{host.name} has its marker again")
    await host.looks_again()
    host.is_away = False


async def move_marker(world: World) -> None:
    """The daemon's own directory is moved, with all that is in it, maybe to beneath another directory; later it is put
    back. What is in it is nothing of the folder wherever it stands."""
    host = world.some_host(up=True)
    if host is None or host.is_away or host.locked:
        return
    people, ours = world.people[host.name], host.disk.path / _OURS
    beneath = [name for name in _DIRECTORIES if (host.disk.path / name).is_dir()]
    place = host.disk.path / world.rng.choice(beneath) / _OURS if beneath else host.base / _OURS
    host.is_away = True
    REAL.rename(ours, place)
    host.disk.changed()
    world.note(f"{host.name} has its {_OURS} at {place.relative_to(host.base)}")
    for _ in range(world.rng.randint(0, 3)):
        world.rng.choice((people.edit, people.append, people.create, people.delete))()
        await world.sleep(0.0, 6.0)
    _put_back(place, ours)
    host.disk.changed()
    world.note(f"{host.name} has its {_OURS} again")
    await host.looks_again()
    host.is_away = False


def _put_back(source: Path, target: Path) -> None:
    """As `mv` does, into what was made there meanwhile."""
    for path in sorted(source.iterdir()) if target.exists() else ():
        if path.is_dir() and (target / path.name).is_dir():
            _put_back(path, target / path.name)
        else:
            REAL.rename(path, target / path.name)
    if target.exists():
        REAL.rmdir(source)
    else:
        REAL.rename(source, target)


async def lose_root(world: World) -> None:
    """The disk that holds the folder is not mounted for a while: an empty directory is in its place."""
    host = world.some_host(up=True)
    if host is None or host.is_away:
        return
    host.is_away = True
    if world.rng.random() < 0.5:
        await host.stop()
    aside = host.base / "aside"
    REAL.rename(host.disk.path, aside)
    REAL.mkdir(host.disk.path)
    world.note(f"{host.name} has an empty directory in the place of its folder")
    if not host.is_up:
        await host.start()
    await world.sleep(0.5, 8.0)
    shutil.rmtree(host.disk.path)  # nothing but what a daemon made there
    REAL.rename(aside, host.disk.path)
    world.note(f"{host.name} has its folder again")
    await host.looks_again()
    host.is_away = False


async def lock_directory(world: World) -> None:
    """A directory cannot be read for a while (`make simulate` gives up the right to read everything)."""
    host = world.some_host(up=True)
    directories = [name for name in _DIRECTORIES if host is not None and (host.disk.path / name).is_dir()]
    if host is None or not directories or host.locked:
        return
    directory = world.rng.choice(directories)
    (host.disk.path / directory).chmod(0)
    _hide(world, host, directory)
    world.note(f"{host.name} cannot read {directory}")


def unlock_directory(world: World) -> None:
    hosts = [host for host in world.hosts if host.locked]
    if hosts:
        unlock(world, world.rng.choice(hosts))


def unlock(world: World, host: Host) -> None:
    if not host.locked:
        return
    if host.is_mounted_over:
        unmount(host)
        world.rescan.add(host.name)  # no event tells of it: the daemon looks every few seconds
    else:
        (host.disk.path / host.locked).chmod(0o755)
    world.note(f"{host.name} can read {host.locked} again")
    host.locked = ""


async def mount_over(world: World) -> None:
    """Another file system is mounted over a directory for a while (where this may be done: root)."""
    host = world.some_host(up=True)
    directories = [name for name in _DIRECTORIES if host is not None and (host.disk.path / name).is_dir()]
    if host is None or not directories or host.locked:
        return
    directory = world.rng.choice(directories)
    if _libc.mount(b"tmpfs", os.fsencode(host.disk.path / directory), b"tmpfs", 0, b"size=64k") == 0:
        _hide(world, host, directory)
        host.is_mounted_over = True
        world.note(f"{host.name} has another file system at {directory}")


def unmount(host: Host) -> None:
    """What was mounted goes, although the daemon may watch it."""
    if host.is_mounted_over:
        _libc.umount2(os.fsencode(host.disk.path / host.locked), _MNT_DETACH)
        host.is_mounted_over = False


def _hide(world: World, host: Host, directory: str) -> None:
    """Nobody here goes on with what is in the directory."""
    host.locked = directory
    editors = world.people[host.name].editors
    for path in list(editors):
        if world.people[host.name].is_locked(path):
            del editors[path]


def remove_own_directories(world: World) -> None:
    """A person tidies up: the daemon's directory of temporary files goes."""
    host = world.some_people().host
    temporary = host.disk.path / _OURS / "tmp"
    if temporary.is_dir() and not os.listdir(temporary):
        REAL.rmdir(temporary)
        host.disk.changed()
        world.note(f"{host.name} loses {_OURS}/tmp")
