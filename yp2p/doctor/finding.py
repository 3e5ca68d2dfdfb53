"""One thing that was looked at: what was found, whether it is a problem, and what helps."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found.

    Attributes:
        check: what was looked at, as one word or two.
        text: what is so, with the values.
        remedy: what a person can do; empty where nothing is to be done.
    """

    check: str
    text: str
    remedy: str = ""

    @property
    def is_problem(self) -> bool:
        """Whether a person should do something."""
        return bool(self.remedy)

    def as_dict(self) -> dict[str, str | bool]:
        return asdict(self) | {"problem": self.is_problem}
