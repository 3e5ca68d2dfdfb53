"""What hatchling does for the wheel: man pages and completions are made, and go where shells and pipx look."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Pages(BuildHookInterface):  # type: ignore[type-arg]
    """Makes them in a directory of its own, which goes when the wheel is there."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return
        for place in (self.root, str(Path(self.root, "packaging"))):
            if place not in sys.path:
                sys.path.insert(0, place)
        import manual
        import shells

        share = Path(tempfile.mkdtemp())
        self._made = share
        for made in (*manual.write(share / "man"), *shells.write(share)):
            build_data["shared_data"][str(made)] = f"share/{made.relative_to(share)}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if version != "editable":
            shutil.rmtree(self._made)
