"""Merges that people really made: what we make of them, beside what git and PyPI's reconcile-text make.

    benches/merges.py FILE.jsonl.gz...            the table
    benches/merges.py --extract CLONE FILE        take the merges out of a git repository

A file has a JSON object a line: `path`, and the texts `base`, `ours`, `theirs` and `people` (what was committed).

Of the merges that git does alone: in how many the text is git's. Of those where git asks:
    broken      it does not parse, though all three versions do
    made up     it has a line that no version has, nor what people made of it
    dropped     it lacks a word that one side brought in, and that people kept
    people's    it is what people made of it, exactly
`(untold)` counts those of which nothing is told. `differ`: two devices that merge what the other one made have two
texts. The slowest is CPU time of one merge.
"""

from __future__ import annotations

import argparse
import ast
import gzip
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import report

from yp2p.documents.diff import hunks
from yp2p.documents.joined import Side
from yp2p.documents.meeting import meet
from yp2p.documents.text import TextReplica, imported
from yp2p.protocol.clients import Writer
from yp2p.threeway.merge import merge

Pair = dict[str, str]
_SIDES = ("base", "ours", "theirs")
_MAX_BYTES = 400_000
# Told also where there are none.
_COUNTED = (
    "git alone", "the same", "told", "git asks", "people", "differ", "broken", "broken untold", "made up",
    "made up untold", "dropped", "dropped untold",
)  # fmt: skip


def _git(where: Path | str, *words: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["git", "-C", str(where), *words], capture_output=True, check=False)


def extract(clone: Path, target: Path) -> int:
    """Write down each file that both parents of a merge changed; gives how many."""
    count = 0
    with gzip.open(target, "wt", encoding="utf-8") as out:
        for line in _git(clone, "log", "--merges", "--format=%H %P").stdout.decode().splitlines():
            commit, *parents = line.split()
            base = _git(clone, "merge-base", *parents).stdout.decode().strip() if len(parents) == 2 else ""
            if not base or base in parents:
                continue
            changed = [
                set(_git(clone, "diff", "--name-only", "--diff-filter=M", base, parent).stdout.decode().splitlines())
                for parent in parents
            ]
            for path in sorted(changed[0] & changed[1]):
                found = [_git(clone, "show", f"{at}:{path}").stdout for at in (base, *parents, commit)]
                try:
                    texts = [text.decode() for text in found]
                except UnicodeDecodeError:
                    continue
                if not all(texts[:3]) or texts[1] == texts[2] or max(map(len, found)) > _MAX_BYTES:
                    continue
                pair = dict(zip((*_SIDES, "people"), texts, strict=True))
                out.write(json.dumps({"commit": commit, "path": path, **pair}) + "\n")
                count += 1
    return count


def _by_git(pair: Pair, *options: str) -> tuple[bool, str]:
    """Whether git does it alone, and what it makes."""
    with tempfile.TemporaryDirectory() as directory:
        for side in _SIDES:
            (Path(directory) / side).write_text(pair[side], newline="")
        done = _git(directory, "merge-file", "-p", *options, "ours", "base", "theirs")
    return done.returncode == 0, done.stdout.decode(errors="replace")


def _by_devices(pair: Pair) -> tuple[str, bool, bool]:
    """What two devices make that were apart: the text, whether a place is told, and whether they differ."""
    log = imported(pair["base"])
    logs: list[list[bytes]] = []
    replicas: list[TextReplica] = []
    for number, side in enumerate(("ours", "theirs")):
        replica = TextReplica.from_updates(Writer.SAVED.client_id(1000 + number), [log])
        edit = replica.edit(hunks(pair["base"], pair[side]))
        logs.append([log] if edit is None else [log, edit])
        replicas.append(replica)
    sides = [Side(replica.clocks(), replica.deleted()) for replica in replicas]
    told = False
    for here, there in ((0, 1), (1, 0)):
        repair, decision = meet(pair["path"], [*logs[here], logs[there][-1]], sides[here], sides[there])
        replicas[here].apply(logs[there][-1])
        if repair is not None:
            replicas[here].apply(repair)
        told |= decision is not None and bool(decision.told)
    return replicas[0].text(), told, replicas[0].version() != replicas[1].version()


def _by_reconcile_text(pair: Pair) -> tuple[str, bool, bool]:
    from reconcile_text import reconcile

    result = reconcile(pair["base"], pair["ours"], pair["theirs"], "Word")
    return str(result["text"]), False, False


def _by_union(pair: Pair) -> tuple[str, bool, bool]:
    return _by_git(pair, "--union")[1], False, False


def _parses(path: str, text: str) -> bool | None:
    """None where it is not known how to tell. (The standard library decides, whatever the product parses with.)"""
    loaders: dict[str, Callable[[str], object]] = {
        ".py": ast.parse,
        ".json": json.loads,
        ".ipynb": json.loads,
        ".toml": tomllib.loads,
    }
    loader = loaders.get(Path(path).suffix)
    if loader is None:
        return None
    try:
        loader(text)
    except (SyntaxError, ValueError):
        return False
    return True


def _faults(pair: Pair, text: str) -> Iterator[str]:
    """What is wrong with a text, by the words of the table."""
    if all(_parses(pair["path"], pair[side]) for side in _SIDES) and _parses(pair["path"], text) is False:
        yield "broken"
    known = {line for side in (*_SIDES, "people") for line in pair[side].splitlines()}
    if any(line not in known for line in text.splitlines()):
        yield "made up"
    words = {side: set(re.findall(r"\w+", pair[side])) for side in (*_SIDES, "people")}
    if ((words["ours"] | words["theirs"]) - words["base"]) & words["people"] - set(re.findall(r"\w+", text)):
        yield "dropped"
    if text == pair["people"]:
        yield "people"


def judge(path: Path, way: Callable[[Pair], tuple[str, bool, bool]], cost: Callable[[Pair], object] | None) -> Counter:
    """Count, for all merges of a file, what a way of merging makes. `cost` is what is timed, if not the way itself."""
    table: Counter[str] = Counter()
    slowest = 0.0
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for pair in map(json.loads, lines):
            is_alone, by_git = _by_git(pair)
            began = time.process_time()
            (cost or way)(pair)
            slowest = max(slowest, time.process_time() - began)
            text, is_told, is_different = way(pair)
            table["differ"] += is_different
            if is_alone:
                table["git alone"] += 1
                table["the same"] += text == by_git
                table["told"] += is_told
                continue
            table["git asks"] += 1
            for fault in _faults(pair, text):
                table[fault] += 1
                table[f"{fault} untold"] += not is_told
    table["slowest_ms"] = round(slowest * 1000)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--extract", action="store_true", help="FILES are a clone and the file to write")
    parser.add_argument("--alone", action="store_true", help="without git --union and reconcile-text")
    options = report.parse(parser)
    if shutil.which("git") is None:
        sys.exit("benches/merges.py compares with git: install git")
    if options.extract:
        print(extract(*options.files), "merges")
        return
    ways: list[tuple[str, Callable[[Pair], tuple[str, bool, bool]], Callable[[Pair], object] | None]] = [
        ("yp2p", _by_devices, lambda pair: merge(pair["path"], pair["base"], pair["ours"], pair["theirs"]))
    ]
    if not options.alone:
        ways.append(("git --union", _by_union, None))
        try:
            import reconcile_text  # noqa: F401
        except ImportError:
            print("reconcile-text is not installed: pip install reconcile-text\n", file=sys.stderr)
        else:
            ways.append(("reconcile-text, by words", _by_reconcile_text, None))
    found = {}
    for path in options.files:
        for name, way, cost in ways:
            found[f"{path.name.partition('.')[0]} {name}"] = dict.fromkeys(_COUNTED, 0) | judge(path, way, cost)
            print(f"{path.name}: {name} is judged", file=sys.stderr, flush=True)
    report.publish(options, found)


if __name__ == "__main__":
    main()
