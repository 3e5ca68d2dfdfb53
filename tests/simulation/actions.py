"""Everything that may happen in a run, by name: what people do, and what goes wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from simulation import choosing, directories, faults, masses, names, places, purging, readers, rules, troubles, versions
from simulation.people import People, same_blob, same_change, same_file
from simulation.swarm import Action

if TYPE_CHECKING:
    from simulation.world import World


def _by(act: Callable[[People], Any]) -> Callable[[World], Any]:
    """Somebody on one of the hosts does it."""
    return lambda world: act(world.anybody())


def _together(act: Callable[[World, list[People]], None]) -> Callable[[World], Any]:
    """Some on several hosts do it."""
    return lambda world: act(world, world.several_people())


# The weather of a seed: what a device or a network is like.
CONDITIONS = (
    "end among names",
    "one-byte reads",
    "partial writes",
    "slow stores",
    "wrong clocks",
    "slow connections",
    "a hostile member",
)

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
    Action("set the clock", 1, faults.set_clock, "clocks"),
    Action("clone", 1, faults.clone, "backups"),
    Action("swap names", 1, names.swap, "names"),
    Action("swap names while others edit", 1, names.swap_while_others_edit, "names"),
    Action("move a directory", 1, directories.move, "names"),
    Action("put a file into a directory of its name", 1, directories.nest, "names"),
    Action("put a file in the place of its directory", 1, directories.unnest, "names"),
    Action("exchange a file and a directory", 1, directories.exchange, "names"),
    Action("link from outside", 1, names.link_outside, "names"),
    Action("write outside", 2, names.write_outside, "names"),
    Action("leave out", 1, rules.ignore, "rules"),
    Action("heed again", 1, rules.heed_again, "rules"),
    Action("move to what is left out", 1, rules.move_to_left_out, "rules"),
    Action("share a rule", 1, rules.share_rule, "rules"),
    Action("loosen the rules", 1, rules.loosen, "rules"),
    Action("lose the marker", 1, places.lose_marker, "places"),
    Action("move the marker", 1, places.move_marker, "places"),
    Action("lose the root", 1, places.lose_root, "places"),
    Action("lock a directory", 1, places.lock_directory, "places"),
    Action("unlock a directory", 1, places.unlock_directory, "places"),
    Action("mount over a directory", 1, places.mount_over, "places"),
    Action("a disk takes nothing", 1, troubles.begin, "disks"),
    Action("the disk takes it again", 2, troubles.end, "disks"),
    Action("remove .yp2p/tmp", 1, places.remove_own_directories, "places"),
    Action("make many files", 1, masses.make_many, "masses"),
    Action("remove many files", 1, masses.remove_many, "masses"),
    Action("keep a copy", 1, versions.keep_copy, "versions"),
    Action("put a copy back", 1, versions.put_back, "versions"),
    Action("thin the history", 1, faults.thin, "history"),
    Action("purge", 1, purging.purge, "history"),
    Action("answer a request to purge", 1, purging.answer, "history"),
    Action("choose", 2, choosing.choose, "choices"),
    Action("change a role", 1, readers.change_role, "roles"),
)  # fmt: skip
