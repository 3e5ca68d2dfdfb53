"""Who takes part in a folder: the signed statements of this device's copy, and what follows from them.

Theory of operation
    What comes is checked, kept as far as it fits (`trust/limits.py`), and evaluated. Then this device says what it
    knows, in statements that go out like all others (`acknowledgements.py`). What people here say is in
    `own_statements.py`.

    What follows from some thousand hostile statements takes seconds: it is worked out in a thread, one change of the
    set after another, so that whoever sends without end keeps back nobody's change but for his own turn.

Invariants
    * Which statements are kept is a function of the set: what is too much is left out by everybody alike, and is no
      fault of whoever brought it. Only a statement that nobody can have signed is.
    * Our own statements follow all that we had, our own ones among them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import TypeVar

import structlog
import trio

from yp2p.errors import FolderError, MessageFault
from yp2p.folder.acknowledgements import Statements, answers
from yp2p.folder.budget import bring, until_light
from yp2p.folder.burden import STATEMENT_BYTES
from yp2p.folder.turns import turn
from yp2p.identity import DeviceID, FolderID, Identity, PublicIdentity, short_id
from yp2p.store import tables
from yp2p.store.database import Database
from yp2p.store.writer import Commit
from yp2p.trust import chains, recovery
from yp2p.trust.ancestry import Ancestry
from yp2p.trust.evidence import of_removals
from yp2p.trust.limits import kept
from yp2p.trust.membership import Evaluation, Member, evaluate
from yp2p.trust.statements import Kind, Role, Signer, Statement, StatementHash, read_statement

# A statement takes half a millisecond to check.
_SLICE = 16
# What follows from so many takes a twentieth of a second at most, whatever they are.
_AT_ONCE = 256

T = TypeVar("T")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Removal:
    """A device that is no member any more, and who said so; None where whoever had let it in is out.

    `let_in_by` is what that one is called, if anything.
    """

    device: DeviceID
    name: str
    by: DeviceID | None
    let_in_by: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Statements, and what follows from them."""

    statements: Statements
    evaluation: Evaluation


class Membership:
    """The statements of one folder. `members` follows from them.

    Args:
        identity: this device; None for who only reads.

    Attributes:
        devices: the members that are devices, and no recovery keys.
        evaluation: what follows from the statements, with the removals in force and the grants that they made void.
        alone: held while it is worked out what becomes of the statements: in the order in which they came.
    """

    def __init__(
        self, folder: FolderID, founder: DeviceID, database: Database, identity: Identity | None = None
    ) -> None:
        self._folder = folder
        self.founder = founder
        self._database = database
        self.identity = identity
        self.signer = Signer(identity, folder) if identity is not None else None
        self.alone = trio.Lock()
        self._statements: Statements = {}
        self.members: dict[DeviceID, Member] = {}
        self._former_names: dict[DeviceID, str] = {}
        self.devices: dict[DeviceID, Member] = {}
        self.evaluation = evaluate(founder, ())
        self.on_change: Callable[[], None] = lambda: None
        self.on_removed: Callable[[Removal], None] = lambda removal: None
        self.on_removal_said: Callable[[Statement], None] = lambda removal: None  # whoever may or may not say so
        self.on_silenced: Callable[[Removal], None] = lambda removal: None  # it may not write any more
        self.on_heard: Callable[[DeviceID], None] = lambda device: None  # it may write, or may again
        self.on_admitted: Callable[[Member], None] = lambda member: None
        self.on_raised: Callable[[Role, Member], None] = lambda was, member: None  # it may do more than before
        self.on_restored: Callable[[Role, Member], None] = lambda was, member: None  # as what said less counts no more

    @property
    def _own(self) -> DeviceID | None:
        return self.identity.device_id if self.identity is not None else None

    async def load(self) -> None:
        """Read what is stored; call once, before use."""
        found = self._read(tables.statement.read_all(self._database.rows, self._folder))

        def work(before: Statements) -> Outcome:
            return self.outcome_of(kept(self.founder, found))

        outcome = await self.work_out(work, len(found))
        self._statements = outcome.statements
        self._follow(outcome.evaluation)

    def _follow(self, evaluation: Evaluation) -> None:
        self.evaluation, self.members = evaluation, dict(evaluation.members)
        self._former_names = {}
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
        """The statements by which a device, or whoever let it in, was removed, as it is told (`trust/evidence.py`)."""
        removals = self.evaluation.removals.get(device) or self.put_out_by(device)
        return tuple(one.encode() for one in of_removals(self._statements.values(), removals, device))

    def signer_of(self, identity: Identity) -> Signer:
        return Signer(identity, self._folder)

    def digest(self) -> bytes:
        return hashlib.sha256(b"".join(sorted(self._statements))).digest()

    def name_of(self, device: DeviceID) -> str:
        """What a device called itself when it was let in last, members and former ones; empty for others.

        A grant that does not count says that only of whom none that does was ever about: else whoever was let in by a
        removed device gives that one another name, by which people would let it in.
        """
        member = self.members.get(device)
        if member is None and device not in self._former_names:
            self._former_names[device] = self._former_name(device)
        return recovery.shown_name(member.name if member is not None else self._former_names[device], device)

    def _former_name(self, device: DeviceID) -> str:
        grants = [one for one in self._statements.values() if one.kind is Kind.GRANT and one.subject_id == device]
        lost = {one.hash for one in self.evaluation.lost}
        return max([one.name for one in grants if one.hash not in lost] or [one.name for one in grants], default="")

    def everybody(self) -> dict[DeviceID, PublicIdentity]:
        """All devices that statements name, members or not, with their keys."""
        found = {one.subject_id: one.subject for one in self._statements.values()}
        return found | {one.issuer_id: one.issuer for one in self._statements.values()}

    def was_removed(self, device: DeviceID) -> bool:
        """Whether somebody, who may or may not, ever took a role of a device away, or it left."""
        return bool(self.removals_of(device))

    def removals_of(self, device: DeviceID) -> list[StatementHash]:
        """What anybody, who may or may not, ever said that took a role of a device away."""
        return [
            one for one, said in self._statements.items() if said.kind is Kind.REMOVAL and said.subject_id == device
        ]

    def has_left(self) -> bool:
        """Whether this device said itself that it takes part no more."""
        return bool(self._own_departures())

    def may_be_let_in_again(self, device: DeviceID) -> bool:
        """Whether a device is out as somebody else is who had let it in, and nobody removed it by name."""
        is_out = device not in self.members and device in self.evaluation.put_out_by
        return is_out and device not in self.evaluation.unanswered

    def let_in_by_removed(self) -> dict[DeviceID, PublicIdentity]:
        """Those of whom that is so, with their keys."""
        subjects = {grant.subject_id: grant.subject for grant in self.evaluation.lost}
        return {device: keys for device, keys in subjects.items() if self.may_be_let_in_again(device)}

    def inviter_of(self, device: DeviceID) -> str:
        """What the removed device is called that had let one in which is out by that; empty where that is not so."""
        by = (grant.issuer_id for grant in self.evaluation.lost if grant.subject_id == device)
        inviter = next(by, None) if self.may_be_let_in_again(device) else None
        return self.name_of(inviter) or short_id(inviter) if inviter is not None else ""

    def heard_of_departure(self) -> set[DeviceID]:
        """The devices that said something since this one left: each acknowledges that as soon as it hears of it."""
        ancestry = Ancestry(self._statements.values())
        left = ancestry.mask(self._own_departures())
        return {
            one.issuer_id for one, past in zip(ancestry.statements, ancestry.past, strict=True)
            if past & left and one.issuer_id != self._own
        }  # fmt: skip

    def void_admissions(self, device: DeviceID) -> set[StatementHash]:
        """The grants that do not count by which alone a device was in, or might write, once: who let it in by one that
        counts knew them."""
        member = self.members.get(device)
        found = {one.hash for one in self.evaluation.lost if one.subject_id == device}
        if member is None or not found or member.role < Role.MEMBER:
            return found
        ancestry = Ancestry(self._statements.values())
        known = ancestry.up_to(member.grant.hash)
        return {one for one in found if ancestry.mask([one]) & known}

    def _own_departures(self) -> list[StatementHash]:
        if self._own is None or self._own in self.members:
            return []
        return [one.hash for one in self.evaluation.removals.get(self._own, ()) if one.issuer_id == self._own]

    def put_out_by(self, device: DeviceID) -> tuple[Statement, ...]:
        """The removals that a device is out by, or may not write: its own, or those of whoever let it in."""
        return self.evaluation.put_out_by.get(device, ())

    def is_removal(self, hash_: bytes) -> bool:
        """Whether that is the hash of a removal."""
        said = self._statements.get(StatementHash(hash_))
        return said is not None and said.kind is Kind.REMOVAL

    def removed_by(self, device: DeviceID) -> tuple[Statement, ...]:
        """Of these those of the device itself; none where it is out as a removed device had let it in."""
        return tuple(removal for removal in self.put_out_by(device) if removal.subject_id == device)

    def removed_by_others(self, device: DeviceID) -> tuple[DeviceID, ...]:
        """Who removed a device that is no member; nobody where it left by itself.

        What was answered by letting it in again does not count, nor what only took a part of its rights.
        """
        removals = [one for one in self.evaluation.removals.get(device, ()) if one.role is Role.REMOVED]
        if len(removals) > 1:
            ancestry, answered = Ancestry(self._statements.values()), 0
            void = {statement.hash for statement in self.evaluation.lost}
            for one, past in zip(ancestry.statements, ancestry.past, strict=True):
                if one.kind is Kind.GRANT and one.subject_id == device and one.hash not in void:
                    answered |= past
            removals = [one for one in removals if not ancestry.mask([one.hash]) & answered]
        return tuple(dict.fromkeys(one.issuer_id for one in removals if one.issuer_id != device))

    def let_in_only_by(self, device: DeviceID) -> list[DeviceID]:
        """The members that nobody let in but a device, or who was let in by it alone; this device is none of them."""
        void = {statement.hash for statement in self.evaluation.lost}
        grants = [one for one in self._statements.values() if one.kind is Kind.GRANT and one.hash not in void]
        roots = {self.founder} if self._own is None else {self.founder, self._own}
        found = chains.let_in_only_by(device, grants, roots)
        return [one for one in self.members if one in found]

    def let_in_to_write(self) -> set[DeviceID]:
        """The devices that somebody let in who might, as more than readers; members or not."""
        void = {statement.hash for statement in self.evaluation.lost}
        grants = (statement for one, statement in self._statements.items() if one not in void)
        return {one.subject_id for one in grants if one.kind is Kind.GRANT and one.role >= Role.MEMBER}

    def let_in_by(self, device: DeviceID) -> DeviceID | None:
        """Who let in a member, or somebody who was one."""
        member = self.members.get(device)
        if member is not None:
            return member.grant.issuer_id
        grants = (one for one in self._statements.values() if one.kind is Kind.GRANT and one.subject_id == device)
        return next((one.issuer_id for one in grants), None)

    def came_later(self, device: DeviceID) -> bool:
        """Whether a member was let in after this device."""
        order = list(self.members)
        if self._own not in self.members or device not in self.members:
            return False
        return order.index(device) > order.index(self._own)

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
        """Whether content counts that came from there: not from a device that only reads, or is no member (any more).

        Where there are no statements yet, nobody knows who is one.
        """
        if not isinstance(source, bytes):
            return True
        member = self.members.get(DeviceID(source))
        if member is None:
            return not self.members and DeviceID(source) not in self.evaluation.removals
        return member.role >= Role.MEMBER

    def check_may_write(self) -> None:
        """Raises FolderError where this device only reads."""
        if self.is_reader:
            raise FolderError(
                "this device may only read this folder, so nothing here changes it for others;"
                " an administrator can change that, with `yp2p device role`"
            )

    # --- what becomes of them -------------------------------------------------------------------------------------

    async def receive(self, bodies: Iterable[bytes]) -> Commit | None:
        """Take signed statements; gives the commit when there was news. Raises MessageFault for a forged one.

        In slices: to check a signature takes time, also of those that are not kept.
        """
        await until_light()
        offered: list[Statement] = []
        for number, body in enumerate([one for one in bodies if hashlib.sha256(one).digest() not in self._statements]):
            offered.append(read_statement(body, self._folder))
            if number % _SLICE == _SLICE - 1:
                await turn()
        async with self.alone:
            outcome = await self.work_out(lambda before: self._received(before, offered), len(offered))
            if outcome is None:
                return None
            bring(STATEMENT_BYTES * len(outcome.statements.keys() - self._statements.keys()))
            return self.take(outcome)

    def _received(self, before: Statements, offered: Sequence[Statement]) -> Outcome | None:
        """What follows from more statements, and what we say of them; None where that is nothing. Changes nothing."""
        found = kept(self.founder, [*before.values(), *offered])
        if found.keys() == before.keys():
            return None
        outcome = self.outcome_of(found)
        said = answers(self.signer, before, found, outcome.evaluation) if self.signer is not None else {}
        if said:  # what we had before decides as well
            outcome = self.outcome_of(kept(self.founder, [*found.values(), *said.values()]))
        return outcome

    def outcome_of(self, statements: Statements) -> Outcome:
        """What follows from statements, as this device sees it."""
        return Outcome(statements, evaluate(self.founder, statements.values(), self._own))

    async def work_out(self, work: Callable[[Statements], T], more: int = 1) -> T:
        """What becomes of the statements: in a thread where they are many. Call it, and `take`, with `alone` held.

        Args:
            more: how many come to those that there are.
        """
        if len(self._statements) + more <= _AT_ONCE:
            return work(self._statements)
        return await trio.to_thread.run_sync(work, self._statements, abandon_on_cancel=True)

    def take(self, outcome: Outcome) -> Commit:
        """Store what became of the statements, and tell of it."""
        members, before = self.members, self._statements
        did_not_count = {one.hash for one in self.evaluation.lost}
        was_known = members.keys() | self.evaluation.removals.keys()
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
            for one in sorted(news):
                if self._statements[one].kind is Kind.REMOVAL:
                    self.on_removal_said(self._statements[one])
            self._tell_gone(members, was_put_out, was_known - self.evaluation.removals.keys() - self.members.keys())
            self._tell_more(members, news | did_not_count)
        self.on_change()
        return commit

    def _tell_more(self, before: Mapping[DeviceID, Member], said: Set[StatementHash]) -> None:
        """Tell who may do more than `before`: by a grant among `said`, or as what took it away counts no more."""
        for device in sorted(self.members) if before else ():
            now, was = self.members[device], before[device].role if device in before else Role.REMOVED
            if was < now.role and now.grant.hash not in said:
                self.on_restored(was, now)
            elif was is Role.REMOVED:
                self.on_admitted(now)
            elif was < now.role:
                self.on_raised(was, now)

    def _put_out(self) -> dict[DeviceID, set[StatementHash]]:
        """Who may not write because another device said so, and by which statements."""
        by_others = {
            device: {removal.hash for removal in removals if removal.issuer_id != device}
            for device, removals in self.evaluation.removals.items()
            if not self.takes_from(device)
        }
        return {device: removals for device, removals in by_others.items() if removals}

    def _tell_gone(
        self,
        members: Mapping[DeviceID, Member],
        was_put_out: Mapping[DeviceID, Set[StatementHash]],
        never_in: Set[DeviceID],
    ) -> None:
        """Who left by itself may have been removed as well, which is heard later.

        So may somebody whom an accomplice had removed, to say what of it counts; that removal is not in force then.

        Args:
            members, was_put_out: those that there were before.
            never_in: who was a member, or had left by itself, and had been let in by somebody who was out, as it
                turns out.
        """
        put_out = {
            device for device, removals in self._put_out().items() if removals.isdisjoint(was_put_out.get(device, ()))
        }
        put_out = put_out if members else set()
        for device in sorted((members.keys() | put_out) - self.members.keys()):
            self.on_removed(self._removal(members, device))
        wrote = {device for device, before in members.items() if before.role >= Role.MEMBER}
        write = {device for device, member in self.members.items() if member.role >= Role.MEMBER}
        for device in sorted(put_out | never_in | (wrote - write)):
            self.on_silenced(self._removal(members, device))
        for device in sorted(write - wrote):
            self.on_heard(device)

    def _removal(self, members: Mapping[DeviceID, Member], device: DeviceID) -> Removal:
        name = members[device].name if device in members else self.name_of(device)
        return Removal(device, name, self._removed_by(device), self.inviter_of(device))

    def _removed_by(self, device: DeviceID) -> DeviceID | None:
        """Somebody else, where it also left by itself."""
        removals = self.removed_by(device)
        others = [removal for removal in removals if removal.issuer_id != device]
        return (others or removals)[-1].issuer_id if removals else None
