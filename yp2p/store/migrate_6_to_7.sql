-- Rows of the log that were written close together, as they were: the log itself has their sum.
CREATE TABLE pack (
    seq      INTEGER PRIMARY KEY,
    folder   BLOB NOT NULL,
    document BLOB NOT NULL,
    first    INTEGER NOT NULL,
    since    REAL NOT NULL,
    alike    INTEGER NOT NULL,
    removers BLOB NOT NULL,
    rows     BLOB NOT NULL
) STRICT;
CREATE INDEX pack_document ON pack (folder, document, seq)
