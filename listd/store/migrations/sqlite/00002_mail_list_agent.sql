-- +goose Up
-- '' is no mail list agent; else what happens to messages with a security label: refuse or carry
ALTER TABLE list ADD COLUMN mail_list_agent TEXT NOT NULL DEFAULT '';
