-- Schema 30 to 31: what programs showed while no daemon ran.
-- What programs showed of a text while no daemon ran, and wrote meanwhile: a save with one of these texts is theirs.
CREATE TABLE shown (
    folder   BLOB NOT NULL,
    document BLOB NOT NULL,
    at       REAL NOT NULL,            -- when the program was back
    contents BLOB NOT NULL,            -- the hashes of the texts, the oldest first
    times    BLOB NOT NULL,            -- when each was shown first, where that is known, and when the last one no more
    known    BLOB NOT NULL,            -- the state vector of what it had by then
    gone     BLOB NOT NULL,            -- and what of that was deleted, as an update
    wrote    BLOB NOT NULL,            -- the state vector of what it wrote
    PRIMARY KEY (folder, document, at)
) STRICT
