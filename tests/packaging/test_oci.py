"""The recipe of the image and the compose file: what can be said of them without a container engine."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
_OCI = ROOT / "packaging/oci"
_RECIPE = (_OCI / "Containerfile").read_text()


def _steps() -> list[tuple[str, str]]:
    """The instructions and their arguments."""
    joined = re.sub(r"\\\n\s*", "", "\n".join(line for line in _RECIPE.splitlines() if not line.startswith("#")))
    return [(line.partition(" ")[0], line.partition(" ")[2]) for line in joined.splitlines() if line]


def _service() -> dict[str, Any]:
    compose = yaml.safe_load((_OCI / "compose.yaml").read_text())
    service: dict[str, Any] = compose["services"]["yp2p"]
    assert compose["volumes"].keys() == {"data"}
    return service


def test_the_image_runs_without_rights_and_keeps_its_state_in_a_volume() -> None:
    steps = dict(_steps())
    assert steps["USER"].split(":")[0] not in ("root", "0")
    assert steps["VOLUME"] == "/data"
    assert "YP2P_HOME=/data" in steps["ENV"]
    assert steps["CMD"] == '["yp2p", "daemon"]'
    assert steps["HEALTHCHECK"].endswith('CMD ["yp2p", "status"]')


def test_what_it_copies_is_there() -> None:
    for words in (argument.split() for step, argument in _steps() if step == "COPY"):
        for source in words[:-1]:
            if not source.startswith(("--from", "dist/", "/")):
                assert (ROOT / source).exists(), source


def test_the_compose_file_names_the_recipe_and_the_network_of_the_host() -> None:
    service = _service()
    build = service["build"]
    assert (_OCI / build["context"]).resolve() == ROOT
    assert (_OCI / build["context"] / build["dockerfile"]).resolve() == _OCI / "Containerfile"
    assert service["network_mode"] == "host"
    assert service["user"] != "root"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "data:/data" in service["volumes"]
    assert service["healthcheck"]["test"] == ["CMD", "yp2p", "status"]
