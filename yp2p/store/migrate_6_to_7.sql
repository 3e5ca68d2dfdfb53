-- A save may have been made of one of several versions before, and an editor's lock may have stood beside them.
ALTER TABLE unread RENAME TO unread_before;
CREATE TABLE unread (
    folder     BLOB NOT NULL,
    entry      BLOB NOT NULL,
    content    BLOB NOT NULL,
    base_seq   INTEGER NOT NULL,
    base_state BLOB,
    before     BLOB,
    lock_name  BLOB NOT NULL DEFAULT x'',
    lock_inode INTEGER NOT NULL DEFAULT 0,
    is_read    INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (folder, entry, content)
) STRICT, WITHOUT ROWID;
INSERT INTO unread (folder, entry, content, base_seq, base_state, before)
    SELECT folder, entry, content, base_seq, base_state, before FROM unread_before;
DROP TABLE unread_before
