-- Folders that this device offers to others (device/offers_made.py).
CREATE TABLE offer_made (
    folder   BLOB NOT NULL,
    device   BLOB NOT NULL,
    offer    BLOB NOT NULL,            -- 16 random bytes, others each time that it is made
    role     INTEGER NOT NULL,
    made_at  REAL NOT NULL,            -- seconds since 1970
    removals BLOB NOT NULL,            -- what was known then of removals of that device: a hash
    declined INTEGER NOT NULL,
    PRIMARY KEY (folder, device)
) STRICT, WITHOUT ROWID;

-- Folders that other devices offer to this one (device/offers_received.py).
CREATE TABLE offer_received (
    device      BLOB NOT NULL,
    folder      BLOB NOT NULL,
    offer       BLOB NOT NULL,
    founder     BLOB NOT NULL,
    role        INTEGER NOT NULL,
    label       TEXT NOT NULL,
    received_at REAL NOT NULL,         -- seconds since 1970
    decision    INTEGER NOT NULL,      -- 0 none yet, 1 accept, 2 decline
    path        TEXT NOT NULL,         -- where it is to be, once it is accepted
    PRIMARY KEY (device, folder)
) STRICT, WITHOUT ROWID
