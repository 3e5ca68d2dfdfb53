"""CPace over X25519 with SHA-512 (draft-irtf-cfrg-cpace-21, suite CPACE-X25519-SHA512).

Two devices that share a short code agree on a strong key. Somebody in the middle gets exactly one guess of
the code per run, and learns nothing to guess with afterwards. Both sides then prove with a MAC that they hold
the same key (section 9.4 of the draft: explicit key confirmation).

The generator is derived from the code with Elligator 2 (RFC 9380, section 6.7.1) in plain Python integers,
which does not run in constant time. A code lives for one pairing and is worth nothing afterwards; an attacker
who can time this code to that precision sits on the device already.
"""

from __future__ import annotations

import hashlib
import hmac

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from yp2p.errors import PairingFault

_P = 2**255 - 19
_A = 486662
_DSI = b"CPace255"
_DSI_ISK = b"CPace255_ISK"
_HASH_BLOCK_BYTES = 128  # SHA-512
FIELD_BYTES = 32


def _leb128(number: int) -> bytes:
    out = bytearray()
    while True:
        byte = number & 0x7F
        number >>= 7
        out.append(byte | (0x80 if number else 0))
        if not number:
            return bytes(out)


def prepend_length(data: bytes) -> bytes:
    """`prepend_len` of the draft, A.1.1."""
    return _leb128(len(data)) + data


def lv_cat(*parts: bytes) -> bytes:
    """`lv_cat` of the draft, A.1.3: every part with its length in front."""
    return b"".join(prepend_length(part) for part in parts)


def _generator_string(code: bytes, channel: bytes, sid: bytes) -> bytes:
    zeros = max(0, _HASH_BLOCK_BYTES - 1 - len(prepend_length(code)) - len(prepend_length(_DSI)))
    return lv_cat(_DSI, code, bytes(zeros), channel, sid)


def _elligator2(representative: int) -> int:
    """Map a field element to the u coordinate of a point of Curve25519 (RFC 9380, 6.7.1, with Z = 2)."""
    denominator = (1 + 2 * representative * representative) % _P
    if denominator == 0:
        denominator = 1
    candidate = -_A * pow(denominator, _P - 2, _P) % _P
    curve = (candidate**3 + _A * candidate**2 + candidate) % _P
    is_square = pow(curve, (_P - 1) // 2, _P) in (0, 1)
    return candidate if is_square else (-candidate - _A) % _P


def calculate_generator(code: bytes, channel: bytes, sid: bytes) -> bytes:
    """The generator (32 bytes, u coordinate) for a code (section 7.2)."""
    digest = hashlib.sha512(_generator_string(code, channel, sid)).digest()[:FIELD_BYTES]
    representative = (int.from_bytes(digest, "little") & ((1 << 255) - 1)) % _P
    return _elligator2(representative).to_bytes(FIELD_BYTES, "little")


def scalar_mult_vfy(scalar: bytes, point: bytes) -> bytes:
    """X25519 that refuses the neutral element (section 7.3).

    Raises:
        PairingFault: the point has a small order, so the result would not depend on the scalar.
    """
    try:
        return X25519PrivateKey.from_private_bytes(scalar).exchange(X25519PublicKey.from_public_bytes(point))
    except ValueError as error:
        raise PairingFault("the peer sent a point of small order") from error


class CPace:
    """One run of one side.

    Args:
        code: the shared secret, normalised.
        channel: the channel identifier CI: who pairs with whom.
        sid: the session identifier; yp2p uses the hash of the Noise handshake around it.
        scalar: 32 fresh random bytes.
        associated: this side's associated data; yp2p uses both of its public keys.
    """

    def __init__(self, code: bytes, channel: bytes, sid: bytes, *, scalar: bytes, associated: bytes) -> None:
        self._sid = sid
        self._scalar = scalar
        self._associated = associated
        self.share = scalar_mult_vfy(scalar, calculate_generator(code, channel, sid))

    def finish(self, peer_share: bytes, peer_associated: bytes, *, initiator: bool) -> ConfirmedKey:
        """Take the peer's share and give the key, with its confirmation tags.

        Raises:
            PairingFault: the share is not a valid point.
        """
        if len(peer_share) != FIELD_BYTES:
            raise PairingFault(f"a CPace share has {FIELD_BYTES} bytes, not {len(peer_share)}")
        shared = scalar_mult_vfy(self._scalar, peer_share)
        own = lv_cat(self.share, self._associated)
        peer = lv_cat(peer_share, peer_associated)
        transcript = own + peer if initiator else peer + own
        isk = hashlib.sha512(lv_cat(_DSI_ISK, self._sid, shared) + transcript).digest()
        return ConfirmedKey(isk, self._sid, own, peer)


class ConfirmedKey:
    """The intermediate session key (64 bytes) and the tags by which each side proves to hold it."""

    def __init__(self, isk: bytes, sid: bytes, own: bytes, peer: bytes) -> None:
        self.isk = isk
        mac_key = hashlib.sha512(b"CPaceMac" + sid + isk).digest()
        self.tag = hmac.digest(mac_key, own, "sha512")
        self._expected = hmac.digest(mac_key, peer, "sha512")

    def verify(self, tag: bytes) -> bool:
        """Tell, in constant time, whether the peer holds the same key."""
        return hmac.compare_digest(self._expected, tag)
