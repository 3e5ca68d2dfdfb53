"""Who writes with a client ID: the signed claim of a device, for one folder.

A Yjs client ID is a number that anybody can write with. So a device signs, once for each that it draws, that it is the
one that writes with it in this folder. Of a device and a client ID there is one thing to say, so nothing in it can be
older or newer, and to say it again is to say the same.

A claim binds a client ID, and no operation. Who has seen the ID can go on with it in the name of its owner.
"""

from __future__ import annotations

from yp2p.identity import DeviceID, FolderID, Identity, PublicIdentity

_CONTEXT = b"yp2p client v1"


def sign_client(identity: Identity, folder: FolderID, client: int) -> bytes:
    """The signature (64 bytes) of a device that says it writes with a client ID."""
    return identity.sign(_message(folder, identity.device_id, client))


def has_signed_client(device: PublicIdentity, folder: FolderID, client: int, signature: bytes) -> bool:
    """Whether a device says that it writes with a client ID. It takes 65 us to find out."""
    return device.verify(signature, _message(folder, device.device_id, client))


def _message(folder: FolderID, device: DeviceID, client: int) -> bytes:
    return _CONTEXT + folder + device + client.to_bytes(8, "big")
