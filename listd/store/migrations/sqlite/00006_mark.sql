-- +goose Up
-- what a listmaster said about certificates
CREATE TABLE certificate_mark (
  kind        TEXT    NOT NULL, -- pin: use it for this address; domain: for addresses of this domain that have none; block: never; forget: do not learn it again for this address
  address_key TEXT    NOT NULL, -- pin, forget: the address; domain: '@' and the domain; block: ''
  fingerprint TEXT    NOT NULL, -- SHA-256, hex
  der         BLOB,             -- pin, domain: the certificate; block: if it was at hand
  chain       BLOB    NOT NULL, -- its intermediates, DER one behind the other
  reason      TEXT    NOT NULL, -- in the listmaster's words
  actor       TEXT    NOT NULL,
  at          INTEGER NOT NULL,
  PRIMARY KEY (kind, address_key, fingerprint)
);

-- of which mail the capabilities are: older ones never take the place of newer ones
ALTER TABLE certificate ADD COLUMN capabilities_at INTEGER NOT NULL DEFAULT 0;
