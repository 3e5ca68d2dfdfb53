"""Who a device is: one seed, two key pairs, one ID.

One 32-byte seed gives an Ed25519 key, which signs membership statements, and an X25519 key, which is the
static key of the Noise handshake. The device ID is the SHA-256 of both public keys: whoever knows the ID can
check both. Written out, the 52 base32 characters get one Luhn mod 32 check character per 13, which makes
eight groups of seven:

    P56IOI7-MZJNU2Y-IQGDREY-DM2MGTI-MGL3BXN-PQ6W5BM-TBBZ4TJ-XZWICQ2

Keys of others are checked where they come in (`PublicIdentity.received`): a key of small order has no owner. Everything
"verifies" under such an Ed25519 key, and no secret can be shared with such an X25519 key. A number that is no reduced
coordinate would be a second name, and so a second device ID, for one key.

This module is pure: the seed comes from the caller.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NewType, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from yp2p.errors import MessageFault, UsageError

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
# Who looks at a device sees the same few IDs again and again.
_SHOWN_AGAIN = 1024
# The field of both curves, and the constant of the Edwards form (RFC 7748 §4.1, RFC 8032 §5.1).
_P = 2**255 - 19
_D = -121665 * pow(121666, -1, _P) % _P
_SIGN = 1 << 255
# The y coordinates of the eight Ed25519 points whose order divides 8, as 32 bytes little-endian in hex.
_SMALL_ORDER = frozenset(
    int.from_bytes(bytes.fromhex(y), "little")
    for y in (
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    )
)
# Any private key: with a point of small order the result is zero for each of them.
_PROBE = bytes(31) + b"\x40"
# Keys that were checked; a folder has some dozens, and a statement names two of them.
_CHECKED_KEYS = 1024
# The text of both public keys: a letter of no other text that people copy, and five bytes against slips.
PUBLIC_KEY_PREFIX = "yp2pk-"
_PUBLIC_FORMAT, _PUBLIC_CHECK_BYTES = b"\x01", 5
_PUBLIC_LETTERS = 112
_LOOK_ALIKES = str.maketrans({"0": "O", "1": "I", "8": "B"})


def _derive(seed: bytes, purpose: bytes) -> bytes:
    return HKDF(SHA256(), KEY_BYTES, salt=b"yp2p device seed v1", info=purpose).derive(seed)


@lru_cache(_CHECKED_KEYS)
def signing_key_problem(key: bytes) -> str:
    """Why 32 bytes are no Ed25519 key that somebody can have made; empty when they are one."""
    y = int.from_bytes(key, "little") % _SIGN  # the highest bit is the sign of x
    if y >= _P:
        return "it is not the reduced form of an Ed25519 key"
    if y in _SMALL_ORDER:
        return "it is an Ed25519 point of small order"
    numerator, denominator = (y * y - 1) % _P, (_D * y * y + 1) % _P
    if pow(numerator * denominator, (_P - 1) // 2, _P) != 1:
        return "it is no point of Ed25519"
    return ""


@lru_cache(_CHECKED_KEYS)
def noise_key_problem(key: bytes) -> str:
    """Why 32 bytes are no X25519 key that somebody can have made; empty when they are one."""
    if int.from_bytes(key, "little") >= _P:
        return "it is not the reduced form of an X25519 key"
    try:
        X25519PrivateKey.from_private_bytes(_PROBE).exchange(X25519PublicKey.from_public_bytes(key))
    except ValueError:  # all results would be zero
        return "it is an X25519 point of small order"
    return ""


@dataclass(frozen=True, slots=True)
class PublicIdentity:
    """The two public keys of a device, 32 bytes each."""

    signing_key: bytes
    noise_key: bytes

    @classmethod
    def received(cls, signing_key: bytes, noise_key: bytes) -> Self:
        """The keys of another device, as they came from a peer. Raises MessageFault: nobody can have made them."""
        for key, problem in ((signing_key, signing_key_problem), (noise_key, noise_key_problem)):
            if found := problem(key):
                raise MessageFault(f"the key {key.hex()} of a device cannot be used: {found}")
        return cls(signing_key, noise_key)

    @property
    def device_id(self) -> DeviceID:
        return device_id_of(self.signing_key, self.noise_key)

    def verify(self, signature: bytes, message: bytes) -> bool:
        """Tell whether `signature` (64 bytes) over `message` was made by this device (RFC 8032)."""
        if signing_key_problem(self.signing_key):
            return False
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

    @cached_property
    def device_id(self) -> DeviceID:
        return self.public.device_id

    def sign(self, message: bytes) -> bytes:
        return self._signer.sign(message)

    def pairwise_secret(self, noise_key: bytes, purpose: bytes = b"discovery") -> bytes:
        """32 bytes that only this device and the owner of `noise_key`, a checked one, can compute, for one use."""
        shared = X25519PrivateKey.from_private_bytes(self.noise_private).exchange(
            X25519PublicKey.from_public_bytes(noise_key)
        )
        return HKDF(SHA256(), 32, salt=b"yp2p pairwise v1", info=purpose).derive(shared)


def device_id_of(signing_key: bytes, noise_key: bytes) -> DeviceID:
    return DeviceID(hashlib.sha256(b"yp2p device id v1" + signing_key + noise_key).digest())


@lru_cache(_SHOWN_AGAIN)
def format_public(keys: PublicIdentity) -> str:
    """Both public keys as text, for the settings of other devices: `yp2pk-` and 112 letters and digits."""
    body = _PUBLIC_FORMAT + keys.signing_key + keys.noise_key
    body += hashlib.sha256(body).digest()[:_PUBLIC_CHECK_BYTES]
    return PUBLIC_KEY_PREFIX + base64.b32encode(body).decode().lower()


def parse_public(text: str) -> PublicIdentity:
    """Read what `format_public` wrote. Raises UsageError: it is no such text, or no keys that somebody can have."""
    bare = text.strip().lower()
    letters = bare.removeprefix(PUBLIC_KEY_PREFIX).upper()
    if bare == letters.lower() or len(letters) != _PUBLIC_LETTERS or any(one not in _ALPHABET for one in letters):
        raise UsageError(
            f"this is no public key of a device: it begins with {PUBLIC_KEY_PREFIX} and has {_PUBLIC_LETTERS} letters"
            " and digits behind that, as `yp2p identity show` prints it there"
        )
    data = base64.b32decode(letters)
    body, check = data[:-_PUBLIC_CHECK_BYTES], data[-_PUBLIC_CHECK_BYTES:]
    if hashlib.sha256(body).digest()[:_PUBLIC_CHECK_BYTES] != check:
        raise UsageError("this public key of a device is mistyped: its check characters do not match")
    if body[:1] != _PUBLIC_FORMAT:
        raise UsageError("this public key of a device was made by a newer yp2p; install that version here")
    try:
        return PublicIdentity.received(body[1 : 1 + KEY_BYTES], body[1 + KEY_BYTES :])
    except MessageFault as error:
        raise UsageError(f"this is no public key of a device: {error}") from error


def _check_character(group: str) -> str:
    """Luhn mod 32: catches every single wrong character and nearly every swap of neighbours."""
    total = 0
    for index, character in enumerate(group):
        value = _ALPHABET.index(character) * (1 if index % 2 == 0 else 2)
        total += value // 32 + value % 32
    return _ALPHABET[-total % 32]


@lru_cache(_SHOWN_AGAIN)
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
