"""What devices say about a folder's membership: signed statements that name what their issuer knew.

A statement names its *predecessors*: the hashes of the heads of the set that its issuer had. So everybody can tell of
two statements whether one was made in knowledge of the other, and nobody can make one look older than what it names.
There are three kinds:

* a *grant* gives a device a role, and says what it called itself;
* a *removal* takes away what a device may do beyond a role, which may be none;
* an *acknowledgement* only says what its issuer knew (docs/protocol.md says who makes one, and when).

This module says what a statement is, and who signed it; what follows from a set of them is in `membership.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from itertools import pairwise
from typing import NewType

from yp2p.errors import MessageFault
from yp2p.identity import ID_BYTES, KEY_BYTES, SIGNATURE_BYTES, DeviceID, FolderID, Identity, PublicIdentity
from yp2p.protocol.messages import MAX_DEVICE_NAME_BYTES
from yp2p.protocol.wire import Reader, Writer

StatementHash = NewType("StatementHash", bytes)  # 32 bytes

HASH_BYTES = 32
# More heads than this are named by several statements, one behind the other. Without a cap one statement could name
# all that there are.
MAX_PREDECESSORS = 16
_FORMAT = 2
_CONTEXT = b"yp2p membership v2"


class Role(IntEnum):
    """What a device may do in a folder; larger may do more."""

    REMOVED = 0
    READER = 1
    MEMBER = 2
    ADMINISTRATOR = 3


class Kind(IntEnum):
    """What a statement does."""

    GRANT = 1
    REMOVAL = 2
    ACKNOWLEDGEMENT = 3


@dataclass(frozen=True)
class Statement:
    """One signed statement.

    Attributes:
        previous: the predecessors, sorted.
        subject: whom it is about; an acknowledgement is about its issuer.
        role: what is given, or what is left; an acknowledgement has REMOVED.
        name: of a grant, what the subject called itself then.
    """

    kind: Kind
    folder: FolderID
    issuer: PublicIdentity
    previous: tuple[StatementHash, ...]
    subject: PublicIdentity
    role: Role
    name: str
    signature: bytes

    def __hash__(self) -> int:
        return hash(self.signature)  # of all the fields it would take as long as to read them

    @cached_property
    def issuer_id(self) -> DeviceID:
        return self.issuer.device_id

    @cached_property
    def subject_id(self) -> DeviceID:
        return self.subject.device_id

    @cached_property
    def hash(self) -> StatementHash:
        """SHA-256 of the statement as it is sent."""
        return StatementHash(hashlib.sha256(self.encode()).digest())

    def body(self) -> bytes:
        """What is signed (docs/protocol.md, "Membership statement")."""
        out = Writer().u8(_FORMAT).u8(self.kind).raw(self.folder)
        out.raw(self.issuer.signing_key).raw(self.issuer.noise_key).u8(len(self.previous))
        for one in self.previous:
            out.raw(one)
        if self.kind is not Kind.ACKNOWLEDGEMENT:
            out.raw(self.subject.signing_key).raw(self.subject.noise_key).u8(self.role)
        if self.kind is Kind.GRANT:
            out.text(self.name)
        return out.finish()

    def encode(self) -> bytes:
        """As it is sent and stored."""
        return self.body() + self.signature


class Signer:
    """Makes statements of one folder in the name of this device."""

    def __init__(self, identity: Identity, folder: FolderID) -> None:
        self._identity = identity
        self._folder = folder
        self.device_id = identity.device_id

    def grant(
        self, previous: Collection[StatementHash], subject: PublicIdentity, role: Role, name: str = ""
    ) -> Statement:
        return self._sign(Kind.GRANT, previous, subject, role, name)

    def remove(self, previous: Collection[StatementHash], subject: PublicIdentity, role: Role) -> Statement:
        """Args: `role` is what the subject may still be."""
        return self._sign(Kind.REMOVAL, previous, subject, role, "")

    def gather(self, heads: Collection[StatementHash]) -> tuple[list[Statement], list[StatementHash]]:
        """As many heads as a statement can name, and the acknowledgements that they take to name all of these."""
        made: list[Statement] = []
        left = sorted(heads)
        while len(left) > MAX_PREDECESSORS:
            made.append(self.acknowledge(left[:MAX_PREDECESSORS]))
            left = [made[-1].hash, *left[MAX_PREDECESSORS:]]
        return made, left

    def acknowledge(self, previous: Collection[StatementHash]) -> Statement:
        return self._sign(Kind.ACKNOWLEDGEMENT, previous, self._identity.public, Role.REMOVED, "")

    def _sign(
        self, kind: Kind, previous: Collection[StatementHash], subject: PublicIdentity, role: Role, name: str
    ) -> Statement:
        if len(previous) > MAX_PREDECESSORS:
            raise ValueError(f"a statement names {MAX_PREDECESSORS} predecessors at most, not {len(previous)}")
        fields = kind, self._folder, self._identity.public, tuple(sorted(previous)), subject, role, name
        return Statement(*fields, self._identity.sign(_CONTEXT + Statement(*fields, b"").body()))


def read_statement(data: bytes, folder: FolderID) -> Statement:
    """Decode and verify a statement. Raises MessageFault: nobody can have signed it for this folder."""
    reader = Reader(data)
    if reader.u8() != _FORMAT:
        raise MessageFault("a membership statement of another format")
    kind = reader.u8()
    found = FolderID(reader.raw(ID_BYTES))
    if kind not in list(Kind) or found != folder:
        raise MessageFault("a membership statement for another folder, or of a kind that does not exist")
    issuer = subject = PublicIdentity.received(reader.raw(KEY_BYTES), reader.raw(KEY_BYTES))
    count = reader.u8()
    previous = tuple(StatementHash(reader.raw(HASH_BYTES)) for _ in range(min(count, MAX_PREDECESSORS)))
    if count > MAX_PREDECESSORS or any(one >= other for one, other in pairwise(previous)):
        raise MessageFault("a membership statement whose predecessors are too many, or not in order")
    role, name = int(Role.REMOVED), ""
    if kind != Kind.ACKNOWLEDGEMENT:
        subject = PublicIdentity.received(reader.raw(KEY_BYTES), reader.raw(KEY_BYTES))
        role = reader.u8()
    if kind == Kind.GRANT:
        name = reader.text(MAX_DEVICE_NAME_BYTES)
    signature = reader.raw(SIGNATURE_BYTES)
    reader.end()
    _check_role(Kind(kind), role)
    if not issuer.verify(signature, _CONTEXT + data[:-SIGNATURE_BYTES]):
        raise MessageFault("a membership statement whose signature does not match")
    return Statement(Kind(kind), folder, issuer, previous, subject, Role(role), name, signature)


def _check_role(kind: Kind, role: int) -> None:
    allowed = {
        Kind.GRANT: (Role.READER, Role.MEMBER, Role.ADMINISTRATOR),
        Kind.REMOVAL: (Role.REMOVED, Role.READER, Role.MEMBER),
        Kind.ACKNOWLEDGEMENT: (Role.REMOVED,),
    }
    if role not in allowed[kind]:
        raise MessageFault(f"a membership statement of kind {kind.name} with the role {role}, which it cannot have")
