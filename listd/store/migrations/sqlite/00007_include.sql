-- +goose Up
-- groups and searches of directories whose people are members of a list
CREATE TABLE include (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  list       INTEGER NOT NULL REFERENCES list (id) ON DELETE CASCADE,
  settings   TEXT    NOT NULL, -- JSON
  due        INTEGER NOT NULL,
  last       INTEGER NOT NULL, -- the last run that ended well
  summary    TEXT    NOT NULL, -- of the last run
  error      TEXT    NOT NULL, -- of the last run; '' it went well
  waiting    TEXT    NOT NULL, -- a change that waits for the listmaster, in words; '' none
  created    INTEGER NOT NULL
);
CREATE INDEX include_list ON include (list);

-- whom each include brought
CREATE TABLE included (
  include     INTEGER NOT NULL REFERENCES include (id) ON DELETE CASCADE,
  address_key TEXT    NOT NULL,
  PRIMARY KEY (include, address_key)
);
CREATE INDEX included_person ON included (address_key);

-- 0: only an include brought him
ALTER TABLE member ADD COLUMN subscribed INTEGER NOT NULL DEFAULT 1;
