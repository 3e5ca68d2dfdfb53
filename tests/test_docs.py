"""The documents name what there is: every command, setting, log event, message and dependency."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from yp2p.cli.main import COMMANDS
from yp2p.config import sections
from yp2p.protocol import messages

ROOT = Path(__file__).resolve().parents[1]
SOURCE = "\n".join(path.read_text() for path in sorted((ROOT / "yp2p").rglob("*.py")))


def _read(name: str) -> str:
    return (ROOT / name).read_text()


def test_every_command_is_in_the_readme() -> None:
    for command in COMMANDS:
        assert f"`yp2p {command}" in _read("README.md"), command


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


@pytest.mark.parametrize("name", ["README.md", "docs/architecture.md", "docs/protocol.md", "docs/threat-model.md"])
def test_links_and_paths_lead_somewhere(name: str) -> None:
    text = _read(name)
    for link in re.findall(r"\]\(([^)#]+)\)", text):
        assert (ROOT / name).parent.joinpath(link).exists(), link
    for path in re.findall(r"`([a-z]+/[a-z_/]+\.(?:py|sql))", text):
        assert (ROOT / "yp2p" / path).exists(), path


def test_the_make_targets_of_the_readme_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", _read("Makefile"), re.MULTILINE))
    assert set(re.findall(r"`?make ([a-z]+)", _read("README.md"))) <= targets
    assert sections().keys() == {"device", "listen", "discovery", "files", "trash", "history", "pairing", "log"}
