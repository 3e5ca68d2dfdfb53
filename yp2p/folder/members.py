"""Who takes part in a folder: the signed statements of this device's copy, what follows from them, and our own ones.

Theory of operation
    What comes is checked, kept as far as it fits (`trust/limits.py`), and evaluated. Then this device says what it
    knows, in statements that go out like all others: of each removal, as soon as it hears of it, what it had before
    (`trust/membership.py` says why), and an administrator of each grant. Acknowledgements are not acknowledged.

Invariants
    * Which statements are kept is a function of the set: what is too much is left out by everybody alike, and is no
      fault of whoever brought it. Only a statement that nobody can have signed is.
    * Our own statements follow all that we had, our own ones among them.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

import structlog
import trio

from yp2p.errors import FolderError, MessageFault
from yp2p.folder.turns import turn
from yp2p.identity import DeviceID, FolderID, Identity, PublicIdentity, short_id
from yp2p.store import tables
from yp2p.store.database import Database
from yp2p.store.writer import Commit
from yp2p.trust import recovery
from yp2p.trust.ancestry import Ancestry, bits
from yp2p.trust.limits import heads_within, kept
from yp2p.trust.membership import Evaluation, Member, evaluate
from yp2p.trust.statements import Kind, Role, Signer, Statement, StatementHash, read_statement

# A statement takes half a millisecond to check.
_SLICE = 16
# What follows from so many takes a tenth of a second at most, whatever they are; of a room of thirty there are 400.
_AT_ONCE = 512

_Statements = Mapping[StatementHash, Statement]

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Removal:
    """A device that is no member any more, and who said so."""

    device: DeviceID
    name: str
    by: DeviceID | None


@dataclass(frozen=True, slots=True)
class _Outcome:
    """Statements, and what follows from them."""

    statements: dict[StatementHash, Statement]
    evaluation: Evaluation


class Membership:
    """The statements of one folder. `members` follows from them.

    Args:
        identity: this device; None for who only reads.

    Attributes:
        devices: the members that are devices, and no recovery keys.
        evaluation: what follows from the statements, with the removals in force and the grants that they made void.
    """

    def __init__(
        self, folder: FolderID, founder: DeviceID, database: Database, identity: Identity | None = None
    ) -> None:
        self._folder = folder
        self.founder = founder
        self._database = database
        self._identity = identity
        self._own = identity.device_id if identity is not None else None
        self._signer = Signer(identity, folder) if identity is not None else None
        self._statements: dict[StatementHash, Statement] = {}
        self.members: dict[DeviceID, Member] = {}
        self.devices: dict[DeviceID, Member] = {}
        self.evaluation = evaluate(founder, ())
        self.on_change: Callable[[], None] = lambda: None
        self.on_removed: Callable[[Removal], None] = lambda removal: None
        self.on_silenced: Callable[[Removal], None] = lambda removal: None  # it may not write any more
        self.on_heard: Callable[[DeviceID], None] = lambda device: None  # it may write, or may again
        self.on_admitted: Callable[[Member], None] = lambda member: None

    def load(self) -> None:
        """Read what is stored; call once, before use."""
        bodies = tables.statement.read_all(self._database.rows, self._folder)
        self._statements = kept(self.founder, self._read(bodies))
        self._follow(evaluate(self.founder, self._statements.values()))

    def _follow(self, evaluation: Evaluation) -> None:
        self.evaluation, self.members = evaluation, dict(evaluation.members)
        # Whoever was let in as a device stays one, whatever another administrator calls it.
        named = {
            one.subject_id for one in self._statements.values() if one.kind is Kind.GRANT and one.name != recovery.NAME
        }
        self.devices = {one: member for one, member in self.members.items() if one in named}

    def _read(self, bodies: Iterable[bytes]) -> list[Statement]:
        """Our own rows; one that nobody signed, or that an earlier version took and this one would not, is left out."""
        found: list[Statement] = []
        for body in bodies:
            try:
                found.append(read_statement(body, self._folder))
            except MessageFault as error:
                log.warning("statement_left_out", reason=str(error), advice="another member sends it, if it counts")
        return found

    def statements(self) -> tuple[bytes, ...]:
        """All of them, as they are sent, each behind those that it names."""
        return tuple(statement.encode() for statement in self._statements.values())

    def about_removal(self, device: DeviceID) -> tuple[bytes, ...]:
        """The statements by which a device was removed, and all that these follow: what it is told of that."""
        ancestry = Ancestry(self._statements.values())
        told = 0
        for removal in self.evaluation.removals.get(device, ()):
            told |= ancestry.up_to(removal.hash)
        return tuple(ancestry.statements[number].encode() for number in bits(told))

    def digest(self) -> bytes:
        return hashlib.sha256(b"".join(sorted(self._statements))).digest()

    def name_of(self, device: DeviceID) -> str:
        """What a device called itself when it was let in last, members and former ones; empty for others."""
        names = [one.name for one in self._statements.values() if one.kind is Kind.GRANT and one.subject_id == device]
        member = self.members.get(device)
        return member.name if member is not None else max(names, default="")

    def everybody(self) -> dict[DeviceID, PublicIdentity]:
        """All devices that statements name, members or not, with their keys."""
        found = {one.subject_id: one.subject for one in self._statements.values()}
        return found | {one.issuer_id: one.issuer for one in self._statements.values()}

    def was_removed(self, device: DeviceID) -> bool:
        """Whether somebody, who may or may not, ever took a role of a device away, or it left."""
        return any(one.kind is Kind.REMOVAL and one.subject_id == device for one in self._statements.values())

    def let_in_only_by(self, device: DeviceID) -> list[DeviceID]:
        """The members that nobody let in but a device, or who was let in by it alone; this device is none of them."""
        void = {statement.hash for statement in self.evaluation.lost}
        let_in: dict[DeviceID, set[DeviceID]] = defaultdict(set)
        for one, statement in self._statements.items():
            if statement.kind is Kind.GRANT and one not in void:
                let_in[statement.issuer_id].add(statement.subject_id)
        by_others = todo = {self.founder, *([self._own] if self._own is not None else [])} - {device}
        while todo:
            todo = set[DeviceID]().union(*(let_in[one] for one in todo)) - by_others - {device}
            by_others = by_others | todo
        return [one for one in self.members if one != device and one not in by_others]

    def may(self, role: Role) -> bool:
        """Whether this device has a role, or a higher one."""
        member = self.members.get(self._own) if self._own is not None else None
        return member is not None and member.role >= role

    @property
    def is_reader(self) -> bool:
        """Whether this device only reads: what people and programs change here stays here.

        Who is no member any more goes on by itself, as far as its own disk is concerned.
        """
        member = self.members.get(self._own) if self._own is not None else None
        return member is not None and member.role < Role.MEMBER

    def takes_from(self, source: object) -> bool:
        """Whether content counts that came from there: not from a device that only reads, or was removed."""
        if not isinstance(source, bytes):
            return True
        member = self.members.get(DeviceID(source))
        if member is None:
            return DeviceID(source) not in self.evaluation.removals
        return member.role >= Role.MEMBER

    def check_may_write(self) -> None:
        """Raises FolderError where this device only reads."""
        if self.is_reader:
            raise FolderError(
                "this device may only read this folder, so nothing here changes it for others;"
                " an administrator can change that, with `yp2p device role`"
            )

    # --- what others said ---------------------------------------------------------------------------------------

    def add(self, bodies: Iterable[bytes]) -> Commit | None:
        """Take signed statements; gives the commit when there was news. Raises MessageFault for a forged one."""
        return self._take([read_statement(body, self._folder) for body in self._unknown(bodies)])

    async def receive(self, bodies: Iterable[bytes]) -> Commit | None:
        """`add` what a peer sent, in slices: to check a signature takes time, also of those that are not kept.

        Where there are many, what follows from them is worked out in a thread.
        """
        offered: list[Statement] = []
        for number, body in enumerate(self._unknown(bodies)):
            offered.append(read_statement(body, self._folder))
            if number % _SLICE == _SLICE - 1:
                await turn()
        while len(self._statements) + len(offered) > _AT_ONCE:
            before = self._statements
            outcome = await trio.to_thread.run_sync(self._outcome, before, offered, abandon_on_cancel=True)
            if self._statements is before:  # no await: nothing was said or taken meanwhile
                return self._changed(outcome) if outcome is not None else None
        return self._take(offered)

    def _unknown(self, bodies: Iterable[bytes]) -> list[bytes]:
        return [body for body in bodies if hashlib.sha256(body).digest() not in self._statements]

    def _take(self, offered: Sequence[Statement]) -> Commit | None:
        outcome = self._outcome(self._statements, offered)
        return self._changed(outcome) if outcome is not None else None

    def _outcome(self, before: _Statements, offered: Sequence[Statement]) -> _Outcome | None:
        """What follows from more statements, and what we say of them; None where that is nothing. Changes nothing."""
        found = kept(self.founder, [*before.values(), *offered])
        if found.keys() == before.keys():
            return None
        evaluation = evaluate(self.founder, found.values())
        answers = self._answers(before, found, evaluation)
        if answers:  # what we had before decides as well
            found = kept(self.founder, [*found.values(), *answers.values()])
            evaluation = evaluate(self.founder, found.values())
        return _Outcome(found, evaluation)

    def _changed(self, outcome: _Outcome) -> Commit:
        """Store what became of the statements, and tell of it."""
        members, before = self.members, self._statements
        self._statements = outcome.statements
        was_put_out = self._put_out()
        self._follow(outcome.evaluation)
        news, obsolete = self._statements.keys() - before.keys(), before.keys() - self._statements.keys()
        statements = [
            *(tables.statement.insert(self._folder, self._statements[one].encode()) for one in sorted(news)),
            *(tables.statement.delete(self._folder, before[one].encode()) for one in sorted(obsolete)),
        ]
        with self._database.as_one():  # who is doubted is known as long as it is known why
            commit = self._database.submit(statements)
            self._tell_gone(members, was_put_out)
            if members:
                for device in sorted(self.members.keys() - members.keys()):
                    self.on_admitted(self.members[device])
        self.on_change()
        return commit

    def _put_out(self) -> set[DeviceID]:
        """Who may not write because another device said so."""
        return {
            device
            for device, removals in self.evaluation.removals.items()
            if not self.takes_from(device) and any(removal.issuer_id != device for removal in removals)
        }

    def _tell_gone(self, members: Mapping[DeviceID, Member], was_put_out: Set[DeviceID]) -> None:
        """Args: those that there were before.

        Who left by itself may have been removed as well, which is heard later.
        """
        put_out = self._put_out() - was_put_out if members else set()
        for device in sorted((members.keys() | put_out) - self.members.keys()):
            self.on_removed(self._removal(members, device))
        wrote = {device for device, before in members.items() if before.role >= Role.MEMBER}
        write = {device for device, member in self.members.items() if member.role >= Role.MEMBER}
        for device in sorted(put_out | (wrote - write)):
            self.on_silenced(self._removal(members, device))
        for device in sorted(write - wrote):
            self.on_heard(device)

    def _removal(self, members: Mapping[DeviceID, Member], device: DeviceID) -> Removal:
        name = members[device].name if device in members else self.name_of(device)
        return Removal(device, name, self._removed_by(device))

    def _removed_by(self, device: DeviceID) -> DeviceID | None:
        """Somebody else, where it also left by itself."""
        removals = self.evaluation.removals.get(device, ())
        others = [removal for removal in removals if removal.issuer_id != device]
        return (others or removals)[-1].issuer_id if removals else None

    # --- what we say --------------------------------------------------------------------------------------------

    def grant(self, subject: PublicIdentity, role: Role, name: str) -> Commit:
        """Let a device in, or give it a higher role. Raises FolderError: this device may not."""
        signer = self._as_administrator()
        made, heads = signer.gather(self._heads(signer))
        return self._say([*made, signer.grant(heads, subject, role, name)])

    def _heads(self, signer: Signer) -> list[StatementHash]:
        ancestry = Ancestry(self._statements.values())
        return heads_within(ancestry, signer.device_id, ancestry.everything)

    def restore_right(self, key: Identity, name: str) -> Commit:
        """Make this device an administrator in the name of a recovery key. Raises FolderError: that key may not."""
        found = self.members.get(key.device_id)
        if self._identity is None or found is None or found.role is not Role.ADMINISTRATOR:
            raise FolderError("this recovery key is none of this folder's administrators; was it removed?")
        signer = Signer(key, self._folder)
        made, heads = signer.gather(self._heads(signer))
        return self._say([*made, signer.grant(heads, self._identity.public, Role.ADMINISTRATOR, name)])

    def remove(self, device: DeviceID, role: Role = Role.REMOVED) -> Commit:
        """Take away what a member may do beyond a role. A device may remove itself. Raises FolderError: it may not."""
        member, signer = self.check_can_remove(device)
        made, heads = signer.gather(self._heads(signer))
        return self._say([*made, signer.remove(heads, member.identity, role)])

    def replace(self, device: DeviceID, by: PublicIdentity, name: str) -> Commit:
        """Give another device the role of a member, and remove that one: both or nothing.

        Args:
            name: what the other one is called, where it is no member yet.

        Raises:
            FolderError: this device may not.
        """
        signer, member, newer = self._as_administrator(), self.members.get(device), self.members.get(by.device_id)
        if member is None:
            raise FolderError(f"{short_id(device)} is no member of this folder")
        made, heads = signer.gather(self._heads(signer))
        if newer is None or newer.role < member.role:
            made.append(signer.grant(heads, by, member.role, newer.name if newer is not None else name))
            heads = [made[-1].hash]
        return self._say([*made, signer.remove(heads, member.identity, Role.REMOVED)])

    def confirm_removal(self, former: PublicIdentity) -> Commit:
        """Say as well that a device is out, which may have said so itself: what it does since is doubted then.

        Raises:
            FolderError: this device may not.
        """
        signer = self._as_administrator()
        made, heads = signer.gather(self._heads(signer))
        return self._say([*made, signer.remove(heads, former, Role.REMOVED)])

    def check_can_remove(self, device: DeviceID) -> tuple[Member, Signer]:
        """The member, and who may say so. Raises FolderError: this device may not remove it."""
        member = self.members.get(device)
        if member is None:
            raise FolderError(f"{short_id(device)} is no member of this folder")
        signer = self._signer if device == self._own and self._signer is not None else self._as_administrator()
        others = [one for one in self.members.values() if one is not member and one.role is Role.ADMINISTRATOR]
        if member.role is Role.ADMINISTRATOR and not others and len(self.members) > 1:
            raise FolderError(
                f"{member.name!r} is the only administrator of this folder: make another device one first,"
                " with `yp2p device role`"
            )
        return member, signer

    def check_administrator(self) -> None:
        """Raises FolderError where this device may not let devices in, or remove them."""
        self._as_administrator()

    def _as_administrator(self) -> Signer:
        if self._signer is None or not self.may(Role.ADMINISTRATOR):
            names = [repr(one.name) for one in self.members.values() if one.role is Role.ADMINISTRATOR]
            raise FolderError(
                "only an administrator of this folder can let devices in, remove them or change what they may do;"
                f" administrators are {', '.join(names) or 'none any more'}"
            )
        return self._signer

    def _say(self, statements: Sequence[Statement]) -> Commit:
        found = kept(self.founder, [*self._statements.values(), *statements])
        if statements[-1].hash not in found:
            raise FolderError("this device has made as many statements about this folder as there may be")
        return self._changed(_Outcome(found, evaluate(self.founder, found.values())))

    def _answers(
        self,
        before: _Statements,
        now: _Statements,
        evaluation: Evaluation,
    ) -> dict[StatementHash, Statement]:
        """The acknowledgements of what came."""
        own = evaluation.members.get(self._own) if self._own is not None else None
        if self._signer is None or own is None or not before:
            return {}
        news = [statement for one, statement in now.items() if one not in before]
        ancestry = Ancestry(now.values())
        in_force = {removal.hash for removals in evaluation.removals.values() for removal in removals}
        removals = [one.hash for one in news if one.kind is Kind.REMOVAL and one.issuer_id != self._own]
        said = _Acknowledgements(self._signer, ancestry, ancestry.mask(before))
        for removal in sorted(removals, key=lambda one: (one not in in_force, one)):
            said.follow(ancestry.up_to(removal))
        if (
            any(one.kind is Kind.GRANT and one.issuer_id != self._own for one in news)
            and own.role is Role.ADMINISTRATOR
        ):
            said.follow(ancestry.everything)
        return said.made


class _Acknowledgements:
    """What we say of news, one statement behind the other, each with all that the one before it follows.

    Args:
        known: what we had before.
    """

    def __init__(self, signer: Signer, ancestry: Ancestry, known: int) -> None:
        self._signer = signer
        self._ancestry = ancestry
        self._new, self._named = known, 0
        self._last: list[StatementHash] = []
        self.made: dict[StatementHash, Statement] = {}

    def follow(self, news: int) -> None:
        """Say that we have these statements."""
        new, own = (self._new | news) & ~self._named, self._signer.device_id
        more, heads = self._signer.gather([*self._last, *heads_within(self._ancestry, own, new, self._named)])
        self._named, self._new = self._named | new, 0
        for statement in (*more, self._signer.acknowledge(heads)):
            self.made[statement.hash] = statement
            self._last = [statement.hash]
