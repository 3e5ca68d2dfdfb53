-- Schema 1 to 2: held folders, bases of the last day, notices, how the daemon ended, days.
ALTER TABLE folder ADD COLUMN held TEXT NOT NULL DEFAULT '';

-- Bases of the last day that are no prefix of the log, and so would be gone once the file moved on.
CREATE TABLE base (
    folder     BLOB NOT NULL,
    entry      BLOB NOT NULL,
    at         REAL NOT NULL,
    document   BLOB NOT NULL,
    base_state BLOB NOT NULL,
    content    BLOB NOT NULL,
    PRIMARY KEY (folder, entry, at)
) STRICT, WITHOUT ROWID;

-- What a person should know of and can look up: text of others that a save removed, changes merged in one line...
CREATE TABLE notice (
    id     INTEGER PRIMARY KEY,
    folder BLOB NOT NULL,
    at     REAL NOT NULL,
    kind   TEXT NOT NULL,
    path   BLOB NOT NULL,
    text   TEXT NOT NULL,
    entry  BLOB NOT NULL,
    undo   BLOB NOT NULL               -- what brings it back, as JSON; empty where nothing was removed
) STRICT;

-- How the daemon ended: one row, written at the start (clean = 0) and at a clean stop (clean = 1).
CREATE TABLE last_run (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    boot  TEXT NOT NULL,               -- the kernel's boot ID
    clean INTEGER NOT NULL
) STRICT;

-- The days on which a daemon ran: the age of what is in the trash is counted in these, not by a clock that may jump.
CREATE TABLE day (
    day TEXT PRIMARY KEY               -- YYYY-MM-DD, UTC
) STRICT, WITHOUT ROWID;
