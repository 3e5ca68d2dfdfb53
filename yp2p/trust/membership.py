"""Who is a member of a folder: a set of signed statements, evaluated alike by everyone.

A statement says: *issuer* gives *subject* this *role*. The founder of the folder states its own membership; everybody
else is introduced by a member. The set only grows, travels to every member before the manifest does, and each device
draws its conclusions from it alone:

* The founder is a member. Whoever a member (not read-only) introduced is a member.
* Removal wins over any number of introductions, until the remover or an administrator adds the subject again with
  a higher counter.
* A statement whose signature fails, that is for another folder, or that names a key which nobody can have made is not
  part of the set. Nor is what is too much, or of an issuer that nobody let in (`counted`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum

from yp2p.errors import MessageFault
from yp2p.identity import ID_BYTES, KEY_BYTES, SIGNATURE_BYTES, DeviceID, FolderID, Identity, PublicIdentity
from yp2p.protocol.messages import MAX_DEVICE_NAME_BYTES
from yp2p.protocol.wire import Reader, Writer

# A room has dozens of devices, and each is let in by one statement. Without a cap one member could make every other one
# store and check statements forever; without one for each issuer it could take the places of all others.
MAX_STATEMENTS = 4096
MAX_STATEMENTS_OF_ONE = 256
_FORMAT = 1
_CONTEXT = b"yp2p membership v1"


class Role(IntEnum):
    """What a member may do; larger may do more."""

    REMOVED = 0
    READ_ONLY = 1
    MEMBER = 2
    ADMINISTRATOR = 3


@dataclass(frozen=True, slots=True)
class Statement:
    """One signed statement. `name` is what the subject called itself when it was introduced."""

    folder: FolderID
    subject: PublicIdentity
    role: Role
    issuer: PublicIdentity
    counter: int
    name: str
    signature: bytes

    def body(self) -> bytes:
        out = Writer().u8(_FORMAT).raw(self.folder).raw(self.subject.signing_key).raw(self.subject.noise_key)
        out.u8(self.role).raw(self.issuer.signing_key).raw(self.issuer.noise_key).u64(self.counter)
        return out.text(self.name).finish()

    def encode(self) -> bytes:
        return self.body() + self.signature


def sign_statement(
    identity: Identity, folder: FolderID, subject: PublicIdentity, role: Role, counter: int, name: str
) -> Statement:
    """Make a statement in the name of this device."""
    unsigned = Statement(folder, subject, role, identity.public, counter, name, b"")
    return Statement(folder, subject, role, identity.public, counter, name, identity.sign(_CONTEXT + unsigned.body()))


def read_statement(data: bytes, folder: FolderID) -> Statement:
    """Decode and verify a statement. Raises MessageFault."""
    reader = Reader(data)
    if reader.u8() != _FORMAT:
        raise MessageFault("a membership statement of another format")
    found = FolderID(reader.raw(ID_BYTES))
    subject = PublicIdentity.received(reader.raw(KEY_BYTES), reader.raw(KEY_BYTES))
    role = reader.u8()
    issuer = PublicIdentity.received(reader.raw(KEY_BYTES), reader.raw(KEY_BYTES))
    counter = reader.u64()
    name = reader.text(MAX_DEVICE_NAME_BYTES)
    signature = reader.raw(SIGNATURE_BYTES)
    reader.end()
    if found != folder or role not in list(Role):
        raise MessageFault("a membership statement for another folder, or with a role that does not exist")
    if not issuer.verify(signature, _CONTEXT + data[:-SIGNATURE_BYTES]):
        raise MessageFault("a membership statement whose signature does not match")
    return Statement(folder, subject, Role(role), issuer, counter, name, signature)


def counted(founder: DeviceID, statements: Mapping[bytes, Statement]) -> dict[bytes, Statement]:
    """The statements that count, by their encoding: a function of the set, so that all devices leave out the same.

    Those of issuers that no chain of introductions leads to are of strangers, and count for nothing. Of each issuer
    the first `MAX_STATEMENTS_OF_ONE` count. Of all, `MAX_STATEMENTS` do: those of issuers nearer to the founder first,
    and of equally near ones as many of each, so that who fills its share takes it from those alone that it let in.
    """
    by_issuer: dict[DeviceID, list[tuple[int, bytes]]] = {}
    for body, statement in statements.items():
        by_issuer.setdefault(statement.issuer.device_id, []).append((statement.counter, body))
    found: dict[bytes, Statement] = {}
    known, nearest = {founder}, {founder}
    while nearest and len(found) < MAX_STATEMENTS:
        ranked = [
            (rank, body)
            for issuer in nearest
            for rank, (_, body) in enumerate(sorted(by_issuer.get(issuer, ()))[:MAX_STATEMENTS_OF_ONE])
        ]
        taken = [body for _, body in sorted(ranked)][: MAX_STATEMENTS - len(found)]
        found |= {body: statements[body] for body in taken}
        introduced = {found[body].subject.device_id for body in taken if found[body].role is not Role.REMOVED}
        nearest = introduced - known
        known |= nearest
    return found


@dataclass(frozen=True, slots=True)
class Member:
    """A member as the statements say."""

    identity: PublicIdentity
    role: Role
    name: str


def evaluate(founder: DeviceID, statements: Iterable[Statement]) -> dict[DeviceID, Member]:
    """The members of a folder, the founder among them once its own statement is there."""
    pending = sorted(statements, key=lambda s: (s.counter, s.encode()))
    members: dict[DeviceID, Member] = {}
    removed: dict[DeviceID, tuple[int, DeviceID]] = {}
    changed = True
    while changed:
        changed = False
        for statement in pending:
            issuer, subject = statement.issuer.device_id, statement.subject.device_id
            role = members[issuer].role if issuer in members else None
            if issuer == founder and subject == founder:
                role = Role.ADMINISTRATOR
            if role is None or role < Role.MEMBER:
                continue
            if statement.role is Role.REMOVED:
                known = removed.get(subject)
                if subject != founder and (known is None or known[0] < statement.counter):
                    removed[subject] = (statement.counter, issuer)
                    members.pop(subject, None)
                    changed = True
                continue
            removal = removed.get(subject)
            if removal is not None:
                allowed = issuer == removal[1] or role is Role.ADMINISTRATOR
                if not allowed or statement.counter <= removal[0]:
                    continue
            granted = min(statement.role, role)
            held = members.get(subject)
            if held is None or held.role < granted:
                members[subject] = Member(statement.subject, granted, statement.name)
                changed = True
    return members
