-- Which file had a path before others' changes took it from there: who had it open may save there still.
CREATE TABLE former (
    folder     BLOB NOT NULL,
    path       BLOB NOT NULL,
    entry      BLOB NOT NULL,
    document   BLOB NOT NULL,
    kind       INTEGER NOT NULL,
    content    BLOB NOT NULL,
    base_seq   INTEGER NOT NULL,
    base_state BLOB,
    moved_at   REAL NOT NULL, -- seconds since 1970
    PRIMARY KEY (folder, path)
) STRICT, WITHOUT ROWID
