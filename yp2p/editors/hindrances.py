"""What hinders the text of an open file: that this device may only read, and what keeps it from the disk."""

from __future__ import annotations

from yp2p.client import File
from yp2p.documents.guarded import check_text
from yp2p.errors import UsageError

READER = "this device may only read this folder: what is typed here would be in no file, and is taken back"


class Hindrances:
    """Of one file.

    Attributes:
        refusal: why nothing may be written; empty where it may.
    """

    def __init__(self) -> None:
        self.refusal = ""
        self._heard = ""  # what keeps it from the disk
        self._untold = ""  # the same, where the editor was not told yet

    def hear(self, path: str, file: File) -> bool:
        """Take what a file says of itself; gives whether nothing may be written any more."""
        was_refused = bool(self.refusal)
        if file.is_reader is not None:
            self.refusal = READER if file.is_reader else ""
        if file.note != self._heard:
            self._heard = file.note
            self._untold = "" if file.is_reader or not file.note else f"{path}: {file.note}"
        return bool(self.refusal) and not was_refused

    def take_note(self) -> str:
        """What keeps the file from the disk, where the editor was not told yet; it is told now."""
        note, self._untold = self._untold, ""
        return note

    def check(self, path: str, text: str, *, changes_something: bool) -> None:
        """Raises UsageError: nobody may write here, or no file of text can have this."""
        if self.refusal and changes_something:
            raise UsageError(f"{path}: {self.refusal}")
        try:
            check_text(text)
        except ValueError as error:
            raise UsageError(f"{path}: {error}") from None
