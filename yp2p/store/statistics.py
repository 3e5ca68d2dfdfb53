"""How large the store is and how many rows its tables have, without a word of what is in them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from yp2p.errors import YpError
from yp2p.store import schema
from yp2p.store.tables import catalogue


def statistics(path: Path) -> dict[str, Any]:
    """Schema, bytes and rows by table. Raises YpError: it cannot be read."""
    if not path.exists():
        return {}
    try:
        with closing(schema.connect(path, read_only=True)) as connection:
            rows = catalogue.reader(connection)
            return {
                "schema": catalogue.version(rows),
                "bytes": path.stat().st_size,
                "rows": {table: catalogue.count(rows, table) for table in catalogue.tables(rows)},
            }
    except (sqlite3.Error, OSError) as error:
        raise YpError(f"the store {path} cannot be read: {error}") from error
