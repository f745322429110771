-- +goose Up
-- Logins on the pages. Who has the row has not the cookie.
CREATE TABLE session (
  id           TEXT COLLATE "C" PRIMARY KEY, -- SHA-256 of the cookie, hex
  address_key  TEXT COLLATE "C" NOT NULL,
  address      TEXT COLLATE "C" NOT NULL,
  known        TEXT COLLATE "C" NOT NULL, -- other addresses of the certificate, separated by spaces
  method       TEXT COLLATE "C" NOT NULL, -- smime, md5
  clear        BIGINT NOT NULL, -- the link that opened it came in clear mail
  certificate  BYTEA NOT NULL, -- that it was opened with, judged again with each request; or empty
  created      BIGINT NOT NULL,
  expires      BIGINT NOT NULL
);
CREATE INDEX session_address ON session (address_key);
-- Keys to the API. Who has the row has not the key.
CREATE TABLE api_token (
  id           TEXT COLLATE "C" PRIMARY KEY, -- the part of it that may be shown
  hash         TEXT COLLATE "C" NOT NULL,    -- SHA-256 of the whole, hex
  address_key  TEXT COLLATE "C" NOT NULL,
  address      TEXT COLLATE "C" NOT NULL,    -- it is worth what this person may do
  scopes       TEXT COLLATE "C" NOT NULL,    -- separated by spaces
  label        TEXT COLLATE "C" NOT NULL,
  created      BIGINT NOT NULL,
  used         BIGINT NOT NULL, -- last; 0: never
  expires      BIGINT NOT NULL
);
CREATE INDEX api_token_address ON api_token (address_key);
