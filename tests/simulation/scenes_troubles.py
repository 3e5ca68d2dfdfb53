"""Scenes about disks that take nothing, at each step of what comes in."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import TYPE_CHECKING

import trio
from simulation import troubles
from simulation.stage import Stage

if TYPE_CHECKING:
    from simulation.world import World

_NUMBERS = (errno.ENOSPC, errno.EDQUOT, errno.EIO)


async def a_disk_that_fills(world: World) -> None:
    """One kind of step fails for some seconds, while an edit, a new file, another blob and a new name come: nothing of
    the old is lost meanwhile, and all of it is there when the disk takes it again."""
    stage = Stage(world)
    path, gone = await stage.file(), await stage.file()
    blob = await stage.blob()
    host, other = stage.one.host, stage.other
    for _ in range(5):
        number = world.rng.choice(_NUMBERS)
        kinds = frozenset(world.rng.sample(sorted(troubles.CHANGES), world.rng.choice((1, 1, 3))))
        host.trouble = troubles.Trouble(number, kinds, world.rng.choice((1.0, 0.5)))
        world.note(f"the disk of {host.name} says {errno.errorcode[number]} to {sorted(kinds)}")
        before = host.disk.contents()
        new = f"{gone}-new"
        own = stage.add(stage.one, path)
        theirs = stage.add(other, path, at=1)
        put = stage.put_blob(other, blob)
        other._rename_to(gone, new)
        brought = [stage.put_blob(other, f"{put}.bin"), _long_blob(stage, f"{put}-long.bin")]
        await trio.sleep(world.rng.choice((1.0, 4.0, 8.0)))
        stage.expect(
            before.keys() - {gone} <= host.disk.contents().keys(), "a file is gone from a disk that takes nothing"
        )
        troubles.end_on(world, host)
        await stage.rest()
        for token in (own, theirs):
            stage.expect_only_in(path, token)
        stage.expect_only_in(blob, put)
        for token, where in zip(brought, (f"{put}.bin", f"{put}-long.bin"), strict=True):
            stage.expect_only_in(where, token)
        gone = new


def _long_blob(stage: Stage, path: str) -> str:
    """Somebody brings a blob of several chunks; gives the token in it."""
    make: Callable[..., bytes] = stage.other._new_blob
    data = make(long=True)
    stage.other._write(path, data, in_place=False)
    return data[2:9].decode()
