"""Who a Debian package names as its maintainer."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

_BUILD = Path(__file__).resolve().parents[2] / "packaging/deb/build.py"


@pytest.fixture
def build(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("deb_build", _BUILD)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "deb_build", module)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("variables", "maintainer"),
    [
        ({"DEBFULLNAME": "Ann Example", "DEBEMAIL": "ann@example.org"}, "Ann Example <ann@example.org>"),
        ({"DEBEMAIL": "Ann Example <ann@example.org>"}, "Ann Example <ann@example.org>"),
        ({"DEBFULLNAME": "Ann", "DEBEMAIL": "Bob Example <bob@example.org>"}, "Bob Example <bob@example.org>"),
        ({"DEBEMAIL": "ann@example.org"}, ""),
        ({"DEBFULLNAME": "Ann Example"}, ""),
        ({}, ""),
    ],
)
def test_it_is_who_builds_it(
    build: ModuleType, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], maintainer: str
) -> None:
    for name in ("DEBFULLNAME", "DEBEMAIL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    nobody = "Whoever built this package <unnamed@yp2p.invalid>"
    (line,) = [
        line
        for line in build._control(build.Target("bookworm", "amd64", "0.1.0"), _BUILD.parent).splitlines()
        if line.startswith("Maintainer: ")
    ]
    assert line == f"Maintainer: {maintainer or nobody}"
