"""What a person should know of and can look up with `yp2p notices`: nothing is wrong, but it may deserve a look.

Each device tells what it saw. What a save removed of others' recent text carries what brings it back: the document as
it was right after (a row of the log), and the replacements that turn that into what was before.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import msgspec
import structlog

from yp2p.documents.diff import Hunk
from yp2p.documents.meeting import Decision
from yp2p.folder.authors import Maker
from yp2p.folder.members import Removal
from yp2p.identity import ID_BYTES, DeviceID, DocumentID, EntryID, FolderID, short_id
from yp2p.protocol.messages import MAX_PLACE_BYTES, MAX_PLACE_DEVICES, BothChanged, Side
from yp2p.protocol.names import encode_path, points_outside
from yp2p.store import tables
from yp2p.store.database import Database
from yp2p.store.sql import Statement
from yp2p.threeway.lines import split_lines
from yp2p.trust.membership import Member
from yp2p.trust.statements import Role

MAX_AGE_S = 7 * 86400.0
# The list is for people; a flood of notices is read by nobody.
MAX_NOTICES = 500
_MAX_TEXT = 200
# A save may have removed megabytes of what others wrote: so much of it stays in memory, all of it in the store.
_MAX_KEPT_CHARS = 1 << 10
# Places that one other device may tell of: a member should not push out what others have told.
_MAX_TOLD_BY_ONE, _MAX_TOLD_CHARS = 100, 2 << 20
_A_ROLE = {Role.ADMINISTRATOR: "an administrator", Role.MEMBER: "a member", Role.READER: "a reader"}
# A member can let in and remove as many devices as it likes.
_MAX_TOLD_DEVICES = 50
# Of what is about no file.
_NO_ENTRY = EntryID(bytes(ID_BYTES))
# Of what is about this device's own part in the folder: it is kept, as `status` says since when it is out.
OWN_PART = EntryID(b"\xff" * ID_BYTES)

log = structlog.get_logger()


class NoticeKind(StrEnum):
    """What happened."""

    REMOVED_OTHERS_TEXT = "removed-others-text"
    BOTH_CHANGED = "both-changed"
    OLDER_SAVE_MERGED = "older-save-merged"
    OTHER_RULES = "other-rules"
    CONFLICT_COPY = "conflict-copy"
    DAMAGED = "damaged"
    OLDER_VERSION = "older-version"
    DIVERGED = "diverged"
    POINTS_OUTSIDE = "points-outside"
    REPLACED = "replaced-by-others"
    SET_ASIDE = "set-aside"
    WRONG_CODE = "wrong-code"
    DEVICE_REMOVED = "device-removed"
    DEVICE_ADDED = "device-added"
    TAKEN_BACK = "taken-back"
    IN_OUR_NAME = "in-our-name"
    RULES_LOOSENED = "rules-loosened"
    PURGE_ASKED = "purge-asked"


class Versions(msgspec.Struct, frozen=True):
    """A place that two devices changed apart.

    Attributes:
        line: where it began when they met, from 1.
        stands: what came to stand there.
        ours, theirs: what this device and the other one had there.
        before, behind: the lines around it.
        makers: who wrote either version, and when.
        settled: whether a person decided since.
        reported_by: the device that told of it; nothing, where it was found here.
    """

    line: int
    stands: str
    ours: str
    theirs: str
    before: str = ""
    behind: str = ""
    makers: tuple[Maker, Maker] = (Maker(), Maker())
    settled: bool = False
    reported_by: bytes = b""

    @property
    def key(self) -> tuple[frozenset[str], str, str]:
        """What makes two of them one place: whoever found it, and whose version is `ours`."""
        return frozenset((self.ours, self.theirs)), self.before, self.behind

    @property
    def chars(self) -> int:
        return sum(map(len, (self.stands, self.ours, self.theirs, self.before, self.behind)))


class Undo(msgspec.Struct, frozen=True):
    """What brings back what a save removed. Where that is long, the store alone has `hunks` (`Notices.whole_undo`)."""

    document: bytes
    seq: int
    hunks: list[tuple[int, int, str]]
    versions: Versions | None = None

    @classmethod
    def of(cls, document: DocumentID, seq: int, changes: Sequence[Hunk]) -> Undo:
        return cls(document, seq, [(hunk.start, hunk.stop, hunk.text) for hunk in changes])

    def in_memory(self) -> Undo:
        """The same without what is long."""
        is_short = sum(len(text) for _, _, text in self.hunks) <= _MAX_KEPT_CHARS
        return self if is_short else msgspec.structs.replace(self, hunks=[])

    def changes(self) -> list[Hunk]:
        return [Hunk(start, stop, text) for start, stop, text in self.hunks]


@dataclass(frozen=True, slots=True)
class Notice:
    """One of them. `at` in seconds since 1970."""

    id: int
    at: float
    kind: NoticeKind
    path: str
    text: str
    entry: EntryID
    undo: Undo | None

    @property
    def versions(self) -> Versions | None:
        return self.undo.versions if self.undo is not None else None


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0][:50]


class Notices:
    """The notices of one folder.

    Attributes:
        called: what a device is called here by now, where that is known from elsewhere than the statements; else empty.
        removed_at: when this device heard last that it is out, in seconds since 1970; None where it never did.
    """

    def __init__(
        self, database: Database, folder: FolderID, own: DeviceID, name_of: Callable[[bytes], str]
    ) -> None:  # fmt: skip
        self._database = database
        self._folder = folder
        self._own = own
        self._name_of = name_of
        self._notices: dict[int, Notice] = {}
        self.removed_at: float | None = None
        self.called: Callable[[DeviceID], str] = lambda device: ""
        self._purged_at: dict[EntryID, float] = {}  # when the past of an entry was removed, seconds since 1970
        self.on_added: Callable[[Notice], None] = lambda notice: None
        self.on_settled: Callable[[Notice], None] = lambda notice: None

    def load(self) -> None:
        self._database.submit([tables.notice.forget_before(self._folder, time.time() - MAX_AGE_S, OWN_PART)])
        self.removed_at = tables.notice.last_about(self._database.rows, self._folder, OWN_PART)
        for number, at, kind, path, text, entry, undo in tables.notice.read_since(
            self._database.rows, self._folder, time.time() - MAX_AGE_S
        ):
            name = path.decode("utf-8", "surrogateescape")
            try:
                decoded = msgspec.json.decode(undo, type=Undo).in_memory() if undo else None
                self._notices[number] = Notice(number, at, NoticeKind(kind), name, text, EntryID(entry), decoded)
            except (ValueError, msgspec.MsgspecError):
                log.warning("notice_left_out", number=number, advice="it cannot be read; it stays in the store")
        for _, _, at, _, entries, _ in tables.purge.read_all(self._database.rows, self._folder):
            self.purged([EntryID(entries[start : start + ID_BYTES]) for start in range(0, len(entries), ID_BYTES)], at)

    def purged(self, entries: Iterable[EntryID], at: float) -> None:
        """The past of these entries was removed: what others tell of it is not taken. `at` in seconds since 1970."""
        self._purged_at |= dict.fromkeys(entries, at)

    def forget(self, is_meant: Callable[[Notice], bool]) -> list[Statement]:
        """Forget those of which `is_meant` says so; gives what has the store forget them."""
        gone = [number for number, notice in self._notices.items() if is_meant(notice)]
        for number in gone:
            del self._notices[number]
        return [tables.notice.delete(number) for number in gone]

    def __iter__(self) -> Iterator[Notice]:
        earliest = time.time() - MAX_AGE_S
        return iter([one for one in self._notices.values() if self.is_own(one) and one.at >= earliest])

    def get(self, number: int) -> Notice | None:
        return self._notices.get(number)

    def whole_undo(self, notice: Notice) -> Undo | None:
        """What brings back what a save removed, also where that is long; the notice has to be stored."""
        if notice.undo is None or notice.undo.hunks:
            return notice.undo
        stored = tables.notice.undo_of(self._database.rows, notice.id)
        return msgspec.json.decode(stored, type=Undo) if stored else notice.undo

    def counts(self) -> Counter[NoticeKind]:
        """How many there are of each kind."""
        return Counter(notice.kind for notice in self)

    def tell_symlink(self, path: str, target: bytes, entry: EntryID) -> None:
        """Tell of a symlink that points out of the folder, once: it is synced as it is, and never followed."""
        text = f"the symlink points outside of the folder: {os.fsdecode(target)!r:.{_MAX_TEXT - 60}}"
        if points_outside(path, target) and not any(known.path == path and known.text == text for known in self):
            self.add(NoticeKind.POINTS_OUTSIDE, path, text, entry)

    def tell_wrong_code(self, host: str, attempt: int) -> None:
        """Tell that somebody tried a code for this folder that is not the one shown here: a slip, or a guess.

        Args:
            attempt: the number of this one in its window, from 1.
        """
        where = f"at {host} " if host else ""
        text = f"a device {where}tried to join with a wrong code (try {attempt}); it got nothing. Was it one of yours?"
        self.add(NoticeKind.WRONG_CODE, "", text, _NO_ENTRY)

    def tell_impostor(self, host: str) -> None:
        """Tell that somebody answered to the code that this device joined with, and did not know it."""
        text = f"a device at {host} answered as if it showed the code that was typed here; it got nothing"
        self.add(NoticeKind.WRONG_CODE, "", text, _NO_ENTRY)

    def tell_removal(self, removal: Removal) -> None:
        """Tell that a device takes part in this folder no more; of a flood of them, the first ones."""
        is_own = removal.device == self._own
        if self.counts()[NoticeKind.DEVICE_REMOVED] >= _MAX_TOLD_DEVICES and not is_own:
            return
        if is_own:
            what = "this device", "nothing is synced any more, and your files stay here"
        else:
            what = self._named(removal.device, removal.name), "it keeps what it has"
        if removal.by == removal.device:
            text = f"{what[0]} left the folder: {what[1]}"
        elif removal.by is not None:
            text = f"{self._name_of(removal.by)} removed {what[0]} from the folder: {what[1]}"
        else:
            text = (
                f"{removal.let_in_by or 'a device'} let {what[0]} in, and was removed, so that is no member either:"
                f" {what[1]}; if it should be one, `yp2p device readmit` on an administrator's device lets it in again"
            )
        notice = self.add(NoticeKind.DEVICE_REMOVED, "", text, OWN_PART if is_own else _NO_ENTRY)
        self.removed_at = notice.at if is_own else self.removed_at

    def tell_admission(self, member: Member) -> None:
        """Tell that a device takes part in this folder from now on; of a flood of them, the first ones."""
        text = f"let {self._named_member(member)} into the folder, as {member.role.name.lower()}"
        self._tell_said(member, text, "`yp2p device remove` takes it out again")

    def tell_raised(self, member: Member) -> None:
        """Tell that a device may do more in this folder from now on; who said so may be a recovery key."""
        text = f"made {self._named_member(member)} {_A_ROLE[member.role]} of the folder"
        self._tell_said(member, text, "`yp2p device role` changes that")

    def tell_restored(self, before: Role, member: Member) -> None:
        """Tell that a device is a member again, or may do again what it might: what took that away does not count."""
        took = "removed it" if before is Role.REMOVED else f"made it {_A_ROLE[before]}"
        role = _A_ROLE[member.role]
        text = f"{self._named_member(member)} is {role} of the folder again: what {took} does not count any more"
        self._tell_more(member, text, "`yp2p device list` says who is out, and by whom")

    def _named_member(self, member: Member) -> str:
        return self._named(member.identity.device_id, member.name)

    def _named(self, device: DeviceID, name: str) -> str:
        """What it is called here by now, else `name`: that of when it was let in."""
        return f"{(self.called(device) or name)!r} ({short_id(device)})"

    def _tell_said(self, member: Member, text: str, helps: str) -> None:
        if member.grant.issuer_id != self._own:
            self._tell_more(member, f"{self._name_of(member.grant.issuer_id)} {text}", helps)

    def _tell_more(self, member: Member, text: str, helps: str) -> None:
        is_own = member.identity.device_id == self._own
        if not is_own and self.counts()[NoticeKind.DEVICE_ADDED] < _MAX_TOLD_DEVICES:
            self.add(NoticeKind.DEVICE_ADDED, "", f"{text}; {helps}", _NO_ENTRY)

    def tell_meeting(
        self, path: str, entry: EntryID, decision: Decision, makers: tuple[Maker, Maker]
    ) -> list[BothChanged]:
        """Tell of places that two devices changed apart, with both versions; once, however often they meet.

        Returns:
            What those who made one of the versions are to be told: they may not see it by themselves. Where that is not
            this device, it only passes it on.
        """
        lines = split_lines(decision.text) if decision.told else []
        messages: list[BothChanged] = []
        for told in decision.told:
            first, last = told.line - 1, told.line - 1 + len(split_lines(told.stands))
            around = "".join(lines[max(0, first - 1) : first]), "".join(lines[last : last + 1])
            versions = Versions(told.line, told.stands, told.ours, told.theirs, *around, makers)
            known = self._known(entry, versions)
            if known is None or known.settled:  # what was settled is told anew when it comes again
                messages += self._message(self._add_versions(path, entry, versions))
        return messages

    def _known_notice(self, entry: EntryID, versions: Versions) -> Notice | None:
        """The newest notice of a place."""
        found = None
        for notice in self._notices.values():
            if notice.entry == entry and notice.versions is not None and notice.versions.key == versions.key:
                found = notice
        return found

    def _known(self, entry: EntryID, versions: Versions) -> Versions | None:
        notice = self._known_notice(entry, versions)
        return notice.versions if notice is not None else None

    def _add_versions(self, path: str, entry: EntryID, versions: Versions, at: float | None = None) -> Notice:
        if self._own in versions.makers[1].devices and self._own not in versions.makers[0].devices:
            versions = msgspec.structs.replace(
                versions, ours=versions.theirs, theirs=versions.ours, makers=versions.makers[::-1]
            )
        shown = [
            f"{self._makers(maker)} {time.strftime('%H:%M', time.localtime(maker.at))}: {_first_line(text)!r}"
            for maker, text in zip(versions.makers, (versions.ours, versions.theirs), strict=True)
        ]
        text = f"both changed line {versions.line}; {'; '.join(shown)}"
        return self.add(NoticeKind.BOTH_CHANGED, path, text, entry, Undo(b"", 0, [], versions), at)

    def _makers(self, maker: Maker) -> str:
        return ", ".join(map(self._name_of, maker.devices)) + (f" ({maker.name})" if maker.name else "")

    def is_own(self, notice: Notice) -> bool:
        """Whether it concerns people here: not one of two versions that others made."""
        versions = notice.versions
        return versions is None or any(self._own in maker.devices for maker in versions.makers)

    def _message(self, notice: Notice) -> Iterator[BothChanged]:
        """What the makers of its versions are told; nothing where that is too long, or about no entry."""
        versions = notice.versions if len(notice.entry) == ID_BYTES else None
        texts = (versions.stands, versions.before, versions.behind, versions.ours, versions.theirs) if versions else ()
        if versions is None or max(len(text.encode()) for text in texts) > MAX_PLACE_BYTES:
            return
        one, other = (
            Side(text, tuple(map(DeviceID, maker.devices[:MAX_PLACE_DEVICES])), round(maker.at * 1000))
            for text, maker in zip((versions.ours, versions.theirs), versions.makers, strict=True)
        )
        yield BothChanged(
            self._folder, notice.entry, versions.settled, versions.line, versions.stands, versions.before,
            versions.behind, (one, other),
        )  # fmt: skip

    def of_maker(self, device: DeviceID) -> list[BothChanged]:
        """What a device is to be told that made one of two versions."""
        return [
            message
            for notice in self._notices.values()
            if notice.versions is not None and any(device in maker.devices for maker in notice.versions.makers)
            if notice.at >= time.time() - MAX_AGE_S
            for message in self._message(notice)
        ]

    def take(self, path: str, message: BothChanged, peer: DeviceID) -> None:
        """What another device tells of a place with a version of this one; or that a person there has settled it.

        It is as old as the versions are: else two devices would give it to each other for ever.
        """
        ours, theirs = message.sides
        makers = tuple(Maker(side.devices, side.at_ms / 1000) for side in message.sides)
        versions = Versions(
            message.line, message.stands, ours.text, theirs.text, message.before, message.behind,
            (makers[0], makers[1]), reported_by=peer,
        )  # fmt: skip
        known = self._known_notice(message.entry, versions)
        if known is not None and known.versions is not None:
            if message.settled and any(peer in maker.devices for maker in known.versions.makers):
                self.settle(known)
            return
        told = [one.versions for one in self._notices.values() if one.versions and one.versions.reported_by == peer]
        now = time.time()
        at = min(now, max(maker.at for maker in makers))
        if (
            message.settled
            or not any(self._own in maker.devices for maker in makers)
            or at < max(now - MAX_AGE_S, self._purged_at.get(message.entry, 0.0))
            or len(told) >= _MAX_TOLD_BY_ONE
            or sum(one.chars for one in told) + versions.chars > _MAX_TOLD_CHARS
        ):
            return
        self._add_versions(path, message.entry, versions, at)

    def settle(self, notice: Notice) -> list[BothChanged]:
        """A person decided on a place that two devices changed apart; gives what the other device is to be told."""
        if notice.undo is None or notice.versions is None or notice.versions.settled:
            return []
        versions = msgspec.structs.replace(notice.versions, settled=True)
        undo = msgspec.structs.replace(notice.undo, versions=versions)
        self._notices[notice.id] = replace(notice, undo=undo)
        self._database.submit([tables.notice.set_undo(notice.id, msgspec.json.encode(undo))])
        self.on_settled(self._notices[notice.id])
        return list(self._message(self._notices[notice.id]))

    def is_done(self, notice: Notice) -> None:
        """What a notice told of was brought back: it cannot be brought back twice."""
        self._notices[notice.id] = replace(notice, undo=None)
        self._database.submit([tables.notice.set_undo(notice.id, b"")])

    def add(
        self, kind: NoticeKind, path: str, text: str, entry: EntryID, undo: Undo | None = None, at: float | None = None
    ) -> Notice:
        """Remember one, here and in the store. It is of this moment, unless `at` says otherwise."""
        text = text if len(text) <= _MAX_TEXT else text[:_MAX_TEXT] + "..."
        text = text.encode("utf-8", "replace").decode()
        kept = undo.in_memory() if undo is not None else None
        notice = Notice(self._database.next_notice(), at or time.time(), kind, path, text, entry, kept)
        self._notices[notice.id] = notice
        encoded = msgspec.json.encode(undo) if undo is not None else b""
        row = (notice.id, self._folder, notice.at, kind.value, encode_path(path), text, entry, encoded)
        statements: list[Statement] = [tables.notice.insert(*row)]
        while len(self._notices) > MAX_NOTICES:
            oldest = min(self._notices)
            del self._notices[oldest]
            statements.append(tables.notice.delete(oldest))
        self._database.submit(statements)
        log.info("notice", kind=kind.value, number=notice.id)
        self.on_added(notice)
        return notice
