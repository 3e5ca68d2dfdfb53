"""Whether another device can have heard what people say here about who takes part in a folder."""

from __future__ import annotations

from collections.abc import Iterable, Set

from yp2p.folder.folder import Folder
from yp2p.identity import DeviceID
from yp2p.peers.peers import Peers


def unheard(folders: Iterable[Folder], besides: Set[DeviceID], peers: Peers) -> list[str]:
    """The labels of those that other devices have of which none is connected, so that nobody has heard it yet.

    Args:
        besides: this device, and those of whom it was said: their hearing of it is of no help to anybody.
    """
    return [folder.label for folder in folders if _is_alone(folder.membership.devices.keys() - besides, peers)]


def _is_alone(others: Set[DeviceID], peers: Peers) -> bool:
    return bool(others) and not any(map(peers.is_linked, others))
