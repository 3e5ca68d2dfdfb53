"""Disks that take nothing for a while: full, over a quota, read-only, or with bad blocks.

Any step of the daemon's that needs the disk may fail then, and the next one may not. Nothing is lost by that, nobody
fails, and when it is over everything comes by itself. People's own saves are not hit: what they do not get saved they
know of.
"""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Set
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulation.host import Host
    from simulation.world import World

# What needs room, by the names of the moments between steps (`file_calls.py`).
TAKES_ROOM = frozenset(
    (
        "open", "write", "in a write", "pwrite", "in a pwrite", "copy_file_range", "in a copy_file_range", "fdatasync",
        "mkdir", "link", "symlink", "rename", "setxattr",
    )
)  # fmt: skip
CHANGES = TAKES_ROOM | {"unlink", "rmdir", "ftruncate", "fchmod", "chmod", "utime"}
_FAILS_BY = {
    errno.ENOSPC: TAKES_ROOM,
    errno.EDQUOT: TAKES_ROOM,
    errno.EROFS: CHANGES - {"fdatasync"},
    errno.EIO: CHANGES | {"syncfs"},
}


@dataclass(frozen=True, slots=True)
class Trouble:
    """What a disk says to which steps, and how often."""

    number: int
    kinds: Set[str]
    share: float = 1.0

    def let_fail(self, kind: str, rng: random.Random) -> None:
        """Raises OSError."""
        if kind in self.kinds and rng.random() < self.share:
            raise OSError(self.number, os.strerror(self.number))


NO_TROUBLE = Trouble(0, frozenset())


def begin(world: World) -> None:
    """A disk takes nothing, or not everything."""
    host = world.some_host(up=True)
    if host is None:
        return
    number = world.rng.choice(list(_FAILS_BY))
    host.trouble = Trouble(number, _FAILS_BY[number], world.rng.choice((1.0, 0.5, 0.1)))
    world.note(f"the disk of {host.name} says {errno.errorcode[number]} to {host.trouble.share:.0%}")


def end(world: World) -> None:
    """It is over, on one of them."""
    hosts = [host for host in world.hosts if host.trouble is not NO_TROUBLE]
    if hosts:
        end_on(world, world.rng.choice(hosts))


def end_on(world: World, host: Host) -> None:
    """It is over."""
    if host.trouble is not NO_TROUBLE:
        host.trouble = NO_TROUBLE
        world.note(f"the disk of {host.name} takes everything again")
