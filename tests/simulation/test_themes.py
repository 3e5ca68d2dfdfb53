"""Every theme comes, a rule's theme exists, and a daemon can be interrupted at a step."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from simulation import themes
from simulation.ablations import ABLATIONS
from simulation.host import Host
from simulation.stage import Stage
from simulation.troubles import NO_TROUBLE


def test_every_theme_comes_in_every_period_and_every_second_seed_has_none() -> None:
    for first in (0, 7, 10_000):
        seeds = range(first, first + themes.PERIOD)
        found = [theme.name for seed in seeds if (theme := themes.of(seed)) is not None]
        assert sorted(found) == sorted(themes.NAMES)
    assert len(set(themes.NAMES)) == len(themes.THEMES)


@pytest.mark.parametrize("rule", ABLATIONS)
def test_the_theme_of_a_rule_exists(rule: str) -> None:
    assert ABLATIONS[rule].theme in ("", *themes.NAMES)


def test_somebody_may_do_something_right_before_a_step() -> None:
    host = cast(Any, Host.__new__(Host))
    host.is_dead, host._points_left, host.trouble, done = False, None, NO_TROUBLE, []
    host.interrupt("rename", 2, lambda: done.append("done"))
    for kind in ("write", "rename", "write"):
        host.point(kind)
    assert done == []
    host.point("rename")
    host.point("rename")
    assert done == ["done"]


def test_what_a_scene_expects_in_vain_fails_the_seed() -> None:
    people = {"h0": None, "h1": None}
    world = SimpleNamespace(people=people, wrong=[], theme="a-theme", note=lambda text: None)
    stage = Stage(cast(Any, world))
    stage.expect(True, "never said")
    stage.expect(False, "it is gone")
    assert world.wrong == ["a-theme: it is gone"]
