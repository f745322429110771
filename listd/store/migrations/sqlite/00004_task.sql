-- +goose Up
-- periodic tasks: who has one in hand, and when it runs next
CREATE TABLE task (
  name     TEXT PRIMARY KEY,
  owner    TEXT    NOT NULL, -- who runs it, '' nobody
  until    INTEGER NOT NULL, -- end of his lease
  due      INTEGER NOT NULL,
  failures INTEGER NOT NULL  -- in a row
);

-- what became of each run
CREATE TABLE task_run (
  id      INTEGER PRIMARY KEY AUTOINCREMENT,
  name    TEXT    NOT NULL,
  owner   TEXT    NOT NULL,
  started INTEGER NOT NULL,
  ended   INTEGER NOT NULL,
  summary TEXT    NOT NULL,
  error   TEXT    NOT NULL -- '' if it went well
);
CREATE INDEX task_run_name ON task_run (name, id);
