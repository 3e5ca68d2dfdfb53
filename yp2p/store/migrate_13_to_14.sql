CREATE TABLE invite (
    secret     BLOB PRIMARY KEY,
    folder     BLOB NOT NULL,
    role       INTEGER NOT NULL,
    uses       INTEGER NOT NULL,
    expires_at REAL NOT NULL
) STRICT, WITHOUT ROWID
