-- +goose Up
-- Logins on the pages. Who has the row has not the cookie.
CREATE TABLE session (
  id           TEXT PRIMARY KEY, -- SHA-256 of the cookie, hex
  address_key  TEXT NOT NULL,
  address      TEXT NOT NULL,
  known        TEXT NOT NULL, -- other addresses of the certificate, separated by spaces
  method       TEXT NOT NULL, -- smime, md5
  clear        INTEGER NOT NULL, -- the link that opened it came in clear mail
  certificate  BLOB NOT NULL, -- that it was opened with, judged again with each request; or empty
  created      INTEGER NOT NULL,
  expires      INTEGER NOT NULL
);
CREATE INDEX session_address ON session (address_key);
-- Keys to the API. Who has the row has not the key.
CREATE TABLE api_token (
  id           TEXT PRIMARY KEY, -- the part of it that may be shown
  hash         TEXT NOT NULL,    -- SHA-256 of the whole, hex
  address_key  TEXT NOT NULL,
  address      TEXT NOT NULL,    -- it is worth what this person may do
  scopes       TEXT NOT NULL,    -- separated by spaces
  label        TEXT NOT NULL,
  created      INTEGER NOT NULL,
  used         INTEGER NOT NULL, -- last; 0: never
  expires      INTEGER NOT NULL
);
CREATE INDEX api_token_address ON api_token (address_key);
