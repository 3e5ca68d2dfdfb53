-- What can be undone: the rows of the log that this device's own changes are. Those of one group are undone together.
CREATE TABLE step (
    seq      INTEGER PRIMARY KEY,
    folder   BLOB NOT NULL,
    document BLOB NOT NULL,
    grp      INTEGER NOT NULL,
    at       REAL NOT NULL,
    stack    INTEGER NOT NULL
) STRICT;
CREATE INDEX step_document ON step (folder, document, stack, seq)
