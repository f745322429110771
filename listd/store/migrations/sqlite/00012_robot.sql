-- +goose Up
-- 1: no mailing list, but the robot of its domain, which takes commands by mail
ALTER TABLE list ADD COLUMN robot INTEGER NOT NULL DEFAULT 0;
