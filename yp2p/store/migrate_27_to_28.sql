-- Schema 27 to 28: requests to purge.
-- What devices ask others to remove the past of, by signed requests (trust/purges.py).
CREATE TABLE purge_request (
    folder   BLOB NOT NULL,
    request  BLOB NOT NULL,            -- 16 random bytes
    number   INTEGER NOT NULL UNIQUE,  -- what people here call it
    body     BLOB NOT NULL,            -- as it was sent
    received REAL NOT NULL,            -- seconds since 1970
    waited   REAL NOT NULL,            -- for how many seconds a daemon ran since
    PRIMARY KEY (folder, request)
) STRICT, WITHOUT ROWID;

-- What each device answered last.
CREATE TABLE purge_answer (
    folder  BLOB NOT NULL,
    request BLOB NOT NULL,
    device  BLOB NOT NULL,
    body    BLOB NOT NULL,             -- as it was sent
    PRIMARY KEY (folder, request, device)
) STRICT, WITHOUT ROWID
