"""Directories that go elsewhere: renamed, moved into each other, and exchanged with files.

One name is a file before and a directory after, or the reverse (`mv t x; mkdir t; mv x t/t`). People do that in several
steps, and the daemon may look between any two of them, or end.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import trio
from simulation.disk import REAL
from simulation.people import tokens_in

from yp2p.files.syscalls import RENAME_EXCHANGE, rename

if TYPE_CHECKING:
    from simulation.people import People
    from simulation.world import World

_BETWEEN = "between"
_OURS = ".yp2p"
_DEEPEST = 3
# Where a directory may go. What stands beneath a new name is found there by all the other actions as well.
_PLACES = ("notes", "deep", "deep/notes", "notes/deep", "a.txt", "p.bin")

Steps = Sequence[tuple[str, str]]


async def move(world: World) -> None:
    """A directory gets another name, or goes into another one."""
    people = world.some_people()
    directories = _directories(people)
    if directories:
        source, target = world.rng.choice(directories), world.rng.choice(_PLACES)
        if not target.startswith(f"{source}/") and _is_free(people, target):
            await in_steps(people, [(source, target)])


async def nest(world: World) -> None:
    """A file goes into a directory of its own name."""
    people = world.some_people()
    paths = [path for path in files(people) if path.count("/") < _DEEPEST]
    if paths:
        path = world.rng.choice(paths)
        await in_steps(people, nesting(path))


def nesting(path: str) -> Steps:
    return [(path, f"{path}-{_BETWEEN}"), (f"{path}-{_BETWEEN}", f"{path}/{_name(path)}")]


async def unnest(world: World) -> None:
    """A file takes the name of its directory, which gets the file's name, or goes when nothing is left in it."""
    people = world.some_people()
    directories = _directories(people)
    paths = [path for path in files(people) if path.rpartition("/")[0] in directories]
    if paths:
        await in_steps(people, unnesting(world.rng.choice(paths)))


def unnesting(path: str) -> Steps:
    directory, _, name = path.rpartition("/")
    between = f"{directory}-{_BETWEEN}"
    above = directory.rpartition("/")[0]
    return [
        (directory, between),
        (f"{between}/{name}", directory),
        (between, f"{above}/{name}" if above else name),
    ]


async def exchange(world: World) -> None:
    """A file and a directory change places, at once or by a third name."""
    people = world.some_people()
    directories = _directories(people)
    pairs = [(path, other) for path in files(people) for other in directories if not path.startswith(f"{other}/")]
    if not pairs:
        return
    path, other = world.rng.choice(pairs)
    if world.rng.random() < 0.5:
        between = f"{other}-{_BETWEEN}"
        await in_steps(people, [(other, between), (path, other), (between, path)])
        return
    _touched(people, [path, other])
    root = people.host.disk.path
    rename(-100, str(root / path), -100, str(root / other), RENAME_EXCHANGE)
    people.host.disk.changed()
    _touched(people, [path, other])
    world.note(f"{people.host.name} exchanges {path} and {other}")


CHANGES = (move, nest, unnest, exchange)


def files(people: People) -> list[str]:
    """What may be moved: nobody has it open, and it can be looked at."""
    if people.host.locked:
        return []
    return [path for path in (*people.texts(), *people.blobs()) if path not in people.editors]


def _directories(people: People) -> list[str]:
    """Those of which nobody has a file open."""
    host, found = people.host, list[str]()
    for directory, below, _ in os.walk(host.disk.path) if not host.locked else ():
        below[:] = sorted(name for name in below if name != _OURS)
        found += [os.path.relpath(os.path.join(directory, name), host.disk.path) for name in below]
    return [path for path in found if not any(opened.startswith(f"{path}/") for opened in people.editors)]


def _is_there(people: People, path: str) -> bool:
    return os.path.lexists(people.host.disk.path / path)


def _is_empty(people: People, path: str) -> bool:
    directory = people.host.disk.path / path
    return directory.is_dir() and not os.listdir(directory)


def _is_free(people: People, path: str) -> bool:
    return not _is_there(people, path) and people.host.disk.takes(path)


async def in_steps(people: People, steps: Steps) -> bool:
    """Rename one after the other, as long as each is there and nothing is in its way; tells whether all was done.

    A directory that nothing is left in goes in place of the last step.
    """
    world, root = people.world, people.host.disk.path
    pause_s = world.rng.choice((0.0, 0.0, 0.01, 0.3, 2.0))
    for source, target in steps:
        if _is_there(people, source) and _is_empty(people, source):
            REAL.rmdir(root / source)
            people.host.disk.changed()
            continue
        if not _is_there(people, source) or not _is_free(people, target):
            world.note(f"{people.host.name} cannot rename {source} to {target}")
            return False
        _touched(people, [source])
        people.make_parents(root / target)
        REAL.rename(root / source, root / target)
        people.host.disk.changed()
        _touched(people, [target])
        world.note(f"{people.host.name} renames {source} to {target}")
        await trio.sleep(pause_s)
    return True


def _touched(people: People, paths: Sequence[str]) -> None:
    """What is beneath these paths comes or goes with its name."""
    world = people.world
    for path, data in people.host.disk.contents().items():
        if any(path == one or path.startswith(f"{one}/") for one in paths):
            # Renamed and saved at once they are other files to the daemon, as with a single rename.
            world.oracle.apart |= tokens_in(data)
            world.oracle.deleted(people.removed.pop(path, set()))
            world.moved.add(path)


def _name(path: str) -> str:
    return path.rpartition("/")[2]
