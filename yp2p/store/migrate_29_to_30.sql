-- Schema 29 to 30: a pause that ends by itself.
-- Until then the directory of a folder is left alone; 0: until a person says otherwise.
ALTER TABLE folder ADD COLUMN paused_until REAL NOT NULL DEFAULT 0;

-- Until then there is no link with a device; 0: until a person says otherwise.
ALTER TABLE known ADD COLUMN paused_until REAL NOT NULL DEFAULT 0
