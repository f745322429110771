-- +goose Up
-- settings of the list as a JSON object of strings; what is not named is the default
ALTER TABLE list ADD COLUMN policy TEXT NOT NULL DEFAULT '{}';
-- how the member receives posts: mail, not_me, nomail, notice
ALTER TABLE member ADD COLUMN reception TEXT NOT NULL DEFAULT 'mail';
