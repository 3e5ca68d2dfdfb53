"""Somebody puts back a version that a file had before: git checkout, cp, a restore."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulation.disk import peek
from simulation.people import State, tokens_in

if TYPE_CHECKING:
    from simulation.world import World


def keep_copy(world: World) -> None:
    people = world.some_people()
    path = people._some_file()
    if path is not None:
        people.copies[path] = peek(people.host.disk.path / path)
        world.note(f"{people.host.name} keeps a copy of {path}")


def put_back(world: World) -> None:
    """An edit, whatever it equals: while the daemon runs, and after a stop in order."""
    people = world.some_people()
    host = people.host
    paths = [path for path in people.texts() if path in people.copies and path not in people.editors]
    if not paths or not host.has_joined:
        return
    path = world.rng.choice(paths)
    old, data = peek(host.disk.path / path), people.copies.pop(path)
    if old == data or path in world.moved:
        return
    for token in tokens_in(old) - tokens_in(data):
        world.oracle.tokens[token] = State.EITHER  # what others wrote meanwhile may be told in place of being taken out
    people._write(path, data, in_place=world.rng.random() < 0.5)
    # Of what was not saved before, the daemon knows the older version only, and sees no edit.
    is_known = host.stopped_in_order or host.is_watching
    for token in tokens_in(data) - tokens_in(old):
        world.oracle.tokens[token] = State.THERE if is_known else State.EITHER
    world.oracle.apart |= tokens_in(data)
    world.note(f"{host.name} puts back a version of {path}: {data!r} for {old!r}")
