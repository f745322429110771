-- +goose Up
-- what directories answered: a cache, which may be emptied at any time
CREATE TABLE answer (
  source      TEXT    NOT NULL, -- name of the directory
  address_key TEXT    NOT NULL,
  version     TEXT    NOT NULL, -- of the directory's configuration; an answer under another one does not count
  found       INTEGER NOT NULL, -- whether there was anything
  body        BLOB    NOT NULL, -- directory.Answer.Encode
  server      TEXT    NOT NULL, -- URL that answered
  fetched     INTEGER NOT NULL,
  due         INTEGER NOT NULL, -- from when it is worth asking again
  PRIMARY KEY (source, address_key)
);
CREATE INDEX answer_due ON answer (due);
CREATE INDEX answer_person ON answer (address_key);

-- a copy may be encrypted to a certificate that has expired, if the site allows it too
ALTER TABLE list ADD COLUMN allow_expired INTEGER NOT NULL DEFAULT 0;

-- people's certificates and answers; 'changes' grows with it
INSERT INTO meta (name, value) VALUES ('certificates', 1);
