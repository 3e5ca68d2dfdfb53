"""Each rule that can be taken out still is where it is taken out from."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from simulation.ablations import ABLATIONS

_DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("rule", ABLATIONS)
def test_a_rule_can_be_taken_out(rule: str) -> None:
    with ABLATIONS[rule]():
        pass


def test_every_rule_is_in_the_table() -> None:
    table = (_DOCS / "mutation-score.md").read_text()
    assert set(re.findall(r"^\| [^|]+ \| `([a-z0-9-]+)`", table, re.MULTILINE)) == set(ABLATIONS)
    assert len(ABLATIONS) >= 40
