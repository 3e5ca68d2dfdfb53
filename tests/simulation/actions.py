"""Everything that may happen in a run, by name: what people do, and what goes wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from simulation import faults
from simulation.people import People, same_blob, same_change, same_file
from simulation.swarm import Action

if TYPE_CHECKING:
    from simulation.world import World


def _by(act: Callable[[People], Any]) -> Callable[[World], Any]:
    """Somebody on one of the hosts does it."""
    return lambda world: act(world.some_people())


def _together(act: Callable[[World, list[People]], None]) -> Callable[[World], Any]:
    """Some on several hosts do it."""
    return lambda world: act(world, world.several_people())


# The weather of a seed: what a device or a network is like.
CONDITIONS = ("one-byte reads", "partial writes", "slow stores", "wrong clocks", "slow connections")

ACTIONS = (
    Action("edit", 6, _by(People.edit)),
    Action("save", 4, _by(People.save)),
    Action("open an editor", 2, _by(People.open_editor)),
    Action("append", 3, _by(People.append)),
    Action("take out", 2, _by(People.take_out)),
    Action("create", 3, _by(People.create)),
    Action("rename", 1, _by(People.rename)),
    Action("delete", 1, _by(People.delete)),
    Action("save slowly", 1, _by(People.save_slowly)),
    Action("the same change", 1, _together(same_change)),
    Action("the same file", 1, _together(same_file)),
    Action("replace a blob", 4, _by(People.replace_blob), "blobs"),
    Action("rename a blob", 1, _by(People.rename_blob), "blobs"),
    Action("delete a blob", 1, _by(People.delete_blob), "blobs"),
    Action("the same blob", 2, _together(same_blob), "blobs"),
    Action("connections drop", 2, faults.drop_connections, "network"),
    Action("partition", 2, faults.part, "network"),
    Action("stop", 1, faults.stop_one, "ends"),
    Action("kill", 2, faults.kill_one, "ends"),
    Action("power cut", 2, faults.cut_power_of_one, "ends"),
    Action("start", 4, faults.start_one, "ends"),
    Action("join late", 1, faults.join_late, "ends"),
    Action("back up", 1, faults.back_up, "backups"),
    Action("restore a backup", 1, faults.restore_backup, "backups"),
    Action("clone", 1, faults.clone, "backups"),
    Action("thin the history", 2, faults.thin, "history"),
)  # fmt: skip
