-- +goose Up
-- CRLs that counted, by issuer (hash of its name, key and anchor) and URL, and how asking for them went
CREATE TABLE crl (
  issuer      TEXT    NOT NULL,
  url         TEXT    NOT NULL,
  octets      BLOB,             -- DER; NULL: there never was one that counted
  issuer_name TEXT    NOT NULL,
  number      TEXT    NOT NULL, -- decimal; '' has none
  entries     INTEGER NOT NULL,
  this_update INTEGER NOT NULL,
  next_update INTEGER NOT NULL,
  fetched     INTEGER NOT NULL, -- when this list came, or was found to be the same
  first       INTEGER NOT NULL, -- when it was first asked for
  attempted   INTEGER NOT NULL, -- when last
  error       TEXT    NOT NULL, -- of the last attempt; '' it went well
  PRIMARY KEY (issuer, url)
);
INSERT INTO meta (name, value) VALUES ('crls', 1);
