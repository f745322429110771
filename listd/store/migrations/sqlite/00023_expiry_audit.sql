-- +goose Up
-- which end of a certificate somebody was told of
CREATE TABLE expiry_told (
  audience    TEXT    NOT NULL, -- holder; owners of list NUMBER; listmasters
  address_key TEXT    NOT NULL, -- whose certificate
  fingerprint TEXT    NOT NULL, -- SHA-256, hex
  stage       INTEGER NOT NULL, -- days that were left, 0: it had expired
  until       INTEGER NOT NULL, -- the row is kept until then
  PRIMARY KEY (audience, address_key, fingerprint, stage)
);
-- the task has the name that the manual gives it
UPDATE task SET name = 'crl_update' WHERE name = 'crl_refresh';
UPDATE task_run SET name = 'crl_update' WHERE name = 'crl_refresh';
-- entries are asked for by what they are about, and go when their time is over; none is ever changed
CREATE INDEX audit_object ON audit (object, id);
CREATE INDEX audit_at ON audit (at);
-- +goose StatementBegin
CREATE TRIGGER audit_stays BEFORE UPDATE ON audit
BEGIN
  SELECT raise(ABORT, 'an entry of the audit log cannot be changed');
END;
-- +goose StatementEnd
