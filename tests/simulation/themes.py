"""Themes: every second seed begins with a scene that comes to what chance comes to too seldom.

A random run reaches a place that needs three things in one order (a version opened, another one rendered over it, a
save) once in hundreds of seeds, and a rule that only matters there could be missing for as long. So half of the seeds
begin with a scene, one after the other: its steps are given, and everything around them is not: the number of devices,
the weather, latencies, what else is going on. What a scene expects is checked at once, exactly (`Stage.expect`); then
the seed goes on like any other one, with fewer actions.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulation import scenes_choosing as choosing
from simulation import scenes_devices as devices
from simulation import scenes_disks as disks
from simulation import scenes_members as members
from simulation import scenes_names as crossing
from simulation import scenes_readers as reading
from simulation import scenes_texts as texts
from simulation import scenes_troubles as troubles

if TYPE_CHECKING:
    from simulation.world import World


@dataclass(frozen=True, slots=True)
class Theme:
    """A scene, and what world it needs: a number of devices, 0 for any; a topology, empty for any."""

    play: Callable[[World], Awaitable[None]]
    devices: int = 0
    topology: str = ""
    is_hostile: bool = False

    @property
    def name(self) -> str:
        return self.play.__name__.replace("_", "-")


THEMES = (
    Theme(texts.stale_editors),
    Theme(texts.editors_of_moved_files),
    Theme(texts.texts_apart),
    Theme(texts.the_same_while_stopped),
    Theme(texts.renames_while_others_edit),
    Theme(texts.other_names_outside),
    Theme(texts.two_with_one_client_id, devices=2),
    Theme(texts.late_saves),
    Theme(texts.saves_into_an_exchange),
    Theme(disks.crashes_in_writes),
    Theme(disks.crashes_after_writes),
    Theme(disks.killed_after_saves),
    Theme(disks.power_cuts),
    Theme(disks.an_append_before_a_power_cut),
    Theme(disks.many_are_removed),
    Theme(disks.deleted_elsewhere),
    Theme(disks.left_out_or_locked),
    Theme(disks.the_root_is_gone),
    Theme(disks.a_directory_in_the_place_of_a_file),
    Theme(disks.a_file_that_is_held_open),
    Theme(disks.the_past_is_thinned),
    Theme(devices.a_joiner_with_the_same_files, devices=2),
    Theme(devices.a_store_goes_back),
    Theme(devices.a_line_of_devices, devices=3, topology="line"),
    Theme(devices.links_that_were_cut),
    Theme(devices.a_machine_is_copied, devices=3, topology="mesh"),
    Theme(devices.blobs_apart, devices=3),
    Theme(devices.deleted_while_others_replace),
    Theme(devices.the_same_name_twice),
    Theme(members.a_hostile_member, is_hostile=True),
    Theme(devices.a_lost_device, devices=3, topology="mesh"),
    Theme(reading.a_device_that_only_reads, devices=3, topology="mesh"),
    Theme(choosing.some_files_on_some_disks, devices=3, topology="mesh"),
    Theme(devices.two_remove_each_other, devices=3, topology="mesh"),
    Theme(crossing.names_that_cross),
    Theme(troubles.a_disk_that_fills),
)
NAMES = tuple(theme.name for theme in THEMES)
# So many seeds until each theme has come once.
PERIOD = 2 * len(THEMES)


def of(seed: int) -> Theme | None:
    """The theme of a seed; every second one has none."""
    return THEMES[seed // 2 % len(THEMES)] if seed % 2 else None
