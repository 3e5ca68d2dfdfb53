"""Which blobs a folder has, lacks, and is getting."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Set
from dataclasses import dataclass, field
from typing import TypeVar

from yp2p.identity import DeviceID, EntryID
from yp2p.protocol.entries import Content


@dataclass(slots=True)
class BlobIndex:
    """Blobs by their hash, and by the entries that have or want them.

    A blob that is wanted is fetched (`fetching`), by one session or several (`claims.py`), is then complete under a
    name in `.yp2p/tmp` (`downloaded`), is put in place for one entry (`installing`), and is copied from there for
    others.
    """

    wanted: dict[EntryID, Content] = field(default_factory=dict)  # live entries whose file has not this content
    downloaded: dict[bytes, str] = field(default_factory=dict)
    writing: set[bytes] = field(default_factory=set)  # those that are being written whole right now
    _fetching: Counter[bytes] = field(default_factory=Counter)
    installing: set[bytes] = field(default_factory=set)
    wanted_bytes: int = 0
    lacking: dict[bytes, set[DeviceID]] = field(default_factory=dict)  # who has not a blob, nor will (`BlobExchange`)
    searched: set[bytes] = field(default_factory=set)  # what is wanted, and not in the trash of this device either
    garbage: set[bytes] = field(default_factory=set)  # what may be left of them in `.yp2p/tmp` can go
    _wanting: dict[bytes, set[EntryID]] = field(default_factory=dict)
    _at: dict[bytes, set[EntryID]] = field(default_factory=dict)

    def want(self, entry: EntryID, content: Content | None) -> None:
        """From now on the entry wants this blob; None: none."""
        old = self.wanted.pop(entry, None)
        if old is not None:
            self.wanted_bytes -= old.size
            _discard(self._wanting, old.hash, entry)
            if old.hash not in self._wanting:
                self.lacking.pop(old.hash, None)
                self.searched.discard(old.hash)
                if old.hash not in self.installing:
                    self.garbage.add(old.hash)
        if content is not None:
            self.wanted[entry] = content
            self.wanted_bytes += content.size
            self._wanting.setdefault(content.hash, set()).add(entry)
            self.garbage.discard(content.hash)

    @property
    def fetching(self) -> Set[bytes]:
        """The blobs that some session is fetching."""
        return self._fetching.keys()

    def begin_fetch(self, blobs: Iterable[bytes]) -> None:
        self._fetching.update(blobs)

    def end_fetch(self, blobs: Iterable[bytes]) -> None:
        for blob in blobs:
            self._fetching[blob] -= 1
            if not self._fetching[blob]:
                del self._fetching[blob]

    def start_over(self) -> None:
        """Nothing is known of what lies in `.yp2p/tmp`: it is looked at anew."""
        self.downloaded.clear()
        self.installing.clear()

    def who_wants(self, blobs: Iterable[bytes]) -> set[EntryID]:
        return {entry for blob in blobs for entry in self._wanting.get(blob, ())}

    def given_by_none(self, devices: Set[DeviceID]) -> set[bytes]:
        """The wanted blobs that each of these devices was asked for and has not, nor will have by itself."""
        return {blob for blob, lacking in self.lacking.items() if blob in self._wanting and devices <= lacking}

    def expect_all_of(self, device: DeviceID) -> None:
        """What a device said that it has not it may have by now."""
        for blob in list(self.lacking):
            self.expect(device, blob)

    def expect(self, device: DeviceID, blob: bytes) -> None:
        """Likewise of one blob."""
        _discard(self.lacking, blob, device)

    def add_file(self, blob: bytes, entry: EntryID) -> None:
        """The file of the entry holds this blob."""
        self._at.setdefault(blob, set()).add(entry)

    def remove_file(self, blob: bytes, entry: EntryID) -> None:
        _discard(self._at, blob, entry)

    def listed(self) -> list[tuple[bytes, EntryID]]:
        """Each blob that is here, with each entry whose file holds it."""
        return [(blob, entry) for blob, entries in self._at.items() for entry in entries]

    def file_with(self, blob: bytes) -> EntryID | None:
        """An entry whose file holds this blob."""
        return next(iter(self._at.get(blob, ())), None)

    def files_with(self, blob: bytes) -> list[EntryID]:
        """All entries whose files hold this blob."""
        return list(self._at.get(blob, ()))


_Member = TypeVar("_Member", EntryID, DeviceID)


def _discard(index: dict[bytes, set[_Member]], blob: bytes, member: _Member) -> None:
    members = index.get(blob, set())
    members.discard(member)
    if not members:
        index.pop(blob, None)
