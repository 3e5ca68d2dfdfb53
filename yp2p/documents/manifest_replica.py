"""One of the documents of the manifest, with its registers by their keys (`registers.py`).

Nobody needs the 64 documents while nothing changes: they rest then. What one amounts to (state vector, version) is
kept, and whoever needs more wakes it: it is made anew from its stored updates. It may only rest when everything that it
holds is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pycrdt import Doc, Map, MapEvent

from yp2p.documents.registers import Bookmark, bookmark_prefix, read_bookmark, read_claim
from yp2p.documents.replica import Replica
from yp2p.identity import EntryID
from yp2p.protocol.ysync import Shape

_UNCOMMON = ("m", "d", "n")  # what the registers of modes, deletes and origins end with


class ManifestReplica(Replica):
    """One of the 64 documents.

    Args:
        stored: gives all updates that it was made of, to make it anew after a rest.
    """

    shape = Shape.MANIFEST

    def __init__(self, client_id: int, stored: Callable[[], Iterable[bytes]] = tuple) -> None:
        super().__init__(client_id)
        self._stored = stored
        self._resting: tuple[bytes, bytes] | None = None  # its state vector and version, while it rests
        self._is_used = True
        self._map: Map[Any] = self._doc.get(Shape.MANIFEST.value, type=Map)
        self._keys: set[str] = set()
        self._values: dict[str, bytes | None] = {}  # of those of the changed keys of which an event told
        self._told: dict[str, bytes | None] = {}  # of the keys that were taken last
        self._uncommon: set[str] = set()  # the keys of modes, deletes and origins: few entries have them

    @contextmanager
    def _calling_pycrdt(self) -> Iterator[None]:
        if self._resting is not None and not self._panicked:
            updates = list(self._stored())
            self._resting = None
            self._doc = Doc(client_id=self.client_id)
            self._map = self._doc.get(Shape.MANIFEST.value, type=Map)
            self.load(updates)
            self._keys.clear()
            self._told = {}
        self._is_used = True
        with super()._calling_pycrdt():
            yield

    @contextmanager
    def _changing(self) -> Iterator[None]:
        with super()._changing():
            subscription = self._map.observe(self._on_map)
            try:
                yield
            finally:
                self._map.unobserve(subscription)

    def load(self, updates: Iterable[bytes]) -> None:
        super().load(updates)
        with self._calling_pycrdt():
            self._values = self._all_values()
        self._keys |= self._values.keys()
        self._uncommon = {key for key in self._values if key.endswith(_UNCOMMON)}

    def _all_values(self) -> dict[str, bytes | None]:
        """What stands at each key: `items()` makes three transactions of each, and takes seven times as long."""
        with self._doc.transaction() as transaction:
            inner, native = transaction._txn, self._map.integrated
            return {key: bytes(native.get(inner, key)) for key in native.keys(inner)}

    def rest(self) -> bool:
        """Let go of the document, unless it was used since the last time; tells whether it was let go of now.

        Everything that it holds has to be stored.
        """
        is_used, self._is_used = self._is_used, False
        if is_used or self._resting or self._panicked:
            return False
        self._resting = self.state_vector(), self.version()
        del self._doc, self._map
        return True

    @property
    def is_resting(self) -> bool:
        """Whether the store alone has it."""
        return self._resting is not None

    def state_vector(self) -> bytes:
        return self._resting[0] if self._resting is not None else super().state_vector()

    def version(self) -> bytes:
        return self._resting[1] if self._resting is not None else super().version()

    def _on_map(self, event: MapEvent) -> None:
        for key, change in event.keys.items():  # type: ignore[attr-defined]
            value = change.get("newValue")
            self._values[key] = bytes(value) if value is not None else None
            if key.endswith(_UNCOMMON):
                self._uncommon.add(key)
        self._keys |= self._values.keys()

    def take_changed_keys(self) -> set[str]:
        keys, self._keys = self._keys, set()
        self._told, self._values = self._values, {}
        return keys

    def take_changed(self) -> dict[str, bytes | None]:
        """The keys that changed since this was asked last, or `take_changed_keys`, and what stands there."""
        self.take_changed_keys()
        return self._told

    def registers(self, entries: Iterable[EntryID]) -> dict[EntryID, list[bytes | None]]:
        """Path, content, mode, delete and origin of each entry."""
        # In one transaction: each call would make two of its own, which takes longer than what it asks for.
        with self._calling_pycrdt(), self._doc.transaction():
            found = {entry: [self._register(entry.hex() + letter) for letter in "pcmdn"] for entry in entries}
        self._told = {}
        return found

    def _register(self, key: str) -> bytes | None:
        if key in self._told:
            return self._told[key]
        if key.endswith(_UNCOMMON) and key not in self._uncommon:
            return None
        value = self._map.get(key)
        return bytes(value) if value is not None else None

    def bookmark_values(self, entry: EntryID) -> dict[str, bytes]:
        """The registers of a text's bookmarks by their keys; those of removed ones are empty."""
        prefix = bookmark_prefix(entry)
        with self._calling_pycrdt():
            return {key: bytes(self._map[key]) for key in self._map.keys() if key.startswith(prefix)}  # noqa: SIM118

    def claim_signature(self, key: str) -> bytes | None:
        """The signature that stands at the key of a claim, whether it is good or not; None when there is none."""
        return read_claim(self._value(key))

    def bookmark(self, key: str) -> Bookmark | None:
        """The bookmark at a key, without a position where it was removed; None when there is none that can be read."""
        return read_bookmark(key, self._value(key))

    def _value(self, key: str) -> bytes:
        with self._calling_pycrdt():
            value = self._map.get(key)
        return bytes(value) if value is not None else b""

    def write(self, values: Mapping[str, bytes]) -> bytes | None:
        with self._changing(), self._doc.transaction():
            for key, value in values.items():
                self._map[key] = value
        return self._take_news()
