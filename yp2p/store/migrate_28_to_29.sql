-- Schema 28 to 29: who edits by name.
-- What those who edit by name on this device call themselves, and with which client IDs they wrote.
CREATE TABLE writer (
    folder  BLOB NOT NULL,
    client  INTEGER NOT NULL,
    name    TEXT NOT NULL,
    PRIMARY KEY (folder, client)
) STRICT, WITHOUT ROWID;

-- What was taken back of all that somebody did by name: `seq` is the row of the log that did it.
CREATE TABLE undone_by (
    folder   BLOB NOT NULL,
    document BLOB NOT NULL,
    name     TEXT NOT NULL,
    until    INTEGER NOT NULL,         -- the last row of theirs by then
    seq      INTEGER NOT NULL,
    PRIMARY KEY (folder, document, name, until)
) STRICT, WITHOUT ROWID
