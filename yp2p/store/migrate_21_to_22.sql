-- The limits of bandwidth that a person set while the daemon ran, for a device or (empty ID) for all together. Bytes a
-- second; 0 is no limit, NULL is what the settings say.
CREATE TABLE bandwidth (
    device   BLOB PRIMARY KEY,
    upload   INTEGER,
    download INTEGER
) STRICT, WITHOUT ROWID
