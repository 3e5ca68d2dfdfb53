"""Nothing that a simulated device runs asks the real machine for what is another answer in the next run."""

from __future__ import annotations

import ast
import importlib
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from simulation.hooks import installed

from yp2p import memory

# Of a module all, or these. A function of `yp2p.memory` is imported by its name, so each importer has a hook.
_ASKING: dict[str, frozenset[str] | None] = {
    "time": None,
    "random": None,
    "secrets": None,
    "os": frozenset(("fstatvfs", "getloadavg", "getrandom", "statvfs", "sched_getaffinity", "times", "urandom")),
    "resource": frozenset(("getrusage",)),
    memory.__name__: frozenset(("free_bytes", "is_much_free", "resident_bytes")),
}
# What writes a time as text, and how many arguments it has when it is given the time.
_WRITES = {"gmtime": 1, "localtime": 1, "strftime": 2}


# Parts of the product of which no simulated device has any.
_NOT_SIMULATED = frozenset(
    (
        "agents", "bundle.py", "cli", "client", "control", "discovery", "editors", "lsp", "mcp", "page", "programs",
        "service", "supervisor.py",
    )
)  # fmt: skip


# What stands in every module that something can be found in. To parse all of them takes seconds.
_IMPORTS = re.compile(rf"^\s*(import|from) ({'|'.join(map(re.escape, _ASKING))})\b", re.MULTILINE)


def _simulated() -> Iterator[tuple[str, str]]:
    """The product's modules of which a simulated device may have something, with their sources."""
    product = Path(memory.__file__).parent
    for path in sorted(product.rglob("*.py")):
        parts = path.relative_to(product).parts
        if parts[0] not in _NOT_SIMULATED and _IMPORTS.search(source := path.read_text()):
            yield ".".join(("yp2p", *parts)).removesuffix(".py"), source


def _asked(module: str, source: str) -> Iterator[tuple[str, str]]:
    """The functions that a module calls or hands on, as the module and the name where each is looked up."""
    tree = ast.parse(source)
    imported = {
        alias.asname or alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
    }
    given = {
        node.func
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and len(node.args) == _WRITES.get(node.func.attr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node not in given:
            name, found = node.value.id, node.attr
            if name in imported and name in _ASKING and found in (_ASKING[name] or (found,)) and found.islower():
                yield name, found
        elif isinstance(node, ast.ImportFrom) and node.module in _ASKING:
            names = _ASKING[node.module]
            yield from ((module, alias.name) for alias in node.names if names is None or alias.name in names)


def _value(module: str, name: str) -> Any:
    return getattr(importlib.import_module(module), name)


def test_whatever_asks_the_machine_has_a_hook() -> None:
    asked = {place for module, source in _simulated() for place in _asked(module, source)}
    assert ("yp2p.disk.housekeeping", "is_much_free") in asked
    assert ("os", "statvfs") in asked
    before = {place: _value(*place) for place in asked}

    async def connect(host: str, port: int) -> None: ...

    with installed(random.Random(1), connect):
        assert [place for place, real in sorted(before.items()) if _value(*place) == real] == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import time\ntime.monotonic()", [("time", "monotonic")]),
        ("import time\nField(default_factory=time.time)", [("time", "time")]),
        ("import time\ntime.strftime('%H')", [("time", "strftime")]),
        ("import time\ntime.strftime('%H', time.gmtime(at))", []),
        ("import os\nos.statvfs(path), os.stat(path)", [("os", "statvfs")]),
        ("from secrets import randbits", [("here", "randbits")]),
        ("from yp2p.memory import is_much_free, trim", [("here", "is_much_free")]),
        ("def show(secrets):\n    secrets.items()", []),
    ],
)
def test_a_question_is_found_however_it_is_asked(source: str, found: list[tuple[str, str]]) -> None:
    assert list(_asked("here", source)) == found
