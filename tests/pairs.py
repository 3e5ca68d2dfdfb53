"""Small merges of people, each with what is right of it; the whole list is used where it is at hand."""

from __future__ import annotations

import json
import os
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from lab import Device

FULL = Path(os.environ.get("YP2P_MERGES", Path(__file__).parents[2] / "shared" / "merges")) / "pairs.json"

SERVICES = "services:\n  web:\n    image: web:1\n    ports:\n      - 80:80\n{}  db:\n    image: pg:15\n"
PACKAGE = '{{\n  "name": "app",\n  "dependencies": {{\n{}    "b": "2.0.0"{}\n  }}\n}}\n'
LONG = json.dumps({f"key{number}": {"v": number, "t": "x" * 20} for number in range(500)}) + "\n"
PAIRS: list[dict[str, Any]] = [
    {
        "name": "value-changed-and-removed",
        "file": "package.json",
        "base": PACKAGE.format('    "a": "1.0.0",\n', ""),
        "ours": PACKAGE.format('    "a": "1.5.0",\n', ""),
        "theirs": PACKAGE.format("", ""),
        "right": {"parses": "json", "told": True, "contains": ['"a": "1.5.0"']},
    },
    {
        "name": "both-add-a-dependency",
        "file": "package.json",
        "base": PACKAGE.format("", ""),
        "ours": PACKAGE.format("", ',\n    "c": "3.0.0"'),
        "theirs": PACKAGE.format("", ',\n    "d": "4.0.0"'),
        "right": {"parses": "json", "contains": ['"c": "3.0.0"', '"d": "4.0.0"'], "told": True},
    },
    {
        "name": "key-and-service",
        "file": "compose.yaml",
        "base": SERVICES.format(""),
        "ours": SERVICES.format("  cache:\n    image: redis:7\n"),
        "theirs": SERVICES.format("    environment:\n      DEBUG: '1'\n"),
        "right": {"parses": "yaml", "yaml_path": ["services", "web", "environment", "DEBUG"], "told": True},
    },
    {
        "name": "both-rewrite",
        "file": "page.md",
        "base": "old\nold two\nold three\n",
        "ours": "ann's new page\n\nwith two paragraphs\n",
        "theirs": "bob's other page\n- one\n- two\n",
        "right": {
            "whole_lines": True,
            "once": ["ann's new page", "with two paragraphs", "bob's other page", "- one", "- two"],
            "told": True,
        },
    },
    {
        "name": "two-places-of-one-long-line",
        "file": "min.json",
        "base": LONG,
        "ours": LONG.replace('"v": 10,', '"v": 1000,'),
        "theirs": LONG.replace('"v": 400,', '"v": 0,'),
        "right": {"parses": "json", "contains": ['"key10": {"v": 1000,', '"key400": {"v": 0,'], "lines": 1},
    },
]


def _parses(kind: str, text: str) -> Any:
    match kind:
        case "json" | "ipynb":
            return json.loads(text, object_pairs_hook=_members)
        case "toml":
            return tomllib.loads(text)
        case "yaml":
            return yaml.safe_load(text)
        case "python":
            return compile(text, "merged", "exec")
    raise ValueError(f"no parser for {kind}")


def _members(found: list[tuple[str, Any]]) -> dict[str, Any]:
    assert len({key for key, _ in found}) == len(found), "a key is there twice"
    return dict(found)


def judge(pair: dict[str, Any], text: str, is_told: bool) -> None:
    right = pair["right"]
    lines = text.split("\n")
    known = {line for side in ("base", "ours", "theirs") for line in pair[side].split("\n")}
    if right.get("whole_lines"):
        assert set(lines) <= known
    for line in right.get("once", ()):
        assert lines.count(line) == 1
    for line in right.get("absent", ()):
        assert line not in lines
    for part in right.get("contains", ()):
        assert part in text
    if "parses" in right:
        value = _parses(right["parses"], text)
        for key in right.get("yaml_path", ()):
            value = value[key]
    if "lines" in right:
        assert text.count("\n") == right["lines"]
    if right.get("told"):
        assert is_told
    assert not re.search(r"^(<<<<<<<|=======|>>>>>>>)", text, re.MULTILINE)


def all_pairs() -> list[dict[str, Any]]:
    return PAIRS + (json.loads(FULL.read_text()) if FULL.exists() else [])


@dataclass(frozen=True)
class Case:
    """A pair, and the path that it has in a folder with all of them."""

    path: str
    pair: dict[str, Any]


def cases() -> list[Case]:
    """All pairs, either way round."""
    found: list[Case] = []
    for number, pair in enumerate(all_pairs()):
        exchanged = {**pair, "ours": pair["theirs"], "theirs": pair["ours"]}
        found += [Case(f"{name}{number}/{pair['file']}", sides) for name, sides in (("a", pair), ("b", exchanged))]
    return found


def write(device: Device, cases: list[Case], side: str) -> None:
    for case in cases:
        path = device.dir / case.path
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(case.pair[side].encode())


def wait_for(*everyone: Device) -> None:
    for device in everyone:
        device.wait(60)


def told_on(device: Device) -> set[str]:
    return {notice["path"] for notice in json.loads(device.cli("notices", "--json"))}


def judge_all(cases: list[Case], *everyone: Device) -> None:
    """All devices have the same, it is right, and who changed it is told."""
    told = [told_on(device) for device in everyone[:2]]
    faults: list[str] = []
    for case in cases:
        texts = {(device.dir / case.path).read_bytes() for device in everyone}
        if len(texts) > 1:
            faults.append(f"{case.path}: {len(texts)} texts")
            continue
        try:
            judge(case.pair, texts.pop().decode(), any(case.path in paths for paths in told))
        except (AssertionError, LookupError, SyntaxError, ValueError) as error:
            faults.append(f"{case.path}: {error!r}\n{(everyone[0].dir / case.path).read_text()[:600]}")
    assert not faults, "\n".join(faults)
