"""Which of two links with one device stays.

Two devices that hear of each other at the same moment dial each other, and both connections can come about. Both ends
have to keep the same one, without a word about it: the one that the device with the smaller ID dialled. Otherwise the
newer one stays: the older one may be dead without anybody having noticed.

Of two machines with one key (a cloned disk) none is served as long as it likes: they would take the place of each other
at every attempt. They take turns.
"""

from __future__ import annotations

# Two links made within this time of each other were in flight together.
TOGETHER_S = 2.0
# Of two machines with one key, each is served for this long before the other one may take its place.
CLONE_TURN_S = 30.0


def newer_stays(
    age_s: float, *, old_is_dialled: bool, new_is_dialled: bool, is_smaller: bool, is_of_clone: bool
) -> bool:
    """Whether a new link takes the place of one that has been up for `age_s`.

    Args:
        old_is_dialled, new_is_dialled: whether this device dialled it.
        is_smaller: whether this device has the smaller ID of both.
        is_of_clone: whether the new one is known to come from another machine than the old one.
    """
    if is_of_clone:
        return age_s > CLONE_TURN_S
    if old_is_dialled == new_is_dialled or age_s > TOGETHER_S:
        return True
    return new_is_dialled == is_smaller
