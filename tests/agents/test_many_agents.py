"""Many programs edit the same files by the version that they read, while people type and git changes the files.

An oracle knows every change: a line of its own, with a word that is nowhere else. In the end each is there once, on
both devices; or its program was told (not applied, or lines that both changed), or people were: `git checkout` writes
whole files, so it takes out what comes between its reading and its writing, which a notice counts by characters.
`YP2P_AGENT_EDITS` says how many edits there are (`make agents`: 10,000).
"""

from __future__ import annotations

import os
import random
import re
import sqlite3
import subprocess
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import pytest
from lab import Device, devices, eventually, unexpected_lines

from yp2p.client import Assoc, connect
from yp2p.documents.diff import unified
from yp2p.documents.text import TextReplica
from yp2p.folder.packs import ALL, stored_rows

EDITS = int(os.environ.get("YP2P_AGENT_EDITS", "160"))
AGENTS, FILES, PEOPLE = 8, 20, 2
# Of changes in lines that nobody else touches.
MOST_REPORTED = 0.05
_AUTHOR = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@a", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@a"}


def _name(number: int) -> str:
    return f"f{number:02}.md"


def _text(branch: str) -> str:
    parts = [f"branch {branch}\n", "what stands between\n", "\n"]
    for agent in range(AGENTS):
        parts += [f"part of agent{agent}\n", f"agent{agent} count 0\n", f"end of agent{agent}\n", "\n"]
    return "".join([*parts, "people\n"])


@dataclass
class Oracle:
    """What everybody changed: words that have to be there, with the file, and those of which programs were told."""

    there: dict[str, str] = field(default_factory=dict)
    gone: dict[str, str] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)
    # Of lost text: the file, when, and how many characters are told to be gone.
    notices: dict[tuple[str, int], tuple[str, float, int]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Agent:
    """One program: reads, thinks for a while, edits; now and then made of what it had read long before."""

    def __init__(self, number: int, device: Device, oracle: Oracle) -> None:
        self.name = f"agent{number}"
        self._device = device
        self._oracle = oracle
        self._rng = random.Random(number)
        self._read: dict[str, tuple[str, str]] = {}
        self._own: dict[str, list[str]] = {}

    def edit(self, number: int) -> None:
        rng = self._rng
        name = _name(rng.randrange(FILES))
        path = str(self._device.dir / name)
        if name not in self._read or rng.random() < 0.8:
            read = self._device.call("POST", "/v1/read", {"path": path, "name": self.name})
            self._read[name] = read["text"], read["version"]
        text, version = self._read[name]
        word = f"{self.name}-{number:06}"
        lines = text.splitlines(keepends=True)
        at = lines.index(f"end of {self.name}\n")
        lines.insert(at, f"{word} 😀\n")
        removed = next((old for old in self._own.get(name, []) if f"{old} 😀\n" in lines and rng.random() < 0.2), None)
        if removed is not None:
            lines.remove(f"{removed} 😀\n")
        edit = self._as(text, "".join(lines), f"{word} 😀\n", removed)
        answer = self._device.call("POST", "/v1/edit", {
            "edits": [{"path": path, "version": version, **edit}], "name": self.name, "until_on_disk": False,
        })  # fmt: skip
        self._take(answer, name, word, removed)

    def _as(self, old: str, new: str, line: str, removed: str | None) -> dict[str, Any]:
        match self._rng.randrange(3):
            case 0:
                return {"text": new}
            case 1:
                return {"diff": "\n".join(unified(old, new)) + "\n"}
            case _:
                end = f"end of {self.name}\n"
                blocks = [{"search": end, "replace": line + end}]
                if removed is not None:
                    blocks.append({"search": f"{removed} 😀\n", "replace": ""})
                return {"blocks": blocks}

    def _take(self, answer: dict[str, Any], name: str, word: str, removed: str | None) -> None:
        (done,) = answer["files"]
        oracle = self._oracle
        with oracle.lock:
            oracle.counts["edits"] += 1
            oracle.counts["both"] += bool(done["both"])
            oracle.counts["merged"] += bool(done["between"]["diff"])
            if not answer["done"]:
                oracle.counts["not applied"] += 1
                return
            oracle.there[word] = name
            self._own.setdefault(name, []).append(word)
            if removed is not None:
                self._own[name].remove(removed)
                oracle.gone[removed] = oracle.there.pop(removed)
            if done["both"]:
                said = repr(done["both"])
                oracle.told |= {one for one in (word, removed) if one is not None and one in said}


async def _type(person: int, device: Device, oracle: Oracle, is_over: Callable[[], bool]) -> None:
    """A person writes lines of their own, letter by letter, wherever they are."""
    rng = random.Random(1000 + person)
    number = 0
    async with connect(device.home / "control.sock") as here:
        while not is_over():
            name = _name(rng.randrange(FILES))
            async with here.open(str(device.dir / name)) as file:
                for _ in range(3):
                    number += 1
                    word = f"person{person}-{number:06}"
                    index = len(str(file))
                    for letter in f"\n{word}":
                        file.insert(index, letter)
                        position = file.position(index + 1, Assoc.BEFORE)  # behind the letter, whoever writes there too
                        await anyio.sleep(0.02)
                        index = file.index_of(position)
                    await file.flush()  # a machine that has much to do takes longer than leaving a file may
                    with oracle.lock:
                        oracle.there[word] = name
                        oracle.counts["typed"] += 1


def _note_notices(oracle: Oracle, *found: Device) -> None:
    """What people were told that saves removed, and where two texts could not both stand. The last ones are kept."""
    for device in found:
        for notice in device.call("GET", "/v1/notices"):
            if notice["text"].startswith(("a save here removed ", "both changed ")):
                gone = _REMOVED.match(notice["text"])
                chars = int(gone[1]) if gone is not None else 0
                oracle.notices[device.name, notice["number"]] = notice["path"], notice["at"], chars


def _git(directory: Path, *words: str) -> None:
    command = ["git", "-C", str(directory), *words]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | _AUTHOR)
    assert done.returncode == 0, done.stderr


def _switch(device: Device, other: Device, is_over: Callable[[], bool], oracle: Oracle) -> None:
    """git changes the first line of all files, again and again, and keeps what others wrote in them."""
    branch = "main"
    while not is_over():
        branch = "other" if branch == "main" else "main"
        _git(device.dir, "reset", "-q")  # where the merge of the switch before found a conflict, its files stay
        _git(device.dir, "checkout", "-q", "-m", branch)
        oracle.counts["checkouts"] += 1
        _note_notices(oracle, device, other)
        time.sleep(2.0)  # the pace of who switches


def _prepare(directory: Path) -> None:
    _git(directory, "init", "-q", "-b", "main")
    for branch in ("main", "other"):
        if branch == "other":
            _git(directory, "checkout", "-q", "-b", branch)
        for number in range(FILES):
            (directory / _name(number)).write_text(_text(branch))
        _git(directory, "add", *map(_name, range(FILES)))
        _git(directory, "commit", "-qm", branch)
    _git(directory, "checkout", "-q", "main")


@contextmanager
def _meanwhile(one: Device, two: Device, oracle: Oracle) -> Iterator[None]:
    """People type on both devices, and git runs on the first, until this ends."""
    over = threading.Event()
    with ThreadPoolExecutor() as pool:
        work = [
            pool.submit(anyio.run, _type, 0, one, oracle, over.is_set),
            pool.submit(anyio.run, _type, 1, two, oracle, over.is_set),
            pool.submit(_switch, one, two, over.is_set, oracle),
        ]
        try:
            yield
        finally:
            over.set()
    for each in work:
        each.result()


def _all_texts(one: Device, two: Device) -> dict[str, str]:
    """What both devices have, once it is the same on both disks."""

    def same() -> bool:
        return all((one.dir / _name(n)).read_text() == (two.dir / _name(n)).read_text() for n in range(FILES))

    for device in (one, two):
        device.wait()
    eventually(same, 30)
    return {_name(number): (one.dir / _name(number)).read_text() for number in range(FILES)}


def _size(lines: Iterable[str]) -> int:
    return sum(map(len, lines))


def _line(word: str) -> str:
    return f"{word} 😀\n" if word.startswith("agent") else f"{word}\n"


def _missing(oracle: Oracle, name: str, text: str, told: Set[str]) -> int:
    """How many characters of what has to be in a file are not there; where they are is another thing, as a save may
    take out part of a word. The first line is git's, and so is what it writes where it finds a conflict there.

    Args:
        told: words of which people were told that they went.
    """
    unsure = [word for word in (*oracle.told, *oracle.gone, *told) if word in text]
    wanted = [
        word for word, where in oracle.there.items()
        if where == name and word not in oracle.told and word not in told
    ]  # fmt: skip
    found = _size(line for line in text.splitlines(keepends=True) if not _OF_GIT.match(line))
    found -= _size(map(_line, unsure))
    return _size(_text("").splitlines(keepends=True)[1:]) + _size(map(_line, wanted)) - found


def _told_chars(oracle: Oracle, name: str, texts: Iterable[str]) -> int:
    """How many characters of a file people were told to be gone, beyond those of whole words."""
    chars = sum(chars for path, _, chars in oracle.notices.values() if path == name)
    return chars - _size(map(_line, texts))


_OF_GIT = re.compile(r"(?:branch \w+|<{7} \w+|={7}|>{7} \w+)$")
_REMOVED = re.compile(r"a save here removed (\d+) characters")
_WORDS = re.compile(r"\b(?:agent|person)\d-\d{6}\b")
# Between what is done to a text and the notice of it, on a machine that has much to do.
_SOON_S = 30.0


def _went(device: Device, names: Iterable[str]) -> dict[tuple[str, str], float]:
    """When each word went last from each of these files, of all that ever stood there, as the log of a device tells."""
    went: dict[tuple[str, str], float] = {}
    with closing(sqlite3.connect(f"{(device.home / 'store.db').as_uri()}?mode=ro", uri=True)) as database:

        def read(statement: str, parameters: Any = ()) -> list[Any]:
            return database.execute(statement, parameters).fetchall()

        for name in names:
            ((folder, document),) = read("SELECT folder, document FROM file WHERE path = ?", (name.encode(),))
            replica, before = TextReplica(1), set[str]()
            for row in [single for stored in stored_rows(read, folder, document, ALL) for single in stored.singles()]:
                replica.load([row.data])
                now = set(_WORDS.findall(replica.text()))
                went |= {(name, word): row.at for word in before - now}
                before = now
    return went


def _check(oracle: Oracle, texts: dict[str, str], devices: Sequence[Device]) -> Counter[str]:
    """Each change is there once; or its program was told, or people were, when it went.

    What is typed letter by letter can be divided by what comes meanwhile: of such a file characters are counted.
    """
    found: Counter[str] = Counter()
    times = {name: Counter(_WORDS.findall(text)) for name, text in texts.items()}
    gone = {word: name for word, name in oracle.there.items() if not times[name][word] and word not in oracle.told}
    went = [_went(device, set(gone.values())) for device in devices]
    silent: list[tuple[str, str, list[float]]] = []
    told_to_people: defaultdict[str, set[str]] = defaultdict(set)
    for word, name in oracle.there.items():
        assert times[name][word] <= 1 or word in oracle.told, f"{word} is {times[name][word]} times in {name}"
        if word not in gone:
            found["there" if times[name][word] == 1 else "told to its program"] += 1
            continue
        at = [on_device[name, word] for on_device in went if (name, word) in on_device]
        if word in texts[name]:
            found["with letters of others"] += 1  # who typed where a line was that had moved
        elif any(path == name and abs(told - one) < _SOON_S for path, told, _ in oracle.notices.values() for one in at):
            found["told to people"] += 1
            told_to_people[name].add(word)
        else:
            silent.append((word, name, at))
    for word, name, at in silent.copy():
        missing = _missing(oracle, name, texts[name], told_to_people[name])
        if word.startswith("person") and missing <= _told_chars(oracle, name, told_to_people[name]):
            found["in parts"] += 1  # a line was moved while somebody typed into it, and all of it is there, or told
            silent.remove((word, name, at))
    for word, name in oracle.gone.items():
        found["back" if times[name][word] else "taken out"] += 1
    assert not silent, f"gone, and nobody was told: {silent}"
    for name, text in texts.items():
        missing = _missing(oracle, name, text, told_to_people[name])
        is_told = missing <= 0 or any(path == name for path, _, _ in oracle.notices.values())
        assert is_told, f"{missing} characters are gone from {name}, and nobody was told:\n{text}"
    assert not found["back"] or oracle.notices, "what was taken out came back"
    return found


@pytest.mark.long
@pytest.mark.timeout(0 if EDITS > 1000 else 120)
def test_every_change_is_there_once_or_told(tmp_path: Path) -> None:
    oracle = Oracle()
    with devices(tmp_path, "one", "two") as (one, two):
        _prepare(one.dir)
        two.join(one)
        for device in (one, two):
            device.wait()
        agents = [Agent(number, (one, two)[number % 2], oracle) for number in range(AGENTS)]
        began = time.monotonic()

        def work(agent: Agent) -> None:
            for number in range(EDITS // AGENTS):
                agent.edit(number)

        with _meanwhile(one, two, oracle), ThreadPoolExecutor(AGENTS) as pool:
            for each in [pool.submit(work, agent) for agent in agents]:
                each.result()
        seconds = time.monotonic() - began
        texts = _all_texts(one, two)
        _note_notices(oracle, one, two)
        found = _check(oracle, texts, (one, two))
        rate = oracle.counts["edits"] / seconds
        print(f"\n{dict(oracle.counts)}; {dict(found)}; {seconds:.1f} s, {rate:.1f} edits a second")
        reported = oracle.counts["not applied"] + found["told to its program"]
        assert reported <= MOST_REPORTED * oracle.counts["edits"]
        _take_back(agents[2], one, two, texts)
        for device in (one, two):
            assert not unexpected_lines(device)


def _take_back(agent: Agent, one: Device, two: Device, texts: dict[str, str]) -> None:
    """What one program did is taken back, and nothing else. What git wrote anew is git's, and comes back where the
    program had removed it. What git wrote into a line of the program is left of it, as a line."""

    def blamed(name: str) -> list[tuple[str, bool]]:
        """All lines, and whether the program was the last to write there."""
        lines = one.call("POST", "/v1/history/blame", {"path": str(one.dir / name)})["lines"]
        return [(line["text"].rstrip("\n"), line["name"] == agent.name) for line in lines]

    def of_others(lines: Iterable[str]) -> list[str]:
        return [line for line in lines if not line.startswith(f"{agent.name}-")]

    before = {name: blamed(name) for name in texts}
    one.call("POST", "/v1/undo/by", {"path": str(one.dir), "name": agent.name})
    after = _all_texts(one, two)
    for name, text in texts.items():
        wanted = of_others(line for line, is_its in before[name] if not is_its)
        pieces = {line for line in of_others(after[name].splitlines()) if line not in wanted}
        assert [line for line in of_others(after[name].splitlines()) if line not in pieces] == wanted, name
        mixed = [line for line in text.splitlines() if line.startswith(f"{agent.name}-")]
        assert all(any(piece in line for line in mixed) for piece in pieces), (name, pieces)
        assert not any(is_its for _, is_its in blamed(name)), name
