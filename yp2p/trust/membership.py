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
from dataclasses import dataclass, field
from enum import IntEnum
from heapq import heappop, heappush

from yp2p.errors import MessageFault
from yp2p.identity import ID_BYTES, KEY_BYTES, SIGNATURE_BYTES, DeviceID, FolderID, Identity, PublicIdentity
from yp2p.protocol.messages import MAX_DEVICE_NAME_BYTES
from yp2p.protocol.wire import Reader, Writer

# A room has dozens of devices, and each is let in by one statement. Without a cap one member could make every other one
# store and check statements forever; without one for each issuer it could take the places of all others.
MAX_STATEMENTS = 4096
MAX_STATEMENTS_OF_ONE = 256
MAX_COUNTER = (1 << 64) - 1  # its field has eight bytes
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
    """The members of a folder, the founder among them once its own statement is there.

    Of the statements whose issuer is a member by then the one with the smallest counter is next. Each is looked at once
    for each role that its issuer gets, so a chain of introductions takes as long as it is.
    """
    ordered = sorted(statements, key=lambda s: (s.counter, s.encode()))
    return _Evaluation(founder, ordered).run()


@dataclass(slots=True)
class _Subject:
    """What was said of one device by members."""

    removal: tuple[int, DeviceID] | None = None  # its counter, and whose it is
    # By the role that was given: the newest statement of all, of those of administrators, and of those of one issuer.
    given: dict[tuple[Role, DeviceID | str], Statement] = field(default_factory=dict)

    def give(self, role: Role, statement: Statement, *, by_administrator: bool) -> None:
        for whose in (_ANYBODY, statement.issuer.device_id, *((_ADMINISTRATORS,) if by_administrator else ())):
            known = self.given.get((role, whose))
            if known is None or known.counter <= statement.counter:
                self.given[role, whose] = statement

    def member(self) -> Member | None:
        """What follows."""
        for role in sorted(Role, reverse=True):
            for whose in (_ANYBODY,) if self.removal is None else (_ADMINISTRATORS, self.removal[1]):
                statement = self.given.get((role, whose))
                if statement is not None and (self.removal is None or statement.counter > self.removal[0]):
                    return Member(statement.subject, role, statement.name)
        return None


_ANYBODY, _ADMINISTRATORS = "anybody", "administrators"


class _Evaluation:
    """Goes through statements, in the order of their counters, as their issuers become members."""

    def __init__(self, founder: DeviceID, ordered: list[Statement]) -> None:
        self._founder = founder
        self._ordered = ordered
        self._issuers = [statement.issuer.device_id for statement in ordered]
        self._of_issuer: dict[DeviceID, list[int]] = {}
        for number, issuer in enumerate(self._issuers):
            self._of_issuer.setdefault(issuer, []).append(number)
        self._subjects: dict[DeviceID, _Subject] = {}
        self._members: dict[DeviceID, Member] = {}
        self._next = [n for n in self._of_issuer.get(founder, []) if ordered[n].subject.device_id == founder]
        self._queued = set(self._next)
        self._done: dict[int, Role] = {}  # statements that were taken, and the role that their issuer had then

    def run(self) -> dict[DeviceID, Member]:
        while self._next:
            number = heappop(self._next)
            self._queued.discard(number)
            self._take(number)
        return self._members

    def _take(self, number: int) -> None:
        statement, issuer = self._ordered[number], self._issuers[number]
        subject = statement.subject.device_id
        if issuer == subject == self._founder:
            role = Role.ADMINISTRATOR
        else:
            role = self._members[issuer].role if issuer in self._members else Role.REMOVED
        if role < Role.MEMBER or self._done.get(number, Role.REMOVED) >= role:
            return
        self._done[number] = role
        said = self._subjects.setdefault(subject, _Subject())
        if statement.role is not Role.REMOVED:
            said.give(min(statement.role, role), statement, by_administrator=role is Role.ADMINISTRATOR)
        elif subject != self._founder and (said.removal is None or said.removal[0] < statement.counter):
            said.removal = statement.counter, issuer
        self._settle(subject, said)

    def _settle(self, subject: DeviceID, said: _Subject) -> None:
        before, now = self._members.pop(subject, None), said.member()
        if now is None:
            return
        self._members[subject] = now
        if before is not None and before.role >= now.role:
            return
        for number in self._of_issuer.get(subject, ()):
            if number not in self._queued and self._done.get(number, Role.REMOVED) < now.role:
                self._queued.add(number)
                heappush(self._next, number)
