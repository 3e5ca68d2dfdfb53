"""The ignore rules that are in use: those of the settings and of a person here, those of the folder, and what people
here agreed to of these.

What others ignore is ignored from the start, before the file that says so is put in place. A change of the file takes
effect, and removes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog
import trio

from yp2p.config import Files
from yp2p.disk.ingest.agreed_rules import AgreedRules
from yp2p.disk.ingest.ignored import apply_rules, is_ignored_entry, rules_document_is_missing, rules_text
from yp2p.disk.ingest.meaning import ScanContext
from yp2p.disk.open_root import OpenRoot
from yp2p.errors import FolderError
from yp2p.files.ignore import IGNORE_FILE, IgnoreRules
from yp2p.files.ignore_file import read_rules
from yp2p.files.root import Root
from yp2p.folder.folder import Folder
from yp2p.store import tables
from yp2p.store.writer import Commit

log = structlog.get_logger()


class RulesInUse:
    """The rules of one folder."""

    def __init__(self, folder: Folder, settings: Files) -> None:
        self._folder = folder
        self._settings = settings
        self.agreed = AgreedRules(folder)
        self.here = tuple(tables.local_rules.read_patterns(folder.database.rows, folder.id))
        self.in_force: tuple[str, ...] | None = None  # those of `here` that the last rules were made with
        self._had_file = False  # whether the folder had a file of rules here when that was last looked at
        self._to_come = ""  # what rules without a file here said when they were last read

    @property
    def of_settings(self) -> list[str]:
        """What the settings leave out."""
        return list(self._settings.ignore)

    @property
    def have_gone(self) -> bool:
        """Whether the folder has no file of rules here any more, however that went, or has others that are to come,
        and nobody has looked since."""
        if IGNORE_FILE in self._folder.files.at or rules_document_is_missing(self._folder):
            return False
        return self._had_file or self._to_come != rules_text(self._folder)

    def use(self, settings: Files) -> None:
        """The settings leave out these; `apply` has that be so."""
        self._settings = settings

    def ignore_here(self, patterns: Sequence[str]) -> Commit:
        """These, and no others, are what a person ignores here. Raises ValueError: one is no pattern."""
        IgnoreRules(here=patterns)
        self.here = tuple(patterns)
        return self._folder.database.submit([tables.local_rules.save(self._folder.id, self.here)])

    async def read(self, root: Root, context: ScanContext) -> IgnoreRules:
        """What is ignored by now. Raises FolderError: the rules cannot be read."""
        is_to_come = context.is_first or IGNORE_FILE not in self._folder.files.at
        to_come = rules_text(self._folder) if is_to_come else ""
        self._to_come = to_come if IGNORE_FILE not in self._folder.files.at else ""
        here = self.here
        rules, problem = await trio.to_thread.run_sync(
            read_rules, root, self._settings, to_come, self.agreed.text, here
        )  # fmt: skip
        self.in_force = here
        self._tell(f"{IGNORE_FILE}: {problem}" if problem else "", problem)
        return rules

    async def apply(self, at: OpenRoot, context: ScanContext) -> None:
        """The file may have changed: what it says is so from now on."""
        is_damaged = context.is_first and context.after_power_cut
        self._had_file = IGNORE_FILE in self._folder.files.at
        await self.agreed.look(at.root, self._settings.max_text_bytes, is_damaged=is_damaged)
        try:
            at.watcher.ignore = await self.read(at.root, context)
        except FolderError as error:  # what was ignored so far still is
            self._tell(str(error), str(error))
            return
        await apply_rules(self._folder, at.watcher.ignore)
        missing = at.ingest.pending.missing
        for path in [path for path in missing if is_ignored_entry(self._folder, path)]:
            del missing[path]
        self._folder.state.touch()

    def _tell(self, problem: str, reason: str) -> None:
        if reason:
            log.warning("ignore_file_refused", folder=self._folder.label, reason=reason)
        self._folder.files.ignored.problem = problem
