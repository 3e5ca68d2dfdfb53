"""What statements and reads of the store are, as values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

# SQL text with its parameters.
Statement = tuple[str, Sequence[Any]]
# Reads what is committed: `Database.rows`, or what `Database.reader` gives to a thread.
Read = Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]
# Rows, versions and notices are numbered one by one: no store comes near it, and one more is still a number for SQLite.
LAST = 1 << 62
# Of a long table so many rows are read at a time: a hundred thousand would be fifty mebibytes, for a moment.
AT_ONCE = 500
