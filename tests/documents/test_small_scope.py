"""Delete and content registers, and the layout, in every history of a few statements on three devices."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from effort import EFFORT
from small_scope import DEVICES, History, every, histories, newest, orders

from yp2p.documents.layout import Layout, LayoutIndex, conflict_path, layout
from yp2p.documents.manifest import Manifest
from yp2p.documents.manifest_replica import ManifestReplica
from yp2p.documents.registers import Change, Deletion, Entry, index_of
from yp2p.identity import DocumentID, EntryID
from yp2p.protocol.entries import Content, Kind, Mode
from yp2p.protocol.wire import write_varint

_ENTRY = EntryID(bytes(16))
_INDEX = index_of(_ENTRY)
_FIRST = Content.text(DocumentID(b"first".ljust(16)), Mode.PLAIN)
_CREATOR = 100  # the client that made the entry, before everything else
# Delete; edit the text; another text document; a blob; not deleted after all.
_KINDS = "DETBR"
# One in so many of the histories with three and with four statements.
_STEPS = {"fast": (97, 80_000), "ci": (7, 5_000), "deep": (1, 1)}[EFFORT]


class _Device:
    """The manifest's document with one entry, and how much of which text is here."""

    def __init__(self, client: int) -> None:
        self.client = client
        self.replica = ManifestReplica(client)
        self.clocks: dict[DocumentID, dict[int, int]] = {}

    def entry(self) -> Entry:
        return Manifest._parse(self.replica, [_ENTRY])[_ENTRY]

    def is_alive(self) -> bool:
        entry = self.entry()
        deletion = entry.deletion
        return deletion is None or not deletion.counts(entry.document, self.clocks.get(entry.document, {}))

    def write(self, change: Change) -> bytes:
        return self.replica.write(change.registers()) or b"\x00\x00"


class _Run:
    """One history: what each statement does, and its update."""

    def __init__(self, history: History, kinds: str) -> None:
        self.history, self.kinds = history, kinds
        creator = _Device(_CREATOR)
        self.first = creator.write(Change(_ENTRY, "a", _FIRST))
        self.updates: list[bytes] = []
        self.edits: list[tuple[DocumentID, int, int] | None] = []  # document, client, clock
        self.contents: list[Content] = []  # the entry's, as the author of a statement saw it
        for number, statement in enumerate(history):
            self._make(number, self.device(sorted(statement.saw), statement.device + 1))

    def device(self, came: list[int] | tuple[int, ...], client: int = 50) -> _Device:
        """A device to which these statements came, in this order."""
        device = _Device(client)
        device.replica.receive(self.first)
        for number in came:
            self.deliver(number, device)
        return device

    def deliver(self, number: int, device: _Device) -> None:
        device.replica.receive(self.updates[number])
        edit = self.edits[number]
        if edit is not None:
            document, client, clock = edit
            clocks = device.clocks.setdefault(document, {})
            clocks[client] = max(clocks.get(client, 0), clock)

    def _make(self, number: int, device: _Device) -> None:
        content = device.entry().content
        clocks = device.clocks.get(content.document, {})
        update, edit = b"\x00\x00", None
        match self.kinds[number]:
            case "D":
                update = device.write(Change(_ENTRY, deletion=Deletion(content.document, _encoded(clocks))))
            case "R":
                update = device.write(Change(_ENTRY, revive=True))
            case "T":
                new = Content.text(DocumentID(bytes([number]).ljust(16, b"t")), Mode.PLAIN)
                update = device.write(Change(_ENTRY, content=new))
            case "B":
                new = Content.blob(bytes([number]) * 32, 1, Mode.PLAIN, 0).after(content.hash, content.before)
                update = device.write(Change(_ENTRY, content=new))
            case "E" if content.kind is Kind.TEXT:
                edit = content.document, device.client, clocks.get(device.client, 0) + 1
        self.updates.append(update)
        self.edits.append(edit)
        self.contents.append(content)

    def of(self, kinds: str) -> list[int]:
        return [number for number, kind in enumerate(self.kinds) if kind in kinds]

    def may_be_dead(self, content: Content) -> bool:
        """Whether there is a newest delete, of this content, whose author had seen every edit of it."""
        edits = {number for number, edit in enumerate(self.edits) if edit is not None and edit[0] == content.document}
        return any(
            self.kinds[number] == "D"
            and self.contents[number].document == content.document
            and edits <= self.history[number].saw
            for number in newest(self.history, self.of("DR"))
        )

    def must_be_dead(self, content: Content) -> bool:
        """Whether the only newest word on it is such a delete."""
        return len(newest(self.history, self.of("DR"))) == 1 and self.may_be_dead(content)


def _encoded(clocks: dict[int, int]) -> bytes:
    pairs = b"".join(write_varint(client) + write_varint(clock) for client, clock in sorted(clocks.items()))
    return write_varint(len(clocks)) + pairs


def _runs(count: int, step: int) -> Iterator[_Run]:
    every_kind = itertools.product(_KINDS, repeat=count)
    both = itertools.product(histories(count), ["".join(kinds) for kinds in every_kind])
    for history, kinds in every(both, step):
        yield _Run(history, kinds)


def _written(run: _Run, number: int) -> bytes:
    return bytes([number]).ljust(16, b"t") if run.kinds[number] == "T" else bytes([number]) * 32


@pytest.mark.parametrize(("count", "step"), [(1, 1), (2, 1), (3, _STEPS[0]), (4, _STEPS[1])])
@pytest.mark.timeout(36_000)
def test_whatever_the_order_all_agree_and_no_edit_is_deleted(count: int, step: int) -> None:
    for run in _runs(count, step):
        ends = {
            (device.entry().content, device.entry().deletion, device.is_alive())
            for order in orders(run.history)
            for device in [run.device(order)]
        }
        assert len(ends) == 1, (run.history, run.kinds)
        ((content, _, is_alive),) = ends
        # The content is one that nobody had replaced knowingly.
        written = newest(run.history, run.of("TB"))
        allowed = [_written(run, number) for number in written] or [_FIRST.document]
        assert (content.document if content.kind is Kind.TEXT else content.hash) in allowed, (run.history, run.kinds)
        if is_alive:
            assert not run.must_be_dead(content), (run.history, run.kinds)
        else:
            assert run.may_be_dead(content), (run.history, run.kinds)


# --- layout ---------------------------------------------------------------------------------------------------------

_IDS = [EntryID(bytes([number]) * 16) for number in range(4)]
_BESIDE = conflict_path("a", _IDS[1])  # the name that the second entry has where it loses
_ORIGINS = {_IDS[1]: "x-2026-11-29", _IDS[3]: "y-2026-11-29"}
_NAMED = conflict_path("a", _IDS[1], _ORIGINS[_IDS[1]])  # the same where it is known who made it
_PATHS = ("a", "a/b", _BESIDE, f"{_BESIDE}/b", _NAMED, conflict_path(_BESIDE, _IDS[3]))
_WANTS = [*((path, False) for path in _PATHS), ("a", True), (_BESIDE, True)]


def _laid_out(wanted: dict[EntryID, tuple[str, bool]]) -> Layout:
    files = [(entry, path) for entry, (path, is_directory) in wanted.items() if not is_directory]
    directories = [(entry, path) for entry, (path, is_directory) in wanted.items() if is_directory]
    return layout(files, directories, _ORIGINS)


def _check(wanted: dict[EntryID, tuple[str, bool]], found: Layout) -> None:
    files = {entry: path for entry, path in found.path_of.items() if not wanted[entry][1]}
    assert found.path_of.keys() == wanted.keys(), wanted
    assert len(set(files.values())) == len(files), wanted
    taken = set(found.path_of.values())
    for entry, path in files.items():
        assert not any(other.startswith(f"{path}/") for other in taken), wanted
        assert not any(found.path_of[other] == path for other in wanted if wanted[other][1]), wanted
        assert (path == wanted[entry][0]) == (entry not in found.conflicts), wanted
    for entry, (path, is_directory) in wanted.items():
        assert not is_directory or found.path_of[entry] == path, wanted


def test_four_entries_have_one_tree_whatever_they_want_and_in_whichever_order() -> None:
    for wants in itertools.product(_WANTS, repeat=4):
        wanted = dict(zip(_IDS, wants, strict=True))
        expected = _laid_out(wanted)
        _check(wanted, expected)
        for order in every(itertools.permutations(_IDS), 1 if EFFORT == "deep" else 6):
            assert _laid_out({entry: wanted[entry] for entry in order}) == expected, wanted


def test_the_index_is_right_after_any_three_changes_of_three_entries() -> None:
    changes = list(itertools.product(_IDS[:DEVICES], [None, *_WANTS]))
    for sequence in every(itertools.product(changes, repeat=3), 1 if EFFORT == "deep" else 3):
        index, wanted = LayoutIndex(), {}
        for entry, want in sequence:
            index.want(entry, want, _ORIGINS.get(entry, ""))
            wanted[entry] = want
        left = {entry: want for entry, want in wanted.items() if want is not None}
        found, expected = index.get(), _laid_out(left)
        assert (found.path_of, found.conflicts) == (expected.path_of, expected.conflicts), sequence
