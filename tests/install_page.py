"""docs/install.md: what it tells a person to type."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

PAGE = (Path(__file__).resolve().parents[1] / "docs/install.md").read_text()
_LINE = re.compile(r"^(?P<where>[a-z]+)[$#] (?P<command>.*)$", re.MULTILINE)


def typed(where: str, section: str = "") -> Iterator[tuple[str, str]]:
    """The commands of a way or machine, in their order, and what the page shows behind each."""
    text = PAGE.partition(f"\n## {section}\n")[2].partition("\n## ")[0] if section else PAGE
    for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL):
        found = list(_LINE.finditer(block))
        ends = [*[one.start() for one in found], len(block)][1:]
        for one, end in zip(found, ends, strict=True):
            if one["where"] == where:
                yield one["command"], block[one.end() : end].strip()
