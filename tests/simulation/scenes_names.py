"""Scenes about names that cross: a file and a directory of one name, while a daemon ends in the middle of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio
from simulation import directories
from simulation.disk import peek
from simulation.people import tokens_in
from simulation.stage import Stage

if TYPE_CHECKING:
    from simulation.people import People
    from simulation.world import World

_STEPS = ("rename", "syncfs", "mkdir", "before a commit", "in a commit", "after a commit")


async def names_that_cross(world: World) -> None:
    """A file goes into a directory of its own name, out of it again, and changes places with one. The device on which
    that is done ends in the middle, or the one that hears of it; somebody goes on with the file elsewhere."""
    stage = Stage(world)
    path, inner = await stage.file(), await stage.file(directory="around/")
    tokens = {name: tokens_in(peek(stage.one.host.disk.path / name)) for name in (path, inner)}
    name = inner.rpartition("/")[2]
    nested = directories.nesting(path)[-1][1]
    between = "around-between"
    for steps, before, after in (
        (directories.nesting(path), path, nested),
        (directories.unnesting(nested), nested, path),
        ([("around", between), (path, "around"), (between, path)], path, "around"),
        ([(path, between), ("around", path), (between, "around")], "around", path),
    ):
        doer = world.rng.choice((stage.one, stage.other))
        await _ends_meanwhile(stage, stage.one, doer, steps)
        theirs = stage.add(stage.other, _where(stage.other, before, after))
        await stage.one.host.start()
        await stage.rest()
        stage.expect_only_in(after, theirs)
        for token in tokens[path]:
            stage.expect_only_in(after, token)
        beside = f"{path}/{name}" if after == "around" else inner
        for token in tokens[inner]:
            stage.expect_only_in(beside, token)


def _where(people: People, before: str, after: str) -> str:
    """Where a file is on a device, which may not have heard of its new name."""
    return after if (people.host.disk.path / after).is_file() else before


async def _ends_meanwhile(stage: Stage, ending: People, doer: People, steps: directories.Steps) -> None:
    """Somebody does the steps while one device ends, maybe in what follows from them."""
    ending.host.crash_after(stage.world.rng.choice((1, 1, 2, 3, 5)), stage.world.rng.choice(_STEPS))
    await directories.in_steps(doer, steps)
    with trio.move_on_after(stage.world.rng.choice((0.5, 3.0, 8.0))):
        await ending.host.ends()
    stage.world.note(f"{ending.host.name} is killed")
    await ending.host.kill()
