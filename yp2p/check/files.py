"""Which faults files have: where a file, its row in the index and its entry in the manifest do not fit together.

Decided of `FileFacts` alone; nothing is read here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from yp2p.check.facts import FileFacts
from yp2p.check.findings import Finding
from yp2p.check.findings import Kind as What
from yp2p.files.inspect import NO_STAMP
from yp2p.files.verify import Held, Look
from yp2p.folder.records import FileRecord
from yp2p.identity import EntryID
from yp2p.protocol.entries import Kind


def of_file(folder: str, facts: FileFacts) -> Iterator[Finding]:
    """What is wrong with an entry and its file."""
    record = facts.record
    if facts.stored != record:
        yield _unstored(folder, facts)
    if record is None:
        yield from _without_row(folder, facts)
        return
    if not facts.is_known:
        text = "the index has its file, and the folder knows no such entry"
        yield Finding(What.STRAY_ROW, folder, facts.path, text, facts.entry)
        return
    if facts.is_waiting:
        return
    if facts.there is None:
        text = "it is not on the disk, and nobody has taken it for deleted yet; the next scan does"
        yield Finding(What.MISSING_FILE, folder, facts.path, text, facts.entry)
    elif _is_stale(facts, record):
        yield Finding(What.STALE_ROW, folder, facts.path, _why_stale(facts, record), facts.entry)
    elif _has_changed(facts, record) and not facts.there.is_recent:
        text = "the file was changed, and that was not seen: its size, time or number is another one"
        yield Finding(What.UNSEEN_CHANGE, folder, facts.path, text, facts.entry + repr(facts.there.stamp).encode())


def _unstored(folder: str, facts: FileFacts) -> Finding:
    if facts.stored is None:
        text = "the store lacks the row that says what its file holds"
    elif facts.record is None:
        text = "the store has a row of a file, and there is no such file"
    else:
        text = "the row of its file is another one in the store than in memory"
    return Finding(What.UNSTORED_ROW, folder, facts.path, text, facts.entry)


def _without_row(folder: str, facts: FileFacts) -> Iterator[Finding]:
    if facts.place is None or facts.is_waiting or not facts.is_here or facts.kind is Kind.DIRECTORY:
        return
    if facts.there is None:
        text = "it belongs into the folder, its content is known here, and no file was written"
        yield Finding(What.LOST_FILE, folder, facts.path, text, facts.entry)
    elif not facts.there.is_recent:
        text = "a file stands at its place, and nothing is known of it"
        yield Finding(What.UNSEEN_CHANGE, folder, facts.path, text, facts.entry)


def _is_stale(facts: FileFacts, record: FileRecord) -> bool:
    if facts.place is None or record.path != facts.place:
        return True
    return facts.is_here and (record.kind is not facts.kind or record.document != facts.document)


def _why_stale(facts: FileFacts, record: FileRecord) -> str:
    if facts.place is None:
        return "its entry was deleted, and the file is still there"
    if record.path != facts.place:
        return f"the file is at {record.path!r} still"
    return "the file is known to hold something that its entry is not any more"


def _has_changed(facts: FileFacts, record: FileRecord) -> bool:
    there = facts.there
    if there is None or record.kind is Kind.DIRECTORY:
        return there is not None and not there.is_directory
    return there.stamp not in (record.stamp, record.stamp.doubted())  # what a power cut may have changed is known


def of_inodes(folder: str, every: Iterable[FileFacts]) -> Iterator[Finding]:
    """Rows that say of one file that it is theirs: a file of one name is at one path."""
    claimed: dict[int, list[FileFacts]] = defaultdict(list)
    for facts in every:
        record = facts.record
        if record is not None and record.kind is not Kind.DIRECTORY and record.stamp != NO_STAMP:
            claimed[record.stamp.inode].append(facts)
    for several in claimed.values():
        if len(several) > 1 and all(f.there is not None and f.there.links == 1 and not f.is_waiting for f in several):
            names = " and ".join(repr(facts.path) for facts in several[:3])
            for facts in several:
                text = f"one file is taken for several: {names} have one number in the index"
                yield Finding(What.SHARED_INODE, folder, facts.path, text, facts.entry)


def said_once(found: Sequence[Finding]) -> list[Finding]:
    """Without what follows from something else that was found: a file whose row is wrong looks changed."""
    explained = {one.path for one in found if one.kind in (What.STRAY_ROW, What.SHARED_INODE)}
    return [one for one in found if one.kind is not What.UNSEEN_CHANGE or one.path not in explained]


def of_contents(
    folder: str, read: Iterable[tuple[EntryID, str, FileRecord, Held]], owners: Mapping[bytes, str]
) -> Iterator[Finding]:
    """What files hold that were read although nobody has written to them.

    Args:
        owners: the path of a file that is known to hold a content, by its hash.
    """
    for entry, path, record, now in read:
        if now.look is Look.UNREADABLE:
            text = f"the disk does not give it back: {now.reason}"
            yield Finding(What.UNREADABLE_FILE, folder, path, text, entry)
        if now.look is not Look.READ or now.content == record.content:
            continue
        owner = owners.get(now.content)
        if owner is not None and owner != path:
            text = f"it holds what {owner!r} is known to hold, and nobody wrote to it"
            yield Finding(What.SWAPPED_FILE, folder, path, text, entry)
        else:
            kind = "text" if record.kind is Kind.TEXT else "file"
            text = f"the bytes of this {kind} changed on the disk, and nobody wrote to it"
            yield Finding(What.DAMAGED_FILE, folder, path, text, entry)
