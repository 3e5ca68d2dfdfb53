"""The folder's rules on what is ignored that people here agreed to, beside those that the file says now.

What was ignored may be a secret, and `.yp2pignore` is a file that everybody in the folder writes. So what is ignored
here is what the device's settings say, or what the file says, or what the file said when a person here last wrote it
or agreed: others can have more ignored, and what they loosen frees nothing on this disk until somebody here agrees.

Whose change it was follows from the record of the file: the content that was last rendered or ingested came from others
or is known already, and any other content was saved here. That stays so where the record goes and the file does not,
as when it is told that no member has the text. After a start it is not known what waited, and it is found out from the
text that the file was made of; where no record says which that was, all that was agreed to is taken for waiting.
"""

from __future__ import annotations

from functools import partial

import trio

from yp2p.disk.ingest.ignored import rules_document_is_missing, rules_text
from yp2p.files.ignore import IGNORE_FILE, loosened, readable
from yp2p.files.inspect import Found, inspect
from yp2p.files.root import Root
from yp2p.folder.folder import Folder
from yp2p.folder.notices import NoticeKind
from yp2p.folder.records import FileRecord
from yp2p.identity import EntryID
from yp2p.protocol.entries import Kind
from yp2p.store import tables

_SHOWN = 3


class AgreedRules:
    """What was agreed to in one folder: `text`, in the syntax of `.yp2pignore`."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self.text = tables.rules.read_agreed(folder.database.rows, folder.id) or ""
        self._current = ""  # what the file said when somebody last looked
        self._known: bytes | None = None  # the content that was last rendered or ingested
        self._has_looked = False

    async def look(self, root: Root, max_text_bytes: int, *, is_damaged: bool) -> None:
        """Note what the file says by now, and who changed it.

        Args:
            is_damaged: whether the file may be what a power cut left: then nobody saved it.
        """
        finding = await trio.to_thread.run_sync(
            partial(inspect, root, IGNORE_FILE, None, max_text_bytes, trust_stamp=False)
        )
        self.note_record()
        record = self._folder.files.by_path(IGNORE_FILE)
        if finding.found is Found.MISSING and record is None and not rules_document_is_missing(self._folder):
            self._came(rules_text(self._folder))  # also what is to come is in force
        elif finding.found in (Found.TEXT, Found.BLOB):  # of the latter nothing is agreed to
            if finding.content == self._known:
                self._came(finding.text)
            elif not is_damaged:
                self._was_saved_here(record, finding.text)

    def note_record(self) -> None:
        """The file may have been rendered or ingested: its record may be gone when somebody looks."""
        record = self._folder.files.by_path(IGNORE_FILE)
        if record is not None:
            self._known = record.content

    def was_removed_here(self) -> None:
        """A person here removed the file, or gave it another name: that agrees to what follows from it."""
        self._agree_to("")

    def agree(self) -> bool:
        """A person here agrees to what the file says now; False: nothing waits for that."""
        if not self._folder.files.ignored.waiting:
            return False
        self._agree_to(self._current)
        return True

    def _was_saved_here(self, record: FileRecord | None, text: str) -> None:
        """Whoever saves the file does not agree to what others loosened before; only to what it changes itself."""
        try:
            readable(text)
        except ValueError:
            return  # they are not used, and what they said before is
        before = self._text_before(record)
        is_waiting = bool(self._folder.files.ignored.waiting)
        if not self._has_looked:
            is_waiting = bool(loosened(self.text, before))
        self._note(text)
        gone = set(before.splitlines()) - set(text.splitlines())
        agreed = "\n".join(line for line in self.text.splitlines() if line not in gone)
        if is_waiting and (missing := loosened(agreed, text)):
            self._store(agreed)
            self._tell(missing)
        else:
            self._agree_to(text)

    def _text_before(self, record: FileRecord | None) -> str:
        """What the file said before somebody here saved it, as far as that is known."""
        if record is None:
            return self._current
        return self._folder.texts.fork_at_base(record).text() if record.kind is Kind.TEXT else ""

    def _came(self, text: str) -> None:
        try:
            readable(text)
        except ValueError:
            text = ""
        self._note(text)
        missing = loosened(self.text, text)
        if missing:
            self._tell(missing)
        else:
            self._agree_to(text)

    def _agree_to(self, text: str) -> None:
        self._note(text)
        self._store(text)
        self._tell([])

    def _note(self, text: str) -> None:
        self._current, self._has_looked = text, True

    def _store(self, text: str) -> None:
        if text != self.text:
            self.text = text
            self._folder.database.submit([tables.rules.save_agreed(self._folder.id, text)])

    def _tell(self, missing: list[str]) -> None:
        """Say what waits for a person, once."""
        folder = self._folder
        listed = ", ".join(map(repr, missing[:_SHOWN])) + (" and others" if len(missing) > _SHOWN else "")
        waiting = f"another device changed {IGNORE_FILE} so that less is ignored ({listed})" if missing else ""
        if waiting == folder.files.ignored.waiting:
            return
        folder.files.ignored.waiting = waiting
        folder.state.touch()
        if waiting:
            entry = folder.catalogue.layout().entry_at.get(IGNORE_FILE, EntryID(b""))
            text = f"{waiting}; it is ignored here until you agree: `yp2p folder agree`"
            folder.notices.add(NoticeKind.RULES_LOOSENED, IGNORE_FILE, text, entry)
