-- A file that was rendered where another entry's file had been: what is saved there by somebody who has not read it belongs
-- to that other entry.
ALTER TABLE unread ADD COLUMN before BLOB
