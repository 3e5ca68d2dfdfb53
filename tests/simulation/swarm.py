"""Swarm testing: each seed does without a random half of all that could happen.

Where everything may happen, each thing is rare, and some hide others: a device that is killed all the time never comes
to a state that takes many steps. So a seed leaves out half of the actions and half of the conditions of the weather.
"""

from __future__ import annotations

import os
import random
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulation.world import World

# Without these nothing happens that could go wrong.
_ALWAYS = frozenset({"create", "edit"})
# Names to do with or without in all seeds, for whoever looks for something.
_ONLY, _WITHOUT = "SIMULATE_ONLY", "SIMULATE_WITHOUT"
# What is switched off, to see whether it still has to be.
_WITH = "SIMULATE_WITH"


@dataclass(frozen=True, slots=True)
class Action:
    """Something that people do or that goes wrong. `weight`: how often. `about`: what it is about.

    `off` is the reason why no seed does it; empty: it may happen.
    """

    name: str
    weight: int
    run: Callable[[World], Awaitable[object] | None]
    about: str = "texts"
    off: str = ""


@dataclass(frozen=True, slots=True)
class Swarm:
    """What may happen in one seed."""

    actions: Sequence[Action]
    conditions: frozenset[str]

    @classmethod
    def of(cls, actions: Iterable[Action], conditions: Iterable[str], rng: random.Random) -> Swarm:
        """A random half of each."""
        possible = [action for action in actions if _is_wanted(action)]
        extra = [action for action in possible if action.name not in _ALWAYS]
        left_out = {action.name for action in rng.sample(extra, len(extra) // 2)}
        weather = sorted(set(conditions) - _named(_WITHOUT))
        chosen = rng.sample(weather, len(weather) - len(weather) // 2)
        return cls([action for action in possible if action.name not in left_out], frozenset(chosen))

    def has(self, name: str) -> bool:
        """Whether an action or a condition may happen."""
        return name in self.conditions or any(action.name == name for action in self.actions)

    def __str__(self) -> str:
        return ", ".join([*(action.name for action in self.actions), *sorted(self.conditions)])


def _is_wanted(action: Action) -> bool:
    only, names = _named(_ONLY), {action.name, action.about}
    if action.off and not names & _named(_WITH):
        return False
    return not names & _named(_WITHOUT) and (not only or bool(names & (only | _ALWAYS)))


def _named(variable: str) -> set[str]:
    return set(filter(None, os.environ.get(variable, "").split(",")))
