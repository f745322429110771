-- +goose Up
-- Members that a group or a search in a directory brings.

CREATE TABLE include (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  list        INTEGER NOT NULL REFERENCES list (id) ON DELETE CASCADE,
  directory   TEXT    NOT NULL, -- the name of a configured one
  group_dn    TEXT    NOT NULL, -- '' if it is a search
  nested      INTEGER NOT NULL,
  base_dn     TEXT    NOT NULL,
  filter      TEXT    NOT NULL,
  scope       TEXT    NOT NULL,
  attribute   TEXT    NOT NULL,
  domains     TEXT    NOT NULL, -- JSON array; [] are the directory's
  every       INTEGER NOT NULL, -- microseconds
  max_change  INTEGER NOT NULL, -- percent
  max_members INTEGER NOT NULL,
  created     INTEGER NOT NULL,
  due         INTEGER NOT NULL, -- when it is synchronised next
  pending     TEXT    NOT NULL DEFAULT '' -- JSON of a change that waits for the listmaster; '' if none does
);
CREATE INDEX include_list ON include (list);
CREATE INDEX include_due ON include (due);

-- Who stands in an include. Somebody who does and is no member has left by hand, and is not put back.
CREATE TABLE include_member (
  include     INTEGER NOT NULL REFERENCES include (id) ON DELETE CASCADE,
  list        INTEGER NOT NULL, -- that of the include
  address_key TEXT    NOT NULL,
  entry       TEXT    NOT NULL, -- its distinguished name, normalised
  since       INTEGER NOT NULL,
  PRIMARY KEY (include, address_key)
);
CREATE INDEX include_member_person ON include_member (list, address_key);

CREATE TABLE include_run (
  id       INTEGER PRIMARY KEY AUTOINCREMENT,
  include  INTEGER NOT NULL REFERENCES include (id) ON DELETE CASCADE,
  started  INTEGER NOT NULL,
  took     INTEGER NOT NULL, -- microseconds
  actor    TEXT    NOT NULL,
  outcome  TEXT    NOT NULL,
  reason   TEXT    NOT NULL, -- why it waits or failed
  server   TEXT    NOT NULL,
  found    INTEGER NOT NULL,
  added    TEXT    NOT NULL, -- JSON arrays
  removed  TEXT    NOT NULL,
  refused  TEXT    NOT NULL,
  refusals INTEGER NOT NULL  -- how many there were; not all are kept
);
CREATE INDEX include_run_include ON include_run (include, id);

-- 1: put on the list by a person, whatever includes say
ALTER TABLE member ADD COLUMN by_hand INTEGER NOT NULL DEFAULT 1;
