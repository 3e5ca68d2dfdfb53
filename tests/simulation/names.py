"""A name is not a file: names that change places, and files that have another name outside the folder."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from simulation.disk import REAL, peek
from simulation.people import State, tokens_in

from yp2p.files.root import has_other_names
from yp2p.files.syscalls import RENAME_EXCHANGE, rename

if TYPE_CHECKING:
    from simulation.host import Host
    from simulation.people import People
    from simulation.world import World

_BETWEEN = "between.tmp"  # editors and log rotation have such names for a moment


# --- names that change places ---------------------------------------------------------------------------------------


def swap(world: World) -> None:
    """Two texts change places: at once (RENAME_EXCHANGE), or by a third name."""
    people = world.some_people()
    pair = two_texts(people)
    if pair is None:
        return
    exchange(people, *pair)


def two_texts(people: People) -> tuple[str, str] | None:
    paths = [path for path in people.texts() if path not in people.editors]
    if len(paths) < 2:
        return None
    one, other = people.world.rng.sample(paths, 2)
    return one, other


def exchange(people: People, one: str, other: str) -> None:
    world, host = people.world, people.host
    first, second = host.disk.path / one, host.disk.path / other
    # Swapped and saved at once they are other files to the daemon, as renamed ones are.
    world.oracle.apart |= tokens_in(peek(first) + peek(second))
    if world.rng.random() < 0.5:
        rename(-100, str(first), -100, str(second), RENAME_EXCHANGE)
        host.disk.changed()
    else:
        between = first.with_name(_BETWEEN)
        for source, target in ((first, between), (second, first), (between, second)):
            REAL.rename(source, target)
            host.disk.changed()
    world.moved |= {one, other}
    world.note(f"{host.name} swaps {one} and {other}")


@dataclass(frozen=True, slots=True)
class Swapped:
    """What was written into one of two texts while they changed places elsewhere: it belongs to that text."""

    token: str
    own: frozenset[str]
    others: frozenset[str]

    def wrong(self, files: dict[str, bytes]) -> str:
        """What is wrong with the tree; empty when nothing is."""
        homes = {path: tokens_in(data) for path, data in files.items() if ".conflict-" not in path}
        landed = [tokens for tokens in homes.values() if self.token in tokens]
        is_left = any(tokens & self.own for tokens in homes.values())
        if is_left and any(tokens & self.others and not tokens & self.own for tokens in landed):
            return f"{self.token} came into the text that it was swapped with"
        return ""


def swap_while_others_edit(world: World) -> None:
    """Two texts change places on one device while somebody writes into one of them on another."""
    one, other = world.rng.sample(list(world.people.values()), 2)
    pair = two_texts(one)
    if pair is None or not (one.host.is_watching and other.host.is_watching) or set(pair) & other.editors.keys():
        return
    if any(people.host.leaves_out(path) for people in (one, other) for path in pair):
        return  # what is ignored is not looked at: nobody can tell where it went
    both = [{path: people.host.disk.contents().get(path) for path in pair} for people in (one, other)]
    if both[0] != both[1]:
        return
    own, others = (frozenset(tokens_in(both[0][path] or b"")) for path in pair)
    before = len(world.oracle.tokens)
    other.edit(pair[0])
    exchange(one, *pair)
    token = f"w{before:05}x"
    is_linked = any(has_other_names((one.host.disk.path / path).lstat()) for path in pair)
    if token in world.oracle.tokens and not is_linked:
        world.oracle.swapped.append(Swapped(token, own - others, others - own))


# --- other names outside --------------------------------------------------------------------------------------------


def link_outside(world: World) -> None:
    """A snapshot with hard links, as rsnapshot makes it: a file of the folder has another name outside."""
    host = world.some_people().host
    files = sorted(host.disk.contents())
    if files:
        path = world.rng.choice(files)
        _outside(host).mkdir(exist_ok=True)
        target = _outside(host) / f"{len(os.listdir(_outside(host)))}"
        REAL.link(host.disk.path / path, target)
        _forget_swapped(world, tokens_in(peek(target)))
        world.note(f"{host.name} links {path} to a name outside the folder")


def _forget_swapped(world: World, tokens: set[str]) -> None:
    """Nothing is expected of texts that changed places and of which one got another name, maybe before the daemon
    looked: a file with several names is not known by its inode, so what is there is taken for edits."""
    swapped = world.oracle.swapped
    swapped[:] = [one for one in swapped if not tokens & (one.own | one.others | {one.token})]


def write_outside(world: World) -> None:
    """Somebody writes to such a name: while it is a file of the folder, that is an edit; afterwards it is none."""
    hosts = [host for host in world.hosts if _outside(host).exists()]
    if not hosts:
        return
    host = world.rng.choice(hosts)
    target = _outside(host) / world.rng.choice(sorted(os.listdir(_outside(host))))
    inodes, parked = _inodes(host.disk.path)
    inode = target.stat().st_ino
    is_in_folder = inode in inodes or (inode in parked and not host.is_up)  # a crash comes before it is put back
    token = world.oracle.fresh()
    world.oracle.tokens[token] = State.EITHER if is_in_folder else State.NEVER
    world.oracle.outside.setdefault(host.name, set()).add(token)
    with target.open("ab") as file:
        file.write(f"{token} from outside\n".encode())
        file.flush()
        host.stamp(file.fileno())
    host.disk.changed()
    world.rescan.add(host.name)
    world.note(f"{host.name} writes {token} to the name outside; it {'is' if is_in_folder else 'is not'} in the folder")


def _outside(host: Host) -> Path:
    return host.base / "outside"


def _inodes(root: Path) -> tuple[set[int], set[int]]:
    """Of a folder's files, and of those that the daemon holds on to."""
    found: set[int] = set()
    parked: set[int] = set()
    for directory, _, names in os.walk(root):
        here = parked if ".yp2p" in Path(directory).parts else found
        here |= {os.lstat(os.path.join(directory, name)).st_ino for name in names}
    return found, parked


def check_outside(world: World) -> list[str]:
    """What was written outside is still there, and nothing of it came to the trash later."""
    wrong: list[str] = []
    for host in [] if world.oracle.had_power_cut else world.hosts:
        files = sorted(_outside(host).iterdir()) if _outside(host).exists() else []
        there = tokens_in(b"".join(map(peek, files)))
        trash = tokens_in(b"".join(map(peek, sorted(host.trash()))))
        for token in sorted(world.oracle.outside.get(host.name, ())):
            if world.oracle.tokens[token] is State.NEVER:
                if token not in there:
                    wrong.append(f"{token} is lost outside the folder of {host.name}")
                if token in trash:
                    wrong.append(f"{token}, from outside, is in the trash of {host.name}")
    return wrong
