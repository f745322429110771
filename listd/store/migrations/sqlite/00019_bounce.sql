-- +goose Up
-- what came back from members, one row for each of whom something did
CREATE TABLE bounce (
  member    INTEGER PRIMARY KEY REFERENCES member (id) ON DELETE CASCADE,
  score     INTEGER NOT NULL,            -- thousandths of a point, as they counted at the moment scored
  scored    INTEGER NOT NULL,
  day       INTEGER NOT NULL,            -- thousandths that this moment's day has counted so far
  last      INTEGER NOT NULL,            -- when the last one came
  kind      TEXT    NOT NULL,            -- of the last: smtp, dsn, text, arf
  status    TEXT    NOT NULL,            -- its enhanced status code; '' unknown
  detail    TEXT    NOT NULL,            -- why, at most 1024 octets
  step      TEXT    NOT NULL DEFAULT '', -- what was done about it: notified, suspended
  since     INTEGER NOT NULL DEFAULT 0,  -- when
  complaint INTEGER NOT NULL DEFAULT 0,  -- when the member last complained; 0: he did not
  due       INTEGER                      -- when it is to be judged; NULL: after the next
);
CREATE INDEX bounce_due ON bounce (due) WHERE due IS NOT NULL;
