"""Small merges of people are right, whoever merges."""

from __future__ import annotations

from typing import Any

import pytest
from pairs import all_pairs, judge

from yp2p.threeway.merge import merge


@pytest.mark.parametrize("pair", all_pairs(), ids=lambda pair: pair["name"])
def test_a_pair_comes_out_right_whoever_merges(pair: dict[str, Any]) -> None:
    here = merge(pair["file"], pair["base"], pair["ours"], pair["theirs"])
    there = merge(pair["file"], pair["base"], pair["theirs"], pair["ours"])
    assert here.text == there.text
    for merged in (here, there):
        judge(pair, merged.text, bool(merged.told))
