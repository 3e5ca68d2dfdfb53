"""Noise_*_25519_ChaChaPoly_SHA256, after the three objects of the specification (revision 34, section 5).

`CipherState` encrypts with one key and a counter, `SymmetricState` mixes keys and the transcript hash,
`HandshakeState` walks the token lists of a pattern. Nothing here does I/O or makes randomness: the ephemeral
private key comes from the caller.

Invariants
    * An error is final: after `HandshakeFailed` the object must be thrown away, and says so if it is not.
    * A transport nonce is never used twice; at 2**64 - 1 the cipher refuses instead (§5.1).
    * An all-zero Diffie-Hellman result is refused (`cryptography` raises ValueError for it).

Patterns: the ones yp2p speaks (IK for known devices, XX inside a pairing window), and their neighbours that
the published vectors cover (NN, KK, XXpsk3, IKpsk2).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from yp2p.errors import HandshakeFailed

DH_BYTES = 32
TAG_BYTES = 16
MAX_MESSAGE_BYTES = 65535  # Noise §3
_MAX_NONCE = 2**64 - 1


@dataclass(frozen=True, slots=True)
class Pattern:
    """A handshake pattern: pre-messages of both sides and the tokens of each message (Noise §7)."""

    name: str
    initiator_pre: tuple[str, ...]
    responder_pre: tuple[str, ...]
    messages: tuple[tuple[str, ...], ...]

    @property
    def uses_psk(self) -> bool:
        return any("psk" in tokens for tokens in self.messages)


NN = Pattern("NN", (), (), (("e",), ("e", "ee")))
KK = Pattern("KK", ("s",), ("s",), (("e", "es", "ss"), ("e", "ee", "se")))
XX = Pattern("XX", (), (), (("e",), ("e", "ee", "s", "es"), ("s", "se")))
IK = Pattern("IK", (), ("s",), (("e", "es", "s", "ss"), ("e", "ee", "se")))
XX_PSK3 = Pattern("XXpsk3", (), (), (("e",), ("e", "ee", "s", "es"), ("s", "se", "psk")))
IK_PSK2 = Pattern("IKpsk2", (), ("s",), (("e", "es", "s", "ss"), ("e", "ee", "se", "psk")))
PATTERNS = {pattern.name: pattern for pattern in (NN, KK, XX, IK, XX_PSK3, IK_PSK2)}


def _hkdf(chaining_key: bytes, material: bytes, outputs: int) -> tuple[bytes, ...]:
    """HKDF of Noise §4.3: `outputs` times 32 bytes."""
    temporary = hmac.digest(chaining_key, material, "sha256")
    result: list[bytes] = []
    last = b""
    for index in range(1, outputs + 1):
        last = hmac.digest(temporary, last + bytes([index]), "sha256")
        result.append(last)
    return tuple(result)


def _dh(private: bytes, public: bytes) -> bytes:
    try:
        return X25519PrivateKey.from_private_bytes(private).exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError as error:
        raise HandshakeFailed("a Diffie-Hellman key of the peer is not valid") from error


def public_key(private: bytes) -> bytes:
    """The X25519 public key (32 bytes) of a private one."""
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


class CipherState:
    """One direction of an encrypted stream (Noise §5.1)."""

    def __init__(self, key: bytes | None = None) -> None:
        self._set_key(key)
        self.nonce = 0

    def _set_key(self, key: bytes | None) -> None:
        self._key = key
        self._aead = ChaCha20Poly1305(key) if key is not None else None

    @property
    def has_key(self) -> bool:
        return self._aead is not None

    def encrypt(self, ad: bytes, plaintext: bytes) -> bytes:
        if self._aead is None:
            return plaintext
        return self._aead.encrypt(self._next_nonce(), plaintext, ad)

    def decrypt(self, ad: bytes, ciphertext: bytes | memoryview) -> bytes:
        """Raises HandshakeFailed when the bytes do not authenticate; the nonce does not advance then."""
        if self._aead is None:
            return bytes(ciphertext)
        nonce = self.nonce
        try:
            return self._aead.decrypt(self._next_nonce(), ciphertext, ad)
        except InvalidTag:
            self.nonce = nonce
            raise HandshakeFailed("a message does not authenticate") from None

    def rekey(self) -> None:
        """REKEY of Noise §4.2: one-way, so an old key cannot be found from a new one."""
        if self._aead is None:
            raise HandshakeFailed("no key to replace")
        nonce = b"\x00" * 4 + _MAX_NONCE.to_bytes(8, "little")
        self._set_key(self._aead.encrypt(nonce, bytes(32), b"")[:32])

    def _next_nonce(self) -> bytes:
        if self.nonce >= _MAX_NONCE:
            raise HandshakeFailed("the nonces of this key are used up")
        nonce = b"\x00" * 4 + self.nonce.to_bytes(8, "little")
        self.nonce += 1
        return nonce


class SymmetricState:
    """Chaining key and transcript hash of a handshake (Noise §5.2)."""

    def __init__(self, protocol_name: bytes) -> None:
        if len(protocol_name) <= 32:
            self.hash = protocol_name.ljust(32, b"\x00")
        else:
            self.hash = hashlib.sha256(protocol_name).digest()
        self._chaining_key = self.hash
        self._cipher = CipherState()

    @property
    def has_key(self) -> bool:
        return self._cipher.has_key

    def mix_key(self, material: bytes) -> None:
        self._chaining_key, key = _hkdf(self._chaining_key, material, 2)
        self._cipher = CipherState(key)

    def mix_hash(self, data: bytes) -> None:
        self.hash = hashlib.sha256(self.hash + data).digest()

    def mix_key_and_hash(self, material: bytes) -> None:
        self._chaining_key, mixed, key = _hkdf(self._chaining_key, material, 3)
        self.mix_hash(mixed)
        self._cipher = CipherState(key)

    def encrypt_and_hash(self, plaintext: bytes) -> bytes:
        ciphertext = self._cipher.encrypt(self.hash, plaintext)
        self.mix_hash(ciphertext)
        return ciphertext

    def decrypt_and_hash(self, ciphertext: bytes) -> bytes:
        plaintext = self._cipher.decrypt(self.hash, ciphertext)
        self.mix_hash(ciphertext)
        return plaintext

    def split(self) -> tuple[CipherState, CipherState]:
        first, second = _hkdf(self._chaining_key, b"", 2)
        return CipherState(first), CipherState(second)


@dataclass(frozen=True, slots=True)
class Transport:
    """What a finished handshake leaves behind."""

    sending: CipherState
    receiving: CipherState
    handshake_hash: bytes
    remote_static: bytes | None


class HandshakeState:
    """Runs one handshake (Noise §5.3).

    Args:
        pattern: one of `PATTERNS`.
        initiator: whether this side writes the first message.
        ephemeral: gives a fresh 32-byte X25519 private key; called once.
        static: this side's 32-byte private key, where the pattern has one.
        remote_static: the peer's public key, where it is known before.
        prologue: bytes both sides must agree on.
        psk: the 32-byte pre-shared key of a psk pattern.

    Raises:
        HandshakeFailed: from `write_message` and `read_message`; the object is dead afterwards.
    """

    def __init__(
        self,
        pattern: Pattern,
        *,
        initiator: bool,
        ephemeral: Callable[[], bytes],
        static: bytes | None = None,
        remote_static: bytes | None = None,
        prologue: bytes = b"",
        psk: bytes | None = None,
    ) -> None:
        self._symmetric = SymmetricState(f"Noise_{pattern.name}_25519_ChaChaPoly_SHA256".encode())
        self._symmetric.mix_hash(prologue)
        self._pattern = pattern
        self._initiator = initiator
        self._make_ephemeral = ephemeral
        self._static = static
        self._ephemeral: bytes | None = None
        self._psk = psk
        self.remote_static = remote_static
        self._remote_ephemeral: bytes | None = None
        self._step = 0
        self._failed = False
        own_pre, remote_pre = pattern.initiator_pre, pattern.responder_pre
        if not initiator:
            own_pre, remote_pre = remote_pre, own_pre
        own_static = public_key(static) if static is not None else None
        in_order = [(own_pre, own_static), (remote_pre, remote_static)]
        for tokens, key in in_order if initiator else reversed(in_order):
            if "s" in tokens:
                if key is None:
                    raise ValueError(f"{pattern.name} needs both static keys of its pre-messages")
                self._symmetric.mix_hash(key)

    def use_psk(self, psk: bytes) -> None:
        """Give the 32-byte pre-shared key where an earlier message told which one it is."""
        self._psk = psk

    @property
    def is_finished(self) -> bool:
        return self._step == len(self._pattern.messages)

    @property
    def is_my_turn(self) -> bool:
        return not self.is_finished and (self._step % 2 == 0) == self._initiator

    def write_message(self, payload: bytes = b"") -> bytes:
        """The next handshake message, with `payload` in it."""
        self._begin(writing=True)
        parts: list[bytes] = []
        for token in self._pattern.messages[self._step]:
            if token == "e":
                self._ephemeral = self._make_ephemeral()
                public = public_key(self._ephemeral)
                parts.append(public)
                self._symmetric.mix_hash(public)
                if self._pattern.uses_psk:
                    self._symmetric.mix_key(public)
            elif token == "s":
                parts.append(self._symmetric.encrypt_and_hash(public_key(self._required(self._static))))
            else:
                self._mix(token)
        parts.append(self._symmetric.encrypt_and_hash(payload))
        self._finish_step()
        return b"".join(parts)

    def read_message(self, message: bytes) -> bytes:
        """Take the peer's next handshake message; gives its payload."""
        self._begin(writing=False)
        at = 0
        for token in self._pattern.messages[self._step]:
            if token == "e":
                self._remote_ephemeral = self._take(message, at, DH_BYTES)
                at += DH_BYTES
                self._symmetric.mix_hash(self._remote_ephemeral)
                if self._pattern.uses_psk:
                    self._symmetric.mix_key(self._remote_ephemeral)
            elif token == "s":
                size = DH_BYTES + (TAG_BYTES if self._symmetric.has_key else 0)
                self.remote_static = self._symmetric.decrypt_and_hash(self._take(message, at, size))
                at += size
            else:
                self._mix(token)
        payload = self._symmetric.decrypt_and_hash(message[at:])
        self._finish_step()
        return payload

    def finish(self) -> Transport:
        """The two transport ciphers, once all messages are through (Noise §5.2, Split)."""
        if not self.is_finished or self._failed:
            raise HandshakeFailed("the handshake is not finished")
        first, second = self._symmetric.split()
        if not self._initiator:
            first, second = second, first
        return Transport(first, second, self._symmetric.hash, self.remote_static)

    def _begin(self, *, writing: bool) -> None:
        if self._failed or self.is_finished or self.is_my_turn != writing:
            self._failed = True
            raise HandshakeFailed("a handshake message out of turn")
        self._failed = True  # until the step went through: an error is final

    def _finish_step(self) -> None:
        self._step += 1
        self._failed = False

    @staticmethod
    def _take(message: bytes, at: int, size: int) -> bytes:
        if len(message) < at + size:
            raise HandshakeFailed(f"a handshake message of {len(message)} bytes is too short")
        return message[at : at + size]

    @staticmethod
    def _required(key: bytes | None) -> bytes:
        if key is None:
            raise HandshakeFailed("a key that the pattern needs is missing")
        return key

    def _mix(self, token: str) -> None:
        if token == "psk":
            self._symmetric.mix_key_and_hash(self._required(self._psk))
            return
        own = self._ephemeral if token[0 if self._initiator else 1] == "e" else self._static
        remote_is_ephemeral = token[1 if self._initiator else 0] == "e"
        remote = self._remote_ephemeral if remote_is_ephemeral else self.remote_static
        self._symmetric.mix_key(_dh(self._required(own), self._required(remote)))
