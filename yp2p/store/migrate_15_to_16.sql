-- Schema 15 to 16: the column says what it is: why a folder waits for a person.
ALTER TABLE folder RENAME COLUMN held TO confirmation
