"""Who a device is: one seed, two key pairs, one ID.

One 32-byte seed gives an Ed25519 key, which signs membership statements, and an X25519 key, which is the
static key of the Noise handshake. The device ID is the SHA-256 of both public keys: whoever knows the ID can
check both. Written out, the 52 base32 characters get one Luhn mod 32 check character per 13, which makes
eight groups of seven:

    P56IOI7-MZJNU2Y-IQGDREY-DM2MGTI-MGL3BXN-PQ6W5BM-TBBZ4TJ-XZWICQ2

This module is pure: the seed comes from the caller.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import NewType

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from yp2p.errors import UsageError

DeviceID = NewType("DeviceID", bytes)  # 32 bytes
FolderID = NewType("FolderID", bytes)  # 16 random bytes
EntryID = NewType("EntryID", bytes)  # 16 bytes
DocumentID = NewType("DocumentID", bytes)  # 16 bytes

SEED_BYTES = 32
KEY_BYTES = 32
SIGNATURE_BYTES = 64
DEVICE_ID_BYTES = 32
ID_BYTES = 16

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_GROUP = 13
_LOOK_ALIKES = str.maketrans({"0": "O", "1": "I", "8": "B"})


def _derive(seed: bytes, purpose: bytes) -> bytes:
    return HKDF(SHA256(), KEY_BYTES, salt=b"yp2p device seed v1", info=purpose).derive(seed)


@dataclass(frozen=True, slots=True)
class PublicIdentity:
    """The two public keys of a device, 32 bytes each."""

    signing_key: bytes
    noise_key: bytes

    @property
    def device_id(self) -> DeviceID:
        return device_id_of(self.signing_key, self.noise_key)

    def verify(self, signature: bytes, message: bytes) -> bool:
        """Tell whether `signature` (64 bytes) over `message` was made by this device (RFC 8032)."""
        try:
            Ed25519PublicKey.from_public_bytes(self.signing_key).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True)
class Identity:
    """The secret identity of this device, made from a 32-byte seed."""

    seed: bytes

    def __post_init__(self) -> None:
        if len(self.seed) != SEED_BYTES:
            raise ValueError(f"a device seed has {SEED_BYTES} bytes, not {len(self.seed)}")

    def __repr__(self) -> str:
        return f"Identity({short_id(self.device_id)})"

    @cached_property
    def _signer(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(_derive(self.seed, b"ed25519"))

    @cached_property
    def noise_private(self) -> bytes:
        return _derive(self.seed, b"x25519")

    @cached_property
    def public(self) -> PublicIdentity:
        x25519 = X25519PrivateKey.from_private_bytes(self.noise_private)
        return PublicIdentity(self._signer.public_key().public_bytes_raw(), x25519.public_key().public_bytes_raw())

    @property
    def device_id(self) -> DeviceID:
        return self.public.device_id

    def sign(self, message: bytes) -> bytes:
        return self._signer.sign(message)

    def pairwise_secret(self, noise_key: bytes) -> bytes:
        """32 bytes that only this device and the owner of `noise_key` can compute."""
        shared = X25519PrivateKey.from_private_bytes(self.noise_private).exchange(
            X25519PublicKey.from_public_bytes(noise_key)
        )
        return HKDF(SHA256(), 32, salt=b"yp2p pairwise v1", info=b"discovery").derive(shared)


def device_id_of(signing_key: bytes, noise_key: bytes) -> DeviceID:
    return DeviceID(hashlib.sha256(b"yp2p device id v1" + signing_key + noise_key).digest())


def _check_character(group: str) -> str:
    """Luhn mod 32: catches every single wrong character and nearly every swap of neighbours."""
    total = 0
    for index, character in enumerate(group):
        value = _ALPHABET.index(character) * (1 if index % 2 == 0 else 2)
        total += value // 32 + value % 32
    return _ALPHABET[-total % 32]


def format_device_id(device_id: DeviceID) -> str:
    """Write a device ID for people: eight groups of seven characters with check characters."""
    plain = base64.b32encode(device_id).decode().rstrip("=")
    checked = "".join(
        plain[i : i + _GROUP] + _check_character(plain[i : i + _GROUP]) for i in range(0, len(plain), _GROUP)
    )
    return "-".join(checked[i : i + 7] for i in range(0, len(checked), 7))


def parse_device_id(text: str) -> DeviceID:
    """Read what `format_device_id` wrote; spaces, dashes and case do not matter.

    Raises:
        UsageError: the length or a check character is wrong.
    """
    bare = text.upper().replace("-", "").replace(" ", "").translate(_LOOK_ALIKES)
    size = _GROUP + 1
    if len(bare) != 4 * size or any(character not in _ALPHABET for character in bare):
        raise UsageError(f"{text!r} is not a device ID: it has eight groups of seven letters and digits")
    plain = ""
    for start in range(0, len(bare), size):
        group = bare[start : start + size]
        if _check_character(group[:-1]) != group[-1]:
            raise UsageError(f"{text!r} is mistyped near {group!r}: its check character does not match")
        plain += group[:-1]
    return DeviceID(base64.b32decode(plain + "===="))


def short_id(device_id: DeviceID) -> str:
    """The first group of the ID: for logs and tables, never to compare by."""
    return format_device_id(device_id)[:7]
