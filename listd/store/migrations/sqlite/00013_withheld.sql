-- +goose Up
-- copies that wait for a certificate, oldest first
CREATE INDEX delivery_withheld ON delivery (id) WHERE state = 'withheld' AND kind = 'copy';
-- 1: the author, or the owners, have been told how many members were reached
ALTER TABLE item ADD COLUMN reported INTEGER NOT NULL DEFAULT 0;
UPDATE item SET reported = 1 WHERE state = 'done';
CREATE INDEX item_unreported ON item (id) WHERE state = 'done' AND reported = 0;
