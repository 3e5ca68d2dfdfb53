"""The undo manager of programs: pycrdt's, which also checks that its scopes belong to one document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pycrdt

from yp2p.documents.replica import is_being_changed


class UndoManager(pycrdt.UndoManager):
    """Undo and redo of what was done in some types (`pycrdt.UndoManager`).

    Args:
        doc: the document of all scopes; without it they may be of several.
        scopes: the types to watch; without any, those of `expand_scope`.
        settings: `capture_timeout_millis`, `timestamp`, `undo_stack`, `redo_stack`.

    Raises:
        TypeError: a scope is no type of a document.
        ValueError: a scope is in no document, or in another one than `doc`.
    """

    def __init__(self, *, doc: pycrdt.Doc[Any] | None = None, scopes: Sequence[Any] = (), **settings: Any) -> None:
        if doc is not None and not isinstance(doc, pycrdt.Doc):
            raise TypeError(f"doc is a pycrdt.Doc, and not {doc!r:.50}")
        self._of = doc
        self._docs: list[pycrdt.Doc[Any]] = []
        for scope in scopes:
            self._check(scope)
        super().__init__(scopes=list(scopes), **settings)

    def expand_scope(self, scope: Any) -> None:
        """Watch one more type from now on. Raises TypeError, ValueError."""
        self._check(scope)
        super().expand_scope(scope)

    def _check(self, scope: Any) -> None:
        if not hasattr(scope, "is_integrated"):
            raise TypeError(f"a scope is a Text, Array or Map of a document, and not {scope!r:.50}")
        kind = scope.type_name.capitalize()
        if not scope.is_integrated:
            raise ValueError(f"the {kind} is in no document yet, so nothing can be undone in it")
        if self._of is not None and scope.doc is not self._of:
            raise ValueError(f"the {kind} is in another document than `doc`; name no `doc` for several")
        if not any(known is scope.doc for known in self._docs):
            self._docs.append(scope.doc)

    def undo(self) -> bool:
        """Undo the last step; tells whether there was one. Raises RuntimeError: within a transaction."""
        self._check_idle("undo")
        return super().undo()

    def redo(self) -> bool:
        """Redo what was undone last; tells whether there was something. Raises RuntimeError: within a transaction."""
        self._check_idle("redo")
        return super().redo()

    def _check_idle(self, what: str) -> None:
        if any(is_being_changed(doc) for doc in self._docs):
            raise RuntimeError(f"{what} within a transaction, which is a step itself: end the transaction first")
