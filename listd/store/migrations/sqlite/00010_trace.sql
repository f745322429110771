-- +goose Up
-- what accepted posts are known by when they come again: HMACs, one row a list
CREATE TABLE trace (
  kind       TEXT    NOT NULL, -- signature, key
  mac        TEXT    NOT NULL, -- of the signer's public key and signed attributes, or of the content-encryption key
  list       INTEGER NOT NULL REFERENCES list (id) ON DELETE CASCADE,
  ciphertext TEXT    NOT NULL DEFAULT '', -- kind key: HMAC of what it encrypted
  item       INTEGER NOT NULL,
  blob       INTEGER NOT NULL, -- items of one SMTP transaction share it
  received   INTEGER NOT NULL,
  expires    INTEGER NOT NULL, -- 0: never
  PRIMARY KEY (kind, mac, list)
);
CREATE INDEX trace_item ON trace (item);
CREATE INDEX trace_expires ON trace (expires) WHERE expires > 0;
