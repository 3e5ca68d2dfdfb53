-- Schema 26 to 27: what of a folder that is offered is to be on this disk, once it is accepted.
ALTER TABLE offer_received ADD COLUMN chosen BLOB NOT NULL DEFAULT x''
