"""Programs of this device that have a file's document open (`server.py` serves them).

What a program writes is a change of this device like any save: it goes to the disk and to the peers, can be undone, and
has this device as its author. It is looked at by the same wall as what a peer sends, as a program may be wrong.

Where a program's cursor is, and whatever else it says of itself, is part of this device's presence.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import structlog
import trio

from yp2p.errors import InvalidUpdate
from yp2p.folder.folder import Folder
from yp2p.identity import DocumentID, EntryID
from yp2p.programs.awareness_feed import Clocks
from yp2p.programs.carets import Caret, Lines, client_of
from yp2p.programs.foreign_clients import Served
from yp2p.programs.speakers import GONE_S, Speakers
from yp2p.protocol import awareness
from yp2p.protocol.awareness import Presence
from yp2p.protocol.mending import Moved

# What programs say of themselves goes into one awareness state of a few kilobytes.
_MAX_PROGRAMS_TOLD = 16
# A program may speak for several people, as a gateway does; without the cap one could take everybody's place.
_MAX_CARETS = 16
# A program that is refused faster than it reads hears the last reasons.
_MAX_REFUSALS = 8
# Others end the session with a device whose state has more than 8 KiB (`awareness.MAX_STATE_BYTES`).
_MAX_STATE_BYTES = 6 << 10
# All who are told of programs at one moment are told the same.
PRESENCE_AGE_S = 0.03
_LINE_AGE_S = 0.5
_DELAY_OF_EACH_S = 0.01
_END_OF_TIME = 1 << 33  # in the year 2242

log = structlog.get_logger()


@dataclass(eq=False, slots=True)
class Program:
    """One program that has one file open; the source of its updates.

    `client` is the client ID that it says it writes with; what it brings of others' is then not taken for its own.
    `is_this_file` tells whether it named the file, and not only a path.
    """

    entry: EntryID
    client: int | None = None
    is_this_file: bool = False
    earlier: frozenset[DocumentID] = frozenset()  # what clients were given under its path before
    is_former: bool = False  # whether the file has left the path that it named
    number: int = 0  # in the order in which they came
    since: float = field(default_factory=lambda: round(time.time()))
    carets: dict[int, Caret] = field(default_factory=dict)  # what it says of itself, by awareness client
    # Awareness clients of others, and when it was told of them: it says again what it hears of them.
    told: dict[int, float] = field(default_factory=dict)
    own: Presence | None = None  # what it said of itself last, with the last clock that it had
    to_give_back: Presence | None = None  # the same, where an older word has taken its place in the program
    refusals: list[str] = field(default_factory=list)  # sentences that it has not been told
    refused: int = 0  # how many there have been


@dataclass(slots=True)
class _Others:
    """Who has a file open, each as JSON.

    Attributes:
        present: the presences of which this was made, and `items` those of this device.
        there: who has it open on other devices, and `here`, on this one.
    """

    present: object
    path: str
    there: list[str]
    items: object = None
    here: list[tuple[Program, str]] = field(default_factory=list)


class Programs:
    """The programs that have files of one folder open; `on_change` is told when that or what they say changes.

    Args:
        max_text_bytes: how large a text may become by what a program writes.
    """

    def __init__(self, folder: Folder, on_change: Callable[[], None], max_text_bytes: int = 4 << 20) -> None:
        self.max_text_bytes = max_text_bytes
        self._folder = folder
        self._on_change = on_change
        self._open: set[Program] = set()
        self.revision = 0  # another one after each change of what programs say
        self._lines: dict[EntryID, Lines] = {}
        self._told: dict[EntryID, tuple[object, float, list[tuple[Program, dict[str, Any]]]]] = {}
        self._others: dict[EntryID, _Others] = {}
        self._numbers = itertools.count(1)
        self._speakers = Speakers()
        self._clocks: dict[EntryID, Clocks] = {}
        self._displaced: dict[DocumentID, list[Moved]] = {}
        self.served = Served(folder)

    def add(self, program: Program) -> None:
        program.number = next(self._numbers)
        self._speakers.begin(program.number, program.client)
        self._open.add(program)
        self._changed()

    def remove(self, program: Program) -> None:
        self._open.discard(program)
        self._speakers.end(program.number, trio.current_time())
        if not any(other.entry == program.entry for other in self._open):
            self._displaced.pop(self._folder.catalogue.entries[program.entry].document, None)
            self._told.pop(program.entry, None)
            self._others.pop(program.entry, None)
            self._clocks.pop(program.entry, None)
            if (lines := self._lines.pop(program.entry, None)) is not None:
                lines.close()
        self._changed()

    def displaced_in(self, document: DocumentID) -> list[Moved]:
        """What stands for items of a document that are at another place here (`protocol/mending.py`)."""
        return self._displaced.setdefault(document, [])

    def clocks(self, entry: EntryID) -> Clocks:
        """The clocks under which those who have a file open hear of one another."""
        return self._clocks.setdefault(entry, Clocks())

    def told(self, program: Program, clients: Iterable[int]) -> None:
        """Note of whom a program has been told. What it says of them is on its way for a while after they left."""
        now = trio.current_time()
        program.told = {client: at for client, at in program.told.items() if now - at < GONE_S}
        program.told |= dict.fromkeys(clients, now)

    def refused(self, program: Program, reason: str) -> None:
        """Have a program told that something of what it wrote was not taken."""
        program.refusals = [*program.refusals[-_MAX_REFUSALS:], reason]
        program.refused += 1
        self._folder.state.touch()

    def said(self, program: Program, data: bytes) -> None:
        """Take what a program says of itself and of those who it speaks for, as an awareness update.

        What is none, or too large, costs the program nothing but being seen.
        """
        try:
            presences = awareness.decode(data)
        except InvalidUpdate as error:
            log.debug("awareness_refused", reason=str(error))
            return
        before = dict(program.carets)
        gave = self.clocks(program.entry).gave
        for presence in self._speakers.believed(program.number, presences, trio.current_time(), gave):
            if self._speakers.is_own(program.number, presence.client):
                if self._has_come_round(program, presence):
                    continue
            elif presence.client in program.told:
                continue
            if presence.state is None:
                program.carets.pop(presence.client, None)
            elif presence.client in program.carets or len(program.carets) < _MAX_CARETS:
                if presence.client not in program.carets and self._speakers.has_own_connection(presence.client):
                    for other in self._open - {program}:
                        other.carets.pop(presence.client, None)  # what was passed on before it spoke itself
                program.carets[presence.client] = Caret.of_state(presence.state)
        if program.carets != before:
            self._changed()

    def _has_come_round(self, program: Program, presence: Presence) -> bool:
        """Whether what a program says of itself is what others were told of it; it is given its last word back then.

        That has the next clock: what the program says meanwhile has no lower one, and stays.
        """
        last, clocks = program.own, self.clocks(program.entry)
        clocks.heard(presence.client, presence.clock, comes=last is None)
        program.own, program.to_give_back = presence, None
        if last is None or not clocks.gave(presence):
            return False
        program.own = replace(last, clock=presence.clock)
        if presence.state != last.state and last.state is not None:  # nobody is made to leave
            program.to_give_back = replace(last, clock=presence.clock + 1)
            self._folder.state.touch()
        return True

    def _changed(self) -> None:
        self.revision += 1
        self._folder.state.touch()
        self._on_change()

    def others(self, program: Program, present: Sequence[dict[str, Any]], own: str, age_s: float = 0.0) -> str:
        """Who else has the same file open, on all devices, as a JSON list; as many as fit in one state.

        What is the same for all programs is made once, while nothing changes.

        Args:
            present: the awareness states of a folder, `cleaned`; the same object while they are the same.
            own: the ID of this device, of whose programs more is known here.
            age_s: how old what is told may be; `is_current` says whether it has changed since.
        """
        entry, path = program.entry, self._folder.catalogue.layout().path_of.get(program.entry, "")
        items = self._items(entry, age_s)
        made = self._others.get(entry)
        if made is None or made.present is not present or made.path != path:
            there = [
                text
                for state in present
                if state["id"] != own
                for text in _as_json(state["device"], (item for item in state["files"] if item["path"] == path))
            ]
            made = self._others[entry] = _Others(present, path, there)
        if made.items is not items:
            device = next((state["device"] for state in present if state["id"] == own), None)
            texts = _as_json(device, (item for _, item in items)) if device is not None else []
            made.items, made.here = (
                items,
                [(who, text) for (who, _), text in zip(items, texts, strict=device is not None)],
            )
        here = [text for who, text in made.here if who is not program][:_MAX_PROGRAMS_TOLD]
        # People elsewhere are not the ones who are left out where there is no room for all.
        texts = [text for both in itertools.zip_longest(here, made.there) for text in both if text is not None]
        sizes = itertools.accumulate(len(text) + 1 for text in texts)
        fitting_texts = itertools.takewhile(lambda sized: sized[1] <= _MAX_STATE_BYTES, zip(texts, sizes, strict=True))
        return f"[{','.join(text for text, _ in fitting_texts)}]"

    def describe(self, age_s: float = 0.0) -> list[dict[str, Any]]:
        """What this device's presence tells of them.

        Args:
            age_s: how old it may be; where something has changed since, `on_change` is called.
        """
        paths = self._folder.catalogue.layout().path_of
        entries = sorted({p.entry for p in self._open if p.entry in paths}, key=lambda entry: paths[entry])
        found = [item for entry in entries for _, item in self._items(entry, age_s)][:_MAX_PROGRAMS_TOLD]
        if not all(map(self.is_current, entries)):
            self._on_change()
        return found

    def delay_s(self, entry: EntryID | None = None) -> float:
        """The least time between two messages about programs (of all, or with one file open) to one reader, in seconds.

        Each of twenty programs hears of cursors five times a second, so that what all of them hear is bounded.
        """
        return _DELAY_OF_EACH_S * sum(entry is None or program.entry == entry for program in self._open)

    def carets_besides(self, program: Program) -> dict[int, Caret]:
        """What other programs that have the same file open say, by awareness client; the last to come is believed."""
        same = [p for p in self._open if p.entry == program.entry and p is not program]
        same.sort(key=lambda p: p.number)
        found = {client: caret for other in same for client, caret in other.carets.items()}
        return {client: caret for client, caret in found.items() if client not in program.carets}

    def is_current(self, entry: EntryID) -> bool:
        """Whether nothing has changed since it was last told who has a file open."""
        return entry in self._told and self._told[entry][0] == self._state(entry)

    def _state(self, entry: EntryID) -> tuple[object, ...]:
        lines = self._lines.get(entry)
        return (
            self.revision,
            self._folder.catalogue.layout().path_of.get(entry, ""),
            lines.seq if lines is not None else 0,
        )

    def _items(self, entry: EntryID, age_s: float = 0.0) -> list[tuple[Program, dict[str, Any]]]:
        """Of each person or program that has a file open; made anew when one says something or the text changes.

        Args:
            age_s: how old they may be. Where they may be old at all, lines may be `_LINE_AGE_S` old.
        """
        path, state = self._folder.catalogue.layout().path_of.get(entry, ""), self._state(entry)
        now = trio.current_time()
        if not self.is_current(entry) and not (entry in self._told and now - self._told[entry][1] < age_s):
            if (lines := self._lines.get(entry)) is not None:
                lines.is_old = False
            line_age_s = _LINE_AGE_S if age_s else 0.0
            same = sorted((p for p in self._open if p.entry == entry), key=lambda p: (p.since, p.number))
            found = [(p, {"path": path, "since": p.since, **more}) for p in same for more in self._words(p, line_age_s)]
            lines = self._lines.get(entry)
            self._told[entry] = (
                None if lines is not None and lines.is_old else state,
                now,
                found[: 2 * _MAX_PROGRAMS_TOLD],
            )
        return self._told[entry][2]

    def _words(self, program: Program, line_age_s: float) -> Iterator[dict[str, Any]]:
        """A program's own words, and the line a cursor is in."""
        if not program.carets:
            # Said from the start, it is the same person once they say more: else others would see one come and go.
            yield {"client": program.client} if program.client else {}
        for client, caret in program.carets.items():
            words = {**caret.item(), "client": client}
            if caret.head is not None:
                line = self._lines_of(program.entry).line_of(caret.head, (program.number, client), line_age_s)
                words |= {"line": line} if line is not None else {}
            yield words

    def _lines_of(self, entry: EntryID) -> Lines:
        if entry not in self._lines:
            document = self._folder.catalogue.entries[entry].document
            self._lines[entry] = Lines(self._folder.texts.open(document))
        return self._lines[entry]


def _as_json(device: str, items: Iterable[dict[str, Any]]) -> list[str]:
    return [awareness.as_json({"device": device, **item}) for item in items]


def fitting(state: dict[str, Any]) -> dict[str, Any]:
    """A state with as many of its files as others take: a larger one would be a fault of ours."""
    left = _MAX_STATE_BYTES - len(awareness.as_json({**state, "files": []}))
    files: list[Any] = []
    for item in state.get("files", []):
        left -= len(awareness.as_json(item)) + 1
        if left < 0:
            break
        files.append(item)
    return {**state, "files": files}


def cleaned(state: dict[str, Any]) -> dict[str, Any]:
    """What a device says of itself, as far as it is of the right shape; with `open`, the paths alone."""
    files = state.get("files")
    good = [item for item in files if _is_file(item)] if isinstance(files, list) else []
    paths = sorted({item["path"] for item in good})
    return {"device": str(state.get("device", "")), "id": str(state.get("id", "")), "open": paths, "files": good}


def _is_file(item: object) -> bool:
    if not isinstance(item, dict) or not isinstance(item.get("path"), str):
        return False
    since, line, name = item.get("since"), item.get("line", 1), item.get("name", "")
    is_time = isinstance(since, int | float) and 0 <= since < _END_OF_TIME
    return is_time and type(line) is int and isinstance(name, str) and "device" not in item


def states_for(
    program: Program, carets: Mapping[int, Caret], present: Iterable[dict[str, Any]], own: str, path: str
) -> dict[int, Mapping[str, Any]]:
    """Who else has a file open, as awareness states for a stock client.

    Args:
        carets: what other programs of this device say.
        present: the awareness states of a folder, `cleaned`.
        own: the ID of this device, of which `carets` says more.
    """
    device = next((state["device"] for state in present if state["id"] == own), "")
    found = {client: caret.stock_state(client, device) for client, caret in carets.items()}
    for state in present:
        for item in state["files"]:
            client = client_of(item, state["id"])
            is_other = client not in found and client not in program.carets and client != program.client
            if state["id"] != own and item["path"] == path and is_other and len(found) < awareness.MAX_CLIENTS:
                found[client] = Caret.of_item(item).stock_state(client, state["device"])
    return found
