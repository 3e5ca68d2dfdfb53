-- Folders that a person left here, for good: the settings do not begin them again. `seq` is the last row of the log by
-- then: no number is given twice, although the rows are gone.
CREATE TABLE departed (
    folder BLOB NOT NULL,
    root   TEXT NOT NULL,              -- absolute path here
    seq    INTEGER NOT NULL,
    PRIMARY KEY (folder, root)
) STRICT, WITHOUT ROWID
