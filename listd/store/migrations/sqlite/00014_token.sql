-- +goose Up
-- tokens that were sent out: facts only, the token itself cannot be made from them without the key password
CREATE TABLE token (
  id        INTEGER PRIMARY KEY,     -- random
  purpose   TEXT    NOT NULL,
  list      INTEGER NOT NULL,        -- 0: none
  sender    TEXT    NOT NULL,        -- address key of whom it was sent to
  operation TEXT    NOT NULL,
  object    TEXT    NOT NULL,        -- what the operation is about: a spool item, an address
  expires   INTEGER NOT NULL
);
CREATE INDEX token_expires ON token (expires);
CREATE INDEX token_sender ON token (list, sender);
