"""The documents name what there is: every command, setting, log event, message and dependency."""

from __future__ import annotations

import inspect
import re
import tomllib
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement  # comes with pytest
from packaging.utils import canonicalize_name

from yp2p.check.findings import ABOUT
from yp2p.cli import join, status
from yp2p.cli.main import COMMANDS
from yp2p.cli.page import Shown, lines
from yp2p.config import TABLES, sections
from yp2p.peers.reach import Absence, Reach, why
from yp2p.protocol import messages

ROOT = Path(__file__).resolve().parents[1]
SOURCE = "\n".join(path.read_text() for path in sorted((ROOT / "yp2p").rglob("*.py")))


def _read(name: str) -> str:
    return (ROOT / name).read_text()


def test_every_command_is_in_the_readme() -> None:
    for command in COMMANDS:
        assert f"`yp2p {command}" in _read("README.md"), command


def _shown_by(command: str) -> list[list[str]]:
    """What the README shows of a command: of each console block the lines behind it, up to the next one."""
    blocks = re.findall(r"```console\n(.*?)```", _read("README.md"), re.DOTALL)
    parts = [part.splitlines() for block in blocks for part in block.split("$ ")[1:]]
    return [[line.rstrip() for line in lines[1:]] for lines in parts if lines[0].startswith(command)]


def test_the_readme_shows_what_status_prints() -> None:
    (shown,) = _shown_by("yp2p status")
    folder: dict[str, Any] = {
        "label": "notes", "path": "/home/me/notes", "state": "idle", "problem": "",
        "awaiting_confirmation": False, "rules_waiting": "",
        "progress": {"files_to_go": 0, "bytes_to_go": 0, "bytes_per_s": 0, "seconds_left": None},
        "entries": {"total": 212, "here": 212, "ignored": 0, "to_fetch": 0, "bytes_to_fetch": 0, "not_synced": 1,
                    "places_to_settle": 0},
        "devices": [{"name": "desktop", "connected": True, "in_sync": True}, {"name": "pi", "connected": False}],
        "not_synced": [{"path": "pipe", "reason": "not a regular file"}],
        "waiting": [], "conflicts": [], "quarantined": [], "notices": {}, "presence": [],
        "is_reader": False, "local_changes": [],
    }  # fmt: skip
    desktop = {"name": "desktop", "connected": True, "address": "192.168.1.7:9727", "last_error": "", "reason": ""}
    seen = datetime(2026, 11, 21, 18).timestamp()
    reason = why(Absence("pi", Reach(), seen))
    pi = {"name": "pi", "connected": False, "address": None, "last_error": "", "last_seen": seen, "reason": reason}
    printed = status.lines(
        {
            "device": {"name": "laptop", "missing_addresses": [], "files_wait": False},
            "store": {"problem": "", "damaged": []}, "settings": [], "devices": [desktop, pi], "folders": [folder],
            "offers": {"made": [], "received": []},
            "transfers": [],
        }
    )  # fmt: skip
    assert shown == [line.rstrip() for line in printed]


def test_the_readme_shows_what_up_and_join_print() -> None:
    shared = {"folder": "f", "path": "/home/me/notes", "code": "47-K7M-X2Q", "expires_in_s": 900, "locked": False}
    folder = {
        "id": "f", "label": "notes", "path": "/home/me/notes", "problem": "", "awaiting_confirmation": False,
        "state": "idle", "devices": [],
        "progress": {"files_to_go": 0, "bytes_to_go": 0, "bytes_per_s": 0, "seconds_left": None},
    }  # fmt: skip
    status = {"folders": [folder], "devices": [], "offers": {"made": [], "received": []}, "transfers": []}
    page = lines(Shown(shared, 0.0, (0, 0)), status, {}, [], 0.0, "Ctrl-C stops yp2p here.")
    assert _shown_by("yp2p up") == [page]
    (shown,) = _shown_by("yp2p join")
    code = inspect.getsource(join)
    assert f'ask("{shown[0].partition(": ")[0]}")' in code
    assert shown[1].startswith("Paired with laptop: ")
    assert 'say(f"Paired with {' in code
    assert f'say("{shown[2]}")' in code


def test_every_log_event_has_its_level() -> None:
    levels: dict[str, set[str]] = {}
    for level, event in re.findall(r'\blog\.(debug|info|warning|error|exception)\(\s*"([a-z_]+)"', SOURCE):
        levels.setdefault(event, set()).add(level.replace("exception", "error"))
    table = _read("docs/architecture.md").split("## Log events", 1)[1].split("\n## ", 1)[0]
    for row in table.splitlines():
        cells = row.split("|")
        for event in re.findall(r"`([a-z_]+)`", cells[1]) if len(cells) > 3 else ():
            assert levels[event] == set(cells[2].strip().split(", ")), event


def test_every_log_event_is_documented_and_no_other() -> None:
    used = set(re.findall(r'\blog\.(?:debug|info|warning|error|exception)\(\s*"([a-z_]+)"', SOURCE))
    table = _read("docs/architecture.md").split("## Log events", 1)[1].split("\n## ", 1)[0]
    documented = set(re.findall(r"`([a-z_]+)`", table))
    assert used == documented


def test_every_module_has_its_place_in_the_architecture_and_no_other() -> None:
    text = _read("docs/architecture.md").split("## Parts", 1)[1].split("## Task tree", 1)[0]
    package = ROOT / "yp2p"
    found: dict[str, set[str]] = {}
    for path in package.rglob("*.py"):
        if path.stem != "__init__":
            found.setdefault(f"{path.parent.relative_to(package)}/", set()).add(path.stem)
    rows = {row.split("`")[1]: row for row in text.splitlines() if row.startswith("| `")}
    alone, commands = found.pop("./"), found.pop("cli/")
    assert rows.keys() == found.keys()
    for name, modules in found.items():
        assert set(re.findall(r"`([a-z_]+)`", rows[name])) == modules, name
    assert alone <= set(re.findall(r"`([a-z_]+)\.py`", text))
    assert commands - COMMANDS.keys() <= {*re.findall(r"`([a-z_]+)`", text), "main"}


def test_the_floors_are_those_that_are_held() -> None:
    drawn = _read("docs/architecture.md").split("## Parts", 1)[1].split("```")[1].splitlines()[1:]
    floors = [set(re.findall(r"\w+", re.split(" {2,}", line)[1])) for line in drawn]
    contracts = tomllib.loads(_read("pyproject.toml"))["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["name"] == "Imports go down only")
    assert floors == [{name.strip().removeprefix("yp2p.") for name in layer.split("|")} for layer in layers]


def test_each_library_is_kept_out_of_every_part_but_its_own() -> None:
    """A part that no contract names may import whatever it likes, and nobody is told."""
    contracts = tomllib.loads(_read("pyproject.toml"))["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["name"] == "Imports go down only")
    parts = {name.strip() for layer in layers for name in layer.split("|")}
    assert parts == {f"yp2p.{path.stem}" for path in (ROOT / "yp2p").glob("[a-z]*") if path.suffix in ("", ".py")}
    owned = [contract for contract in contracts if re.search(r" lives? in ", contract["name"])]
    assert len(owned) >= 5
    for contract in owned:
        owners = {f"yp2p.{name}" for name in re.findall(r"\w+", contract["name"].partition(" in ")[2])} - {"yp2p.and"}
        assert owners < parts, contract["name"]
        assert sorted(contract["source_modules"]) == sorted(parts - owners), contract["name"]


def test_every_task_is_in_the_tree() -> None:
    """Tasks that wait for one event and end are none."""
    tree = _read("docs/architecture.md").split("## Task tree", 1)[1].split("\n## ", 1)[0]
    before = r"start_soon\(\s*(?:charged, [\w.]+, |lambda \w+: \w+\.start_soon\()?"
    tasks = set(re.findall(before + r"((?:\w+\()?[\w.]+)", SOURCE))
    assert len(tasks) > 25
    for task in tasks - {
        "task",
        "cancel_when",
        "ask",
        "self._run",
        "self._tell_shown",
        "self._outgoing.send",
    }:  # of a program
        assert re.search(rf"\b{task.partition('(')[0].rpartition('.')[2]}\b", tree), task


@pytest.mark.parametrize("lock", ["FileIndex.writing", "Texts.rewriting", "Edits.undoing", "LongBlob.writing"])
def test_whoever_takes_a_lock_is_named_where_it_is_told_who_may(lock: str) -> None:
    place, name = lock.split(".")
    before = {"FileIndex": "files", "Texts": "texts", "Edits": "edits", "LongBlob": "shared"}[place]
    rows = " ".join(row for row in _read("docs/concurrency.md").splitlines() if row.startswith("|"))
    takes = re.compile(rf"async with [^\n]*\b{before}\.{name}\b")
    package = ROOT / "yp2p"
    found = {path.relative_to(package) for path in package.rglob("*.py") if takes.search(path.read_text())}
    assert found
    assert f"`{lock}`" in rows
    for path in found:
        assert f"`{path}`" in rows, path


def test_every_message_is_in_the_protocol() -> None:
    text = _read("docs/protocol.md")
    for kind in messages._READERS:
        assert f"| `{kind:02x}` |" in text, f"{kind:02x}"


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads(_read("pyproject.toml"))["project"]
    text = _read("docs/decisions/0002-dependencies.md")
    for requirement in [*project["dependencies"], *project["optional-dependencies"]["dev"]]:
        name = re.split(r"[<>=\[]", requirement)[0]
        assert name in text, name


def test_every_dependency_has_a_tested_version_within_its_range() -> None:
    lines = [line for line in _read("config/constraints.txt").splitlines() if not line.startswith("#")]
    tested = {canonicalize_name(name): version for name, version in (line.split("==") for line in lines)}
    for requirement in map(Requirement, tomllib.loads(_read("pyproject.toml"))["project"]["dependencies"]):
        version = tested.get(canonicalize_name(requirement.name))
        assert version is not None, f"{requirement.name} is missing: make constraints"
        assert requirement.specifier.contains(version), f"{requirement} is not {version}: make constraints"


DOCUMENTS = sorted(str(path.relative_to(ROOT)) for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_and_paths_lead_somewhere(name: str) -> None:
    text = _read(name)
    for link in re.findall(r"\]\(([^)#]+)\)", text):
        assert "://" in link or (ROOT / name).parent.joinpath(link).exists(), link
    for path in re.findall(r"`([a-z]+/[a-z_/]+\.(?:py|sql))", text):
        assert (ROOT / "yp2p" / path).exists() or (ROOT / path).exists(), path


def test_what_docstrings_refer_to_is_there() -> None:
    """A module is named by its path in the package, or beside the one that names it."""
    package = ROOT / "yp2p"
    for source in package.rglob("*.py"):
        for named in re.findall(r"`([a-z_/]+\.py)", source.read_text()):
            places = (package / named, source.parent / named, ROOT / named)
            assert any(place.exists() for place in places), f"{source.relative_to(ROOT)} names {named}"


def test_every_invariant_that_is_cited_exists_with_a_test() -> None:
    text = _read("docs/invariants.md")
    stated = set(re.findall(r"^\*\*(\d+)b?\.", text, re.MULTILINE))
    cited = set(re.findall(r"[Ii]nvariants? (\d+)", SOURCE)) | set(re.findall(r"[Ii]nvariants? \d+ and (\d+)", SOURCE))
    assert cited <= stated
    for paragraph in re.split(r"\n\n(?=\*\*\d)", text)[1:]:
        assert "`tests/" in paragraph or "the simulation misses it" in paragraph, paragraph[:60]
    for test in re.findall(r"`(tests/[a-z_/]+\.py)`", text):
        assert (ROOT / test).exists(), test


def test_every_kind_of_finding_is_in_its_table() -> None:
    rows = [row.split(" | ") for row in _read("docs/check.md").splitlines() if row.startswith("| `")]
    shown = {cells[0].strip("| `"): (cells[1].strip("`"), cells[2]) for cells in rows if len(cells) == 4}
    assert shown == {kind.value: (about.depth.value or "always", about.mends.value) for kind, about in ABOUT.items()}


def test_every_exception_is_in_the_tree() -> None:
    source = _read("yp2p/errors.py")
    tree = source.split('"""', 2)[1]
    for name in re.findall(r"^class (\w+)", source, re.MULTILINE):
        assert name in tree, name


def test_every_setting_is_in_the_example() -> None:
    example = _read("config/yp2p.example.toml")
    for section, kind in {**sections(), **TABLES}.items():
        assert f"[{section}]" in example, section
        for setting in kind.__struct_fields__:
            assert re.search(rf"^#? ?{setting} = ", example, re.MULTILINE), f"{section}.{setting}"


def test_the_make_targets_of_the_readme_exist() -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", _read("Makefile"), re.MULTILINE))
    for name in ("README.md", "docs/install.md"):
        assert set(re.findall(r"`make ([a-z0-9-]+)", _read(name))) <= targets
    assert sections().keys() == {
        "device",
        "listen",
        "discovery",
        "files",
        "trash",
        "history",
        "scrub",
        "pairing",
        "limits",
        "notify",
        "quota",
        "metrics",
        "page",
        "log",
    }
