-- +goose Up
-- Times are microseconds since 1970 UTC, 0 for none. Addresses stand twice where
-- they are looked up: as written, and lower-cased (ASCII) as the key.

-- change counter, and whatever else is one number
CREATE TABLE meta (
  name  TEXT PRIMARY KEY,
  value INTEGER NOT NULL
);
INSERT INTO meta (name, value) VALUES ('changes', 1);

CREATE TABLE list (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  address     TEXT    NOT NULL,
  address_key TEXT    NOT NULL UNIQUE,
  description TEXT    NOT NULL,
  send        TEXT    NOT NULL,
  state       TEXT    NOT NULL,
  created     INTEGER NOT NULL
);

CREATE TABLE member (
  id          INTEGER PRIMARY KEY AUTOINCREMENT, -- expansion walks it; never reused
  list        INTEGER NOT NULL REFERENCES list (id) ON DELETE CASCADE,
  address     TEXT    NOT NULL,
  address_key TEXT    NOT NULL,
  role        TEXT    NOT NULL,
  name        TEXT    NOT NULL,
  suspended   INTEGER NOT NULL,
  added       INTEGER NOT NULL,
  UNIQUE (list, address_key, role)
);
CREATE INDEX member_walk ON member (list, role, id);
CREATE INDEX member_person ON member (address_key);

CREATE TABLE list_key (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  list        INTEGER REFERENCES list (id) ON DELETE CASCADE, -- NULL: no list's
  fingerprint TEXT    NOT NULL UNIQUE,                        -- SHA-256 of the certificate, hex
  public_key  TEXT    NOT NULL,                               -- SHA-256 of its SubjectPublicKeyInfo, hex
  certificate BLOB    NOT NULL,                               -- DER
  chain       BLOB    NOT NULL,                               -- DER certificates one behind the other
  pkcs8       BLOB    NOT NULL,                               -- EncryptedPrivateKeyInfo
  state       TEXT    NOT NULL,
  created     INTEGER NOT NULL
);
CREATE INDEX list_key_list ON list_key (list);
CREATE INDEX list_key_public_key ON list_key (public_key);

CREATE TABLE secret (
  name  TEXT PRIMARY KEY,
  value BLOB NOT NULL -- public parameters, or sealed under key_password
);

-- octets as received, written once
CREATE TABLE blob (
  id     INTEGER PRIMARY KEY AUTOINCREMENT,
  octets BLOB NOT NULL
);

-- the spool: one accepted message for one list
CREATE TABLE item (
  id           INTEGER PRIMARY KEY, -- chosen by the program: time and a random tail
  blob         INTEGER REFERENCES blob (id), -- NULL: purged
  list         INTEGER NOT NULL REFERENCES list (id),
  kind         TEXT    NOT NULL,
  forward_path TEXT    NOT NULL,
  reverse_path TEXT    NOT NULL, -- '' is the null reverse-path
  client       TEXT    NOT NULL,
  received     INTEGER NOT NULL,
  size         INTEGER NOT NULL,
  state        TEXT    NOT NULL,
  reason       TEXT    NOT NULL DEFAULT '',
  detail       TEXT    NOT NULL DEFAULT '',
  message_id   TEXT    NOT NULL DEFAULT '', -- the outer one
  author       TEXT    NOT NULL DEFAULT '',
  method       TEXT    NOT NULL DEFAULT '',
  encrypted    INTEGER NOT NULL DEFAULT 0,
  due          INTEGER, -- free: when the flow is to take it; leased: when the lease ends; NULL: the flow has nothing to do with it
  owner        TEXT    NOT NULL DEFAULT '', -- who holds the lease, '' nobody
  claims       INTEGER NOT NULL DEFAULT 0,  -- since the last outcome
  attempts     INTEGER NOT NULL DEFAULT 0,  -- postponements
  walked       INTEGER NOT NULL DEFAULT 0,  -- expansion: the last member.id that has its row
  upto         INTEGER NOT NULL DEFAULT 0,  -- expansion: the last member.id at the decision
  expanded     INTEGER NOT NULL DEFAULT 0,  -- expansion is complete
  copies       INTEGER NOT NULL DEFAULT 0,  -- delivery rows of kind copy
  unfinished   INTEGER NOT NULL DEFAULT 0,  -- of these, without an end
  updated      INTEGER NOT NULL
);
CREATE INDEX item_due ON item (due) WHERE due IS NOT NULL;
CREATE INDEX item_state ON item (state, id);
CREATE INDEX item_blob ON item (blob) WHERE blob IS NOT NULL;

-- what is to be sent, or was: one row a member and post, or a notice
CREATE TABLE delivery (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  item        INTEGER REFERENCES item (id) ON DELETE CASCADE, -- NULL: a notice about no post
  list        INTEGER NOT NULL, -- 0: no list's
  kind        TEXT    NOT NULL,
  address     TEXT    NOT NULL,
  state       TEXT    NOT NULL,
  due         INTEGER, -- as in item; NULL: it has its end
  owner       TEXT    NOT NULL DEFAULT '',
  attempts    INTEGER NOT NULL DEFAULT 0,
  code        INTEGER NOT NULL DEFAULT 0,  -- the next hop's reply
  enhanced    TEXT    NOT NULL DEFAULT '',
  text        TEXT    NOT NULL DEFAULT '',
  reason      TEXT    NOT NULL DEFAULT '',
  certificate TEXT    NOT NULL DEFAULT '', -- SHA-256, hex, of what the copy was sealed to
  cipher      TEXT    NOT NULL DEFAULT '',
  notice      TEXT    NOT NULL DEFAULT '', -- kind notice: template and parameters, JSON
  created     INTEGER NOT NULL,
  updated     INTEGER NOT NULL
);
CREATE INDEX delivery_due ON delivery (due) WHERE due IS NOT NULL;
CREATE INDEX delivery_item ON delivery (item, id);

-- which notice was queued and until when it is not queued again
CREATE TABLE throttle (
  name    TEXT PRIMARY KEY,
  expires INTEGER NOT NULL
);

-- people's certificates kept here: harvested, imported
CREATE TABLE certificate (
  id           INTEGER PRIMARY KEY AUTOINCREMENT,
  address      TEXT    NOT NULL,
  address_key  TEXT    NOT NULL,
  fingerprint  TEXT    NOT NULL,
  der          BLOB    NOT NULL,
  chain        BLOB    NOT NULL, -- intermediate certificates, DER one behind the other
  source       TEXT    NOT NULL,
  message_id   TEXT    NOT NULL,
  signer       TEXT    NOT NULL, -- fingerprint of the certificate whose signature vouched for it
  capabilities BLOB,             -- DER SMIMECapabilities
  seen         INTEGER NOT NULL, -- newest mail it was in
  added        INTEGER NOT NULL,
  UNIQUE (address_key, fingerprint, source)
);

CREATE TABLE audit (
  id     INTEGER PRIMARY KEY AUTOINCREMENT,
  at     INTEGER NOT NULL,
  actor  TEXT    NOT NULL,
  action TEXT    NOT NULL,
  list   INTEGER NOT NULL,
  object TEXT    NOT NULL,
  detail TEXT    NOT NULL -- JSON object of strings
);

CREATE TABLE node (
  name    TEXT PRIMARY KEY,
  host    TEXT    NOT NULL,
  pid     INTEGER NOT NULL,
  version TEXT    NOT NULL,
  started INTEGER NOT NULL,
  beat    INTEGER NOT NULL,
  status  TEXT    NOT NULL -- JSON
);
