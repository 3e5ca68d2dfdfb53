-- Schema 24 to 25: what was purged.
-- What a person had removed from the past (`yp2p purge`). What was removed may still be in the store's free pages as long
-- as `is_erased` is 0.
CREATE TABLE purge (
    folder    BLOB NOT NULL,
    request   BLOB NOT NULL,           -- 16 random bytes
    issuer    BLOB NOT NULL,           -- device ID
    at        REAL NOT NULL,           -- seconds since 1970, by this device's clock
    path      BLOB NOT NULL,           -- what was meant, in the folder; empty: all of it
    entries   BLOB NOT NULL,           -- IDs of 16 bytes, one after the other
    is_erased INTEGER NOT NULL,
    PRIMARY KEY (folder, request)
) STRICT, WITHOUT ROWID
