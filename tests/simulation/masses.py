"""Mass deletions: held for a person, and let go by one or because nothing is missing any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio
from simulation.disk import peek
from simulation.hooks import current_host
from simulation.people import tokens_in
from simulation.rules import agree

from yp2p.errors import FolderError

if TYPE_CHECKING:
    from simulation.host import Host
    from simulation.world import World

# In place of fifty: that many files in each seed would take minutes.
FEWEST_FILES = 8
_COUNT = 11
_DIRECTORY = "many"
_HELD_LIMIT_S = 15.0


def make_many(world: World) -> None:
    """A directory with many small files."""
    people = world.some_people()
    if any((host.disk.path / _DIRECTORY).exists() for host in world.hosts):
        return
    for number in range(_COUNT):
        people._write(f"{_DIRECTORY}/{number:02}.txt", people._line().encode(), in_place=True)
    world.note(f"{people.host.name} makes {_COUNT} files in {_DIRECTORY}")


async def remove_many(world: World) -> None:
    """Somebody removes all of them; then they are put back, or a person says whether that was meant."""
    host = world.some_host(up=True)
    if host is None or not host.is_watching:
        return
    paths = [path for path in host.disk.contents() if path.startswith(f"{_DIRECTORY}/")]
    if len(paths) <= FEWEST_FILES:
        return
    kept = {path: peek(host.disk.path / path) for path in paths}
    people = world.people[host.name]
    known = sum(path in host.folder.files.at for path in paths)
    for path in paths:
        people._unlink(path)
        people.editors.pop(path, None)
    if world.rng.random() < 0.4:
        await world.sleep(0.0, 6.0)
        for path, data in kept.items():
            if not (host.disk.path / path).exists():
                people._write(path, data, in_place=True)
                world.oracle.brought_back(tokens_in(data))
        world.note(f"{host.name} puts {_DIRECTORY} back")
    elif await _is_held(host):
        is_meant = world.rng.random() < 0.5
        if not is_meant:
            for data in kept.values():
                world.oracle.brought_back(tokens_in(data))
        world.note(f"{host.name}: a person says that the deletion was{'' if is_meant else ' not'} meant")
        answer(host, accept=is_meant)
    elif host.is_watching and known > FEWEST_FILES and host.name not in world.readers:
        world.wrong.append(f"{host.name} deleted {known} files without asking")


async def _is_held(host: Host) -> bool:
    with trio.move_on_after(_HELD_LIMIT_S):
        while host.is_up and not host.folder.state.question.reason:
            await trio.sleep(0.1)
        return host.is_up
    return False


def answer(host: Host, *, accept: bool) -> None:
    """A person's word on held deletions."""
    if host.device is None or not host.folder.state.question.reason:
        return
    token = current_host.set(host)
    try:
        host.device.changes.decide(None, accept=accept)
    except FolderError:
        pass  # somebody decided already, and that is being done
    finally:
        current_host.reset(token)


async def answer_all(world: World) -> None:
    """What is still held at the end was meant, and no rule is left. Runs until cancelled."""
    while True:
        agree(world)
        for host in world.hosts:
            if host.is_up and host.has_joined:
                answer(host, accept=True)
        await trio.sleep(1.0)
