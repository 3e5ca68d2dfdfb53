"""Ignore rules that come and go: what a device leaves out and does not have is not here yet, and never deleted."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from simulation import directories
from simulation.disk import REAL, peek
from simulation.hooks import current_host
from simulation.people import tokens_in

from yp2p.errors import FolderError
from yp2p.files.ignore import IGNORE_FILE, IgnoreRules

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
    world.left_out.add(host.ignored)
    world.note(f"{host.name} leaves out {host.ignored}")
    when = world.rng.choice(("before", "after", "never"))
    if when == "before":
        remove_ignored(world, host)
    await host.start()
    if when == "after":
        await world.sleep(0.0, 3.0)
        remove_ignored(world, host)


async def move_to_left_out(world: World) -> None:
    """Somebody moves a file to where some device leaves it out, here or elsewhere; or a whole directory."""
    patterns = sorted({host.ignored for host in world.hosts} | {world.shared_rule} - {""})
    people = world.some_people()
    paths = directories.files(people)
    if not any(patterns) or not paths:
        return
    path, target = world.rng.choice(paths), _left_out_by(world.rng.choice([one for one in patterns if one]))
    source = path.rpartition("/")[0] if world.rng.random() < 0.3 else path
    if source and not target.startswith(f"{source}/"):
        await directories.in_steps(people, [(source, target)])


def _left_out_by(pattern: str) -> str:
    """A path that a rule is about."""
    return f"{pattern}f.md" if pattern.endswith("/") else pattern.replace("*", "moved")


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


async def share_rule(world: World) -> None:
    """A device writes a rule into the folder's own file: it is for all. What it has of it may be removed there."""
    people = world.some_people()
    host = people.host
    if not host.is_watching or world.shared_rule:
        return
    world.shared_rule = world.rng.choice(_PATTERNS)
    people._write(IGNORE_FILE, f"{world.shared_rule}\n".encode(), in_place=True)
    world.note(f"{host.name} writes {world.shared_rule} into {IGNORE_FILE}")
    await world.sleep(2.0, 4.0)
    if (
        host.is_watching
        and world.rng.random() < 0.5
        and host.folder.files.ignored.rules.ignores(f"{world.shared_rule}x")
    ):
        remove_ignored(world, host)


def loosen(world: World) -> None:
    """Somebody removes the file with the rules: on other devices it frees nothing until people there agree."""
    hosts = [host for host in world.hosts if (host.disk.path / IGNORE_FILE).exists()]
    if hosts:
        _remove_rules(world, world.rng.choice(hosts))


def _remove_rules(world: World, host: Host) -> None:
    REAL.unlink(host.disk.path / IGNORE_FILE)
    host.has_lifted_rule = True
    host.disk.changed()
    world.note(f"{host.name} removes {IGNORE_FILE}")


def agree(world: World) -> None:
    """At the end no rule is left, and everybody agrees to that."""
    for host in world.hosts if world.shared_rule else ():
        if (host.disk.path / IGNORE_FILE).exists():
            _remove_rules(world, host)
        if host.is_up and host.has_joined and host.device is not None:
            token = current_host.set(host)
            try:
                host.device.kept.agree(None)
            except FolderError:
                pass  # nothing waits
            finally:
                current_host.reset(token)


def remove_ignored(world: World, host: Host) -> None:
    """What is left out is removed from one disk. Nobody else has it deleted."""
    people = world.people[host.name]
    # Where a person has lifted the folder's rule, what it was about is the folder's again, and its removal is seen.
    rules = IgnoreRules([host.ignored] if host.ignored else [])
    ignores = rules.ignores if host.has_lifted_rule else host.leaves_out
    paths = [path for path in host.disk.contents() if ignores(path) and not people.is_locked(path)]
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
