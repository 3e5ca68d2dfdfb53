"""What a save was made of: of the version that was on the disk, or of an older one that its writer had open.

Theory of operation
    A save is a whole file, and nothing in it says what its writer had read. Two kinds look alike. An editor that was
    opened before another device's change came saves its buffer: everything that came is missing from the save, and
    nobody wanted it to be taken out. `cp`, `git checkout`, a restore from a backup or a formatter put a file in place
    of whatever is there: what they take out is meant to go, and to merge it back gives a text that nobody wrote.

    So a save replaces what was on the disk, unless there is evidence that its writer had an older version open. All of
    these have to hold, for one older version:

    * it was opened, read or itself saved on this device before the newer one came, at most `OPEN_S` ago. Time counts
      only while the device is awake: a laptop that slept over night has the same programs open in the morning;
    * nobody has read the newer version since it came; or an editor's lock (vim's swap file, the locks of emacs and
      LibreOffice) stood when it came and stands when the save is made. That outweighs any reading: an indexer or `rg`
      reads everything, and says nothing about the editor;
    * the save lacks most of what the newer version changed, and keeps most of what it left alone;
    * it is no program that writes all of its state, or a person who wrote the line anew: a save that changes each line
      that the newer version changed, puts another text in place of it, and changes the same words. Of such a one the
      lines stand, and that is told. (An editor that has a lock is no such program.);
    * it is no former version of the file, byte for byte: that is a restore;
    * no git command was at work (it locks its index while it writes files), and the save is not one of a wave.

    Then the save is merged, as a change of that older version, and a notice tells of it. One case needs no merge: an
    editor with a lock that saves the very version that it opened (`:wq` without a change) has changed nothing.

    What is not known is taken for what loses nothing. When the kernel's queue of reads overflowed, or the daemon was
    not running, every file may have been opened meanwhile; when nobody can tell whether the newer version was read, it
    was not. What then decides is the text.

    Where evidence cannot tell: an editor without a lock beside the file (nano, VS Code, vim with its swap files
    elsewhere), when something else has read the newer version since; then the save replaces it, what it removed is
    told, and one `undo` brings it back. A hand-edited copy that is put in place of a version that nobody has read, made
    of one that was open here; then the two are merged, and that is told.

Thresholds
    `LACKS_MOST` and `KEEPS_MOST` are measured with the merge commits of two public projects, of which 872 saves made of
    the older version and 682 made of the newer one: docs/decisions/0016.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from yp2p.documents.diff import extent, hunks
from yp2p.documents.overlap import overlap
from yp2p.threeway.lines import Place, Three, merge_lines, places, split_lines
from yp2p.threeway.words import Clash, Words, merge_words

# Of waking time. Who has had an editor open for half a day has been asked by it whether to load the file again, and a
# longer time would make every old copy that is put in place look like a save of it.
OPEN_S = 4 * 3600.0
LACKS_MOST = 0.5
KEEPS_MOST = 0.5


@dataclass(frozen=True, slots=True)
class Older:
    """An older version of the file that a program may have open.

    Attributes:
        text: what the file held.
        opened_ago_s: waking seconds since it was last opened, read or saved here (for as long as it was on the disk).
        has_lock: an editor's lock stood when the newer version came, and still stood when the save was made.
        is_save: the save has exactly this content.
    """

    text: str
    opened_ago_s: float
    has_lock: bool = False
    is_save: bool = False


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What else is known of a save.

    Attributes:
        was_read: somebody has read the newer version since it came, or something was saved over it.
        is_former: the save is a former version of the file, byte for byte.
        in_git: a git command held its lock while the file was written.
        in_wave: the file is one of many that were written at the same time (`files/recent_writes.py`).
    """

    was_read: bool = False
    is_former: bool = False
    in_git: bool = False
    in_wave: bool = False


@dataclass(frozen=True, slots=True)
class Replaces:
    """The save replaces what was on the disk."""


@dataclass(frozen=True, slots=True)
class MadeOf:
    """The save was made of `older[number]`: it is merged as a change of that."""

    number: int


@dataclass(frozen=True, slots=True)
class NoEdit:
    """The save is `older[number]`, unchanged, by an editor that has had it open."""

    number: int


@dataclass(frozen=True, slots=True)
class Stands:
    """The save was made of `older[number]`, and has changed all that the newer version changed: its lines stand."""

    number: int


Decision: TypeAlias = Replaces | MadeOf | NoEdit | Stands


def may_be_open(older: Older, *, was_read: bool) -> bool:
    """Whether a program may have this version open still; `was_read` as in `Circumstances`."""
    return older.opened_ago_s <= OPEN_S and (older.has_lock or not was_read)


def decide(older: Sequence[Older], newer: str, save: str, circumstances: Circumstances) -> Decision:
    """What a save was made of.

    Args:
        older: the versions before, the oldest first.
        newer: what was on the disk.
        save: what is on the disk now.
    """
    suspects = [number for number, one in enumerate(older) if may_be_open(one, was_read=circumstances.was_read)]
    if not suspects or circumstances.in_git or circumstances.in_wave:
        return Replaces()
    locked = [number for number in suspects if older[number].has_lock]
    if locked and older[locked[-1]].is_save:
        return NoEdit(locked[-1])
    if circumstances.is_former or any(one.is_save for one in older):
        return Replaces()
    made_of = [number for number in suspects if looks_made_of(older[number].text, newer, save)]
    if not made_of:
        return Replaces()
    distance = {number: extent(hunks(older[number].text, save)) for number in made_of}
    nearest = min(reversed(made_of), key=distance.__getitem__)  # the newest of equals
    one = older[nearest]
    return Stands(nearest) if not one.has_lock and _is_state(one.text, newer, save) else MadeOf(nearest)


def looks_made_of(older: str, newer: str, save: str) -> bool:
    """Whether a save lacks most of what a newer version changed, and keeps most of what it left alone."""
    found = overlap(older, newer, save)
    return found.lacks >= LACKS_MOST and found.keeps >= KEEPS_MOST


def _is_state(older: str, newer: str, save: str) -> bool:
    """Whether a save has a text of its own wherever the newer version has one, and changed the same words."""
    if not overlap(older, newer, save).covers:
        return False
    return all(
        place.ours and place.theirs and _changed_same_words(place) for place in met_places(older, newer, save)
    )  # fmt: skip


def _changed_same_words(place: Place) -> bool:
    words = [Words.of("".join(lines)) for lines in (place.base, place.ours, place.theirs)]
    return any(isinstance(part, Clash) for part in merge_words(*words))


def met_places(older: str, newer: str, save: str) -> list[Place]:
    """Where a save and the newer version changed the older one both, as git would ask; `ours` is the save's."""
    return places(merge_lines(Three(split_lines(older), split_lines(save), split_lines(newer))))
