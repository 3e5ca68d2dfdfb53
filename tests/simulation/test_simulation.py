"""The simulation: fixed seeds pass, a seed replays exactly, and it notices when one of the rules is taken out."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from simulation.ablations import ABLATIONS

pytestmark = pytest.mark.simulation
_TESTS = Path(__file__).parents[1]
_MOST_SEEDS = 200


def _simulate(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(_TESTS)} | settings
    return subprocess.run(
        [sys.executable, "-m", "simulation", *arguments], env=environment, capture_output=True, text=True, timeout=1500
    )


@pytest.mark.timeout(1800)
def test_nothing_is_lost_in_any_weather() -> None:
    first, count = os.environ.get("YP2P_SEEDS", "0:40").split(":")
    done = _simulate(first, count, "--jobs", str(os.cpu_count() or 1), "--keep-going")
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]


@pytest.mark.parametrize("seed", ["3", "12", "35"])
def test_a_seed_replays_exactly(seed: str) -> None:
    # The second process has its memory from elsewhere, and so another amount of it at each moment.
    one, two = _simulate(seed, "--digest"), _simulate(seed, "--digest", PYTHONMALLOC="malloc")
    assert one.returncode == two.returncode == 0
    assert one.stdout.splitlines()[0] == two.stdout.splitlines()[0]


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "rule",
    [
        "fork-at-the-base",
        "intents",
        "sight",
        "other-names-are-others",
        "what-a-blob-replaces",
        "no-echo",
        "byte-for-byte",
    ],
)
def test_a_rule_that_is_taken_out_is_missed(rule: str) -> None:
    theme = ABLATIONS[rule].theme
    done = _simulate("0", str(_MOST_SEEDS), "--without", rule, *(("--theme", theme) if theme else ()))
    print(done.stdout)
    assert done.returncode == 1, f"{_MOST_SEEDS} seeds passed without {rule}"
    assert "FAILED" in done.stdout
    assert not re.search(r"(?:Attribute|Type|Name)Error\(", done.stdout), "what takes the rule out does not fit"


@pytest.mark.timeout(600)
@pytest.mark.parametrize("topology", ["mesh", "line", "star"])
@pytest.mark.parametrize("devices", [3, 5])
def test_an_edit_costs_one_message_a_device(topology: str, devices: int) -> None:
    measuring = f"c = measure({devices}, {topology!r}); print(c.most, c.sent_back, c.refused)"
    program = f"from simulation.storms import measure; {measuring}"
    environment = os.environ | {"PYTHONPATH": str(_TESTS), "PYTHONHASHSEED": "0"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split() == [str(devices - 1), "0", "0"]
