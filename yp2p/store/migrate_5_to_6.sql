-- What is in the log when a day begins: so that the age of a row needs no clock that may have been wrong.
ALTER TABLE day ADD COLUMN seq INTEGER NOT NULL DEFAULT 0
