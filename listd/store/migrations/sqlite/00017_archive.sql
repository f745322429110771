-- +goose Up
-- until when the octets of a post are kept for its list's archive; 0: they are not
ALTER TABLE item ADD COLUMN archived INTEGER NOT NULL DEFAULT 0;
CREATE INDEX item_archived ON item (list, id) WHERE archived > 0;
