"""What the folders keep for a person: the trash, what saves have removed, and what waits for a word of theirs."""

from __future__ import annotations

from typing import Any

from yp2p.device.folders import Folders
from yp2p.errors import FolderError
from yp2p.folder.lookup import choose
from yp2p.history import trash


class Kept:
    """What the local API asks of it. A folder is given by its label or ID; None is the only one that there is."""

    def __init__(self, home: Folders) -> None:
        self._home = home

    async def trash(self, folder: str | None) -> list[dict[str, Any]]:
        """What is in the trash of a folder."""
        return await trash.list_trash(choose(self._home.by_id.values(), folder))

    async def restore(self, folder: str | None, names: list[str], *, everything: bool) -> dict[str, Any]:
        """Put files from the trash back where they were."""
        return await trash.restore_trash(choose(self._home.by_id.values(), folder), names, everything=everything)

    async def empty_trash(self, folder: str | None) -> int:
        """Remove what is in the trash for good."""
        return await trash.empty_trash(choose(self._home.by_id.values(), folder))

    async def revert(self, folder: str | None, names: list[str]) -> dict[str, Any]:
        """Bring back what all have, where this device only reads; what was here is in the trash.

        Raises:
            FolderError: it may write there, or the folder cannot be used now.
            UsageError: nothing is otherwise at one of these paths.
        """
        chosen = choose(self._home.by_id.values(), folder)
        return await self._home.disks[chosen.id].revert(names)

    def agree(self, folder: str | None) -> str:
        """A person agrees that less is ignored, as others say; gives the label. Raises FolderError: nothing waits."""
        chosen = choose(self._home.by_id.values(), folder)
        if not self._home.disks[chosen.id].agree():
            raise FolderError(f"nothing waits for you in {chosen.label!r}: nobody else changed what is ignored")
        return chosen.label

    def notices(self) -> list[dict[str, Any]]:
        """What a person may want to look at."""
        return trash.list_notices(self._home.by_id.values())

    async def bring_back(self, number: int) -> dict[str, Any]:
        """Bring back what a save removed."""
        return await trash.bring_back_removed(self._home.by_id.values(), number)
