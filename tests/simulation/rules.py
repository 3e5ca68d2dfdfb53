"""Ignore rules that come and go: what a device leaves out and does not have is not here yet, and never deleted."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from simulation.disk import REAL, peek
from simulation.people import tokens_in

if TYPE_CHECKING:
    from pathlib import Path

    from simulation.host import Host
    from simulation.world import World

_PATTERNS = ("notes/", "deep/", "*.bin", "a.txt")


async def ignore(world: World) -> None:
    """A device leaves something out from now on; what it has of it may be removed there, to save space."""
    hosts = [host for host in world.hosts if host.is_up and host.has_joined and not host.ignored]
    if not hosts:
        return
    host = world.rng.choice(hosts)
    await host.stop()
    host.ignored = world.rng.choice(_PATTERNS)
    world.note(f"{host.name} leaves out {host.ignored}")
    when = world.rng.choice(("before", "after", "never"))
    if when == "before":
        remove_ignored(world, host)
    await host.start()
    if when == "after":
        await world.sleep(0.0, 3.0)
        remove_ignored(world, host)


async def heed_again(world: World) -> None:
    """The rule goes, and what the others have comes."""
    hosts = [host for host in world.hosts if host.ignored]
    if hosts:
        host = world.rng.choice(hosts)
        await host.stop()
        if world.rng.random() < 0.3:
            remove_ignored(world, host)
        heed(world, host)
        await host.start()


def heed(world: World, host: Host) -> None:
    """The rule is no more once the daemon starts."""
    if host.ignored:
        world.note(f"{host.name} no longer leaves out {host.ignored}")
        host.ignored = ""


def remove_ignored(world: World, host: Host) -> None:
    """What is left out is removed from one disk. Nobody else has it deleted."""
    people = world.people[host.name]
    paths = [path for path in host.disk.contents() if host.leaves_out(path) and not people.is_locked(path)]
    gone: set[str] = set()
    for path in paths:
        tokens = tokens_in(peek(host.disk.path / path)) | people.overwritten.pop(path, set())
        gone |= tokens
        people.removed.setdefault(path, set()).update(tokens)
        REAL.unlink(host.disk.path / path)
        host.disk.changed()
        people.editors.pop(path, None)
        _remove_empty(host.disk.path / path, host.disk.path)
    if paths:
        world.oracle.may_be_lost(host, gone)
        world.note(f"{host.name} removes what it leaves out: {paths} with {sorted(gone)}")


def _remove_empty(path: Path, root: Path) -> None:
    for parent in path.parents:
        if parent == root or os.listdir(parent):
            return
        REAL.rmdir(parent)
