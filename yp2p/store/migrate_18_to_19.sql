-- What a person here has ignored on this device only (`yp2p folder ignore`), beside the settings and `.yp2pignore`.
CREATE TABLE local_rules (
    folder   BLOB PRIMARY KEY,
    patterns TEXT NOT NULL             -- in gitignore syntax, a line each
) STRICT, WITHOUT ROWID
