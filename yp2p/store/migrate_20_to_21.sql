-- What a person here chose about a device, and since when it is known (0: from before that was noted). This device has a
-- row as well, where a person gave it another name than its settings.
CREATE TABLE known (
    id     BLOB PRIMARY KEY,
    name   TEXT NOT NULL,              -- given here; empty: none
    paused INTEGER NOT NULL,           -- no link with it, in either direction
    since  REAL NOT NULL               -- seconds since 1970
) STRICT, WITHOUT ROWID
