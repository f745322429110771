-- +goose Up
-- who proved by a challenge that a post in clear is his, and who approved a held one; '' nobody
ALTER TABLE item ADD COLUMN confirmed TEXT NOT NULL DEFAULT '';
ALTER TABLE item ADD COLUMN approved  TEXT NOT NULL DEFAULT '';
-- HMAC of the content that was approved; '' whatever it is
ALTER TABLE item ADD COLUMN approved_content TEXT NOT NULL DEFAULT '';

-- what waits for an owner: somebody wants to come or go
CREATE TABLE request (
  id        INTEGER PRIMARY KEY AUTOINCREMENT,
  list      INTEGER NOT NULL REFERENCES list (id) ON DELETE CASCADE,
  operation TEXT    NOT NULL, -- subscribe, unsubscribe
  email     TEXT    NOT NULL,
  email_key TEXT    NOT NULL,
  name      TEXT    NOT NULL,
  sender    TEXT    NOT NULL, -- who asked
  created   INTEGER NOT NULL,
  expires   INTEGER NOT NULL,
  UNIQUE (list, operation, email_key)
);
CREATE INDEX request_expires ON request (expires);

-- whether others see the member
ALTER TABLE member ADD COLUMN conceal INTEGER NOT NULL DEFAULT 0;
