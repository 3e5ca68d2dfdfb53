"""Pairing: a short code, a window in which it counts, and the exchange that proves it.

The code is two announced digits, which only pick the window out of several, and six secret characters of an
alphabet of 32 without look-alikes: 30 bits, of which an attacker gets three guesses a window. Three failed attempts
close the window, counted once; only a person opens the next one, and it has to wait twice as long as the one before, a
minute at most: a longer wait would be a way to keep honest devices out.

Inside a Noise XX channel (so nothing below is visible to others)::

    joiner -> sharer   digits (2)  signing key (32)  CPace share (32)
    sharer -> joiner   signing key (32)  CPace share (32)  tag (64)
    joiner -> sharer   tag (64)  name  intent
    sharer -> joiner   folder ID  founder ID  label  name  statements
    joiner -> sharer   done

or, for one who wants to look before joining, and then is nobody's member::

    sharer -> joiner   label  name
    sharer -> joiner   entries, as often as it takes; none ends it

CPace runs with the code, the session identifier is the hash of the Noise handshake, and the associated data of
each side are both its public keys: whoever sits in the middle has another hash on each side. Names and the
folder travel only after the tags.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum

from yp2p.errors import MessageFault, PairingError, PairingFault, UsageError
from yp2p.identity import DEVICE_ID_BYTES, ID_BYTES, KEY_BYTES, DeviceID, FolderID, PublicIdentity
from yp2p.protocol.cpace import FIELD_BYTES, ConfirmedKey, CPace
from yp2p.protocol.entries import HASH_BYTES, Kind
from yp2p.protocol.messages import MAX_DEVICE_NAME_BYTES, MAX_LABEL_BYTES, MAX_STATEMENT_BYTES
from yp2p.protocol.names import MAX_PATH_BYTES, decode_path, encode_path
from yp2p.protocol.wire import Reader, Writer
from yp2p.trust.statements import Role

ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"  # 32 characters: no 0, 1, I, O
DIGITS = 2
SECRET_CHARACTERS = 6
MAX_FAILED_ATTEMPTS = 3
FIRST_WAIT_S, LONGEST_WAIT_S = 5.0, 60.0
# A whole run, with storing what was granted.
RUN_LIMIT_S = 20.0
# How the sharer's answer begins: with its half of the run, or, where no window has these digits, what became of it.
WELCOME, CLOSED = b"\x00", b"\x01"
# With the longest paths there are, these fit a message.
LISTED_IN_MESSAGE = 512
_CHANNEL = b"yp2p pairing v1"
_TAG_BYTES = 64
_MIN_LISTED_BYTES = 4 + 1 + HASH_BYTES + 8


class Closed(IntEnum):
    """What became of the window for some digits, as the sharer says it behind `CLOSED`."""

    UNKNOWN = 0
    USED = 1
    RAN_OUT = 2
    GUESSED = 3
    TAKEN_BACK = 4

    @classmethod
    def read(cls, data: bytes) -> Closed:
        """What a sharer says; what is none of these is unknown."""
        return cls(data[0]) if len(data) == 1 and data[0] in list(cls) else cls.UNKNOWN


@dataclass(frozen=True, slots=True)
class Code:
    """A pairing code: `digits` are announced, `secret` never is."""

    digits: str
    secret: str

    def __str__(self) -> str:
        half = SECRET_CHARACTERS // 2
        return f"{self.digits}-{self.secret[:half]}-{self.secret[half:]}"

    def __repr__(self) -> str:
        return f"Code({self.digits}-...)"


def make_code(random_below: Callable[[int], int]) -> Code:
    """A fresh code; `random_below(n)` gives a secure random number below n."""
    digits = f"{random_below(10**DIGITS):0{DIGITS}d}"
    return Code(digits, "".join(ALPHABET[random_below(len(ALPHABET))] for _ in range(SECRET_CHARACTERS)))


def parse_code(text: str) -> Code:
    """Read a code as people type it: any case, with or without dashes and spaces. Raises UsageError."""
    bare = "".join(text.upper().split()).replace("-", "")
    digits, secret = bare[:DIGITS], bare[DIGITS:]
    well_formed = len(secret) == SECRET_CHARACTERS and all(character in ALPHABET for character in secret)
    if not digits.isdecimal() or not digits.isascii() or not well_formed:
        raise UsageError(f"{text!r} is not a pairing code: it looks like 47-K7M-X2Q, as `yp2p share` shows it")
    return Code(digits, secret)


class PairingWindow:
    """The time in which a device may join a folder with a code.

    A run sees our tag before it has to show its own, so it may have tried a code from the moment it begins. `begin`
    gives it one of the guesses that are left, and `end` takes it back from a run that knew the code: so runs side by
    side are no more than the guesses, and one that is not over is no miss.
    """

    def __init__(self, folder: FolderID, code: Code, closes_at: float, role: Role = Role.ADMINISTRATOR) -> None:
        self.folder = folder
        self.code = code
        self.closes_at = closes_at
        self.role = role  # what the device becomes
        self.failed_attempts = 0  # runs that ended without showing the code: who breaks off has used a guess too
        self.running = 0
        self.used = False
        self.is_taken_back = False  # by a person

    def is_open(self, now: float) -> bool:
        return not self.used and not self.is_taken_back and not self.is_locked and now < self.closes_at

    def end_at(self, now: float) -> Closed:
        """Why it is closed."""
        if self.used:
            return Closed.USED
        if self.is_taken_back:
            return Closed.TAKEN_BACK
        if self.is_locked:
            return Closed.GUESSED
        return Closed.RAN_OUT if now >= self.closes_at else Closed.UNKNOWN

    @property
    def has_guess_left(self) -> bool:
        """Whether another run may begin now; else it waits for the end of one."""
        return self.failed_attempts + self.running < MAX_FAILED_ATTEMPTS

    @property
    def is_locked(self) -> bool:
        return self.failed_attempts >= MAX_FAILED_ATTEMPTS and not self.used

    def begin(self) -> None:
        """A run begins."""
        self.running += 1

    def end(self, *, knew_code: bool) -> bool:
        """A run is over; tells whether its miss closed the window."""
        self.running -= 1
        if knew_code or self.used:
            return False
        self.failed_attempts += 1
        return self.failed_attempts == MAX_FAILED_ATTEMPTS


def announced_digits(message: bytes) -> str:
    """The digits in a joiner's first message: which window it is for."""
    return message[:DIGITS].decode("ascii", "replace")


@dataclass(frozen=True, slots=True)
class Grant:
    """What a sharer gives a joiner: the folder and everything needed to check its members."""

    folder: FolderID
    founder: DeviceID
    label: str
    name: str
    statements: tuple[bytes, ...]

    def encode(self) -> bytes:
        out = Writer().raw(self.folder).raw(self.founder).text(self.label).text(self.name)
        out.u32(len(self.statements))
        for statement in self.statements:
            out.data(statement)
        return out.finish()

    @classmethod
    def decode(cls, data: bytes) -> Grant:
        """Raises MessageFault."""
        reader = Reader(data)
        folder, founder = FolderID(reader.raw(ID_BYTES)), DeviceID(reader.raw(DEVICE_ID_BYTES))
        label, name = reader.text(MAX_LABEL_BYTES), reader.text(MAX_DEVICE_NAME_BYTES)
        count = reader.count(4)
        statements = tuple(reader.data(MAX_STATEMENT_BYTES) for _ in range(count))
        reader.end()
        return cls(folder, founder, label, name, statements)


class Intent(IntEnum):
    """What somebody with a code wants."""

    JOIN = 0
    LOOK = 1


@dataclass(frozen=True, slots=True)
class Listed:
    """One entry of a folder, for one who looks before joining; `content` is the hash as its kind has it."""

    path: str
    kind: Kind
    content: bytes
    size: int


def encode_listing(entries: Sequence[Listed]) -> bytes:
    out = Writer().u32(len(entries))
    for entry in entries:
        out.data(encode_path(entry.path)).u8(entry.kind).raw(entry.content).u64(entry.size)
    return out.finish()


def decode_listing(data: bytes) -> list[Listed]:
    """Raises MessageFault."""
    reader = Reader(data)
    entries: list[Listed] = []
    for _ in range(reader.count(_MIN_LISTED_BYTES)):
        path = decode_path(reader.data(MAX_PATH_BYTES))
        try:
            kind = Kind(reader.u8())
        except ValueError:
            raise MessageFault(f"an entry of a kind that does not exist: {path!r}") from None
        entries.append(Listed(path, kind, reader.raw(HASH_BYTES), reader.u64()))
    reader.end()
    return entries


class PairingRun:
    """One run of one side, after the Noise handshake.

    Args:
        code: what the person typed, or what the window shows.
        handshake_hash: of the Noise XX handshake around it.
        own: this device's public keys.
        remote_noise_key: the static key that the handshake authenticated.
        scalar: 32 fresh random bytes.
    """

    def __init__(
        self, code: Code, handshake_hash: bytes, own: PublicIdentity, remote_noise_key: bytes, *, scalar: bytes
    ) -> None:
        self._own = own
        self._digits = code.digits
        self._remote_noise_key = remote_noise_key
        self._cpace = CPace(
            (code.digits + code.secret).encode(), _CHANNEL, handshake_hash, scalar=scalar,
            associated=own.signing_key + own.noise_key,
        )  # fmt: skip
        self._key: ConfirmedKey | None = None
        self.peer: PublicIdentity | None = None

    def open(self) -> bytes:
        """The joiner's first message."""
        return self._digits.encode() + self._share()

    def _share(self) -> bytes:
        return self._own.signing_key + self._cpace.share

    def answer(self, message: bytes) -> bytes:
        """The sharer's answer to it. Raises PairingFault."""
        if len(message) != DIGITS + KEY_BYTES + FIELD_BYTES:
            raise PairingFault(f"a pairing message of {len(message)} bytes")
        key, share = message[DIGITS : DIGITS + KEY_BYTES], message[DIGITS + KEY_BYTES :]
        self._key = self._finish(key, share, initiator=False)
        return self._share() + self._key.tag

    def confirm(self, message: bytes, name: str, intent: Intent = Intent.JOIN) -> bytes:
        """The joiner's confirmation. Raises PairingError when the code is not the one the sharer shows."""
        if len(message) != KEY_BYTES + FIELD_BYTES + _TAG_BYTES:
            raise PairingFault(f"a pairing message of {len(message)} bytes")
        share, tag = message[KEY_BYTES:-_TAG_BYTES], message[-_TAG_BYTES:]
        self._key = self._finish(message[:KEY_BYTES], share, initiator=True)
        if not self._key.verify(tag):
            raise PairingError("wrong code: it is not the one that the other device shows")
        return Writer().raw(self._key.tag).text(name).u8(intent).finish()

    def check_confirmation(self, message: bytes) -> tuple[str, Intent]:
        """The sharer's last check; gives the joiner's name and what it wants. Raises PairingError, MessageFault."""
        reader = Reader(message)
        tag = reader.raw(_TAG_BYTES)
        name = reader.text(MAX_DEVICE_NAME_BYTES)
        intent = reader.u8()
        reader.end()
        if intent not in list(Intent):
            raise MessageFault(f"a pairing with an intent that does not exist: {intent}")
        if self._key is None or not self._key.verify(tag):
            raise PairingError("the joining device had a wrong code")
        return name, Intent(intent)

    def _finish(self, signing_key: bytes, share: bytes, *, initiator: bool) -> ConfirmedKey:
        try:
            self.peer = PublicIdentity.received(signing_key, self._remote_noise_key)
        except MessageFault as error:
            raise PairingFault(str(error)) from error
        return self._cpace.finish(share, signing_key + self._remote_noise_key, initiator=initiator)
